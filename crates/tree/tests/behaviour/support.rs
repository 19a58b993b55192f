//! Trees to test with, other users, other processes.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use opencode_cache_tree::{Entry, Error, Kind, Verdict, scan};
use rustix::process::{Gid, Uid};

/// The rule that keeps everything.
pub fn keep(_: &Entry) -> Result<Verdict, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Verdict::Keep)
}

/// Writes files (`path`, content), their directories included.
pub fn fill(root: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// A tree with one of everything: a program, links, an empty directory, an empty file.
pub fn sample(root: &Path) {
    fill(root, &[("bin/tool", "#!/bin/sh\n"), ("lib/a/index.js", "1"), ("lib/a/empty", ""), ("b.txt", "b")]);
    fs::set_permissions(root.join("bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(root.join("lib/none")).unwrap();
    symlink("../lib/a/index.js", root.join("bin/a")).unwrap();
    symlink("a", root.join("lib/b")).unwrap();
}

/// Every entry as `mode mtime path`, so that a whole tree is compared in one assertion.
pub fn modes_and_times(root: &Path) -> Vec<String> {
    let tree = scan(root).unwrap();
    let line = |entry| {
        let metadata = fs::symlink_metadata(tree.locate(entry)).unwrap();
        let mode = if metadata.is_symlink() { 0o777 } else { metadata.mode() & 0o7777 };
        format!("{mode:04o} {}.{} {}", metadata.mtime(), metadata.mtime_nsec(), entry.path.display())
    };
    tree.entries().iter().map(line).collect()
}

/// What a tree holds, an entry a line: sizes of files, `x` for programs, targets of links.
pub fn listing(root: &Path) -> Vec<String> {
    let tree = scan(root).unwrap();
    let line = |entry: &Entry| match &entry.kind {
        Kind::Directory => format!("{}/", entry.path.display()),
        Kind::File { size, executable: true } => format!("{} {size} x", entry.path.display()),
        Kind::File { size, .. } => format!("{} {size}", entry.path.display()),
        Kind::Link { target } => format!("{} -> {}", entry.path.display(), target.display()),
    };
    tree.entries().iter().map(line).collect()
}

/// The names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// An error as a person and a machine see it: code, text, cause.
pub fn told(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("[{}] {error}{cause}", error.code())
}

/// Runs `work` in a thread without root's rights, in a directory that it owns. An ordinary user
/// runs it as is.
pub fn as_ordinary_user(work: impl FnOnce(&Path) + Send) {
    let dir = tempfile::tempdir().unwrap();
    let nobody = 65534;
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(dir.path(), Some(nobody), Some(nobody)).unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if rustix::process::geteuid().is_root() {
                let (uid, gid) = (Uid::from_raw(nobody), Gid::from_raw(nobody));
                rustix::thread::set_thread_groups(&[]).unwrap();
                rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
                rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
            }
            assert!(!rustix::process::geteuid().is_root());
            work(dir.path());
        });
    });
}

/// A program that a test compares with, or `None` where it is not installed, which is said loudly
/// and is a failure in CI.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file());
    if found.is_none() {
        did_not_run(&format!("the program {name} is missing"));
    }
    found
}

/// Says that a test proved nothing here; in CI that is a failure.
pub fn did_not_run(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    eprintln!("!!! TEST DID NOT RUN: {why}");
}

/// This test binary, to run one of its own tests in another process: under `wrapper`, with one
/// variable set that tells it so.
pub fn this_test(wrapper: &[&str], test: &str, variable: &str, value: impl AsRef<OsStr>) -> Command {
    let exe = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(exe),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(exe);
            command
        }
    };
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(variable, value);
    command
}

/// Runs a process and shows what it said only if it fails.
#[track_caller]
pub fn assert_succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{complained}", output.status);
}

/// Tells the parent process that we are there, and waits until it kills us.
pub fn ready_to_be_killed() {
    println!("READY");
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}

/// Starts a process and waits until it says that it is ready.
pub fn start_until_ready(command: &mut Command) -> std::process::Child {
    use std::io::BufRead;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = std::io::BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|line| line.ends_with("READY"));
    assert!(ready, "the other process ended early");
    child
}
