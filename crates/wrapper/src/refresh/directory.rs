//! The real directories that entries stand in. Creates them; never removes one of the user's.

use super::observe::{State, of_written};
use crate::bytes::split;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;

/// What the XDG base directory specification says for a directory that a program must create.
const PRIVATE: Mode = Mode::RWXU;

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens a root, created with all that is above it. The user's links on the way are followed (a
/// `~/.config` on another disk is theirs to have); a link of ours in the root's own place is not.
pub fn open_root(path: &[u8]) -> Result<OwnedFd, Errno> {
    let (above, name) = split(path);
    let above = above.filter(|above| !above.is_empty()).unwrap_or(b"/");
    let above = open_created(above)?;
    descend(above.as_fd(), name)
}

fn open_created(path: &[u8]) -> Result<OwnedFd, Errno> {
    match openat(CWD, path, OPEN, Mode::empty()) {
        Err(Errno::NOENT) => {}
        opened => return opened,
    }
    let (above, name) = split(path);
    let Some(above) = above else {
        return Err(Errno::NOENT);
    };
    let above = open_created(if above.is_empty() { b"/" } else { above })?;
    match mkdirat(&above, name, PRIVATE) {
        Ok(()) | Err(Errno::EXIST) => openat(&above, name, OPEN, Mode::empty()),
        Err(error) => Err(error),
    }
}

/// Opens the directory that `dest` (relative to `root`) stands in, created where it is not there, and
/// gives the last component too.
pub fn open_parent<'d>(root: BorrowedFd<'_>, dest: &'d str) -> Result<(OwnedFd, &'d [u8]), Errno> {
    let (above, name) = split(dest.as_bytes());
    let mut directory = root.try_clone_to_owned().map_err(|_| Errno::MFILE)?;
    for component in above.into_iter().flat_map(|above| above.split(|byte| *byte == b'/')) {
        directory = descend(directory.as_fd(), component)?;
    }
    Ok((directory, name))
}

/// Opens one directory, created where it is not there. A link of ours is replaced by a real directory:
/// an older generation had all of it in one link.
fn descend(above: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    // Another wrapper may do the same at the same time: twice is enough to meet what it left.
    for _ in 0..2 {
        match openat(above, name, OPEN | OFlags::NOFOLLOW, Mode::empty()) {
            Err(Errno::NOENT) => make(above, name)?,
            Err(Errno::LOOP | Errno::NOTDIR) => match of_written(above, name)? {
                State::Ours => {
                    unlinkat(above, name, AtFlags::empty())?;
                    make(above, name)?;
                }
                _ => return openat(above, name, OPEN, Mode::empty()),
            },
            opened => return opened,
        }
    }
    openat(above, name, OPEN, Mode::empty())
}

/// Makes one directory; one that is there already will do.
pub fn make(above: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match mkdirat(above, name, PRIVATE) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error),
    }
}
