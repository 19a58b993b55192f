//! Who built a pinned version, as an attestation says. Owns the words for it; verifies nothing: that is the crate `trust`.

use std::{fmt, str::FromStr};

use crate::{HttpsUrl, Version, lockfile::Lock, package::PackageId};

/// Longest workflow that is written down, in bytes: more than any path in a repository has.
const MAX_WORKFLOW: usize = 1024;

/// From which repository, and by which workflow in it, a version was built and published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attestation {
    repository: HttpsUrl,
    workflow: String,
}

/// A text that names no repository and workflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no repository's https address and a workflow's path")]
pub struct Error {
    /// The text, at most its first 80 characters.
    pub text: String,
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "attestation-invalid"
    }
}

impl Attestation {
    /// Of a repository's address and a workflow's path in it (or its address, where it lies in another). What a line of text cannot hold
    /// stands there as in an address.
    ///
    /// # Errors
    /// Where they cannot be written down.
    pub fn new(repository: &str, workflow: &str) -> Result<Self, Error> {
        let encoded = workflow.bytes().map(|byte| match byte {
            b if b.is_ascii_graphic() => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        });
        format!("{repository} {}", encoded.collect::<String>()).parse()
    }

    /// The repository's address.
    pub fn repository(&self) -> &HttpsUrl {
        &self.repository
    }

    /// The workflow: its path in the repository, or its address, where it lies in another.
    pub fn workflow(&self) -> &str {
        &self.workflow
    }
}

impl Lock {
    /// Whether an attestation of a version can be expected, from what this lock says: it has one of that very version, or the version is
    /// later than one of the same package that has. What is locked without any stays without.
    pub fn expects_attestation(&self, id: &PackageId) -> bool {
        if self.attestations.contains_key(id) {
            return true;
        }
        let later = |than: &Version| id.version > *than;
        let has = |other: &PackageId| other.name == id.name && later(&other.version);
        self.attestations.keys().any(has) && !self.npm_pins().contains_key(id)
    }
}

impl FromStr for Attestation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error { text: text.chars().take(80).collect() };
        let (repository, workflow) = text.split_once(' ').ok_or_else(wrong)?;
        let fits = (1..=MAX_WORKFLOW).contains(&workflow.len())
            && workflow.bytes().all(|byte| byte.is_ascii_graphic());
        let repository = repository.parse().map_err(|_| wrong())?;
        if fits { Ok(Self { repository, workflow: workflow.to_owned() }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.repository, self.workflow)
    }
}

crate::macros::text_serde!(Attestation);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_and_a_workflow_are_one_line() {
        let made = Attestation::new("https://git.example/a/b", ".ci/my release.yml").unwrap();
        assert_eq!(made.to_string(), "https://git.example/a/b .ci/my%20release.yml");
        assert_eq!(made.to_string().parse(), Ok(made));
        let long = format!("https://git.example/a/b {}", "x".repeat(MAX_WORKFLOW + 1));
        for bad in [
            "",
            "https://git.example/a/b",
            "https://git.example/a/b ",
            "x y",
            "https://git.example/a b c",
            &long,
        ] {
            assert!(bad.parse::<Attestation>().is_err(), "{bad:?}");
        }
    }
}
