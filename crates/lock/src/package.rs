//! What npm packages are called. Owns npm's naming rules and the spelling `name@version`; never a place to get one.

use std::{fmt, str::FromStr};

use crate::version::{self, Version};

/// Longest package name, in bytes: npm's rule.
pub const MAX_NAME_LENGTH: usize = 214;

/// The name of an npm package, scoped (`@scope/base`) or not. Accepts the capitals and punctuation of old packages
/// that are still installable, refuses whatever could leave a directory (`..`, a slash, a leading dot).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

/// A package in one version, spelled `name@version`. Ordered by name, then by semver precedence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId {
    /// The package's name.
    pub name: PackageName,
    /// Its exact version.
    pub version: Version,
}

/// Why a text names no package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text breaks one of npm's naming rules.
    #[error("the package name {name:?} {problem}")]
    Name {
        /// The text as given, at most its first 250 characters.
        name: String,
        /// The rule that is broken, as the end of a sentence whose subject is the name.
        problem: &'static str,
    },
    /// No `@` separates a name from a version.
    #[error("`{text}` is not of the form name@version")]
    NoVersion {
        /// The text as given.
        text: String,
    },
    /// What stands after the last `@` is not an exact version.
    #[error("`{name}` is given no exact version")]
    Version {
        /// The name before the `@`.
        name: PackageName,
        /// What is wrong with the version.
        source: version::Error,
    },
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Name { .. } => "package-name-invalid",
            Error::NoVersion { .. } | Error::Version { .. } => "package-id-invalid",
        }
    }
}

impl PackageName {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scope without its `@`, if there is one.
    pub fn scope(&self) -> Option<&str> {
        self.0.strip_prefix('@')?.split_once('/').map(|(scope, _)| scope)
    }

    /// The name without the scope: `fireworks` of `@ai-sdk/fireworks`.
    pub fn base_name(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, base)| base)
    }

    /// This package in one version.
    pub fn at(&self, version: Version) -> PackageId {
        PackageId { name: self.clone(), version }
    }
}

/// The characters that need no percent-encoding in an address (JavaScript's `encodeURIComponent`): npm's rule.
fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.!~*'()".contains(c)
}

fn problem_of_part(part: &str) -> Option<&'static str> {
    if part.is_empty() {
        Some("has an empty part")
    } else if part.starts_with('.') {
        Some("has a part that begins with a dot")
    } else if part.starts_with('-') {
        Some("has a part that begins with a hyphen")
    } else if !part.chars().all(is_name_character) {
        Some("holds a character that npm does not allow")
    } else {
        None
    }
}

fn problem_of_name(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("is empty");
    }
    if text.len() > MAX_NAME_LENGTH {
        return Some("is longer than 214 bytes");
    }
    match text.strip_prefix('@') {
        Some(scoped) => match scoped.split_once('/') {
            Some((scope, base)) => problem_of_part(scope).or_else(|| problem_of_part(base)),
            None => Some("has a scope and nothing after it"),
        },
        None if text.starts_with('_') => Some("begins with an underscore"),
        None if matches!(text.to_ascii_lowercase().as_str(), "node_modules" | "favicon.ico") => {
            Some("is reserved by npm")
        }
        None => problem_of_part(text),
    }
}

impl FromStr for PackageName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match problem_of_name(text) {
            Some(problem) => Err(Error::Name { name: text.chars().take(250).collect(), problem }),
            None => Ok(PackageName(text.to_owned())),
        }
    }
}

impl FromStr for PackageId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.rfind('@') {
            None | Some(0) => Err(Error::NoVersion { text: text.chars().take(250).collect() }),
            Some(at) => {
                let name: PackageName = text[..at].parse()?;
                match text[at + 1..].parse() {
                    Ok(version) => Ok(PackageId { name, version }),
                    Err(source) => Err(Error::Version { name, source }),
                }
            }
        }
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

crate::macros::text_serde!(PackageName);
crate::macros::text_serde!(PackageId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_npm_installs() {
        for good in
            ["zod", "@ai-sdk/fireworks", "JSONStream", "lodash._baseassign", "@scope/_x", "a~b", "is!"]
        {
            assert_eq!(good.parse::<PackageName>().unwrap().to_string(), good);
        }
        let name: PackageName = "@ai-sdk/fireworks".parse().unwrap();
        assert_eq!((name.scope(), name.base_name()), (Some("ai-sdk"), "fireworks"));
        let name: PackageName = "zod".parse().unwrap();
        assert_eq!((name.scope(), name.base_name()), (None, "zod"));
    }

    #[test]
    fn refuses_whatever_could_escape() {
        let long = "x".repeat(MAX_NAME_LENGTH + 1);
        for bad in [
            "",
            ".",
            "..",
            ".bin",
            "_x",
            "-g",
            "a/b",
            "@a",
            "@/b",
            "@a/",
            "@a/..",
            "@../b",
            "@a/b/c",
            "a b",
            " a",
            "a\0",
            "ü",
            "a%2f",
            "node_modules",
            "Node_Modules",
            "a\\b",
            "@a/-g",
            "a@1",
            &long,
        ] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn splits_at_the_last_at_sign() {
        let id: PackageId = "@ai-sdk/fireworks@3.0.62".parse().unwrap();
        assert_eq!((id.name.as_str(), id.version.to_string().as_str()), ("@ai-sdk/fireworks", "3.0.62"));
        assert_eq!(id.to_string(), "@ai-sdk/fireworks@3.0.62");
        assert_eq!("@ai-sdk/fireworks".parse::<PackageId>().unwrap_err().code(), "package-id-invalid");
        assert_eq!("zod@latest".parse::<PackageId>().unwrap_err().code(), "package-id-invalid");
        assert_eq!("zo d@1.0.0".parse::<PackageId>().unwrap_err().code(), "package-name-invalid");
    }

    #[test]
    fn orders_versions_by_precedence() {
        let older: PackageId = "a@1.9.0".parse().unwrap();
        let newer: PackageId = "a@1.10.0".parse().unwrap();
        assert!(older < newer);
    }
}
