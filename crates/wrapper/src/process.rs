//! How this program was started and what it turns into: the C entry point and `execve`.
//!
//! It has no Rust runtime around it on purpose: that one would change what becomes of SIGPIPE, which
//! OpenCode inherits, and costs system calls at every start. The only module with unsafe code.
#![expect(unsafe_code, reason = "the entry point and execve speak in C pointers")]

use crate::environment::Environment;
use core::ffi::{CStr, c_char, c_int};
use core::ptr;
use rustix::io::Errno;
use std::ffi::CString;

/// Exit status where the target is not there, as shells have it.
pub const NOT_FOUND: i32 = 127;
/// Exit status where the target is there and cannot be executed, as shells have it.
pub const CANNOT_EXECUTE: i32 = 126;

/// What the kernel handed over: arguments and environment, untouched.
pub struct Started<'a> {
    /// The kernel's own array, ended by a null pointer.
    arguments: *const *const c_char,
    environment: Vec<&'a CStr>,
}

unsafe extern "C" {
    /// POSIX `execve(2)`, of the C library that `std` links in any case.
    fn execve(
        path: *const c_char,
        arguments: *const *const c_char,
        environment: *const *const c_char,
    ) -> c_int;
}

/// The C entry point; the third argument is common to glibc, musl and macOS.
#[cfg(not(test))]
#[unsafe(no_mangle)]
extern "C" fn main(
    _count: c_int,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> c_int {
    // SAFETY: the C runtime passes a null-ended array of NUL-ended strings that live as long as the
    // process, and nothing here calls `setenv`.
    let environment = unsafe { strings(environment) };
    crate::launch(&Started { arguments, environment })
}

/// # Safety
/// `array` is null, or a null-ended array of NUL-ended strings that live for `'a`.
#[cfg(not(test))]
unsafe fn strings<'a>(array: *const *const c_char) -> Vec<&'a CStr> {
    let mut strings = Vec::new();
    let mut next = array;
    // SAFETY: `next` moves within the array and stops at its null.
    unsafe {
        while !next.is_null() && !(*next).is_null() {
            strings.push(CStr::from_ptr(*next));
            next = next.add(1);
        }
    }
    strings
}

impl<'a> Started<'a> {
    /// The environment, each string as `NAME=VALUE`.
    pub fn environment(&self) -> &[&'a CStr] {
        &self.environment
    }

    /// Replaces this program by `path`, with its own arguments (the name it was called by included)
    /// and `environment`. Comes back only with the reason why not.
    pub fn become_program(&self, path: &[u8], environment: &Environment<'_>) -> Errno {
        let Ok(path) = CString::new(path) else {
            return Errno::INVAL;
        };
        let mut variables: Vec<_> = environment.variables().map(CStr::as_ptr).collect();
        variables.push(ptr::null());
        // SAFETY: the path and every variable are NUL-ended, both arrays null-ended, and all of
        // them live until the call ends.
        unsafe { execve(path.as_ptr(), self.arguments, variables.as_ptr()) };
        let code = std::io::Error::last_os_error().raw_os_error();
        code.map_or(Errno::INVAL, Errno::from_raw_os_error)
    }
}

/// The exit status for a target that could not be executed.
pub fn status_of(error: Errno) -> i32 {
    match error {
        Errno::NOENT | Errno::NOTDIR => NOT_FOUND,
        _ => CANNOT_EXECUTE,
    }
}
