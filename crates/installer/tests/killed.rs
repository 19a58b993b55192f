//! Whatever ends an installation, and at whichever system call: what was active before still is, or what was to be; and doing it
//! again finishes it and leaves nothing else. `strace` kills, or says that the disk is full, at the N-th call that changes a file, for
//! every N until it comes through.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../../install/tests/whole/made.rs"]
mod made;

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output};

use made::{Machine, bundle, names};

/// Calls that change a file system. Between two of them a kill makes no difference that anybody could see.
const CHANGES: [&str; 20] = [
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "chmod",
    "fchmod",
    "fchmodat",
    "utimensat",
    "write",
    "fsync",
    "syncfs",
    "openat",
    "flock",
    "copy_file_range",
];

/// Those of them that want no room: a full disk does not refuse them.
const ROOMLESS: [&str; 9] =
    ["unlink", "unlinkat", "rmdir", "chmod", "fchmod", "fchmodat", "utimensat", "openat", "flock"];

/// Tries every call, not each third.
const THOROUGH: &str = "OPENCODE_CACHE_THOROUGH";

/// More calls of one name than an installation of so little makes.
const MOST: usize = 1000;

/// A machine with one generation, and the bundle of a second.
struct Case {
    machine: Machine,
    new: Vec<u8>,
}

impl Case {
    fn new() -> Self {
        let machine = Machine::new();
        machine.install(&bundle(&[(&machine.output("1.0.0"), None)])).unwrap();
        let new = bundle(&[(&machine.output("1.1.0"), None)]);
        Self { machine, new }
    }

    /// Installs with what strace is to do at the N-th call of that name.
    fn install(&self, call: &str, does: &str, number: usize) -> Output {
        let request = self.machine.request(&self.new);
        Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={call}:{does}:when={number}")])
            .arg(env!("CARGO_BIN_EXE_opencode-cache-installer"))
            .args(["install", request.file.to_str().unwrap(), "--prefix"])
            .arg(&self.machine.place.prefix)
            .env_clear()
            .env("HOME", self.machine.home())
            .env("XDG_STATE_HOME", self.machine.place.state.parent().unwrap())
            .output()
            .unwrap()
    }

    /// What users see is one of both, and doing it again finishes it.
    fn is_whole(&self, when: &str) {
        let says = self.machine.says();
        assert!(["1.0.0", "1.1.0"].contains(&says.as_str()), "{when}: {says}");
        self.machine.install(&self.new).unwrap();
        assert_eq!(self.machine.says(), "1.1.0", "{when}");
        let place = &self.machine.place;
        let directories = [
            place.state.clone(),
            place.state.join("generations"),
            place.state.join("installed"),
            place.bin(),
        ];
        for directory in directories {
            let left = names(&directory).into_iter().filter(|name| name.starts_with('.'));
            assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{when}: left in {}", directory.display());
        }
        assert_eq!(install::verify(place).unwrap().problems, [""; 0], "{when}");
        // As it was.
        install::rollback(place, Some(1)).unwrap();
        install::gc(place, 0).unwrap();
        assert_eq!((self.machine.trees().len(), self.machine.says().as_str()), (1, "1.0.0"), "{when}");
    }
}

/// The numbers of calls to try.
fn numbers() -> impl Iterator<Item = usize> {
    let step = if std::env::var_os(THOROUGH).is_some() { 1 } else { 3 };
    (1..MOST).step_by(step)
}

#[test]
fn killed_at_any_call_it_is_finished_by_doing_it_again() {
    let case = Case::new();
    let mut killed = Vec::new();
    for call in CHANGES {
        for number in numbers() {
            let output = case.install(call, "signal=SIGKILL", number);
            case.is_whole(&format!("killed at {call} {number}"));
            if output.status.success() {
                break;
            }
            let was_killed = output.status.signal() == Some(9) || output.status.code() == Some(128 + 9);
            assert!(was_killed, "{call} {number}: {output:?}");
            killed.push(call);
        }
    }
    for call in ["mkdir", "symlink", "write", "fsync", "syncfs", "openat", "flock"] {
        assert!(killed.contains(&call), "never killed at {call}, but at {killed:?}");
    }
}

#[test]
fn a_full_disk_at_any_call_is_told_and_nothing_is_left() {
    let case = Case::new();
    let mut refused = Vec::new();
    for call in CHANGES.into_iter().filter(|call| !ROOMLESS.contains(call)) {
        for number in numbers() {
            let output = case.install(call, "error=ENOSPC", number);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let staged = names(&case.machine.place.state.join("installed"));
            assert!(staged.iter().all(|name| !name.starts_with('.')), "{call} {number}: {staged:?}");
            case.is_whole(&format!("no room at {call} {number}"));
            match output.status.code() {
                Some(4) if said.contains("error[disk-full]") && said.contains("next step: ") => {
                    refused.push(call)
                }
                // All that had no room is what it says.
                Some(0) => break,
                _ => panic!("{call} {number}: {output:?}"),
            }
        }
    }
    for call in ["mkdir", "symlink", "write", "fsync", "syncfs"] {
        assert!(refused.contains(&call), "the disk was never full at {call}, but at {refused:?}");
    }
}
