//! The names in a directory.

use core::mem::MaybeUninit;
use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, RawDir, SeekFrom, seek};
use rustix::io::Errno;

/// Names that are looked at in one directory. More than a user's directory ever has; a bound, because
/// OpenCode is waiting.
const MOST: usize = 65_536;

/// Calls `see` with each name and kind, `.` and `..` apart, until it says no.
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

/// The same for a directory that may have been read before.
pub fn again(directory: BorrowedFd<'_>, see: &mut dyn FnMut(&[u8], FileType) -> bool) -> Result<(), Errno> {
    seek(directory, SeekFrom::Start(0))?;
    each(directory, see)
}

/// Calls `see` with what one look gives: all names of a small directory, some of a large one.
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
