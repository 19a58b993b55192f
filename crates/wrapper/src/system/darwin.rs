//! macOS: the system library says it, as `libproc.h`, `mach-o/dyld.h` and `sys/mount.h` of Apple's SDK have it.
//! Compiled by every test run, never run by one.
#![expect(unsafe_code, reason = "libproc and dyld have no safe interface")]

use crate::bytes::decimal;
use crate::link::Target;
use alloc::vec::Vec;
use core::ffi::{c_char, c_int, c_void};
use rustix::fs::{CWD, Mode, OFlags, getpath, openat, statfs};
use rustix::io::Errno;

unsafe extern "C" {
    fn _NSGetExecutablePath(path: *mut c_char, size: *mut u32) -> c_int;
    fn proc_listallpids(numbers: *mut c_void, size: c_int) -> c_int;
    fn proc_pidpath(process: c_int, path: *mut c_void, size: u32) -> c_int;
}

/// What this program's own path is asked by.
pub const OWN_PROGRAM: &[u8] = b"_NSGetExecutablePath";

/// Opens for reading: there is no less.
pub const LOOK: OFlags = OFlags::RDONLY;

/// Whether what a process has loaded can be told.
pub const TELLS_MAPPINGS: bool = false;

/// `PROC_PIDPATHINFO_MAXSIZE`: longest path that `proc_pidpath` gives.
const LONGEST: usize = 4096;

/// Processes that are looked at: the kernel's own limit (`kern.maxproc`) is lower on usual machines.
const MOST_PROCESSES: usize = 16_384;

/// `MNT_NOEXEC` and `MNT_LOCAL`.
const NO_PROGRAMS: u32 = 0x4;
const LOCAL: u32 = 0x1000;

/// Path of this program, links resolved.
pub fn own_program() -> Result<Vec<u8>, Errno> {
    let mut path = [0_u8; LONGEST];
    let mut size = LONGEST as u32;
    // SAFETY: the buffer has the size that is said.
    if unsafe { _NSGetExecutablePath(path.as_mut_ptr().cast(), &raw mut size) } != 0 {
        return Err(Errno::NAMETOOLONG);
    }
    let end = path.iter().position(|byte| *byte == 0).unwrap_or(LONGEST);
    real_path(path.get(..end).unwrap_or_default())
}

/// Path of the program that a process runs. `NOENT` where there is no such process.
pub fn program<'a>(process: &[u8], room: &'a mut Target) -> Result<&'a [u8], Errno> {
    let number = core::str::from_utf8(process).ok().and_then(|text| text.parse().ok()).ok_or(Errno::INVAL)?;
    room.fill(LONGEST, |buffer| {
        // SAFETY: the buffer has the size that is said.
        let length = unsafe { proc_pidpath(number, buffer.as_mut_ptr().cast(), LONGEST as u32) };
        match usize::try_from(length) {
            Ok(length) if length > 0 => Ok(length),
            // It says ESRCH only through `errno`: a process that is there can be asked with no signal.
            _ => Err(match rustix::process::Pid::from_raw(number).map(rustix::process::test_kill_process) {
                Some(Err(Errno::SRCH)) => Errno::NOENT,
                _ => Errno::PERM,
            }),
        }
    })
}

/// Calls `see` with the number of each process but this one, as far as they are visible.
pub fn each_other_process(see: &mut dyn FnMut(&[u8])) {
    let mut numbers: Vec<c_int> = alloc::vec![0; MOST_PROCESSES];
    let size = c_int::try_from(size_of_val(numbers.as_slice())).unwrap_or(0);
    // SAFETY: the buffer has the size that is said.
    let count = unsafe { proc_listallpids(numbers.as_mut_ptr().cast(), size) };
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let listed = numbers.into_iter().take(usize::try_from(count).unwrap_or(0));
    for number in listed.filter(|number| *number > 0 && *number != own) {
        see(&decimal(number.unsigned_abs()));
    }
}

/// What a process has mapped cannot be asked without its owner's permission.
pub fn read_mappings(_: &[u8], _: &mut Vec<u8>) -> Result<(), Errno> {
    Err(Errno::NOTSUP)
}

/// The path of something without links in it.
pub fn real_path(path: &[u8]) -> Result<Vec<u8>, Errno> {
    let file = openat(CWD, path, LOOK | OFlags::CLOEXEC, Mode::empty())?;
    getpath(file).map(|path| path.as_bytes().to_vec())
}

/// Whether programs and libraries cannot be loaded from where `path` is.
pub fn forbids_programs(path: &[u8]) -> bool {
    statfs(path).is_ok_and(|mount| mount.f_flags & NO_PROGRAMS != 0)
}

/// Whether `path` is on another machine, as far as the kernel knows.
pub fn is_on_network(path: &[u8]) -> bool {
    statfs(path).is_ok_and(|mount| mount.f_flags & LOCAL == 0)
}
