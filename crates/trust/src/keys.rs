//! The keys that are trusted: those of npm's public registry, pinned here, and those of the user's manifest.
//!
//! To rotate: add a row below (never change one: old versions stay signed with their key), with `until` for the old one, after comparing
//! id and key in two places that are independent of each other and of any registry. Then release the tool.

use lock::{Date, KeyId, PackageName, PublicKey, TrustedKey};

/// A key of npm's public registry.
#[derive(Debug, Clone, Copy)]
pub struct Pinned {
    /// What the registry calls it: its fingerprint, so that id and key vouch for each other.
    pub id: &'static str,
    /// The key: base64 of the DER form.
    pub key: &'static str,
    /// The first day on which it was in use. For people only: with the first key npm signed, afterwards, all that there was.
    pub since: &'static str,
    /// The last day on which it signed.
    pub until: Option<&'static str>,
}

/// Every key that npm's public registry ever published for its packages' signatures.
///
/// As in the `keys.json` of npm's registry among Sigstore's trusted targets, which the npm package `@sigstore/tuf` 4.0.2 carries
/// (`seeds.json`; keys of usage `npm:signatures`), and in what others pin (corepack's settings as distributions set them). There the first ends on 2025-01-29 at 00:00 UTC, so that the
/// day before is its last.
pub const PUBLIC: [Pinned; 2] = [
    Pinned {
        id: "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA",
        key: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1Olb3zMAFFxXKHiIkQO5cJ3Yhl5i6UPp+IhuteBJbuHcA5UogKo0EWtlWwW6KSaKoTNEYL7JlCQiVnkhBktUgg==",
        since: "1999-01-01",
        until: Some("2025-01-28"),
    },
    Pinned {
        id: "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U",
        key: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEY6Ya7W++7aUPzvMTrezH6Ycx3c+HOKYCcNGybJZSCJq/fd7Qa8uuAKtdIkUQtQiEKERhAmE5lMMJhP8OkDOa2g==",
        since: "2025-01-13",
        until: None,
    },
];

/// One key, ready to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) key: PublicKey,
    pub(crate) until: Option<Date>,
}

/// All keys that are trusted, and for which packages.
#[derive(Debug, Clone)]
pub struct Keys {
    public: Vec<Key>,
    own: Vec<TrustedKey>,
}

impl Keys {
    /// Those of npm's public registry, and `own` of the user's manifest.
    #[must_use]
    pub fn with(own: &[TrustedKey]) -> Self {
        Self { public: PUBLIC.iter().filter_map(Pinned::key).collect(), own: own.to_vec() }
    }

    /// The keys that vouch for a package: those that the manifest names it for, else the public ones. So nobody can publish a name of a
    /// private registry's on the public one and have it signed there.
    pub(crate) fn of(&self, name: &PackageName) -> Vec<Key> {
        let meant = |key: &&TrustedKey| key.packages.iter().any(|pattern| pattern.includes(name));
        let own: Vec<Key> = self.own.iter().filter(meant).map(Key::of).collect();
        if own.is_empty() { self.public.clone() } else { own }
    }
}

impl Key {
    fn of(trusted: &TrustedKey) -> Self {
        Self { id: trusted.id.clone(), key: trusted.key.clone(), until: trusted.until }
    }
}

impl Pinned {
    /// The row as words; a test has seen that every row is.
    fn key(&self) -> Option<Key> {
        let until = self.until.map(str::parse).transpose().ok()?;
        Some(Key { id: self.id.parse().ok()?, key: self.key.parse().ok()?, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_public_key_is_the_one_that_its_name_says() {
        for pinned in PUBLIC {
            let key = pinned.key().unwrap();
            assert_eq!(key.id, key.key.fingerprint());
            assert!(pinned.since.parse::<Date>().is_ok(), "{}", pinned.since);
        }
    }
}
