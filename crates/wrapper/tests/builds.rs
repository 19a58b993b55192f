//! Property: the wrapper does the same, to the byte, whichever linker and architecture it is built with. On aarch64 it has an entry
//! point, memory functions and system calls of its own in assembly; an emulator runs it, with pages of each size that kernels
//! there have, and with this machine's `cat` as OpenCode.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod stage;

use linkmap::Root;
use stage::{ARGUMENTS, ENVIRONMENT, Output, Stage, Wanted, link, program, strings, write};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output as Run};

/// Another build of the wrapper, and what runs it.
struct Build {
    wrapper: PathBuf,
    runner: Vec<OsString>,
}

impl Build {
    /// `output` with this wrapper in it.
    fn output(&self, stage: &Stage, letter: char, wanted: &Wanted) -> Output {
        let output = stage.output(letter, wanted);
        let place = output.file("bin/opencode");
        fs::remove_file(&place).unwrap();
        assert!(Command::new(program("cp")).arg(&self.wrapper).arg(place).status().unwrap().success());
        output
    }

    fn start(&self, stage: &Stage, output: &Output, shown: &str) -> Run {
        let mut words = self.runner.clone();
        words.extend([output.file("bin/opencode").into(), shown.into()]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().env("HOME", stage.path("home")).output().unwrap()
    }
}

/// Builds with the flags of `crates/shipped`, these last ones apart.
fn build(target: &str, flags: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("builds");
    let script = format!("-Clink-arg=-T{}", source.join("link.ld").display());
    let mut all = vec!["-Crelocation-model=static", "-Ctarget-feature=+crt-static", &script];
    all.extend(flags);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(source).args(["build", "--quiet", "--locked", "--profile", "wrapper"]);
    cargo.args(["--target", target, "--target-dir"]).arg(&directory);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", all.join("\u{1f}"));
    for variable in ["CARGO_TARGET_DIR", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(variable);
    }
    // Cargo does not know that the link script is a source.
    let _ = fs::remove_dir_all(directory.join(target).join("wrapper/.fingerprint"));
    assert!(cargo.status().unwrap().success());
    directory.join(target).join("wrapper/opencode-wrapper")
}

fn did_not_run(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    eprintln!("!!! TEST DID NOT RUN: {why}");
}

#[test]
fn with_gnu_ld() {
    // Rust's own default on most machines; what it takes no other linker refuses.
    let flags = [
        "-Clink-arg=-fuse-ld=bfd",
        "-Clink-args=-nostartfiles -nostdlib -static",
        "-Clink-arg=-Wl,--build-id=none,--no-eh-frame-hdr,-z,norelro",
    ];
    let wrapper = build("x86_64-unknown-linux-gnu", &flags);
    does_the_same(&Build { wrapper, runner: Vec::new() });
}

#[test]
fn for_aarch64() {
    let path = std::env::var_os("PATH").unwrap();
    let emulator = std::env::split_paths(&path).map(|directory| directory.join("qemu-aarch64"));
    let Some(emulator) = emulator.into_iter().find(|path| path.is_file()) else {
        return did_not_run("qemu-aarch64 is missing");
    };
    if shipped::AARCH64.is_empty() {
        return did_not_run("rustup target add aarch64-unknown-linux-gnu");
    }
    // That `build --system` puts into outputs; Rust's own linker made it.
    let wrapper = PathBuf::from(shipped::PATH_AARCH64);
    for page in ["4096", "16384", "65536"] {
        let runner = vec![emulator.clone().into(), "-p".into(), page.into()];
        does_the_same(&Build { wrapper: wrapper.clone(), runner });
    }
}

/// What stands in the home, and what OpenCode was shown, with the stage's place by name.
fn seen(stage: &Stage, run: &Run) -> (BTreeMap<String, String>, Vec<String>, String) {
    let place = stage.path("").display().to_string();
    let normal = |text: String| text.replace(&place, "STAGE/");
    let listing = stage.listing().into_iter().map(|(path, what)| (path, normal(what))).collect();
    (listing, strings(run).into_iter().map(normal).collect(), normal(stage::stderr(run)))
}

/// Compares this build with the one that is shipped, start by start.
fn does_the_same(build: &Build) {
    assert!(fs::metadata(&build.wrapper).unwrap().len() <= 64 * 1024);
    let (here, there) = (Stage::new(), Stage::new());
    let both = |shown: &str, shipped: &Output, built: &Output| {
        let shipped = here.command(shipped).arg(shown).output().unwrap();
        let built = build.start(&there, built, shown);
        assert_eq!(built.status, shipped.status);
        assert_eq!(seen(&there, &built), seen(&here, &shipped));
    };
    let old = Wanted::usual().env("OPENCODE_A", "1").with("link", Root::Cache, "packages/gone");
    let new = Wanted::usual().with("link", Root::Cache, "packages/users").with("keep", Root::Data, "log");
    let shipped = [here.output('a', &old), here.output('b', &new)];
    let built = [build.output(&there, 'a', &old), build.output(&there, 'b', &new)];
    // First start, warm start, another generation with something of the user's in the way, roll-back.
    both(ARGUMENTS, &shipped[0], &built[0]);
    both(ENVIRONMENT, &shipped[0], &built[0]);
    for stage in [&here, &there] {
        write(&stage.cache("packages/users/mine"), "mine");
        write(&stage.config("package.json"), "mine");
        fs::remove_file(stage.cache("version")).unwrap();
        link("/nowhere", &stage.cache("version"));
    }
    both(ARGUMENTS, &shipped[1], &built[1]);
    both(ENVIRONMENT, &shipped[1], &built[1]);
    both(ENVIRONMENT, &shipped[0], &built[0]);
    // Without a map, and without a program to become.
    for output in shipped.iter().chain(&built) {
        fs::write(output.file("linkmap"), "no map").unwrap();
    }
    both(ENVIRONMENT, &shipped[1], &built[1]);
    for output in shipped.iter().chain(&built) {
        fs::remove_file(output.file("lib/opencode/bin/opencode")).unwrap();
    }
    both(ENVIRONMENT, &shipped[1], &built[1]);
}
