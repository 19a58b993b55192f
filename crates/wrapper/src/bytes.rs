//! Paths as bytes, as the kernel takes them. Never looks at a file system.

use alloc::vec::Vec;

/// `above/below`, with one slash between them.
pub fn join(above: &[u8], below: &[u8]) -> Vec<u8> {
    let above = without_trailing_slashes(above);
    let mut path = Vec::with_capacity(above.len() + 1 + below.len());
    path.extend_from_slice(above);
    path.push(b'/');
    path.extend_from_slice(below);
    path
}

/// The directory above and the last component. A path without a slash has nothing above.
pub fn split(path: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => {
            let (above, rest) = path.split_at(at);
            (Some(above), rest.get(1..).unwrap_or_default())
        }
        None => (None, path),
    }
}

/// `path` without slashes at its end (the root directory becomes empty, to be joined to).
pub fn without_trailing_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/');
    path.get(..end.map_or(0, |end| end + 1)).unwrap_or_default()
}

/// A number as text. The formatting of the standard library would be a tenth of this program.
pub fn decimal(number: u32) -> Vec<u8> {
    let mut digits = Vec::with_capacity(10);
    let mut rest = number;
    loop {
        digits.insert(0, b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            return digits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_with_one_slash() {
        assert_eq!(join(b"/a", b"b"), b"/a/b");
        assert_eq!(join(b"/a//", b"b"), b"/a/b");
        assert_eq!(join(b"/", b"b"), b"/b");
    }

    #[test]
    fn numbers_are_written_as_usual() {
        assert_eq!(decimal(0), b"0");
        assert_eq!(decimal(u32::MAX), u32::MAX.to_string().as_bytes());
    }

    #[test]
    fn splits_at_the_last_slash() {
        assert_eq!(split(b"/a/b"), (Some(b"/a".as_slice()), b"b".as_slice()));
        assert_eq!(split(b"/a"), (Some(b"".as_slice()), b"a".as_slice()));
        assert_eq!(split(b"a"), (None, b"a".as_slice()));
    }
}
