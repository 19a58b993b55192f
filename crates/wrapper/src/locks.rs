//! Install locks of OpenCodes that were killed. OpenCode looks at a lock's age only, so the next start
//! waits until it is a minute old (1.14.34 to 1.18.33); but the lock says whose it is.
//!
//! A lock whose owner is gone is made old, not removed: OpenCode then breaks it by its own protocol, which is made
//! for two that do so at once. Where it cannot be told that the owner is gone, nothing is done.

use crate::bytes::{join, split};
use crate::failure::trace;
use crate::link::Target;
use crate::listing;
use crate::output::read_bounded;
use crate::system;
use core::mem::ManuallyDrop;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, openat, utimensat};
use rustix::io::Errno;

/// 1980: older than a minute whatever the clock says.
const LONG_AGO: Timespec = Timespec { tv_sec: 315_532_800, tv_nsec: 0 };

/// Makes the locks old that nobody holds any more. `state` is OpenCode's state directory.
pub fn release(state: &[u8]) {
    let directory = join(state, b"locks");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(locks) = openat(CWD, directory.as_slice(), flags, Mode::empty()) else { return };
    // Becoming OpenCode closes it; and OpenCode has a handful of locks.
    let locks = ManuallyDrop::new(locks);
    let _ = listing::first(locks.as_fd(), &mut |name, _| {
        let lock = join(&directory, name);
        if name.ends_with(b".lock") && is_abandoned(&lock) {
            make_old(&lock);
        }
    });
}

/// The heartbeat is what OpenCode looks at first, and it is there as soon as the lock says whose it is.
fn make_old(lock: &[u8]) {
    let heartbeat = join(lock, b"heartbeat");
    let times = Timestamps { last_access: LONG_AGO, last_modification: LONG_AGO };
    let aged = utimensat(CWD, heartbeat.as_slice(), &times, AtFlags::SYMLINK_NOFOLLOW);
    trace(&[b"lock of a process that is gone ", lock, if aged.is_ok() { b": made old" } else { b"" }]);
}

/// Whether the lock says a process of this machine that is no more.
fn is_abandoned(lock: &[u8]) -> bool {
    let Ok(meta) = read_bounded(&join(lock, b"meta.json"), 1024, 4096) else { return false };
    let host = rustix::system::uname();
    let here = value(&meta, b"\"hostname\"").and_then(|value| value.strip_prefix(b"\""));
    let here = here.and_then(|value| value.strip_prefix(host.nodename().to_bytes()));
    if !here.is_some_and(|rest| rest.starts_with(b"\"")) {
        return false;
    }
    let Some(process) = value(&meta, b"\"pid\"") else { return false };
    let digits = process.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match process.get(..digits) {
        Some(process) if digits > 0 => is_gone(process),
        _ => false,
    }
}

/// What follows a key and its colon. The file is OpenCode's own, written by `JSON.stringify`.
fn value<'t>(text: &'t [u8], key: &[u8]) -> Option<&'t [u8]> {
    let at = text.windows(key.len()).position(|window| window == key)?;
    Some(text.get(at + key.len()..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}

/// Whether no OpenCode has this process number: nobody, or a program that came after it.
fn is_gone(process: &[u8]) -> bool {
    match system::program(process, &mut Target::new()) {
        Ok(program) => {
            let name = split(program).1;
            // From source it is run by one of the other two.
            ![b"opencode".as_slice(), b"bun", b"node"]
                .into_iter()
                .any(|word| name.windows(word.len()).any(|window| window == word))
        }
        Err(Errno::NOENT) => true,
        // Another user's, or no /proc: nothing is known.
        Err(_) => false,
    }
}
