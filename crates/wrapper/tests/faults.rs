//! Property: a refresh that is killed at, or fails at, any of its system calls in turn leaves what the next start repairs;
//! OpenCode starts in spite of every failure, and no file of the user's changes. `strace` injects.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod stage;

use linkmap::Root;
use stage::{Output, Stage, Wanted, program, write};
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output as Run};

/// A home in which everything happens: entries to add, to replace, to remove and to leave alone.
struct Scene {
    stage: Stage,
    new: Output,
}

impl Scene {
    fn new() -> Scene {
        let stage = Stage::new();
        let gone = Wanted::usual().with("link", Root::Cache, "packages/gone");
        let old = stage.output('a', &gone);
        stage.start(&old);
        fs::remove_file(stage.cache("packages/plugin@latest")).unwrap();
        fs::remove_file(stage.config("package.json")).unwrap();
        let added = Wanted::usual().with("copy", Root::Cache, "packages/@new/deep/file").with(
            "link",
            Root::Cache,
            "packages/users",
        );
        let new = stage.output('b', &added);
        write(&stage.cache("packages/users/mine"), "mine");
        write(&stage.config("opencode.json"), "mine");
        Scene { stage, new }
    }

    fn traced(&self, options: &[&str]) -> (Run, String) {
        let log = self.stage.path("log");
        // Processes of its own, so that it meets the same ones each time.
        let mut command = Command::new(program("unshare"));
        command.args(["-Urpf", "--mount-proc"]).arg(program("strace"));
        command.arg("-o").arg(&log).args(options).arg(self.new.file("bin/opencode"));
        command.arg("/dev/null").env_clear().env("HOME", self.stage.path("home"));
        let run = command.output().unwrap();
        (run, fs::read_to_string(log).unwrap())
    }

    /// The end state, which is the same however it was reached; with what stands where by name.
    fn listing(&self) -> BTreeMap<String, String> {
        let store = self.stage.path("store").display().to_string();
        let listing = self.stage.listing().into_iter();
        listing.map(|(path, what)| (path, what.replace(&store, "STORE"))).collect()
    }
}

/// Every system call of the refresh as name and how often it had occurred, from the wrapper's first
/// (where it is) to before the last (becoming OpenCode).
fn calls(log: &str) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::new();
    let mut calls = Vec::new();
    let mut inside = false;
    for line in log.lines() {
        let Some((name, rest)) = line.split_once('(') else { continue };
        let count: &mut usize = counts.entry(name.to_owned()).or_default();
        *count += 1;
        inside |= rest.contains("/proc/self/exe");
        if inside && name == "execve" {
            return calls;
        }
        if inside {
            calls.push((name.to_owned(), *count));
        }
    }
    panic!("the wrapper did not come to its end:\n{log}");
}

fn expected() -> (BTreeMap<String, String>, Vec<(String, usize)>) {
    let scene = Scene::new();
    let (run, log) = scene.traced(&[]);
    assert!(run.status.success(), "{}", stage::stderr(&run));
    let calls = calls(&log);
    assert!(calls.len() > 60, "strace saw too little:\n{log}");
    (scene.listing(), calls)
}

#[test]
fn killed_at_every_system_call() {
    let (expected, calls) = expected();
    for (name, count) in calls {
        let scene = Scene::new();
        let inject = format!("inject={name}:signal=SIGKILL:when={count}");
        let (run, log) = scene.traced(&["-e", &inject]);
        assert!(log.contains("killed by SIGKILL"), "{inject}: {:?}\n{log}", run.status);
        scene.stage.start(&scene.new);
        assert_eq!(scene.listing(), expected, "after {inject}");
    }
}

#[test]
fn failing_at_every_system_call() {
    let (expected, calls) = expected();
    // Without the first, its own place, there is nothing to become.
    assert_eq!(calls.first().unwrap().0, "readlinkat");
    for (name, count) in calls.into_iter().skip(1) {
        let writes = ["mkdir", "symlink", "rename", "write", "fsync"];
        let writes = writes.iter().any(|word| name.starts_with(word));
        let error = if writes { "ENOSPC" } else { "EACCES" };
        let scene = Scene::new();
        let inject = format!("inject={name}:error={error}:when={count}");
        let (run, log) = scene.traced(&["-e", &inject]);
        assert!(run.status.success(), "{inject}: OpenCode did not start\n{log}");
        let said = stage::stderr(&run);
        assert!(said.lines().count() <= 1, "{inject}: {said}");
        scene.stage.start(&scene.new);
        assert_eq!(scene.listing(), expected, "after {inject}");
    }
}
