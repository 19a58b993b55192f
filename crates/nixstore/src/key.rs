//! Nix's signatures: Ed25519 over a narinfo's fingerprint. A key is `NAME:BASE64`, of 64 bytes (seed, then public key) the secret one,
//! of 32 the public one; a signature is `NAME:BASE64` of 64 bytes. `nix key generate-secret` makes such keys.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::error::{self, At as _, Error};

/// The most that is read of a key's file, in bytes: a key of a long name has some 150.
const LONGEST_FILE: u64 = 4096;

/// The longest name of a key, in bytes.
const LONGEST_NAME: usize = 256;

/// A text that is no key or no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is wanted: a name, a colon, and {bytes} bytes in base64")]
pub struct NotOne {
    what: &'static str,
    bytes: usize,
}

const WANTED: NotOne = NotOne { what: "a secret key", bytes: 64 };

/// What signs.
pub struct SecretKey {
    name: String,
    pair: Ed25519KeyPair,
}

/// What a signature is checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    bytes: [u8; 32],
}

/// Who signed, and how.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    name: String,
    bytes: [u8; 64],
}

impl SecretKey {
    /// The file of the key of that name and seed, which has to be random; `None` for a name that no key has.
    pub fn text(name: &str, seed: [u8; 32]) -> Option<String> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
        let key = [&seed, pair.public_key().as_ref()].concat();
        let text = format!("{name}:{}", STANDARD.encode(key));
        text.parse::<Self>().is_ok().then_some(text + "\n")
    }

    /// Reads a key's file, of which the last line may be ended.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Key`]. What stands in the file is told nowhere.
    pub fn read(path: &Path) -> error::Result<Self> {
        // A link is followed: secrets often are links.
        let file = File::open(path).at("open", path)?;
        let mut text = String::new();
        let wrong = |source| Error::Key { path: path.to_path_buf(), source };
        match file.take(LONGEST_FILE).read_to_string(&mut text) {
            Err(error) if error.kind() == ErrorKind::InvalidData => return Err(wrong(WANTED)),
            read => read.at("read", path)?,
        };
        text.trim_end().parse().map_err(wrong)
    }

    /// Signs a text.
    pub fn sign(&self, text: &str) -> Signature {
        let mut bytes = [0; 64];
        // Ed25519's signatures are of 64 bytes, all of them.
        bytes.copy_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        Signature { name: self.name.clone(), bytes }
    }

    /// What its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey { name: self.name.clone(), bytes }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.name)
    }
}

impl FromStr for SecretKey {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let (name, bytes) = split::<64>(text).ok_or(WANTED)?;
        let (seed, public) = bytes.split_at(32);
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| WANTED)?;
        Ok(Self { name, pair })
    }
}

impl PublicKey {
    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a signature says that it is this key's.
    pub fn is_named_in(&self, signature: &Signature) -> bool {
        self.name == signature.name
    }

    /// Whether it is this key's signature of a text.
    pub fn verifies(&self, text: &str, signature: &Signature) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.bytes);
        self.name == signature.name && key.verify(text.as_bytes(), &signature.bytes).is_ok()
    }
}

impl FromStr for PublicKey {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let (name, bytes) = split::<32>(text).ok_or(NotOne { what: "a public key", bytes: 32 })?;
        Ok(Self { name, bytes })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, STANDARD.encode(self.bytes))
    }
}

impl Signature {
    /// The name of the key that made it, by its own word.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Signature {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let (name, bytes) = split::<64>(text).ok_or(NotOne { what: "a signature", bytes: 64 })?;
        Ok(Self { name, bytes })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, STANDARD.encode(self.bytes))
    }
}

/// `NAME:BASE64`, of just so many bytes.
fn split<const N: usize>(text: &str) -> Option<(String, [u8; N])> {
    let (name, encoded) = text.split_once(':')?;
    let is_name =
        !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(|byte| byte.is_ascii_graphic());
    let bytes = STANDARD.decode(encoded).ok()?.try_into().ok()?;
    is_name.then(|| (name.to_owned(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of no secrecy: its seed is 32 times 7.
    fn secret() -> String {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let bytes = [&[7; 32], pair.public_key().as_ref()].concat();
        format!("test-1:{}", STANDARD.encode(bytes))
    }

    /// Of that seed, as `nix key convert-secret-to-public` prints it (2.8.0).
    const PUBLIC: &str = "test-1:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";

    #[test]
    fn what_one_signs_the_other_verifies_and_nothing_else() {
        let text = secret();
        let secret: SecretKey = text.parse().unwrap();
        let public = secret.public();
        assert_eq!(public.to_string(), PUBLIC);
        let signature = secret.sign("1;a");
        assert!(public.verifies("1;a", &signature.to_string().parse().unwrap()));
        assert!(!public.verifies("1;b", &signature));
        let renamed: Signature = signature.to_string().replace("test-1", "test-2").parse().unwrap();
        assert!(!public.verifies("1;a", &renamed));
        assert_eq!(format!("{secret:?}"), "SecretKey(test-1)");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let right = secret();
        let renamed = right.replace("test-1", "a b");
        // The public half is not that of the seed.
        let other = format!("test-1:{}", STANDARD.encode([7; 64]));
        for wrong in ["", "test-1", "test-1:", ":AAAA", &right[..right.len() - 4], PUBLIC, &renamed, &other] {
            assert!(wrong.parse::<SecretKey>().is_err(), "{wrong}");
        }
        assert!(right.parse::<PublicKey>().is_err());
    }
}
