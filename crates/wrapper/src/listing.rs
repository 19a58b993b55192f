//! The names in a directory.

#[cfg(target_os = "linux")]
use core::mem::MaybeUninit;
use rustix::fd::BorrowedFd;
#[cfg(not(target_os = "linux"))]
use rustix::fs::Dir;
#[cfg(target_os = "linux")]
use rustix::fs::RawDir;
use rustix::fs::{FileType, SeekFrom, seek};
use rustix::io::Errno;

/// Names that are looked at in one directory. More than a user's directory ever has; a bound, because
/// OpenCode is waiting.
const MOST: usize = 65_536;

/// Calls `see` with each name and kind, `.` and `..` apart, until it says no.
#[cfg(target_os = "linux")]
pub fn each(directory: BorrowedFd<'_>, see: &mut dyn FnMut(&[u8], FileType) -> bool) -> Result<(), Errno> {
    let mut buffer = [const { MaybeUninit::uninit() }; 2048];
    let mut names = RawDir::new(directory, &mut buffer);
    for _ in 0..MOST {
        let Some(entry) = names.next() else { break };
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && !see(name, entry.file_type()) {
            break;
        }
    }
    Ok(())
}

/// Elsewhere the system library reads them.
#[cfg(not(target_os = "linux"))]
pub fn each(directory: BorrowedFd<'_>, see: &mut dyn FnMut(&[u8], FileType) -> bool) -> Result<(), Errno> {
    for entry in Dir::read_from(directory)?.take(MOST) {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && !see(name, entry.file_type()) {
            break;
        }
    }
    Ok(())
}

/// The same for a directory that may have been read before.
pub fn again(directory: BorrowedFd<'_>, see: &mut dyn FnMut(&[u8], FileType) -> bool) -> Result<(), Errno> {
    seek(directory, SeekFrom::Start(0))?;
    each(directory, see)
}

/// Calls `see` with what one look gives: all names of a small directory, some of a large one.
#[cfg(target_os = "linux")]
pub fn first(directory: BorrowedFd<'_>, see: &mut dyn FnMut(&[u8], FileType)) -> Result<(), Errno> {
    let mut buffer = [const { MaybeUninit::uninit() }; 2048];
    let mut names = RawDir::new(directory, &mut buffer);
    while let Some(entry) = names.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            see(name, entry.file_type());
        }
        if names.is_buffer_empty() {
            break;
        }
    }
    Ok(())
}

/// Calls `see` with what one look gives: elsewhere nothing says how much that is.
#[cfg(not(target_os = "linux"))]
pub fn first(directory: BorrowedFd<'_>, see: &mut dyn FnMut(&[u8], FileType)) -> Result<(), Errno> {
    each(directory, &mut |name, kind| {
        see(name, kind);
        true
    })
}
