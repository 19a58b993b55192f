//! Property: the wrapper has the size, the form and the dependencies that were agreed on, and not one more.
//! It runs before every start of OpenCode on every user's machine: growing is a decision, not an accident.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::process::Command;

/// Largest wrapper in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// Everything that is compiled into it, its own crate apart.
const DEPENDENCIES: [&str; 4] = ["bitflags", "linux-raw-sys", "opencode-cache-linkmap", "rustix"];

/// What outputs can be built for.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

#[test]
fn it_is_small() {
    let size = shipped::WRAPPER.len();
    assert!(size <= MOST_BYTES, "{size} bytes");
}

#[test]
fn it_needs_nothing_that_is_linked_at_its_start() {
    let types: Vec<u32> = program_headers().iter().map(|header| word(header, 0)).collect();
    assert!(types.contains(&LOAD));
    for (kind, name) in [(DYNAMIC, "PT_DYNAMIC"), (INTERPRETER, "PT_INTERP"), (THREAD, "PT_TLS")] {
        assert!(!types.contains(&kind), "{name}");
    }
}

#[test]
fn nothing_in_it_is_both_writable_and_executable() {
    let flags: Vec<u32> = program_headers().iter().map(|header| word(header, 4)).collect();
    assert!(flags.iter().all(|flags| flags & (WRITABLE | EXECUTABLE) != WRITABLE | EXECUTABLE), "{flags:?}");
}

#[test]
fn it_depends_on_what_was_agreed() {
    for target in TARGETS {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["tree", "--locked", "--offline", "--quiet"]);
        cargo.args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}", "--target", target]);
        let run = cargo.output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        // `NAME vVERSION (PATH)`, the wrapper itself first.
        let text = String::from_utf8(run.stdout).unwrap();
        let names = text.lines().skip(1).filter_map(|line| line.split(' ').next());
        assert_eq!(names.collect::<BTreeSet<_>>(), BTreeSet::from(DEPENDENCIES), "{target}");
    }
}

// Numbers of the ELF format: segment types, then flags.
const LOAD: u32 = 1;
const DYNAMIC: u32 = 2;
const INTERPRETER: u32 = 3;
const THREAD: u32 = 7;
const EXECUTABLE: u32 = 1;
const WRITABLE: u32 = 2;

/// The program headers of the wrapper, a little-endian ELF file of 64 bits.
fn program_headers() -> Vec<&'static [u8]> {
    let file = shipped::WRAPPER;
    assert!(file.starts_with(b"\x7fELF\x02\x01"));
    let offset = usize::try_from(u64::from_le_bytes(file[32..40].try_into().unwrap())).unwrap();
    let half = |at: usize| usize::from(u16::from_le_bytes(file[at..at + 2].try_into().unwrap()));
    let (size, count) = (half(54), half(56));
    file[offset..offset + size * count].chunks(size).collect()
}

fn word(header: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(header[at..at + 4].try_into().unwrap())
}
