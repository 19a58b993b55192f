//! A change of some bytes to as many others; as a text, and undone in whatever is read.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

/// Some bytes that become as many others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Where they begin in the file.
    pub offset: u64,
    /// What they were.
    pub before: Vec<u8>,
    /// What they become; of the same length.
    pub after: Vec<u8>,
}

/// Longest text of an edit, in bytes: an edit of ours has at most 96 bytes, twice, in hexadecimal digits.
const MAX_TEXT: usize = 1024;

impl Edit {
    /// Puts back what was there, as far as it lies in `bytes`, which begin at `at` in the file. Whether they are what this edit
    /// made: where they are not, nothing is changed.
    pub fn undo(&self, bytes: &mut [u8], at: u64) -> bool {
        // Where each byte of the edit that lies in the window lies in it, and in the edit.
        let end = at.saturating_add(bytes.len() as u64);
        let own = |place: u64| place.saturating_sub(self.offset).min(self.after.len() as u64) as usize;
        let begin = self.offset.saturating_sub(at) as usize;
        let places: Vec<_> =
            (own(at)..own(end)).enumerate().map(|(number, own)| (begin + number, own)).collect();
        let is_ours = places.iter().all(|(place, own)| bytes.get(*place) == self.after.get(*own));
        if is_ours {
            for (place, own) in places {
                if let (Some(byte), Some(old)) = (bytes.get_mut(place), self.before.get(own)) {
                    *byte = *old;
                }
            }
        }
        is_ours
    }
}

/// A fitted file read as what it was before.
#[derive(Debug)]
pub struct Undone<'e, R> {
    reader: R,
    edits: &'e [Edit],
    at: u64,
}

impl<'e, R: Read> Undone<'e, R> {
    /// `reader` is at the file's beginning.
    pub fn new(reader: R, edits: &'e [Edit]) -> Self {
        Self { reader, edits, at: 0 }
    }
}

impl<R: Read> Read for Undone<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let bytes = &mut buffer[..read];
        for edit in self.edits {
            if !edit.undo(bytes, self.at) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "bytes that were fitted are others by now",
                ));
            }
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl fmt::Display for Edit {
    /// `OFFSET BEFORE AFTER`, the bytes in hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.offset)?;
        self.before.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(" ")?;
        self.after.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text is not that of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an edit: `OFFSET BEFORE AFTER` is wanted")]
pub struct NoEdit;

impl FromStr for Edit {
    type Err = NoEdit;

    fn from_str(text: &str) -> Result<Self, NoEdit> {
        let bytes = |word: &str| -> Option<Vec<u8>> {
            let digit = |byte: &u8| (*byte as char).to_digit(16).map(|digit| digit as u8);
            let pairs = word.as_bytes().chunks(2);
            pairs.map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
        };
        let words: Vec<&str> = text.split(' ').collect();
        let read = || match words[..] {
            [offset, before, after] if text.len() <= MAX_TEXT => {
                let edit =
                    Self { offset: offset.parse().ok()?, before: bytes(before)?, after: bytes(after)? };
                // One text only for each.
                (edit.before.len() == edit.after.len() && edit.to_string() == text).then_some(edit)
            }
            _ => None,
        };
        read().ok_or(NoEdit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the pieces are that a file is read in, what was there comes out.
        #[test]
        fn undone_in_any_pieces(
            original in prop::collection::vec(any::<u8>(), 40..80),
            after in prop::collection::vec(any::<u8>(), 1..20),
            offset in 0_usize..20,
            piece in 1_usize..90,
        ) {
            let end = offset + after.len();
            let before = original[offset..end].to_vec();
            let mut fitted = original.clone();
            fitted[offset..end].copy_from_slice(&after);
            let edits = [Edit { offset: offset as u64, before, after }];
            let mut undone = Undone::new(fitted.as_slice(), &edits);
            let mut found = Vec::new();
            let mut buffer = vec![0; piece];
            loop {
                match undone.read(&mut buffer).unwrap() {
                    0 => break,
                    read => found.extend_from_slice(&buffer[..read]),
                }
            }
            prop_assert_eq!(found, original);
            let text = edits[0].to_string();
            prop_assert_eq!(text.parse::<Edit>().unwrap(), edits[0].clone());
        }

        #[test]
        fn no_text_panics(text in "[0-9a-f ]{0,40}") {
            if let Ok(edit) = text.parse::<Edit>() {
                prop_assert_eq!(edit.to_string(), text);
            }
        }
    }

    #[test]
    fn bytes_that_are_others_by_now_are_told() {
        let edits = [Edit { offset: 2, before: vec![1, 2], after: vec![3, 4] }];
        let read = |bytes: &[u8]| {
            let mut found = Vec::new();
            Undone::new(bytes, &edits).read_to_end(&mut found).map(|_| found)
        };
        assert_eq!(read(&[0, 0, 3, 4, 9]).unwrap(), [0, 0, 1, 2, 9]);
        assert!(read(&[0, 0, 3, 5, 9]).is_err());
    }
}
