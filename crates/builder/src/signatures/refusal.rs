//! Why a lock is not written, or what a recheck finds: one reason for a version, each with a code of its own.

use std::collections::BTreeMap;
use std::fmt;

use lock::{Date, Sri};

/// So many versions are named of each reason; a person fixes the first few, and the rest with them.
const NAMED: usize = 10;

/// A version that is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What a lock calls it: `name@version`, or an artifact's source.
    pub what: String,
    /// Why not.
    pub reason: Reason,
}

/// Why a version is not believed. The first ones are the worst.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// Other bytes are published under the same name and version than those that are pinned.
    Changed {
        /// The lock's hash.
        locked: Sri,
        /// What the registry states now.
        stated: Sri,
    },
    /// A signature is stated in a trusted key's name, and it is not that key's.
    Forged {
        /// The key.
        key: String,
    },
    /// An attestation is stated that is not what it says that it is.
    AttestationForged {
        /// Why not.
        why: &'static str,
    },
    /// An attestation is stated that is good, and of something else.
    AttestationOfOtherBytes {
        /// Of what.
        about: String,
    },
    /// Nobody attests any more who built it, and the lock that is there says so of the package.
    AttestationLost,
    /// No signature is stated, and the lock that is there has a verified one for the package.
    Downgraded {
        /// What the lock says.
        before: String,
    },
    /// The key was at its end when the version was published.
    Expired {
        /// The key.
        key: String,
        /// Its last day.
        until: Date,
        /// When the version was published, as the registry says.
        published: String,
    },
    /// Only keys signed it that are not trusted.
    UnknownKey {
        /// The first one.
        key: String,
    },
    /// The key has come to its end, and nobody says when the version was published.
    Undated {
        /// The key.
        key: String,
        /// Its last day.
        until: Date,
    },
    /// The policy wants a signature, and none is stated.
    Required,
    /// The registry does not have it any more.
    Gone,
}

/// Versions that are not believed, at least one.
#[derive(Debug)]
pub struct Error {
    /// Each with its reason.
    pub refusals: Vec<Refusal>,
}

impl Reason {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "pin-changed-upstream",
            Self::Forged { .. } => "signature-forged",
            Self::AttestationForged { .. } => "attestation-forged",
            Self::AttestationOfOtherBytes { .. } => "attestation-of-other-bytes",
            Self::AttestationLost => "attestation-lost",
            Self::Downgraded { .. } => "signature-downgraded",
            Self::Expired { .. } => "signature-expired",
            Self::UnknownKey { .. } => "signature-key-unknown",
            Self::Undated { .. } => "signature-undated",
            Self::Required => "signature-required",
            Self::Gone => "pin-yanked",
        }
    }

    /// What all versions with this reason have in common.
    fn heading(&self) -> &'static str {
        match self {
            Self::Changed { .. } => {
                "the registry states other bytes under the same version than the lock has"
            }
            Self::Forged { .. } => "the signature is not that of the key whose name it bears",
            Self::AttestationForged { .. } => "the attestation of who built it is forged",
            Self::AttestationOfOtherBytes { .. } => "the attestation of who built it is of something else",
            Self::AttestationLost => {
                "nothing attests who built it that can be verified, and the lock has an attestation of the package"
            }
            Self::Downgraded { .. } => "no signature is stated, and the lock has a verified one",
            Self::Expired { .. } => "published after the end of the key that signed it",
            Self::UnknownKey { .. } => "signed with a key that is not trusted for it",
            Self::Undated { .. } => {
                "signed with a key that has come to its end, and the registry does not say when it was published"
            }
            Self::Required => "no signature is stated, and the manifest requires one",
            Self::Gone => "the registry does not have it any more",
        }
    }

    /// What is particular to one version.
    pub fn detail(&self) -> Option<String> {
        Some(match self {
            Self::Changed { locked, stated } => format!("the lock has {locked}, the registry {stated}"),
            Self::Forged { key } | Self::UnknownKey { key } => key.clone(),
            Self::Downgraded { before } => before.clone(),
            Self::Expired { key, until, published } => format!("{key} until {until}, published {published}"),
            Self::Undated { key, until } => format!("{key} until {until}"),
            Self::AttestationForged { why } => (*why).to_owned(),
            Self::AttestationOfOtherBytes { about } => about.clone(),
            Self::Required | Self::Gone | Self::AttestationLost => return None,
        })
    }

    /// One sentence for people.
    pub fn told(&self) -> String {
        let detail = self.detail().map(|detail| format!(" ({detail})"));
        format!("{}{}", self.heading(), detail.unwrap_or_default())
    }

    /// What is told where it refuses nothing.
    pub(super) fn note(&self) -> Option<String> {
        match self {
            Self::UnknownKey { key } => Some(format!(
                "the registry signs with the key {key}, which this program does not trust: such packages count as unsigned. Update \
                 opencode-cache, or name the key in [[trust.keys]] of the manifest"
            )),
            Self::Undated { key, .. } => Some(format!(
                "the registry does not say when packages that are signed with {key} were published, and that key has come to its end: \
                 they count as unsigned"
            )),
            _ => None,
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Changed { .. } => {
                "somebody published it anew, or stands in between: find out who, and compare with another registry. Where that was \
                 meant, take it out of the lock by hand and lock again, so that everybody sees it"
            }
            Self::Forged { .. } => {
                "whoever answers has other bytes than were signed, or makes signatures up: ask another registry (--registry)"
            }
            Self::AttestationForged { .. } | Self::AttestationOfOtherBytes { .. } => {
                "whoever answers has other bytes than were built, or makes attestations up: ask another registry (--registry). Where one \
                 is known to be wrong, [trust] `attestations = \"ignore\"` asks for none"
            }
            Self::AttestationLost => {
                "somebody may have published it by hand, with a stolen token: look at the package's releases. Where that was meant, or the \
                 registry is one without (--registry), name the package in [trust] `unattested`, or say `attestations = \"ignore\"`"
            }
            Self::Downgraded { .. } => {
                "ask the registry that the lock was made with (--registry); where the new one serves no signatures and is trusted \
                 all the same, name such packages in [trust] `unsigned`, or take `signatures` out of the lock by hand and lock again"
            }
            Self::Expired { .. } => {
                "the key may have been stolen, or the registry states when it got the version itself: compare with another registry, or \
                 name the package in [trust] `unsigned`"
            }
            Self::UnknownKey { .. } => {
                "update opencode-cache, which holds the keys of npm's registry; name a private registry's in [[trust.keys]]"
            }
            Self::Undated { .. } => {
                "ask a registry that says when versions were published (--registry), or name the package in [trust] `unsigned`"
            }
            Self::Required => {
                "ask a registry that serves npm's signatures (--registry), name what may be without in [trust] `unsigned`, or say \
                 `signatures = \"prefer\"`"
            }
            Self::Gone => {
                "take another version: `opencode-cache lock --refresh`, or [packages] of the manifest; the bytes may still \
                 lie in a vendor directory"
            }
        }
    }
}

/// The first few of a list, and how many more there are.
pub(crate) fn some(items: &[String]) -> String {
    let first = items.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

impl Error {
    /// That a version has been taken away.
    pub(crate) fn gone(what: &str) -> Self {
        Self { refusals: vec![Refusal { what: what.to_owned(), reason: Reason::Gone }] }
    }

    fn worst(&self) -> Option<&Reason> {
        self.refusals.iter().map(|refusal| &refusal.reason).min()
    }

    /// The stable code: that of the worst reason.
    pub fn code(&self) -> &'static str {
        self.worst().map_or("bug-trust", Reason::code)
    }

    /// What the user can do about the worst.
    pub fn hint(&self) -> Option<String> {
        self.worst().map(|reason| reason.hint().to_owned())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: BTreeMap<&Reason, Vec<String>> = BTreeMap::new();
        let mut headings: BTreeMap<&str, &Reason> = BTreeMap::new();
        for Refusal { what, reason } in &self.refusals {
            let first = headings.entry(reason.code()).or_insert(reason);
            let detail = reason.detail().map(|detail| format!(" ({detail})"));
            groups.entry(first).or_default().push(format!("{what}{}", detail.unwrap_or_default()));
        }
        write!(f, "pin {}", count(self.refusals.len()))?;
        for (reason, packages) in groups {
            write!(f, "\n  {}: {}", reason.heading(), some(&packages))?;
        }
        Ok(())
    }
}

fn count(number: usize) -> String {
    format!("{number} {}", if number == 1 { "version" } else { "versions" })
}

impl std::error::Error for Error {}
