//! Content addresses: the `CA` of a narinfo. A path that they give is what its content says, so that Nix takes it from anybody.
//!
//! `text:sha256:…` is a file that Nix's language wrote, `fixed:…` a flat file, `fixed:r:…` a NAR; the digest in nix-base32. What a
//! fingerprint is made of is Nix's "Complete Store Path Calculation" (the manual's protocols/store-path).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::hash::{Algorithm, Hash};
use crate::path::{Name, StorePath};

/// What of a path is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The one file's bytes, of a text that may refer to other paths.
    Text,
    /// The one file's bytes.
    Flat,
    /// The NAR.
    Recursive,
}

/// The address of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What is hashed.
    pub method: Method,
    /// The hash of it.
    pub hash: Hash,
}

/// A text that is no content address that could be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a content address is wanted: text:sha256:…, fixed:ALGORITHM:… or fixed:r:ALGORITHM:…")]
pub struct NotAnAddress;

impl Address {
    /// The path that a content with this address has under a name; `None` where there can be none: only texts and NARs by SHA-256 may
    /// refer to other paths, and only NARs to themselves.
    pub fn path(&self, name: &Name, references: &BTreeSet<StorePath>) -> Option<StorePath> {
        let kind = |word: &str| {
            let mut kind = word.to_owned();
            for reference in references {
                kind.push(':');
                kind.push_str(&reference.to_string());
            }
            kind
        };
        let is_sha256 = self.hash.algorithm() == Algorithm::Sha256;
        match self.method {
            Method::Text => is_sha256.then(|| StorePath::from_fingerprint(&kind("text"), &self.hash, name)),
            Method::Recursive if is_sha256 => {
                Some(StorePath::from_fingerprint(&kind("source"), &self.hash, name))
            }
            _ if !references.is_empty() => None,
            method => {
                let r = if method == Method::Recursive { "r:" } else { "" };
                let algorithm = self.hash.algorithm().as_str();
                let inner = format!("fixed:out:{r}{algorithm}:{}:", self.hash.hex());
                let inner = Hash::sha256(Sha256::digest(inner.as_bytes()).into());
                Some(StorePath::from_fingerprint("output:out", &inner, name))
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self.method {
            Method::Text => "text:",
            Method::Flat => "fixed:",
            Method::Recursive => "fixed:r:",
        };
        write!(f, "{method}{}", self.hash)
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (method, hash) = match text.split_once(':').ok_or(NotAnAddress)? {
            ("text", hash) => (Method::Text, hash),
            ("fixed", rest) => match rest.strip_prefix("r:") {
                Some(hash) => (Method::Recursive, hash),
                None => (Method::Flat, rest),
            },
            _ => return Err(NotAnAddress),
        };
        Ok(Self { method, hash: hash.parse().map_err(|_| NotAnAddress)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hasher;

    fn hash(algorithm: Algorithm, text: &str) -> Hash {
        let mut hasher = Hasher::new(algorithm).unwrap();
        hasher.update(text.as_bytes());
        hasher.finish()
    }

    fn path(method: Method, hash: Hash, name: &str) -> String {
        Address { method, hash }.path(&name.parse().unwrap(), &BTreeSet::new()).unwrap().to_string()
    }

    /// `nix-store --print-fixed-path`, `--print-fixed-path --recursive` and `nix-instantiate --eval -E 'builtins.toFile …'`, Nix 2.8.0.
    #[test]
    fn paths_are_those_that_nix_prints() {
        let (small, large) = (hash(Algorithm::Sha256, "hello\n"), hash(Algorithm::Sha512, "hello\n"));
        let printed = [
            path(Method::Flat, small.clone(), "a.tgz"),
            path(Method::Flat, large.clone(), "a.tgz"),
            path(Method::Recursive, small.clone(), "a.tgz"),
            path(Method::Recursive, large, "a.tgz"),
            path(Method::Text, small, "a.tgz"),
        ];
        assert_eq!(printed, EXPECTED);
    }

    const EXPECTED: [&str; 5] = [
        "/nix/store/rzhjzis2mw91qam38f4ydlx8j4dpgc96-a.tgz",
        "/nix/store/wza8f4382qi465i640zsvwmhnzw1y6b4-a.tgz",
        "/nix/store/ln29zyg9i01bs0m3n83fg0xz2gpmhrq6-a.tgz",
        "/nix/store/fwbij90q4mg33qkbs69lxm3mc33xbzbs-a.tgz",
        "/nix/store/42awnka2h1d3jdkqdb7c13rdjf1rl379-a.tgz",
    ];

    #[test]
    fn what_cannot_refer_to_anything_has_no_path_then() {
        let reference: StorePath = "/nix/store/ib3sh3pcz10wsmavxvkdbayhqivbghlq-a".parse().unwrap();
        let with = |method, algorithm| {
            let address = Address { method, hash: hash(algorithm, "") };
            address.path(&"b".parse().unwrap(), &BTreeSet::from([reference.clone()])).is_some()
        };
        assert!(with(Method::Text, Algorithm::Sha256) && with(Method::Recursive, Algorithm::Sha256));
        assert!(!with(Method::Flat, Algorithm::Sha256) && !with(Method::Flat, Algorithm::Sha512));
        assert!(!with(Method::Text, Algorithm::Sha512) && !with(Method::Recursive, Algorithm::Sha512));
    }

    #[test]
    fn addresses_round_trip_and_others_are_refused() {
        for method in [Method::Text, Method::Flat, Method::Recursive] {
            let address = Address { method, hash: hash(Algorithm::Sha256, "x") };
            assert_eq!(address.to_string().parse(), Ok(address));
        }
        for wrong in
            ["", "fixed", "fixed:", "fixed:r:", "fixed:git:sha1:0", "other:sha256:0", "text:r:sha256:0"]
        {
            assert_eq!(wrong.parse::<Address>(), Err(NotAnAddress), "{wrong}");
        }
    }
}
