//! A sum of a copied file's content. Owns the arithmetic; never reads a file.

use core::fmt;

/// FNV-1a, 64 bits, of a file's content.
///
/// It answers one question: is this file still what a wrapper wrote? Not an integrity check (the
/// store's digest is that) and not secure against a person who wants a collision in their own file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sum(u64);

/// Offset basis and prime of FNV-1a for 64 bits, as its authors define them.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

impl Sum {
    /// Sum of nothing: where summing in pieces begins.
    pub const EMPTY: Sum = Sum(BASIS);

    /// Sum of `content`.
    pub fn of(content: &[u8]) -> Sum {
        Sum::EMPTY.and(content)
    }

    /// Sum of what was summed so far, followed by `more`.
    #[must_use]
    pub fn and(self, more: &[u8]) -> Sum {
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(PRIME);
        Sum(more.iter().fold(self.0, step))
    }

    /// The number itself.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// From its written form: 16 lower-case hexadecimal digits, no more and no fewer.
    pub fn from_hex(text: &str) -> Option<Sum> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(u64::from(byte - b'0')),
            b'a'..=b'f' => Some(u64::from(byte - b'a') + 10),
            _ => None,
        };
        if text.len() != 16 {
            return None;
        }
        text.bytes().try_fold(0, |sum, byte| Some(sum << 4 | digit(byte)?)).map(Sum)
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
