//! Paths inside a map, and names of outputs. Owns their rules; never resolves or joins a path.

use crate::{MAX_PATH, OUTPUT_SUFFIX, OWN_PREFIX, Reason};
use core::cmp::Ordering;

/// Order of destinations: byte order, but `/` before everything else. So what lies below a path
/// follows it at once (`a`, `a/b`, `a-b`), and one look back finds an entry below another.
pub fn path_order(a: &str, b: &str) -> Ordering {
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    a.bytes().map(rank).cmp(b.bytes().map(rank))
}

/// Whether `path` lies below `above` (not the same).
pub(crate) fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

pub(crate) fn check_relative(path: &str) -> Result<(), Reason> {
    if path.len() > MAX_PATH {
        return Err(Reason::TooLong);
    }
    if path.starts_with('/') {
        return Err(Reason::AbsolutePath);
    }
    for component in path.as_bytes().split(|byte| *byte == b'/') {
        match component {
            b"" => return Err(Reason::EmptyComponent),
            b"." | b".." => return Err(Reason::DotComponent),
            _ => {}
        }
    }
    Ok(())
}

pub(crate) fn check_dest(path: &str) -> Result<(), Reason> {
    check_relative(path)?;
    let own = |part: &[u8]| part.starts_with(OWN_PREFIX.as_bytes());
    if path.as_bytes().split(|byte| *byte == b'/').any(own) {
        return Err(Reason::ReservedName);
    }
    Ok(())
}

pub(crate) fn check_root(path: &str) -> Result<(), Reason> {
    check_relative(path)?;
    if path != "opencode" && !path.ends_with("/opencode") {
        return Err(Reason::RootName);
    }
    Ok(())
}

/// Whether `text` is a digest as outputs carry it: 32 characters of Nix's base 32
/// (digits and lower-case letters without e, o, t, u).
pub fn is_digest(text: &[u8]) -> bool {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z') && !b"eotu".contains(byte);
    text.len() == 32 && text.iter().all(digit)
}

/// Whether a path has a component `<digest>-opencode-cache`: the mark of a link that is ours.
pub fn names_output(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|component| {
        component
            .strip_suffix(OUTPUT_SUFFIX.as_bytes())
            .and_then(|rest| rest.strip_suffix(b"-"))
            .is_some_and(is_digest)
    })
}
