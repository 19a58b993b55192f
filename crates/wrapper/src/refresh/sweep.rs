//! What killed wrappers left behind, and links of ours that no map names. Only under the lock; never
//! touches a name that is not ours.

use super::observe::{State, of_written};
use alloc::vec::Vec;
use linkmap::OWN_PREFIX;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, Dir, FileType, unlinkat};
use rustix::io::Errno;

/// Names that are looked at in one directory. More than a user's directory ever has; a bound, because
/// OpenCode is waiting.
const MOST_NAMES: usize = 65_536;

/// Removes temporary files of wrappers that are gone (under the lock all others are).
pub fn temporary_files(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    names(directory, |name, _| is_temporary(name))
}

/// Removes links into outputs that `wanted` does not know. For directories below the cache root,
/// where links into outputs are nobody else's.
pub fn stray_links(directory: BorrowedFd<'_>, wanted: impl Fn(&[u8]) -> bool) -> Result<(), Errno> {
    names(directory, |name, kind| {
        matches!(kind, FileType::Symlink | FileType::Unknown)
            && !wanted(name)
            && is_link_of_ours(directory, name)
    })
}

fn names(directory: BorrowedFd<'_>, to_remove: impl Fn(&[u8], FileType) -> bool) -> Result<(), Errno> {
    for name in Dir::read_from(directory)?.take(MOST_NAMES) {
        let name = name?;
        let kind = name.file_type();
        let name = name.file_name().to_bytes();
        if to_remove(name, kind) {
            unlinkat(directory.as_fd(), name, AtFlags::empty())?;
        }
    }
    Ok(())
}

fn is_link_of_ours(directory: BorrowedFd<'_>, name: &[u8]) -> bool {
    let link = rustix::fs::readlinkat(directory, name, Vec::new());
    link.is_ok() && of_written(directory, name) == Ok(State::Ours)
}

/// `.opencode-cache-<digits>-<digits>`, exactly.
fn is_temporary(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(OWN_PREFIX.as_bytes()) else {
        return false;
    };
    let mut numbers = rest.split(|byte| *byte == b'-');
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    numbers.clone().count() == 2 && numbers.all(digits)
}

#[cfg(test)]
mod tests {
    use super::is_temporary;

    #[test]
    fn only_our_own_pattern_is_temporary() {
        assert!(is_temporary(b".opencode-cache-12-0"));
        assert!(!is_temporary(b".opencode-cache-state"));
        assert!(!is_temporary(b".opencode-cache-12-"));
        assert!(!is_temporary(b".opencode-cache-12-0-1"));
        assert!(!is_temporary(b"opencode-cache-12-0"));
    }
}
