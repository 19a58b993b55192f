//! Whether git tracks a file: it is in the index of the work tree that it lies in. Never runs git, and
//! asks only about a file that exists and is the user's.

use crate::bytes::{join, split};
use crate::output::read_bounded;
use crate::system::real_path;
use alloc::vec::Vec;
use rustix::io::Errno;

/// Largest index that is searched: a million files have about 100 MB, and a work tree with a
/// configuration directory of OpenCode's in it a few kilobytes.
const MOST_INDEX: usize = 64 << 20;

/// Bytes of an index entry before its path: ten 32-bit fields, a SHA-1 and 16 bits of flags (gitformat-index).
/// A work tree with SHA-256 names has more; only the flags, which stand right before the path, are looked at.
const NAME_BITS: usize = 0xfff;

/// Whether git tracks the file at `path`, or it cannot be told: then it is left alone as well.
pub fn is_tracked(path: &[u8]) -> bool {
    // A link into a directory of dotfiles is tracked where it leads to.
    let Ok(path) = real_path(path) else { return false };
    let mut above = split(&path).0;
    while let Some(directory) = above {
        match index_of(directory) {
            Ok(index) => return names(&index, path.get(directory.len() + 1..).unwrap_or_default()),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(_) => return true,
        }
        above = split(directory).0;
    }
    false
}

/// The index of the work tree whose top is `directory`: in `.git`, or where the file `.git` says.
fn index_of(directory: &[u8]) -> Result<Vec<u8>, Errno> {
    let git = join(directory, b".git");
    match read_bounded(&git, 4096, 4096) {
        Ok(text) => {
            let place = text.strip_prefix(b"gitdir: ").ok_or(Errno::INVAL)?.trim_ascii_end();
            let place = if place.starts_with(b"/") { place.to_vec() } else { join(directory, place) };
            read_index(&place)
        }
        Err(Errno::ISDIR) => read_index(&git),
        Err(error) => Err(error),
    }
}

fn read_index(git: &[u8]) -> Result<Vec<u8>, Errno> {
    match read_bounded(&join(git, b"index"), 64 * 1024, MOST_INDEX) {
        // A new work tree has none yet.
        Err(Errno::NOENT) => Ok(Vec::new()),
        index => index,
    }
}

/// Whether an index names a path. Of version 4, which writes only what differs from the path before, and of
/// one that is too large to be read whole, nothing is known.
fn names(index: &[u8], path: &[u8]) -> bool {
    if index.is_empty() {
        return false;
    }
    let known = index.starts_with(b"DIRC\0\0\0\x02") || index.starts_with(b"DIRC\0\0\0\x03");
    if !known || index.len() >= MOST_INDEX {
        return true;
    }
    let length = path.len().min(NAME_BITS);
    let mut rest = index;
    // Each path ends in a NUL and is preceded by flags that hold its length, in version 3 perhaps with
    // more flags between.
    while let Some(at) = find(rest, path) {
        let before = index.len() - rest.len() + at;
        let flags = |back: usize| {
            let flags = before.checked_sub(back).and_then(|from| index.get(from..from + 2));
            flags.map_or(0, |flags| usize::from(flags[0]) << 8 | usize::from(flags[1])) & NAME_BITS
        };
        rest = rest.get(at + 1..).unwrap_or_default();
        let ends = rest.get(path.len() - 1) == Some(&0);
        if ends && (flags(2) == length || flags(4) == length) {
            return true;
        }
    }
    false
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let first = *word.first()?;
    let mut from = 0;
    loop {
        from += text.get(from..)?.iter().position(|byte| *byte == first)?;
        if text.get(from..)?.starts_with(word) {
            return Some(from);
        }
        from += 1;
    }
}
