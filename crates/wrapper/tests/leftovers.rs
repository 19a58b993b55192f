//! Property: what an OpenCode that ended left behind (unpacked libraries, install locks, links of its generation) is
//! taken away by a later start, and nothing that a running one uses.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod stage;

use linkmap::Root;
use stage::{Output, Stage, Wanted, is_absent, names, write};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// An OpenCode that runs until it is dropped.
struct Running(Child);

impl Running {
    /// `cat` stands for OpenCode; it runs once it has given back a line.
    fn start(stage: &Stage, output: &Output) -> Running {
        let mut command = stage.command(output);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"up\n").unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        Running(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn unpacked(stage: &Stage) -> PathBuf {
    stage.cache(".opencode-cache-tmp")
}

fn age(path: &Path, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

#[test]
fn unpacked_libraries_go_when_nobody_has_them() {
    let stage = Stage::new();
    let output = stage.output('a', &Wanted::usual());
    let run = stage.command(&output).arg(stage::ENVIRONMENT).output().unwrap();
    let expected = format!("BUN_TMPDIR={}", unpacked(&stage).display());
    assert!(stage::strings(&run).contains(&expected));

    // The user's own wins, and an empty one is none.
    for (users, expected) in [("/mine", "BUN_TMPDIR=/mine"), ("", expected.as_str())] {
        let run = stage.command(&output).env("BUN_TMPDIR", users).arg(stage::ENVIRONMENT).output().unwrap();
        assert!(stage::strings(&run).contains(&expected.to_owned()), "{users:?}");
    }

    let left = unpacked(&stage).join(".0123456789abcdef-00000000.so");
    write(&left, "left");
    // Other tests' OpenCodes run: it might be one of theirs that is about to load it.
    age(&left, 120);
    fs::create_dir(unpacked(&stage).join("directory")).unwrap();
    stage.start(&output);
    assert_eq!(names(&unpacked(&stage)), ["directory"]);
}

#[test]
fn unpacked_libraries_stay_while_they_are_young_or_loaded() {
    let stage = Stage::new();
    let output = stage.output('a', &Wanted::usual());
    stage.start(&output);
    // A real library, loaded from there by an OpenCode that runs; `cat` has it by LD_PRELOAD.
    let (loaded, old, young) = (
        unpacked(&stage).join("loaded.so"),
        unpacked(&stage).join("old.so"),
        unpacked(&stage).join("young.so"),
    );
    let source = stage.path("empty.c");
    write(&source, "");
    let built = Command::new(stage::program("cc")).args(["-shared", "-o"]).arg(&loaded).arg(&source).status();
    assert!(built.unwrap().success());
    fs::copy(&loaded, &old).unwrap();
    fs::copy(&loaded, &young).unwrap();
    age(&loaded, 120);
    age(&old, 120);

    // Not by the wrapper, which would tidy before there is anything to load.
    let mut command = Command::new(output.file("lib/opencode/bin/opencode"));
    command.env("LD_PRELOAD", &loaded).stdin(Stdio::piped()).stdout(Stdio::null());
    let running = Running(command.spawn().unwrap());
    let maps = format!("/proc/{}/maps", running.0.id());
    let begin = Instant::now();
    while !fs::read_to_string(&maps).unwrap().contains("loaded.so") {
        assert!(begin.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    stage.start(&output);
    assert_eq!(names(&unpacked(&stage)), ["loaded.so", "young.so"]);
    drop(running);
    age(&young, 120);
    stage.start(&output);
    assert_eq!(names(&unpacked(&stage)), [""; 0]);
}

/// A lock as OpenCode 1.18.18 makes it.
fn lock(stage: &Stage, name: &str, process: u32, host: &str) -> PathBuf {
    let lock = stage.home(".local/state/opencode/locks").join(format!("{name}.lock"));
    write(&lock.join("heartbeat"), "");
    let meta = format!(
        r#"{{"token":"t","pid":{process},"hostname":"{host}","createdAt":"2026-01-01T00:00:00.000Z"}}"#
    );
    write(&lock.join("meta.json"), &meta);
    lock
}

fn is_stale(lock: &Path) -> bool {
    let modified = fs::metadata(lock.join("heartbeat")).unwrap().modified().unwrap();
    modified.elapsed().unwrap() > Duration::from_secs(60)
}

#[test]
fn install_locks_of_the_dead_are_made_old_and_no_others() {
    let stage = Stage::new();
    let output = stage.output('a', &Wanted::usual());
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    let mut gone = Command::new(stage::program("true")).spawn().unwrap();
    gone.wait().unwrap();
    let running = Running::start(&stage, &output);
    // The sleeper has the number of an OpenCode that is gone.
    let mut other = Command::new(stage::program("sleep")).arg("60").spawn().unwrap();

    let dead = lock(&stage, "dead", gone.id(), host);
    let reused = lock(&stage, "reused", other.id(), host);
    let alive = lock(&stage, "alive", running.0.id(), host);
    let elsewhere = lock(&stage, "elsewhere", gone.id(), &format!("not-{host}"));
    let unknown = lock(&stage, "unknown", gone.id(), host);
    write(&unknown.join("meta.json"), "{}");
    stage.start(&output);
    other.kill().unwrap();
    other.wait().unwrap();
    let stale = [&dead, &reused, &alive, &elsewhere, &unknown].map(|lock| is_stale(lock));
    assert_eq!(stale, [true, true, false, false, false]);
}

#[test]
fn what_only_a_running_generation_has_stays_until_it_has_ended() {
    let stage = Stage::new();
    let old = stage.output('a', &Wanted::usual().with("link", Root::Cache, "packages/only-old"));
    let new = stage.output('b', &Wanted::usual());
    let only_old = stage.cache("packages/only-old");
    let running = Running::start(&stage, &old);
    for _ in 0..2 {
        stage.start(&new);
        old.assert_link(&only_old, "cache/packages/only-old");
        new.assert_link(&stage.cache("packages/plugin@latest"), "cache/packages/plugin@latest");
    }
    // Another generation comes and goes meanwhile; a killed wrapper is none.
    let third = stage.output('c', &Wanted::usual().with("link", Root::Cache, "packages/only-third"));
    stage.start(&third);
    stage.start(&new);
    assert!(is_absent(&stage.cache("packages/only-third")));
    old.assert_link(&only_old, "cache/packages/only-old");
    drop(running);
    stage.start(&new);
    assert!(is_absent(&only_old));
    assert_eq!(stage::read(&stage.cache(".opencode-cache-state")), stage::read(&new.file("linkmap")));
}
