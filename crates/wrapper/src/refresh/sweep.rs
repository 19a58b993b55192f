//! What killed wrappers left behind, and links of ours that no map names. Only under the lock; never
//! touches a name that is not ours.

use super::running::Running;
use crate::link::Target;
use crate::listing;
use crate::processes;
use linkmap::{OWN_PREFIX, names_output};
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, FileType, unlinkat};
use rustix::io::Errno;

/// Removes temporary files of wrappers that are gone. One that waited for the lock in vain works without it,
/// and is not gone.
pub fn temporary_files(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    names(directory, |name, _| is_temporary(name) && !processes::is_opencode(process_of(name)))
}

/// Removes links into outputs that `wanted` does not know. For directories below the cache root,
/// where links into outputs are nobody else's. Those into one of which a program runs stay.
pub fn stray_links(
    directory: BorrowedFd<'_>,
    running: &Running,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<(), Errno> {
    names(directory, |name, kind| {
        matches!(kind, FileType::Symlink | FileType::Unknown)
            && !wanted(name)
            && is_unused_link_of_ours(directory, name, running)
    })
}

fn names(directory: BorrowedFd<'_>, to_remove: impl Fn(&[u8], FileType) -> bool) -> Result<(), Errno> {
    listing::again(directory, &mut |name, kind| {
        if to_remove(name, kind) {
            let _ = unlinkat(directory, name, AtFlags::empty());
        }
        true
    })
}

fn is_unused_link_of_ours(directory: BorrowedFd<'_>, name: &[u8], running: &Running) -> bool {
    let mut target = Target::new();
    target.read(directory, name).is_ok_and(|target| names_output(target) && !running.has(target))
}

/// The number in the name of a temporary file.
fn process_of(name: &[u8]) -> &[u8] {
    let rest = name.strip_prefix(OWN_PREFIX.as_bytes()).unwrap_or_default();
    rest.split(|byte| *byte == b'-').next().unwrap_or_default()
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
    use super::{is_temporary, process_of};

    #[test]
    fn only_our_own_pattern_is_temporary() {
        assert!(is_temporary(b".opencode-cache-12-0"));
        assert_eq!(process_of(b".opencode-cache-12-0"), b"12");
        assert!(!is_temporary(b".opencode-cache-state"));
        assert!(!is_temporary(b".opencode-cache-12-"));
        assert!(!is_temporary(b".opencode-cache-12-0-1"));
        assert!(!is_temporary(b"opencode-cache-12-0"));
    }
}
