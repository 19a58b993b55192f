//! The OpenCodes that run.

use crate::bytes::join;
use crate::link::Target;
use crate::listing;
use linkmap::names_output;
use rustix::fd::AsFd;
use rustix::fs::{CWD, Mode, OFlags, openat};

/// Whether the process of this number is an OpenCode, or a wrapper that is about to become one.
pub fn is_opencode(process: &[u8]) -> bool {
    let mut program = Target::new();
    let path = join(&join(b"/proc", process), b"exe");
    program.read(CWD, path.as_slice()).is_ok_and(names_output)
}

/// Calls `see` with the number of each process whose program lies in an output, and that program. This
/// process is none of them.
pub fn each_opencode(see: &mut dyn FnMut(&[u8], &[u8])) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(directory) = openat(CWD, "/proc", flags, Mode::empty()) else { return };
    let mut own = Target::new();
    let own = own.read(CWD, "/proc/self").unwrap_or_default();
    let _ = listing::each(directory.as_fd(), &mut |process, _| {
        if process.iter().all(u8::is_ascii_digit) && process != own {
            // Another user's cannot be read, and uses another home.
            let mut program = Target::new();
            let path = join(&join(b"/proc", process), b"exe");
            if let Some(program) = program.read(CWD, path.as_slice()).ok().filter(|path| names_output(path)) {
                see(process, program);
            }
        }
        true
    });
}
