//! How this program was started and what it turns into. What a system call is, the program knows
//! (`main.rs`); here is what goes into it.

use crate::environment::Environment;
use alloc::ffi::CString;
use core::ffi::CStr;
use rustix::io::Errno;

/// Exit status where the target is not there, as shells have it.
pub const NOT_FOUND: i32 = 127;
/// Exit status where the target is there and cannot be executed, as shells have it.
pub const CANNOT_EXECUTE: i32 = 126;

/// `execve(2)` with the arguments that this program was started with (the name it was called by
/// included).
pub trait Execute {
    /// Replaces this program by `path` with `environment`. Comes back only with the reason why not.
    fn execute(&self, path: &CStr, environment: &mut dyn Iterator<Item = &CStr>) -> Errno;
}

/// What the kernel handed over: arguments and environment, untouched.
pub struct Started<'a> {
    /// The environment, each string as `NAME=VALUE`.
    pub environment: &'a mut dyn Iterator<Item = &'a CStr>,
    /// The arguments, and what becomes of them.
    pub execute: &'a dyn Execute,
}

impl Started<'_> {
    /// Replaces this program by `path`. Comes back only with the reason why not.
    pub fn become_program(&self, path: &[u8], environment: &Environment<'_>) -> Errno {
        let Ok(path) = CString::new(path) else {
            return Errno::INVAL;
        };
        self.execute.execute(&path, &mut environment.variables())
    }
}

/// The exit status for a target that could not be executed.
pub fn status_of(error: Errno) -> i32 {
    match error {
        Errno::NOENT | Errno::NOTDIR => NOT_FOUND,
        _ => CANNOT_EXECUTE,
    }
}
