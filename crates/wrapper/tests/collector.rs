//! Property: Nix's garbage collector leaves an output alone as long as an OpenCode that was started from it runs, whether or
//! not anything else still names it, and takes it afterwards. With the real collector, and a store of its own.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod stage;

use stage::{Output, Stage, Wanted, program};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A Nix store in a stage's directory.
struct Nix {
    stage: Stage,
    program: PathBuf,
}

impl Nix {
    /// `None` where there is no Nix. In CI there is one.
    fn new() -> Option<Nix> {
        let path = std::env::var_os("PATH").unwrap();
        let found = std::env::split_paths(&path).map(|directory| directory.join("nix-store"));
        let Some(program) = found.into_iter().find(|path| path.is_file()) else {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "nix-store is missing");
            eprintln!("!!! TEST DID NOT RUN: nix-store is missing");
            return None;
        };
        let nix = Nix { stage: Stage::new(), program };
        fs::create_dir(nix.stage.path("nix-conf")).unwrap();
        fs::write(nix.stage.path("nix-conf/nix.conf"), "build-users-group =\nsubstituters =\n").unwrap();
        Some(nix)
    }

    #[track_caller]
    fn store(&self, arguments: &[&Path]) -> String {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().env("HOME", self.stage.path("nix-home"));
        for (variable, place) in [
            ("NIX_STORE_DIR", "nix-store"),
            ("NIX_STATE_DIR", "nix-state"),
            ("NIX_LOG_DIR", "nix-log"),
            ("NIX_CONF_DIR", "nix-conf"),
        ] {
            command.env(variable, self.stage.path(place));
        }
        let run = command.output().unwrap();
        assert!(run.status.success(), "{}", stage::stderr(&run));
        String::from_utf8(run.stdout).unwrap().trim().to_owned()
    }

    /// An output in the store, with `sleep` in OpenCode's place.
    fn add(&self, letter: char) -> Output {
        let made = self.stage.output(letter, &Wanted::usual());
        let target = made.file("lib/opencode/bin/opencode");
        fs::remove_file(&target).unwrap();
        assert!(Command::new(program("cp")).arg(program("sleep")).arg(&target).status().unwrap().success());
        // The store's name for it is `<hash>-<the directory's name>`.
        let named = self.stage.path(&format!("{letter}/opencode-cache"));
        fs::create_dir(named.parent().unwrap()).unwrap();
        fs::rename(&made.root, &named).unwrap();
        Output { root: self.store(&[Path::new("--add"), &named]).into() }
    }

    /// What keeps an output, until it names another.
    fn name(&self, output: &Output) {
        let root = self.stage.path("nix-state/gcroots/current");
        let _ = fs::remove_file(&root);
        fs::create_dir_all(root.parent().unwrap()).unwrap();
        symlink(&output.root, root).unwrap();
    }

    fn collect(&self) {
        self.store(&[Path::new("--gc")]);
    }

    /// Starts an output; comes back when it has become OpenCode.
    fn start(&self, output: &Output) -> Running {
        let running = Running(self.stage.command(output).arg("60").spawn().unwrap());
        let target = output.file("lib/opencode/bin/opencode");
        let begin = Instant::now();
        while fs::read_link(format!("/proc/{}/exe", running.0.id())).unwrap() != target {
            assert!(begin.elapsed() < Duration::from_secs(20), "it did not become OpenCode");
            std::thread::sleep(Duration::from_millis(2));
        }
        running
    }
}

impl Drop for Nix {
    /// What is in a store cannot be removed by an ordinary user, but by Nix.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.stage.path("nix-state/gcroots"));
        if !std::thread::panicking() {
            self.collect();
        }
    }
}

/// An OpenCode that ends where it goes out of scope.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_runs_is_not_collected() {
    let Some(nix) = Nix::new() else { return };
    let output = nix.add('a');
    let running = nix.start(&output);
    nix.collect();
    assert!(output.file("linkmap").exists());
    // What OpenCode has in its cache leads somewhere still.
    assert!(nix.stage.cache("packages/plugin@latest/content").exists());
    drop(running);
    nix.collect();
    assert!(!output.root.exists());
}

#[test]
fn what_runs_is_not_collected_after_another_generation_took_its_place() {
    let Some(nix) = Nix::new() else { return };
    let (old, new) = (nix.add('a'), nix.add('b'));
    nix.name(&old);
    let running = nix.start(&old);
    nix.name(&new);
    drop(nix.start(&new));
    nix.collect();
    assert!(old.file("linkmap").exists() && new.file("linkmap").exists());
    drop(running);
    nix.collect();
    assert!(!old.root.exists() && new.file("linkmap").exists());
    new.assert_link(&nix.stage.cache("packages/plugin@latest"), "cache/packages/plugin@latest");
}

#[test]
fn what_was_collected_is_replaced_by_the_next_start() {
    let Some(nix) = Nix::new() else { return };
    let (kept, tried) = (nix.add('a'), nix.add('b'));
    nix.name(&kept);
    drop(nix.start(&tried));
    nix.collect();
    assert!(!tried.root.exists());
    // A link is no root: what the home has of the other generation leads nowhere now.
    assert!(!nix.stage.cache("packages/plugin@latest").exists());
    drop(nix.start(&kept));
    assert!(nix.stage.cache("packages/plugin@latest/content").exists());
    assert!(nix.stage.config("node_modules/content").exists());
}
