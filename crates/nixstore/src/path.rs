//! Names of store paths: 160 bits in nix-base32, a dash, and a name. Always of the store `/nix/store`: another store directory gives
//! other digests.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use tree::digest::{fold, from_nix32, nix32};

use crate::hash::Hash;

/// The store whose paths these are. Part of every digest.
pub const STORE: &str = "/nix/store";

/// Characters of a digest: 20 bytes in nix-base32.
const DIGEST: usize = 32;

/// The longest name, in bytes: Nix's own bound (2.8.0: with digest and dash a file name and `.lock` have to fit into 255).
const LONGEST: usize = 211;

/// What follows the digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// A text that cannot be the name of a store path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be the name of a store path: 1 to 211 of the characters a-z A-Z 0-9 + - . _ ? = are wanted, and no dots alone"
)]
pub struct NotAName(String);

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte);
        // Newer Nix (2.26.3) refuses what a file system reads as a directory, up to a first dash.
        let first = text.split('-').next().unwrap_or_default();
        let is_dots = first == "." || first == "..";
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(may_be) || is_dots {
            return Err(NotAName(text.chars().take(LONGEST).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A store path: shown as Nix writes it whole, `/nix/store/DIGEST-NAME`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath {
    digest: [u8; 20],
    name: Name,
}

/// A text that is no store path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no store path: /nix/store, 32 characters of nix-base32, a dash and a name are wanted")]
pub struct NotAPath(String);

impl StorePath {
    /// The path of what Nix makes a fingerprint of: `kind` says what was hashed and what it refers to.
    pub(crate) fn from_fingerprint(kind: &str, inner: &Hash, name: &Name) -> Self {
        let text = format!("{kind}:{}:{}:{STORE}:{name}", inner.algorithm().as_str(), inner.hex());
        Self { digest: fold(&Sha256::digest(text.as_bytes())), name: name.clone() }
    }

    /// Reads what stands below the store: `DIGEST-NAME`.
    ///
    /// # Errors
    /// [`NotAPath`].
    pub fn from_base(text: &str) -> Result<Self, NotAPath> {
        let wrong = || NotAPath(text.chars().take(DIGEST + 1 + LONGEST).collect());
        let (digest, name) = text.split_at_checked(DIGEST).ok_or_else(wrong)?;
        let digest = from_nix32(digest).and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
        let name = name.strip_prefix('-').and_then(|name| name.parse().ok()).ok_or_else(wrong)?;
        Ok(Self { digest, name })
    }

    /// The 32 characters that name it: a cache's file of it is `DIGEST.narinfo`.
    pub fn digest(&self) -> String {
        nix32(&self.digest)
    }

    /// What follows them.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What stands below the store.
    pub fn base(&self) -> String {
        format!("{}-{}", self.digest(), self.name)
    }
}

impl FromStr for StorePath {
    type Err = NotAPath;

    fn from_str(text: &str) -> Result<Self, NotAPath> {
        let base = text.strip_prefix(STORE).and_then(|rest| rest.strip_prefix('/'));
        Self::from_base(base.ok_or_else(|| NotAPath(text.chars().take(300).collect()))?)
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}/{}", self.base())
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorePath({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_nix_takes() {
        for right in
            ["a", "opencode-cache", "zod-4.1.8.tgz", "a?b=c+d_e", ".hidden", "...", &"x".repeat(LONGEST)]
        {
            assert!(right.parse::<Name>().is_ok(), "{right}");
        }
        for wrong in ["", ".", "..", ".-a", "..-a", "a/b", "a b", "ä", "a\n", "@a", &"x".repeat(LONGEST + 1)]
        {
            assert!(wrong.parse::<Name>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_round_trip_and_others_are_refused() {
        let text = "/nix/store/ib3sh3pcz10wsmavxvkdbayhqivbghlq-a-1.tgz";
        let path: StorePath = text.parse().unwrap();
        assert_eq!(path.to_string(), text);
        assert_eq!((path.digest().len(), path.name().to_string().as_str()), (32, "a-1.tgz"));
        for wrong in [
            "",
            "/nix/store/",
            "/nix/store",
            "/nix/store/ib3sh3pcz10wsmavxvkdbayhqivbghlq",
            "/nix/store/ib3sh3pcz10wsmavxvkdbayhqivbghlq-",
            "/nix/store/ib3sh3pcz10wsmavxvkdbayhqivbghlqa-1",
            "/nix/store/eb3sh3pcz10wsmavxvkdbayhqivbghlq-a",
            "/nix/store/ib3sh3pcz10wsmavxvkdbayhqivbghlq-a/b",
            "/nix/store/../store/ib3sh3pcz10wsmavxvkdbayhqivbghlq-a",
            "/gnu/store/ib3sh3pcz10wsmavxvkdbayhqivbghlq-a",
            "/nix/store/ib3sh3pcz10wsmavxvkdbayhqivbghlä-a",
        ] {
            assert!(wrong.parse::<StorePath>().is_err(), "{wrong}");
        }
    }
}
