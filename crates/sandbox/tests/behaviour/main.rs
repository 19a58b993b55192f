//! The properties that a sandbox promises, on the running kernel: private files, no way out, every attempt to leave counted,
//! bounds kept, nothing left behind. As the present user and, where that is root, as an ordinary user at the same time.
//!
//! A harness of its own: this binary is also the sandbox's first process, and the program that runs inside (`probe`).
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test binary talks to the person who runs it, and stops at the first surprise"
)]

mod bounds;
mod direct;
mod files;
mod life;
mod network;
mod probe;
mod stage;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};

use opencode_cache_sandbox as sandbox;

/// `nobody` on every Linux.
const ORDINARY: u32 = 65534;

/// A property and its check.
type Case = (&'static str, fn());

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if words == ["unwired"] {
        return life::unwired();
    }
    sandbox::hidden_main();
    match words.as_slice() {
        ["probe", rest @ ..] => probe::main(rest),
        ["owner"] => life::owner(),
        ["ignoring"] => life::ignoring(),
        ["direct"] => direct::inner(),
        ["forbidden"] => direct::refused(),
        _ => all(words.iter().copied().find(|word| !word.starts_with('-'))),
    }
}

fn all(wanted: Option<&str>) -> ExitCode {
    let ordinary = rustix::process::geteuid().is_root().then(|| as_ordinary_user(wanted));
    let user = rustix::process::geteuid().as_raw();
    let cases = [files::CASES, network::CASES, bounds::CASES, life::CASES, direct::CASES].concat();
    let (mut passed, mut failed) = (0, 0);
    for (name, check) in cases {
        if wanted.is_some_and(|wanted| !name.contains(wanted)) {
            continue;
        }
        if catch_unwind(AssertUnwindSafe(check)).is_ok() {
            println!("ok      uid {user}: {name}");
            passed += 1;
        } else {
            println!("FAILED  uid {user}: {name}");
            failed += 1;
        }
    }
    println!("uid {user}: {passed} passed, {failed} failed");
    let other = ordinary.is_none_or(|(mut child, _directory)| child.wait().unwrap().success());
    if failed == 0 && other && (passed > 0 || wanted.is_some()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The same cases as an ordinary user, who may not be able to reach the directory that this binary lies in.
fn as_ordinary_user(wanted: Option<&str>) -> (std::process::Child, tempfile::TempDir) {
    let directory =
        tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir().unwrap();
    let copy = directory.path().join("behaviour");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let child = Command::new(&copy)
        .args(wanted)
        .current_dir("/")
        .env("HOME", directory.path())
        .uid(ORDINARY)
        .gid(ORDINARY)
        .spawn()
        .unwrap();
    (child, directory)
}
