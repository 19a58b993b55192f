//! Names of entries: which ones a tree may have, and which two are one and the same somewhere.

use std::path::{Path, PathBuf};

use icu_normalizer::DecomposingNormalizerBorrowed;

use super::Refusal;

/// Bytes of one component of a name at most: what Linux and macOS allow.
const MAX_COMPONENT: usize = 255;

/// Components of a name at most: a deeper tree could not be listed again.
const MAX_DEPTH: usize = crate::scan::MAX_DEPTH;

/// An entry's name as a relative path without `.` components and doubled slashes. What systems
/// read differently is refused: a backslash is a separator on Windows, and bytes that are not
/// UTF-8 are no name on macOS.
pub(super) fn relative(name: &[u8], limit: usize) -> Result<PathBuf, Refusal> {
    if name.is_empty() || name.contains(&0) {
        return Err(Refusal::BadName);
    }
    if name.len() > limit {
        return Err(Refusal::NameTooLong { limit });
    }
    if name.starts_with(b"/") {
        return Err(Refusal::AbsolutePath);
    }
    let name = std::str::from_utf8(name).map_err(|_| Refusal::BadName)?;
    if name.contains('\\') {
        return Err(Refusal::Backslash);
    }
    let mut path = PathBuf::new();
    let mut depth = 0;
    for component in name.split('/') {
        match component {
            "" | "." => {}
            ".." => return Err(Refusal::ParentComponent),
            long if long.len() > MAX_COMPONENT => {
                return Err(Refusal::NameTooLong { limit: MAX_COMPONENT });
            }
            name => {
                path.push(name);
                depth += 1;
            }
        }
    }
    if depth > MAX_DEPTH {
        return Err(Refusal::TooDeep { limit: MAX_DEPTH });
    }
    Ok(path)
}

/// What a path is on a file system that tells neither upper from lower case nor an accented letter
/// from a letter and its accent, as macOS's do: equal for paths that are one file there. A Linux
/// build refuses them too, since one lock has to unpack to one tree everywhere.
pub(super) fn folded(path: &Path) -> String {
    let path = path.to_string_lossy();
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    let decompose = DecomposingNormalizerBorrowed::new_nfd();
    // There and back again: `ß` is `SS` in upper case, and so is `ss`.
    let upper: String = decompose.normalize(&path).chars().flat_map(char::to_uppercase).collect();
    let lower: String = upper.chars().flat_map(char::to_lowercase).collect();
    decompose.normalize(&lower).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_one_file_somewhere() {
        for (one, other) in [
            ("a/README", "A/readme"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("CAF\u{c9}", "cafe\u{301}"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{3c3}", "\u{3c2}"),
            ("\u{212a}", "k"),
        ] {
            assert_eq!(folded(Path::new(one)), folded(Path::new(other)), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("cafe", "caf\u{e9}"), ("a/b", "ab")] {
            assert_ne!(folded(Path::new(one)), folded(Path::new(other)), "{one} {other}");
        }
    }
}
