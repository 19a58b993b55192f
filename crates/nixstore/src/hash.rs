//! Hashes as Nix writes them: `sha256:` and the digest in nix-base32 or in hexadecimal digits, told apart by their length.

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;
use tree::digest::{from_nix32, nix32};

/// A hash function that Nix knows. Content is hashed here by the last two only; the others can no longer prove anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// MD5, 16 bytes.
    Md5,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl Algorithm {
    const ALL: [Self; 4] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    /// Nix's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of a digest in bytes.
    pub fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// A digest, and what made it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Hash {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

/// A text that is no hash of Nix's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a hash is wanted: md5, sha1, sha256 or sha512, a colon, and the digest in nix-base32 or hexadecimal digits"
)]
pub struct NotAHash;

impl Hash {
    /// The hash with this digest; `None` where it has another length.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == algorithm.length()).then(|| Self { algorithm, bytes: bytes.to_vec() })
    }

    /// The SHA-256 with this digest.
    pub fn sha256(bytes: [u8; 32]) -> Self {
        Self { algorithm: Algorithm::Sha256, bytes: bytes.to_vec() }
    }

    /// What made it.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digest.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The digest in lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        self.bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The digest in nix-base32.
    pub fn nix32(&self) -> String {
        nix32(&self.bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.nix32())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let (word, digest) = text.split_once(':').ok_or(NotAHash)?;
        let algorithm =
            Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == word).ok_or(NotAHash)?;
        let length = algorithm.length();
        let bytes = if digest.len() == 2 * length { from_hex(digest) } else { from_nix32(digest) };
        bytes.and_then(|bytes| Self::new(algorithm, &bytes)).ok_or(NotAHash)
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}

/// Hashes bytes as they come.
pub enum Hasher {
    /// By SHA-256.
    Sha256(sha2::Sha256),
    /// By SHA-512.
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// `None` for what can no longer prove anything.
    pub fn new(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Md5 | Algorithm::Sha1 => None,
            Algorithm::Sha256 => Some(Self::sha256()),
            Algorithm::Sha512 => Some(Self::Sha512(sha2::Sha512::new())),
        }
    }

    /// By SHA-256.
    pub fn sha256() -> Self {
        Self::Sha256(sha2::Sha256::new())
    }

    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The hash of all bytes.
    pub fn finish(self) -> Hash {
        match self {
            Self::Sha256(hasher) => Hash::sha256(hasher.finalize().into()),
            Self::Sha512(hasher) => Hash { algorithm: Algorithm::Sha512, bytes: hasher.finalize().to_vec() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_others_refused() {
        let empty = Hasher::sha256().finish();
        let text = "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
        assert_eq!(empty.to_string(), text);
        assert_eq!(text.parse(), Ok(empty.clone()));
        assert_eq!(format!("sha256:{}", empty.hex()).parse(), Ok(empty.clone()));
        let hex = empty.hex();
        for wrong in [
            "",
            "sha256:",
            "sha256",
            &hex,
            &format!("sha512:{hex}"),
            &format!("SHA256:{hex}"),
            &format!("sha256:{}", hex.to_uppercase()),
            &format!("sha256:{}", &hex[1..]),
            &text[..text.len() - 1],
        ] {
            assert_eq!(wrong.parse::<Hash>(), Err(NotAHash), "{wrong}");
        }
        assert!(Hasher::new(Algorithm::Sha1).is_none() && Hasher::new(Algorithm::Md5).is_none());
    }
}
