//! An exact version. Owns semver's grammar and order; ranges and dist-tags are words of [`crate::spec`].

use std::{cmp::Ordering, fmt, str::FromStr};

/// An exact semantic version (2.0.0), prerelease and build metadata included. Ordered by semver precedence, then by
/// text, so that versions that differ only in build metadata still have one order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(semver::Version);

/// Longest version that is accepted, in bytes: npm's own bound.
pub const MAX_LENGTH: usize = 256;

/// A text that is no exact version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an exact version")]
pub struct Error {
    /// The text as given, at most its first 80 characters.
    pub text: String,
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "version-invalid"
    }
}

impl Version {
    /// Major, minor and patch number.
    pub fn numbers(&self) -> (u64, u64, u64) {
        (self.0.major, self.0.minor, self.0.patch)
    }

    /// What the crate that owns ranges compares.
    pub(crate) fn semver(&self) -> &semver::Version {
        &self.0
    }

    /// Whether it has a prerelease part (`1.0.0-beta.1`).
    pub fn is_prerelease(&self) -> bool {
        !self.0.pre.is_empty()
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp_precedence(&other.0).then_with(|| self.0.build.as_str().cmp(other.0.build.as_str()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let error = || Error { text: text.chars().take(80).collect() };
        if text.len() > MAX_LENGTH {
            return Err(error());
        }
        semver::Version::parse(text).map(Version).map_err(|_| error())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

crate::macros::text_serde!(Version);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_precedence_then_text() {
        let sorted = [
            "1.0.0-alpha",
            "1.0.0-alpha.2",
            "1.0.0-alpha.10",
            "1.0.0",
            "1.0.0+a",
            "1.0.0+b",
            "1.2.0",
            "1.10.0",
        ];
        let mut versions: Vec<Version> = sorted.iter().rev().map(|text| text.parse().unwrap()).collect();
        versions.sort();
        assert_eq!(versions.iter().map(Version::to_string).collect::<Vec<_>>(), sorted);
    }

    #[test]
    fn refuses_everything_inexact() {
        for bad in [
            "", "1", "1.2", "v1.2.3", "=1.2.3", "^1.2.3", "1.2.x", "01.2.3", "1.2.3-", "1.2.3 ", "latest",
            "1.2.3-01",
        ] {
            assert!(bad.parse::<Version>().is_err(), "{bad:?}");
        }
        let version: Version = "1.18.18-beta.1+build.5".parse().unwrap();
        assert_eq!((version.numbers(), version.is_prerelease()), ((1, 18, 18), true));
    }
}
