//! Property: the wrapper for aarch64 does what the one for x86_64 does, to the byte. It has an entry point, memory functions and
//! system calls of its own in assembly; an emulator runs it on the architecture that tests run on, with this machine's `cat` as OpenCode.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod stage;

use linkmap::Root;
use stage::{ARGUMENTS, ENVIRONMENT, Output, Stage, Wanted, link, program, strings, write};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output as Run};

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Both wrappers, and what runs the foreign one.
struct Pair {
    emulator: PathBuf,
    foreign: PathBuf,
}

impl Pair {
    /// `None` where something is missing for it. In CI nothing is.
    fn new() -> Option<Pair> {
        let path = std::env::var_os("PATH").unwrap();
        let emulator = std::env::split_paths(&path).map(|directory| directory.join("qemu-aarch64"));
        let Some(emulator) = emulator.into_iter().find(|path| path.is_file()) else {
            return did_not_run("qemu-aarch64 is missing");
        };
        let mut rustc = Command::new("rustc");
        let run = rustc.args(["--print", "target-libdir", "--target", TARGET]).output().unwrap();
        let library = String::from_utf8(run.stdout).unwrap();
        if !Path::new(library.trim()).is_dir() {
            return did_not_run("rustup target add aarch64-unknown-linux-gnu");
        }
        Some(Pair { emulator, foreign: build() })
    }

    /// `output` with the foreign wrapper in it.
    fn foreign(&self, stage: &Stage, letter: char, wanted: &Wanted) -> Output {
        let output = stage.output(letter, wanted);
        let place = output.file("bin/opencode");
        fs::remove_file(&place).unwrap();
        assert!(Command::new(program("cp")).arg(&self.foreign).arg(place).status().unwrap().success());
        output
    }

    fn start(&self, stage: &Stage, output: &Output, shown: &str) -> Run {
        let mut command = Command::new(&self.emulator);
        command.arg(output.file("bin/opencode")).arg(shown);
        command.env_clear().env("HOME", stage.path("home")).output().unwrap()
    }
}

fn did_not_run(why: &str) -> Option<Pair> {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    eprintln!("!!! TEST DID NOT RUN: {why}");
    None
}

/// The flags of `crates/shipped`, in the words of the linker that comes with Rust: a C compiler for the other architecture is not
/// needed, there is no C in it.
fn build() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aarch64");
    let flags = [
        "-Clinker=rust-lld",
        "-Clinker-flavor=ld.lld",
        "-Crelocation-model=static",
        "-Ctarget-feature=+crt-static",
        "-Clink-args=-nostdlib -static --build-id=none --no-eh-frame-hdr -znorelro",
        &format!("-Clink-arg=-T{}", source.join("link.ld").display()),
    ];
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(source).args(["build", "--quiet", "--locked", "--profile", "wrapper"]);
    cargo.args(["--target", TARGET, "--target-dir"]).arg(&directory);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    for variable in ["CARGO_TARGET_DIR", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(variable);
    }
    assert!(cargo.status().unwrap().success());
    directory.join(TARGET).join("wrapper/opencode-wrapper")
}

/// What stands in the home, and what OpenCode was shown, with the stage's place by name.
fn seen(stage: &Stage, run: &Run) -> (BTreeMap<String, String>, Vec<String>, String) {
    let place = stage.path("").display().to_string();
    let normal = |text: String| text.replace(&place, "STAGE/");
    let listing = stage.listing().into_iter().map(|(path, what)| (path, normal(what))).collect();
    (listing, strings(run).into_iter().map(normal).collect(), normal(stage::stderr(run)))
}

#[test]
fn both_do_the_same() {
    let Some(pair) = Pair::new() else { return };
    assert!(fs::metadata(&pair.foreign).unwrap().len() <= 64 * 1024);
    let (here, there) = (Stage::new(), Stage::new());
    let both = |shown: &str, native: &Output, foreign: &Output| {
        let native = here.command(native).arg(shown).output().unwrap();
        let foreign = pair.start(&there, foreign, shown);
        assert_eq!(foreign.status, native.status);
        assert_eq!(seen(&there, &foreign), seen(&here, &native));
    };
    let old = Wanted::usual().env("OPENCODE_A", "1").with("link", Root::Cache, "packages/gone");
    let new = Wanted::usual().with("link", Root::Cache, "packages/users").with("keep", Root::Data, "log");
    let natives = [here.output('a', &old), here.output('b', &new)];
    let foreign = [pair.foreign(&there, 'a', &old), pair.foreign(&there, 'b', &new)];
    // First start, warm start, another generation with something of the user's in the way, roll-back.
    both(ARGUMENTS, &natives[0], &foreign[0]);
    both(ENVIRONMENT, &natives[0], &foreign[0]);
    for stage in [&here, &there] {
        write(&stage.cache("packages/users/mine"), "mine");
        write(&stage.config("package.json"), "mine");
        fs::remove_file(stage.cache("version")).unwrap();
        link("/nowhere", &stage.cache("version"));
    }
    both(ARGUMENTS, &natives[1], &foreign[1]);
    both(ENVIRONMENT, &natives[1], &foreign[1]);
    both(ENVIRONMENT, &natives[0], &foreign[0]);
    // Without a map, and without a program to become.
    for output in natives.iter().chain(&foreign) {
        fs::write(output.file("linkmap"), "no map").unwrap();
    }
    both(ENVIRONMENT, &natives[1], &foreign[1]);
    for output in natives.iter().chain(&foreign) {
        fs::remove_file(output.file("lib/opencode/bin/opencode")).unwrap();
    }
    both(ENVIRONMENT, &natives[1], &foreign[1]);
}
