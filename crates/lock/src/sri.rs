//! Hashes of bytes, as subresource integrity (`sha512-<base64>`). Owns which algorithms count as a pin (SHA-2 of 256
//! bits and more) and the hashing itself; never reads a file.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::Digest as _;

/// A hash algorithm that is strong enough for a pin. Ordered by strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes; what npm registries give.
    Sha512,
}

/// A subresource integrity of exactly one hash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sri {
    algorithm: Algorithm,
    digest: Vec<u8>,
}

/// Why a text is no [`Sri`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No hash in the text has the form `algorithm-base64`.
    #[error("`{text}` is not an integrity of the form algorithm-base64")]
    Malformed {
        /// The text as given, at most its first 160 characters.
        text: String,
    },
    /// No hash in the text is of an algorithm that can pin (sha1 and md5 cannot).
    #[error("`{algorithm}` cannot pin anything; sha256, sha384 or sha512 can")]
    Algorithm {
        /// The algorithm of the first hash.
        algorithm: String,
    },
    /// The base64 is malformed.
    #[error("the base64 of the {algorithm} integrity is malformed")]
    Base64 {
        /// The algorithm of the hash.
        algorithm: Algorithm,
    },
    /// The digest is of another length than the algorithm's.
    #[error("the {algorithm} digest has {found} bytes instead of {expected}")]
    Length {
        /// The algorithm of the hash.
        algorithm: Algorithm,
        /// The algorithm's length, in bytes.
        expected: usize,
        /// The length found, in bytes.
        found: usize,
    },
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "integrity-invalid"
    }
}

impl Algorithm {
    /// The algorithm's word in an integrity.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// The digest's length, in bytes.
    pub fn digest_length(self) -> usize {
        match self {
            Algorithm::Sha256 => 32,
            Algorithm::Sha384 => 48,
            Algorithm::Sha512 => 64,
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == word)
    }
}

impl Sri {
    /// The integrity of `bytes`.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digest's bytes; as many as [`Algorithm::digest_length`] says.
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }

    /// The digest in lower-case hexadecimal.
    pub fn hex(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A SHA-256 of 64 hexadecimal digits, as GitHub and checksum files write it.
    pub fn from_sha256_hex(text: &str) -> Option<Self> {
        let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let bytes = text.as_bytes();
        if bytes.len() != 2 * Algorithm::Sha256.digest_length() {
            return None;
        }
        let byte = |pair: &[u8]| Some(nibble(pair[0])? << 4 | nibble(pair[1])?);
        let digest = bytes.chunks_exact(2).map(byte).collect::<Option<Vec<u8>>>()?;
        Some(Sri { algorithm: Algorithm::Sha256, digest })
    }

    fn parse_one(word: &str) -> Result<Self, Error> {
        let malformed = || Error::Malformed { text: word.chars().take(160).collect() };
        // An integrity may carry options after a question mark; none has a meaning (SRI specification, section 3.1).
        let hash = word.split_once('?').map_or(word, |(hash, _)| hash);
        let (algorithm, encoded) = hash.split_once('-').ok_or_else(malformed)?;
        if algorithm.is_empty() || !algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(malformed());
        }
        let Some(algorithm) = Algorithm::from_word(algorithm) else {
            return Err(Error::Algorithm { algorithm: algorithm.chars().take(32).collect() });
        };
        let digest = STANDARD.decode(encoded).map_err(|_| Error::Base64 { algorithm })?;
        let (expected, found) = (algorithm.digest_length(), digest.len());
        if expected == found {
            Ok(Sri { algorithm, digest })
        } else {
            Err(Error::Length { algorithm, expected, found })
        }
    }
}

impl FromStr for Sri {
    type Err = Error;

    /// Of several hashes, separated by white space, the strongest counts and weak ones are passed over; a malformed
    /// hash of a strong algorithm is an error also beside a good one.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut strongest: Option<Sri> = None;
        let mut weak = None;
        for word in text.split_ascii_whitespace() {
            match Self::parse_one(word) {
                Ok(sri) if strongest.as_ref().is_none_or(|best| best.algorithm < sri.algorithm) => {
                    strongest = Some(sri)
                }
                Ok(_) => {}
                Err(error @ Error::Algorithm { .. }) => weak = weak.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        strongest.ok_or_else(|| {
            weak.unwrap_or_else(|| Error::Malformed { text: text.chars().take(160).collect() })
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Sri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.algorithm, STANDARD.encode(&self.digest))
    }
}

impl fmt::Debug for Sri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sri({self})")
    }
}

crate::macros::text_serde!(Sri);

/// Hashes bytes as they stream by.
#[derive(Debug, Clone)]
pub struct Hasher(State);

#[derive(Debug, Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// A hasher that has seen no byte.
    pub fn new(algorithm: Algorithm) -> Self {
        Hasher(match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha384 => State::Sha384(sha2::Sha384::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
        })
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha384(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The integrity of all bytes that were taken in.
    pub fn finish(self) -> Sri {
        let (algorithm, digest) = match self.0 {
            State::Sha256(state) => (Algorithm::Sha256, state.finalize().to_vec()),
            State::Sha384(state) => (Algorithm::Sha384, state.finalize().to_vec()),
            State::Sha512(state) => (Algorithm::Sha512, state.finalize().to_vec()),
        };
        Sri { algorithm, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_256: &str = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    #[test]
    fn hashes_like_everyone_else() {
        let empty = Sri::of(Algorithm::Sha256, b"");
        assert_eq!(empty.to_string(), EMPTY_256);
        assert_eq!(empty.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for algorithm in [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"ab");
            hasher.update(b"c");
            let whole = Sri::of(algorithm, b"abc");
            assert_eq!(hasher.finish(), whole);
            assert_eq!(whole.to_string().parse(), Ok(whole));
        }
    }

    #[test]
    fn takes_the_strongest_of_several() {
        let strong = Sri::of(Algorithm::Sha512, b"x");
        let weak = Sri::of(Algorithm::Sha256, b"x");
        assert_eq!(format!("{weak} {strong}?opt sha1-abc md5-x").parse(), Ok(strong));
    }

    #[test]
    fn refuses_what_cannot_pin() {
        let error = |text: &str| text.parse::<Sri>().unwrap_err();
        assert!(matches!(error("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="), Error::Algorithm { .. }));
        assert!(matches!(error("sha512-AAAA"), Error::Length { found: 3, .. }));
        assert!(matches!(error("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"), Error::Base64 { .. }));
        assert!(matches!(error("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV="), Error::Base64 { .. }));
        for malformed in ["", "  ", "sha512", "e3b0c442", "-x"] {
            assert!(matches!(error(malformed), Error::Malformed { .. }), "{malformed:?}");
        }
    }
}
