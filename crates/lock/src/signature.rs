//! Whether a registry vouched for a pinned version. Owns the words for it: keys, who they are, what a lock says of a package.
//! Verifies nothing: that is the crate `trust`.

use std::{fmt, str::FromStr};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use sha2::{Digest as _, Sha256};

use crate::{Date, PackageName};

/// Longest name of a key, in bytes; those of npm's registry have 50.
const MAX_KEY_ID: usize = 200;
/// What stands before the point in the DER form of every public key of the curve P-256 (RFC 5480: algorithm
/// `id-ecPublicKey`, curve `prime256v1`, a bit string of 65 bytes and no unused bit).
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Length of an uncompressed point of P-256, in bytes.
const POINT: usize = 65;

/// What a registry calls a signing key: `SHA256:…` at npm's. Printable, without blanks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

/// A signature as a registry states it (`dist.signatures` of a version's document): unverified text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedSignature {
    /// What it calls the key.
    pub key: String,
    /// The signature: base64 of its DER form.
    pub text: String,
}

/// What a lock says of a pinned version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signature {
    /// No signature by a trusted key was stated.
    Unsigned,
    /// The registry's signature over name, version and integrity was verified when this was locked.
    Verified {
        /// With this key.
        key: KeyId,
    },
}

/// A public key of the curve P-256, as registries publish theirs: base64 of the DER form.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey([u8; POINT]);

/// Packages that a rule is for: one by its name, or all of a scope (`@scope/*`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackagePattern {
    /// This one.
    Name(PackageName),
    /// Those of this scope, which is written without its `@` here.
    Scope(String),
}

/// A registry's key that the manifest trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// What the registry calls it.
    pub id: KeyId,
    /// The key.
    pub key: PublicKey,
    /// The packages that it vouches for. For these, no other key counts than those that name them.
    pub packages: Vec<PackagePattern>,
    /// The last day, until its end in UTC, on which it signed what was published.
    pub until: Option<Date>,
}

/// What is wanted of signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignaturePolicy {
    /// Those that are stated have to be right; having none is told, not refused.
    #[default]
    Prefer,
    /// Every pinned version has one by a trusted key.
    Require,
}

/// What is wanted of attestations: who built a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttestationPolicy {
    /// Those that are stated are asked for and have to be right, and a package that had one keeps having one.
    #[default]
    Prefer,
    /// Nothing is asked, and nothing is said of it.
    Ignore,
}

/// The manifest's `[trust]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    /// `signatures`: what is wanted of them.
    pub signatures: SignaturePolicy,
    /// `unsigned`: packages that may be without, whatever the policy and whatever they were before.
    pub unsigned: Vec<PackagePattern>,
    /// `attestations`: what is wanted of them.
    pub attestations: AttestationPolicy,
    /// `unattested`: packages that may lose their attestation.
    pub unattested: Vec<PackagePattern>,
    /// `[[trust.keys]]`: keys of other registries than npm's public one.
    pub keys: Vec<TrustedKey>,
}

/// A text that is none of these words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No name of a key.
    #[error("{text:?} is no name of a key: 1 to {MAX_KEY_ID} printable characters without blanks")]
    KeyId {
        /// The text, at most its first 80 characters.
        text: String,
    },
    /// No public key of P-256.
    #[error("it is not the base64 of a public key of the curve P-256 in its DER form")]
    PublicKey,
    /// Neither a package's name nor a scope's packages.
    #[error("{text:?} is neither a package's name nor `@scope/*`")]
    Pattern {
        /// The text, at most its first 80 characters.
        text: String,
    },
    /// No state of a signature.
    #[error("{text:?} is neither `unsigned` nor `verified KEY`")]
    Signature {
        /// The text, at most its first 80 characters.
        text: String,
    },
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Error::KeyId { .. } => "key-id-invalid",
            Error::PublicKey => "key-invalid",
            Error::Pattern { .. } => "package-pattern-invalid",
            Error::Signature { .. } => "signature-state-invalid",
        }
    }
}

fn start(text: &str) -> String {
    text.chars().take(80).collect()
}

impl KeyId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PublicKey {
    /// The key as an uncompressed point, `04` and two coordinates.
    pub fn point(&self) -> &[u8] {
        &self.0
    }

    /// What npm's registry calls a key: its fingerprint as SSH has it, the SHA-256 of the key in SSH's form (RFC 5656) in base64
    /// without padding. So a key that is named like that says itself whether it is the one. (Both keys that npm's registry ever
    /// had are named so.)
    pub fn fingerprint(&self) -> KeyId {
        let mut hasher = Sha256::new();
        for part in [&b"ecdsa-sha2-nistp256"[..], b"nistp256", &self.0] {
            // None is longer than 65 bytes.
            hasher.update(u32::try_from(part.len()).unwrap_or_default().to_be_bytes());
            hasher.update(part);
        }
        KeyId(format!("SHA256:{}", STANDARD_NO_PAD.encode(hasher.finalize())))
    }
}

impl PackagePattern {
    /// Whether a package is meant.
    pub fn includes(&self, name: &PackageName) -> bool {
        match self {
            PackagePattern::Name(only) => only == name,
            PackagePattern::Scope(scope) => name.scope() == Some(scope),
        }
    }
}

impl Trust {
    /// Whether a package may be without a signature.
    pub fn excepts(&self, name: &PackageName) -> bool {
        self.unsigned.iter().any(|pattern| pattern.includes(name))
    }

    /// Whether a package may be without an attestation that it had.
    pub fn excepts_attestation(&self, name: &PackageName) -> bool {
        self.unattested.iter().any(|pattern| pattern.includes(name))
    }
}

impl SignaturePolicy {
    /// The policy's word in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            SignaturePolicy::Prefer => "prefer",
            SignaturePolicy::Require => "require",
        }
    }
}

impl FromStr for KeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fits = (1..=MAX_KEY_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(KeyId(text.to_owned())) } else { Err(Error::KeyId { text: start(text) }) }
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = STANDARD.decode(text).map_err(|_| Error::PublicKey)?;
        let point = bytes.strip_prefix(&P256_PREFIX).ok_or(Error::PublicKey)?;
        let point: [u8; POINT] = point.try_into().map_err(|_| Error::PublicKey)?;
        // 4: an uncompressed point, the only form that registries publish.
        if point[0] == 4 { Ok(PublicKey(point)) } else { Err(Error::PublicKey) }
    }
}

impl FromStr for PackagePattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Pattern { text: start(text) };
        let Some(scope) = text.strip_suffix("/*") else {
            // Old names may hold an asterisk; here it would read as more than that.
            let name = text.parse().map_err(|_| wrong())?;
            return if text.contains('*') { Err(wrong()) } else { Ok(PackagePattern::Name(name)) };
        };
        // A scope is what makes a package's name with something after it.
        if scope.contains('*') {
            return Err(wrong());
        }
        let name: PackageName = format!("{scope}/x").parse().map_err(|_| wrong())?;
        name.scope().map(|scope| PackagePattern::Scope(scope.to_owned())).ok_or_else(wrong)
    }
}

impl FromStr for Signature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once(' ') {
            None if text == "unsigned" => Ok(Signature::Unsigned),
            Some(("verified", key)) => Ok(Signature::Verified { key: key.parse()? }),
            _ => Err(Error::Signature { text: start(text) }),
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode([&P256_PREFIX[..], &self.0].concat()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl fmt::Display for PackagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackagePattern::Name(name) => write!(f, "{name}"),
            PackagePattern::Scope(scope) => write!(f, "@{scope}/*"),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signature::Unsigned => f.write_str("unsigned"),
            Signature::Verified { key } => write!(f, "verified {key}"),
        }
    }
}

crate::macros::text_serde!(KeyId);
crate::macros::text_serde!(Signature);
crate::macros::text_serde!(PackagePattern);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_they_were_read_from() {
        for good in ["unsigned", "verified SHA256:abc/+="] {
            assert_eq!(good.parse::<Signature>().unwrap().to_string(), good);
        }
        for bad in ["", "Unsigned", "verified", "verified ", "verified a b", "forged x", "unsigned x"] {
            assert!(bad.parse::<Signature>().is_err(), "{bad:?}");
        }
        for good in ["zod", "@acme/tool", "@acme/*"] {
            assert_eq!(good.parse::<PackagePattern>().unwrap().to_string(), good);
        }
        for bad in ["", "*", "/*", "zod/*", "@acme", "@acme/", "@*/x", "@a/b/*", "@/*"] {
            assert!(bad.parse::<PackagePattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_pattern_is_for_whole_names() {
        let includes = |pattern: &str, name: &str| {
            pattern.parse::<PackagePattern>().unwrap().includes(&name.parse().unwrap())
        };
        assert!(includes("@acme/*", "@acme/x") && includes("zod", "zod"));
        assert!(!includes("@acme/*", "@acme2/x") && !includes("@acme/*", "acme") && !includes("zod", "zod2"));
    }

    #[test]
    fn only_points_of_p256_are_keys() {
        let text = STANDARD.encode([&P256_PREFIX[..], &[4; POINT]].concat());
        assert_eq!(text.parse::<PublicKey>().unwrap().to_string(), text);
        let mut compressed = [4; POINT];
        compressed[0] = 2;
        for bad in [&[][..], &[4; POINT], &[0x30; 26 + POINT], &[&P256_PREFIX[..], &compressed].concat()] {
            assert_eq!(STANDARD.encode(bad).parse::<PublicKey>(), Err(Error::PublicKey));
        }
        assert!("not base64".parse::<PublicKey>().is_err());
    }
}
