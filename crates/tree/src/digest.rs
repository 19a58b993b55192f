//! nix-base32, and the digest that names a tree.
//!
//! The digest is the one that Nix gives to a content-addressed path: SHA-256 over
//! `source:sha256:<hex of the NAR's SHA-256>:/nix/store:opencode-cache`, folded by xor to 160 bits
//! and written as 32 characters of nix-base32. So a tree has the same name in our own store and,
//! added to it as it is, in Nix's. Never reads a file: the NAR's hash comes from [`crate::nar`].

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::nar::NarHash;

/// What follows the digest and a dash in the name of a stored tree. Part of the digest too:
/// changing it renames every tree, and makes links into older ones look like the user's.
pub const NAME: &str = "opencode-cache";

/// Bytes of a digest: 160 bits, as in Nix's store paths.
const DIGEST_BYTES: usize = 20;

/// nix-base32's digits: no `e`, `o`, `u`, `t`, so that hardly a curse word can arise.
const ALPHABET: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// The name that a tree's content gives it; 32 characters as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; DIGEST_BYTES]);

impl Digest {
    /// The digest of the tree whose NAR has this hash.
    pub fn of(nar: &NarHash) -> Self {
        let fingerprint = format!("source:sha256:{}:/nix/store:{NAME}", nar.hex());
        let full: [u8; 32] = Sha256::digest(fingerprint.as_bytes()).into();
        Self(fold(&full))
    }

    /// The directory name of a tree with this digest: `<digest>-opencode-cache`.
    pub fn file_name(&self) -> String {
        format!("{self}-{NAME}")
    }

    /// Reads a directory name `<digest>-opencode-cache`; `None` for any other name.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let digest = name.strip_suffix(NAME)?.strip_suffix('-')?;
        digest.parse().ok()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&nix32(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A text that is not 32 characters of nix-base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: 32 characters of nix-base32 are wanted")]
pub struct NotADigest;

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let bytes = from_nix32(text).ok_or(NotADigest)?;
        bytes.try_into().map(Self).map_err(|_| NotADigest)
    }
}

/// Folds a hash to 160 bits, as Nix does: byte `i` is xored onto byte `i mod 20`.
pub fn fold(hash: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut folded = [0; DIGEST_BYTES];
    for (i, byte) in hash.iter().enumerate() {
        folded[i % DIGEST_BYTES] ^= byte;
    }
    folded
}

/// Bytes as nix-base32: the least significant five bits last, no padding, 52 characters for a
/// SHA-256.
pub fn nix32(bytes: &[u8]) -> String {
    let length = (bytes.len() * 8).div_ceil(5);
    (0..length)
        .rev()
        .map(|digit| {
            let (byte, shift) = (digit * 5 / 8, digit * 5 % 8);
            let low = u16::from(bytes[byte]);
            let high = u16::from(bytes.get(byte + 1).copied().unwrap_or(0));
            let bits = (low | high << 8) >> shift;
            char::from(ALPHABET[usize::from(bits & 0x1f)])
        })
        .collect()
}

/// The bytes that a nix-base32 text stands for; `None` for other characters, for a length that no
/// whole number of bytes has, and for bits beyond the last byte.
pub fn from_nix32(text: &str) -> Option<Vec<u8>> {
    let length = text.len() * 5 / 8;
    if (length * 8).div_ceil(5) != text.len() {
        return None;
    }
    let mut bytes = vec![0u8; length];
    for (digit, character) in text.bytes().rev().enumerate() {
        let value = u16::try_from(ALPHABET.iter().position(|a| *a == character)?).ok()?;
        let (byte, shift) = (digit * 5 / 8, digit * 5 % 8);
        let [low, high] = (value << shift).to_le_bytes();
        *bytes.get_mut(byte)? |= low;
        match bytes.get_mut(byte + 1) {
            Some(next) => *next |= high,
            None if high != 0 => return None,
            None => {}
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the empty string, as `nix-hash --type sha256 --to-base32` prints it.
    const EMPTY: &str = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";

    #[test]
    fn nix32_of_a_known_hash_is_what_nix_prints() {
        let hash: [u8; 32] = Sha256::digest(b"").into();
        assert_eq!(nix32(&hash), EMPTY);
        assert_eq!(from_nix32(EMPTY).unwrap(), hash);
    }

    #[test]
    fn file_name_round_trips_and_others_are_refused() {
        let digest = Digest(*b"0123456789abcdefghij");
        let name = digest.file_name();
        assert_eq!(name.len(), 32 + 1 + NAME.len());
        assert_eq!(Digest::from_file_name(&name), Some(digest));
        for other in [
            "opencode-cache",
            "-opencode-cache",
            "e0000000000000000000000000000000-opencode-cache",
            "0000000000000000000000000000000-opencode-cache",
            "00000000000000000000000000000000-opencode",
            "00000000000000000000000000000000opencode-cache",
            "00000000000000000000000000000000-opencode-cache ",
        ] {
            assert_eq!(Digest::from_file_name(other), None, "{other}");
        }
    }

    #[test]
    fn spare_bits_are_refused() {
        assert_eq!(from_nix32("zz"), None);
        assert_eq!(from_nix32("0"), None);
        assert_eq!(from_nix32("7z"), Some(vec![0xff]));
    }

    proptest::proptest! {
        #[test]
        fn nix32_round_trips(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(from_nix32(&nix32(&bytes)), Some(bytes));
        }
    }
}
