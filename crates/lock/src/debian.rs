//! Packages of Debian's, as far as a lock names them. Owns the words for them; knows no mirror and opens no package.

use std::{fmt, str::FromStr};

use crate::{rel_path::RelPath, sri::Sri};

/// Longest name or version, in bytes: more than any has.
const MAX_WORD: usize = 128;

/// A package that is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebianPackage {
    /// Its version.
    pub version: DebianVersion,
    /// Where a mirror has it.
    pub path: PoolPath,
    /// Its integrity.
    pub integrity: Sri,
    /// Its size, in bytes.
    pub size: u64,
}

/// A package's version, as Debian writes it: `2.36-9+deb12u14`. Compared for equality only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DebianVersion(String);

/// A package's name: `libstdc++6`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DebianName(String);

/// A package's place below the root of a mirror: `pool/main/g/glibc/libc6_2.36-9_amd64.deb`. It names no host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolPath(RelPath);

/// A text that is none of these words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}")]
pub struct Error {
    /// The text, at most its first 80 characters.
    pub text: String,
    /// What it should be.
    pub what: &'static str,
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "debian-invalid"
    }

    fn of(text: &str, what: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), what }
    }
}

/// Whether a text is not empty, not long, and made of letters, digits and `more`, a letter or digit first.
fn is_word(text: &str, longest: usize, more: &[u8]) -> bool {
    text.len() <= longest
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

impl DebianName {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PoolPath {
    /// The path.
    pub fn path(&self) -> &RelPath {
        &self.0
    }
}

impl FromStr for DebianName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if is_word(text, MAX_WORD, b"+-.") {
            Ok(Self(text.into()))
        } else {
            Err(Error::of(text, "name of a Debian package"))
        }
    }
}

impl FromStr for DebianVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if is_word(text, MAX_WORD, b"+-.:~") {
            Ok(Self(text.into()))
        } else {
            Err(Error::of(text, "version of a Debian package"))
        }
    }
}

impl FromStr for PoolPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::of(text, "place of a package on a mirror of Debian");
        let fits =
            is_word(text, 4 * MAX_WORD, b"+-.~_/%") && text.starts_with("pool/") && text.ends_with(".deb");
        let path = text.parse().map_err(|_| wrong())?;
        if fits { Ok(Self(path)) } else { Err(wrong()) }
    }
}

impl fmt::Display for DebianName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for DebianVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PoolPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_debian() {
        for good in ["libc6", "libstdc++6", "gcc-12-base"] {
            assert_eq!(good.parse::<DebianName>().unwrap().to_string(), good);
        }
        for bad in ["", "-x", "a b", "a/b", "..", "lib\u{e9}"] {
            assert!(bad.parse::<DebianName>().is_err(), "{bad:?}");
        }
        for good in ["2.36-9+deb12u14", "1:1.2~rc1-1"] {
            assert_eq!(good.parse::<DebianVersion>().unwrap().to_string(), good);
        }
        assert!("2.36 9".parse::<DebianVersion>().is_err());
        let path = "pool/main/g/glibc/libc6_2.36-9+deb12u14_amd64.deb";
        assert_eq!(path.parse::<PoolPath>().unwrap().path().file_name(), "libc6_2.36-9+deb12u14_amd64.deb");
        for bad in [
            "/pool/a.deb",
            "pool/../a.deb",
            "pool/a.rpm",
            "http://h.example/pool/a.deb",
            "a.deb",
            "pool/a?.deb",
            "pool/a b.deb",
        ] {
            assert!(bad.parse::<PoolPath>().is_err(), "{bad:?}");
        }
    }
}
