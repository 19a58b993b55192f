//! Writing one file or link so that at any instant there is the old one or the new one. Never decides
//! whether it may be replaced, but never replaces what appeared where nothing was.

use super::stamp;
use crate::bytes::decimal;
use crate::output::read_bounded;
use alloc::vec::Vec;
use linkmap::Sum;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps, fsync, futimens, openat, renameat,
    renameat_with, symlinkat, unlinkat,
};
use rustix::io::Errno;

/// Largest file that is copied into a user's directory: the model catalogue has under 5 MB.
const MOST_COPIED: usize = 64 << 20;

/// Names tried for a temporary file before giving up: another process of the same number (in another
/// container, on the same home) may have left some.
const NAMES: u32 = 64;

/// A link where nothing is. Fails with `EXIST` where something is by now.
pub fn new_link(directory: BorrowedFd<'_>, name: &[u8], target: &[u8]) -> Result<(), Errno> {
    // Creating a link is atomic in itself: no temporary name is needed.
    symlinkat(target, directory, name)
}

/// A link in place of what is there.
pub fn replace_by_link(directory: BorrowedFd<'_>, name: &[u8], target: &[u8]) -> Result<(), Errno> {
    repeated(|| {
        let temporary = temporary(|temporary| symlinkat(target, directory, temporary))?.0;
        let renamed = renameat(directory, temporary.as_slice(), directory, name);
        moved(directory, &temporary, renamed)
    })
}

/// Whether a file may be put in place of another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing is there, and nothing that appears meanwhile is replaced.
    Empty,
    /// What is there is ours to replace.
    Taken,
}

/// A copy of `source`, stamped, writable by the user.
pub fn copy(directory: BorrowedFd<'_>, name: &[u8], source: &[u8], place: Place) -> Result<(), Errno> {
    let content = read_bounded(source, 64 * 1024, MOST_COPIED + 1)?;
    if content.len() > MOST_COPIED {
        return Err(Errno::FBIG);
    }
    let stamp = Some(stamp::of(Sum::of(&content)));
    match place {
        Place::Taken => replace(directory, name, &content, stamp),
        Place::Empty => put(directory, &content, stamp, |temporary| {
            match renameat_with(directory, temporary, directory, name, RenameFlags::NOREPLACE) {
                // A file system that cannot say "only if nothing is there".
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    renameat(directory, temporary, directory, name)
                }
                result => result,
            }
        }),
    }
}

/// A file with `content` in place of what is there, or of nothing.
pub fn replace(
    directory: BorrowedFd<'_>,
    name: &[u8],
    content: &[u8],
    modified: Option<Timespec>,
) -> Result<(), Errno> {
    put(directory, content, modified, |temporary| renameat(directory, temporary, directory, name))
}

fn put(
    directory: BorrowedFd<'_>,
    content: &[u8],
    modified: Option<Timespec>,
    rename: impl Fn(&[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    repeated(|| {
        let (temporary, file) = temporary(|name| openat(directory, name, flags, mode))?;
        let written = fill(&file, content, modified).and_then(|()| rename(&temporary));
        moved(directory, &temporary, written)
    })
}

/// Does it again where the temporary file was gone: a wrapper that has the lock tidied it away, while
/// this one got none.
fn repeated(step: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
    for _ in 0..2 {
        match step() {
            Err(Errno::NOENT) => {}
            result => return result,
        }
    }
    step()
}

fn fill(file: &OwnedFd, content: &[u8], modified: Option<Timespec>) -> Result<(), Errno> {
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::write(file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    if let Some(modified) = modified {
        let times = Timestamps { last_access: modified, last_modification: modified };
        futimens(file.as_fd(), &times)?;
    }
    // After a power loss the name must not stand for an empty file.
    fsync(file)
}

/// Takes the temporary file away where it did not get its name.
fn moved(directory: BorrowedFd<'_>, temporary: &[u8], result: Result<(), Errno>) -> Result<(), Errno> {
    if result.is_err() {
        let _ = unlinkat(directory, temporary, AtFlags::empty());
    }
    result
}

/// Makes something under a name that nothing has: `.opencode-cache-<pid>-<n>`.
fn temporary<T>(mut make: impl FnMut(&[u8]) -> Result<T, Errno>) -> Result<(Vec<u8>, T), Errno> {
    let process = decimal(rustix::process::getpid().as_raw_nonzero().get().unsigned_abs());
    for number in 0..NAMES {
        let name = [linkmap::OWN_PREFIX.as_bytes(), &process, b"-", &decimal(number)].concat();
        match make(&name) {
            Err(Errno::EXIST) => {}
            made => return made.map(|made| (name, made)),
        }
    }
    Err(Errno::EXIST)
}
