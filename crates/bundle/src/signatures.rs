//! What may follow the trees of a bundle: who signed it. Lines, in any number: minisign's four (of which the first begins with
//! `untrusted comment: `), and `Sig: NAME:BASE64` of a key of Nix's, as a narinfo has it.
//!
//! Both are of the BLAKE2b-512 of everything before them: minisign's of its 64 bytes, Nix's of [`text_for_nix`].

use std::fmt;
use std::str::FromStr;

use crate::minisign;

/// How a signature of a key of Nix's begins.
const NIX: &str = "Sig: ";

/// How minisign's begin.
const MINISIGN: &str = "untrusted comment: ";

/// Lines of one of minisign's.
const LINES: usize = 4;

/// What a key of Nix's signs of a bundle: no fingerprint of a narinfo begins so.
pub fn text_for_nix(hash: &[u8; 64]) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("opencode-cache-bundle;1;blake2b-512:{hex}")
}

/// Why a bundle is not of whom it should be of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody signed it.
    #[error("nobody signed it")]
    Unsigned,
    /// None of the keys that are believed signed it.
    #[error("it is signed by {}, and believed is {}", found.join(", "), believed.join(", "))]
    Stranger {
        /// Who signed, by their own word.
        found: Vec<String>,
        /// Who is believed.
        believed: Vec<String>,
    },
    /// What stands there as a believed key's signature is none, or is not of this bundle.
    #[error("what stands there as the signature of {key} is not of this bundle")]
    Forged {
        /// The key.
        key: String,
    },
    /// It is no key, or no signature.
    #[error(transparent)]
    Minisign(#[from] minisign::Error),
    /// A text that is no key.
    #[error("this is no key, neither minisign's nor Nix's")]
    NoKey,
    /// Something else follows the trees.
    #[error("what stands there is no signature")]
    NoSignature,
}

impl Error {
    /// A stable kebab-case code for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsigned => "bundle-unsigned",
            Self::Stranger { .. } => "signature-other-key",
            Self::Forged { .. } => "signature-forged",
            Self::Minisign(error) => error.code(),
            Self::NoKey => "key-malformed",
            Self::NoSignature => "signature-malformed",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unsigned => {
                "have it signed where it was made (`opencode-cache bundle --sign`), or take the key away that is believed"
            }
            Self::Stranger { .. } => {
                "ask whoever made the bundle for the public key, by another way than the bundle came"
            }
            Self::Forged { .. } => "do not use the file; get it again from where it was made",
            Self::Minisign(error) => return error.hint(),
            Self::NoKey => {
                "`opencode-cache key generate`, `minisign -G -W` and `nix key generate-secret` make keys"
            }
            Self::NoSignature => return None,
        })
    }
}

/// Who is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// A key of minisign's.
    Minisign(minisign::PublicKey),
    /// A key of Nix's.
    Nix(nixstore::PublicKey),
}

/// What signs.
#[derive(Debug)]
pub enum SecretKey {
    /// A key of minisign's.
    Minisign(minisign::SecretKey),
    /// A key of Nix's.
    Nix(nixstore::SecretKey),
}

/// Of nobody and nothing until it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// Of a key of minisign's.
    Minisign(minisign::Signature),
    /// Of a key of Nix's.
    Nix(nixstore::Signature),
}

/// What follows the trees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatures(pub Vec<Signature>);

impl PublicKey {
    /// What a person calls it: minisign's number, or Nix's name.
    pub fn name(&self) -> String {
        match self {
            Self::Minisign(key) => key.id(),
            Self::Nix(key) => key.name().to_owned(),
        }
    }

    /// The key as Nix has it, where it is one of Nix's.
    pub fn of_nix(self) -> Option<nixstore::PublicKey> {
        match self {
            Self::Nix(key) => Some(key),
            Self::Minisign(_) => None,
        }
    }

    /// Whether a signature says that it is of this key.
    fn is_named_in(&self, signature: &Signature) -> bool {
        match (self, signature) {
            (Self::Minisign(key), Signature::Minisign(signature)) => key.id() == signature.id(),
            (Self::Nix(key), Signature::Nix(signature)) => key.is_named_in(signature),
            _ => false,
        }
    }

    fn verifies(&self, hash: &[u8; 64], signature: &Signature) -> bool {
        match (self, signature) {
            (Self::Minisign(key), Signature::Minisign(signature)) => key.verify(hash, signature).is_ok(),
            (Self::Nix(key), Signature::Nix(signature)) => key.verifies(&text_for_nix(hash), signature),
            _ => false,
        }
    }
}

impl SecretKey {
    /// Signs what has this BLAKE2b-512; the comment is signed too where the form has one.
    pub fn sign(&self, hash: &[u8; 64], comment: &str) -> Signature {
        match self {
            Self::Minisign(key) => Signature::Minisign(key.sign(hash, comment)),
            Self::Nix(key) => Signature::Nix(key.sign(&text_for_nix(hash))),
        }
    }

    /// What its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Minisign(key) => PublicKey::Minisign(key.public()),
            Self::Nix(key) => PublicKey::Nix(key.public()),
        }
    }
}

impl Signatures {
    /// The first of these keys that signed what has this BLAKE2b-512.
    ///
    /// # Errors
    /// [`Error::Unsigned`]; [`Error::Forged`] where one of these keys is named and did not; [`Error::Stranger`].
    pub fn verify<'k>(&self, keys: &'k [PublicKey], hash: &[u8; 64]) -> Result<&'k PublicKey, Error> {
        if self.0.is_empty() {
            return Err(Error::Unsigned);
        }
        let mut signed = None;
        for signature in &self.0 {
            for key in keys.iter().filter(|key| key.is_named_in(signature)) {
                if key.verifies(hash, signature) {
                    signed = signed.or(Some(key));
                } else {
                    return Err(Error::Forged { key: key.name() });
                }
            }
        }
        signed.ok_or_else(|| Error::Stranger {
            found: self.0.iter().map(Signature::name).collect(),
            believed: keys.iter().map(PublicKey::name).collect(),
        })
    }
}

impl Signature {
    /// Who signed, by the signature's own word.
    pub fn name(&self) -> String {
        match self {
            Self::Minisign(signature) => signature.id(),
            Self::Nix(signature) => signature.name().to_owned(),
        }
    }
}

impl fmt::Display for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|signature| match signature {
            Signature::Minisign(signature) => write!(f, "{signature}"),
            Signature::Nix(signature) => writeln!(f, "{NIX}{signature}"),
        })
    }
}

impl FromStr for Signatures {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let lines: Vec<&str> = text.lines().collect();
        let (mut rest, mut signatures) = (lines.as_slice(), Vec::new());
        while let Some(first) = rest.first() {
            let count = if first.starts_with(MINISIGN) { LINES } else { 1 };
            let (one, later) = rest.split_at_checked(count).ok_or(Error::NoSignature)?;
            rest = later;
            signatures.push(match first.strip_prefix(NIX) {
                Some(signature) => Signature::Nix(signature.parse().map_err(|_| Error::NoSignature)?),
                None if count == LINES => Signature::Minisign(one.join("\n").parse()?),
                None => return Err(Error::NoSignature),
            });
        }
        Ok(Self(signatures))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minisign(key) => write!(f, "{key}"),
            Self::Nix(key) => writeln!(f, "{key}"),
        }
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    /// Of a key's file, or of what minisign's `-P` or Nix's `trusted-public-keys` take.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text.parse() {
            Ok(key) => Ok(Self::Minisign(key)),
            Err(_) => text.trim().parse().map(Self::Nix).map_err(|_| Error::NoKey),
        }
    }
}

impl FromStr for SecretKey {
    type Err = Error;

    /// Of a key's file.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.starts_with(MINISIGN) {
            Ok(Self::Minisign(text.parse()?))
        } else {
            text.trim().parse().map(Self::Nix).map_err(|_| Error::NoKey)
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    fn minisign(seed: u8) -> SecretKey {
        SecretKey::Minisign(minisign::SecretKey::new([seed; 32], [seed; 8]).unwrap())
    }

    fn nix(seed: u8) -> SecretKey {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let bytes = [&[seed; 32], pair.public_key().as_ref()].concat();
        format!("test-{seed}:{}\n", STANDARD.encode(bytes)).parse().unwrap()
    }

    #[test]
    fn each_kind_signs_and_the_text_reads_back() {
        let keys = [minisign(1), nix(2)];
        let hash = [7; 64];
        let both = Signatures(keys.iter().map(|key| key.sign(&hash, "of nobody")).collect());
        let read: Signatures = both.to_string().parse().unwrap();
        assert_eq!(read, both);
        for key in &keys {
            let public = key.public();
            assert_eq!(public.to_string().parse(), Ok(public.clone()));
            assert_eq!(read.verify(std::slice::from_ref(&public), &hash), Ok(&public));
            let forged = read.verify(std::slice::from_ref(&public), &[8; 64]).unwrap_err();
            assert_eq!(forged.code(), "signature-forged");
        }
    }

    #[test]
    fn strangers_and_nobody_are_not_believed() {
        let hash = [7; 64];
        let signatures = Signatures(vec![minisign(1).sign(&hash, ""), nix(2).sign(&hash, "")]);
        let code = |signatures: &Signatures, keys: &[PublicKey]| {
            signatures.verify(keys, &hash).map(|_| ()).map_err(|error| error.code())
        };
        let strangers = [minisign(3).public(), nix(4).public()];
        assert_eq!(code(&signatures, &strangers), Err("signature-other-key"));
        assert_eq!(code(&signatures, &[]), Err("signature-other-key"));
        assert_eq!(code(&Signatures::default(), &strangers), Err("bundle-unsigned"));
        // A key's name is anybody's to say.
        let liar = Signatures(vec![minisign(1).sign(&[8; 64], ""), nix(2).sign(&hash, "")]);
        assert_eq!(code(&liar, &[minisign(1).public(), nix(2).public()]), Err("signature-forged"));
    }

    #[test]
    fn whatever_is_none_is_refused() {
        let right = Signatures(vec![minisign(1).sign(&[7; 64], "")]).to_string();
        let short: String = right.lines().take(3).collect::<Vec<_>>().join("\n");
        for wrong in ["\n", "Sig: ", "Sig: a:b\n", "signature\n", &short, &format!("{right}\n"), &right[1..]]
        {
            assert!(wrong.parse::<Signatures>().is_err(), "{wrong:?}");
        }
        for wrong in ["", "a:b", "untrusted comment: x\nAAAA\n"] {
            assert!(wrong.parse::<PublicKey>().is_err() && wrong.parse::<SecretKey>().is_err(), "{wrong:?}");
        }
    }
}
