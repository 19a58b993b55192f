//! Where in a text something stands. Owns the counting of lines and columns, never the reading of files.

use std::fmt;

/// A place in a text: line and column, both counted from 1; columns count characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters (Unicode scalar values), from 1.
    pub column: usize,
}

impl Position {
    /// The place of a byte offset in `text`. An offset past the end, or inside a character, counts as the nearest
    /// place before it.
    pub(crate) fn of_offset(text: &str, offset: usize) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_one_in_characters() {
        let text = "aé\n  x";
        assert_eq!(Position::of_offset(text, 0).to_string(), "1:1");
        assert_eq!(Position::of_offset(text, 3).to_string(), "1:3");
        assert_eq!(Position::of_offset(text, 6).to_string(), "2:3");
        assert_eq!(Position::of_offset(text, 99).to_string(), "2:4");
        assert_eq!(Position::of_offset(text, 2).to_string(), "1:2");
    }
}
