//! minisign's keys and signatures (0.11): Ed25519 over the BLAKE2b-512 of a file. What is signed here `minisign -V` verifies, and the
//! other way round.
//!
//! A secret key with a password is refused: the program that has to be asked for it is minisign itself, and it can take it away.
//! Signatures over the file itself, which older versions made, are refused too. No randomness here: a new key's bytes are handed in.

use std::fmt;
use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// Ed25519, in keys; in signatures it would be of the file itself.
const PLAIN: &[u8] = b"Ed";

/// Ed25519 over the BLAKE2b-512, in signatures.
const HASHED: &[u8] = b"ED";

/// What a secret key's checksum is of. Without a password minisign leaves it empty; that both halves are one key says more.
const CHECKSUM: &[u8] = b"B2";

/// No password.
const NO_PASSWORD: &[u8] = &[0, 0];

const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";

/// The longest line, in bytes: minisign's own bound for the trusted comment is 8192.
const LONGEST_LINE: usize = 8192;

/// Bytes of a key's number.
const ID: usize = 8;

/// Why a text is no key or signature, or not one of this file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It has another form.
    #[error("this is no {what} of minisign's")]
    Malformed {
        /// What is wanted.
        what: &'static str,
    },
    /// The key has a password.
    #[error("the secret key has a password")]
    Password,
    /// It signs the file itself, not its hash.
    #[error("the signature is of a form that minisign no longer makes")]
    Legacy,
    /// Another key signed.
    #[error("the signature is of the key {found}, not of {wanted}")]
    OtherKey {
        /// The one that signed, by its own word.
        found: String,
        /// The one that is trusted.
        wanted: String,
    },
    /// It is not the key's signature of this.
    #[error("the signature is not of this file")]
    Forged,
    /// The comment is not what was signed.
    #[error("the signature's trusted comment was altered")]
    Comment,
}

impl Error {
    /// A stable kebab-case code for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "signature-malformed",
            Self::Password => "key-has-password",
            Self::Legacy => "signature-legacy",
            Self::OtherKey { .. } => "signature-other-key",
            Self::Forged => "signature-forged",
            Self::Comment => "signature-comment",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Malformed { .. } => return None,
            Self::Password => "`minisign -C -W -s FILE` takes it away; keep the file as safe as the password",
            Self::Legacy => "sign it again, with `minisign -S -H` or `opencode-cache bundle`",
            Self::OtherKey { .. } => {
                "ask whoever made the bundle for the public key, by another way than the bundle came"
            }
            Self::Forged | Self::Comment => "do not use the file; get it again from where it was made",
        })
    }
}

/// What a signature is checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: [u8; ID],
    bytes: [u8; 32],
}

/// What signs.
pub struct SecretKey {
    id: [u8; ID],
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

/// A signature, of nobody and nothing until it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    id: [u8; ID],
    bytes: [u8; 64],
    comment: String,
    /// Of the signature and its comment.
    global: [u8; 64],
}

impl PublicKey {
    /// Whether it is this key's signature of what has this BLAKE2b-512; its comment then was signed too.
    ///
    /// # Errors
    /// [`Error::OtherKey`], [`Error::Forged`], [`Error::Comment`].
    pub fn verify<'a>(&self, hash: &[u8; 64], signature: &'a Signature) -> Result<&'a str, Error> {
        if signature.id != self.id {
            return Err(Error::OtherKey { found: name(&signature.id), wanted: name(&self.id) });
        }
        let key = UnparsedPublicKey::new(&ED25519, self.bytes);
        key.verify(hash, &signature.bytes).map_err(|_| Error::Forged)?;
        key.verify(&with_comment(&signature.bytes, &signature.comment), &signature.global)
            .map_err(|_| Error::Comment)?;
        Ok(&signature.comment)
    }

    /// The key's number as minisign writes it.
    pub fn id(&self) -> String {
        name(&self.id)
    }
}

impl SecretKey {
    /// The key of this seed; both have to be random.
    ///
    /// # Errors
    /// [`Error::Malformed`]: none of any seed.
    pub fn new(seed: [u8; 32], id: [u8; ID]) -> Result<Self, Error> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| malformed("secret key"))?;
        Ok(Self { id, seed, pair })
    }

    /// Signs what has this BLAKE2b-512. The same always gives the same. A line feed in the comment would begin another line: it is
    /// left out, as other control characters are.
    pub fn sign(&self, hash: &[u8; 64], comment: &str) -> Signature {
        let comment: String = comment.chars().filter(|letter| !letter.is_control()).collect();
        let sign = |bytes: &[u8]| {
            let mut signature = [0; 64];
            // Ed25519's signatures are of 64 bytes, all of them.
            signature.copy_from_slice(self.pair.sign(bytes).as_ref());
            signature
        };
        let bytes = sign(hash);
        let global = sign(&with_comment(&bytes, &comment));
        Signature { id: self.id, bytes, comment, global }
    }

    /// What its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey { id: self.id, bytes }
    }

    /// The key's file, without a password.
    pub fn to_text(&self) -> String {
        let key = [&self.id[..], &self.seed, &self.public().bytes].concat();
        // Salt and the two limits of a password's hash, and the checksum: none.
        let bytes = [PLAIN, NO_PASSWORD, CHECKSUM, &[0; 48], &key, &[0; 32]].concat();
        format!("{UNTRUSTED}minisign secret key {}\n{}\n", name(&self.id), STANDARD.encode(bytes))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", name(&self.id))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", name(&self.id))
    }
}

impl FromStr for SecretKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || malformed("secret key");
        let bytes: [u8; 158] = decoded(second_line(text).ok_or_else(wrong)?).ok_or_else(wrong)?;
        let (before, key) = bytes.split_at(54);
        let key = &key[..ID + 64];
        if &before[..2] != PLAIN || &before[4..6] != CHECKSUM {
            return Err(wrong());
        }
        if &before[2..4] != NO_PASSWORD {
            return Err(Error::Password);
        }
        let id = key[..ID].try_into().map_err(|_| wrong())?;
        let seed = key[ID..ID + 32].try_into().map_err(|_| wrong())?;
        Ed25519KeyPair::from_seed_and_public_key(&key[ID..ID + 32], &key[ID + 32..]).map_err(|_| wrong())?;
        Self::new(seed, id)
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    /// Of a key's file, or of its second line alone, as minisign's `-P` takes it.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || malformed("public key");
        let line =
            if text.starts_with(UNTRUSTED) { second_line(text).ok_or_else(wrong)? } else { text.trim_end() };
        let bytes: [u8; 42] = decoded(line).ok_or_else(wrong)?;
        let (id, key) = bytes[2..].split_at(ID);
        if &bytes[..2] != PLAIN {
            return Err(wrong());
        }
        Ok(Self { id: id.try_into().map_err(|_| wrong())?, bytes: key.try_into().map_err(|_| wrong())? })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [PLAIN, &self.id, &self.bytes].concat();
        writeln!(f, "{UNTRUSTED}minisign public key {}\n{}", name(&self.id), STANDARD.encode(bytes))
    }
}

impl Signature {
    /// The number of the key that made it, by its own word.
    pub fn id(&self) -> String {
        name(&self.id)
    }
}

impl FromStr for Signature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || malformed("signature");
        let mut lines = text.lines();
        let mut line = || lines.next().filter(|line| line.len() <= LONGEST_LINE).ok_or_else(wrong);
        if !line()?.starts_with(UNTRUSTED) {
            return Err(wrong());
        }
        let bytes: [u8; 74] = decoded(line()?).ok_or_else(wrong)?;
        let comment = line()?.strip_prefix(TRUSTED).ok_or_else(wrong)?.to_owned();
        let global = decoded(line()?).ok_or_else(wrong)?;
        if lines.next().is_some() {
            return Err(wrong());
        }
        match &bytes[..2] {
            HASHED => {}
            PLAIN => return Err(Error::Legacy),
            _ => return Err(wrong()),
        }
        let (id, signature) = bytes[2..].split_at(ID);
        let id = id.try_into().map_err(|_| wrong())?;
        Ok(Self { id, bytes: signature.try_into().map_err(|_| wrong())?, comment, global })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [HASHED, &self.id, &self.bytes].concat();
        writeln!(f, "{UNTRUSTED}signature of opencode-cache, for minisign\n{}", STANDARD.encode(bytes))?;
        writeln!(f, "{TRUSTED}{}\n{}", self.comment, STANDARD.encode(self.global))
    }
}

fn malformed(what: &'static str) -> Error {
    Error::Malformed { what }
}

/// A key's number as minisign writes it: the last byte first.
fn name(id: &[u8; ID]) -> String {
    format!("{:016X}", u64::from_le_bytes(*id))
}

fn with_comment(signature: &[u8; 64], comment: &str) -> Vec<u8> {
    [signature.as_slice(), comment.as_bytes()].concat()
}

/// What stands below an untrusted comment.
fn second_line(text: &str) -> Option<&str> {
    let mut lines = text.lines();
    lines.next().filter(|line| line.starts_with(UNTRUSTED))?;
    let line = lines.next()?;
    lines.next().is_none().then_some(line)
}

fn decoded<const N: usize>(line: &str) -> Option<[u8; N]> {
    if line.len() > LONGEST_LINE {
        return None;
    }
    STANDARD.decode(line).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests;
