//! `manifest.json` of an output: what is in it, for `inspect`, `verify` and other machines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lock::{PackageId, Profile, Proof, Spec, System, Version};
use serde::{Deserialize, Serialize};

use crate::{files, layout};

/// The version of this document that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// The largest document that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// [`VERSION`].
    pub version: u32,
    /// OpenCode's version.
    #[serde(with = "text")]
    pub opencode: Version,
    /// The system that the output is for.
    #[serde(with = "text")]
    pub system: System,
    /// `offline` or `online`.
    pub profile: String,
    /// SRI of the lock's text.
    pub lock: String,
    /// The catalogue of models; none where the one inside the release binary serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<Catalogue>,
    /// How many models `opencode models` has to list, per provider, with a dummy key for each.
    pub models: BTreeMap<String, u32>,
    /// The trees, by exercise.
    pub exercises: BTreeMap<String, Tree>,
    /// Programs that OpenCode starts and would download, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub programs: BTreeMap<String, Program>,
    /// Debian's packages whose libraries it holds, and their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub libraries: BTreeMap<String, String>,
    /// For how many of the versions that the lock pins the registry vouched, by state; none where nobody asked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signatures: BTreeMap<String, usize>,
    /// Of how many of them it is attested who built them; none where that is so of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<usize>,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Where it lies in the output.
    pub path: String,
    /// What it was unpacked from: a package and its version, or an address.
    pub from: String,
    /// Bytes in it.
    pub bytes: u64,
    /// As that of a [`Placed`], of the file.
    pub digest: String,
}

/// The catalogue of models in an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// SRI of its bytes.
    pub integrity: String,
    /// Where it came from.
    pub url: String,
    /// The date of its newest model, `YYYY-MM-DD`, where a model has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
}

/// What one exercise left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Where it lies in the output.
    pub path: String,
    /// What OpenCode was asked for, where it is a plugin, a provider's SDK or a package that is started by command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// How far a provider's SDK was seen to work: `answered` or `loads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// What `package.json` was made to say of it, where that is not the version that was installed: what this OpenCode compares with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patched: Option<String>,
    /// Bytes in its files.
    pub bytes: u64,
    /// Its packages: place in the tree, what it is, and the digest of its files.
    pub packages: Vec<Placed>,
}

/// One package in a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// Relative to the tree: `node_modules/a`.
    pub path: String,
    /// `name@version`.
    pub id: String,
    /// nix-base32 of 160 bits of the sha256 of the package's own NAR, nested packages included.
    pub digest: String,
}

/// Why the document cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It could not be read: most likely this is no output of ours.
    #[error("read {}: not an output of opencode-cache", path.display())]
    Unreadable {
        /// The document.
        path: PathBuf,
    },
    /// It is not what this version writes.
    #[error("parse {}", path.display())]
    Malformed {
        /// The document.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Another version of this program wrote it.
    #[error("read {}: version {found} instead of {VERSION}", path.display())]
    Version {
        /// The document.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "output-unreadable",
            Self::Malformed { .. } => "output-malformed",
            Self::Version { .. } => "output-version",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some("run `opencode-cache build`, and name the link or directory that it printed".into())
    }
}

impl Contents {
    /// Reads the document of the output at `output`.
    pub fn read(output: &Path) -> Result<Self, Error> {
        let path = output.join(layout::CONTENTS);
        let bytes =
            files::read_bounded(&path, MAX_BYTES).map_err(|_| Error::Unreadable { path: path.clone() })?;
        let contents: Self = serde_json::from_slice(&bytes)
            .map_err(|source| Error::Malformed { path: path.clone(), source })?;
        if contents.version == VERSION {
            Ok(contents)
        } else {
            Err(Error::Version { path, found: contents.version })
        }
    }

    /// The text that is written.
    pub fn render(&self) -> String {
        // Serialising maps with string keys to memory cannot fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Every package of every exercise, each once.
    pub fn packages(&self) -> BTreeSet<&str> {
        self.exercises.values().flat_map(|tree| &tree.packages).map(|package| package.id.as_str()).collect()
    }

    /// The specs of the provider SDKs that were only seen to load: no scripted model can answer through them.
    pub fn loading_only(&self) -> Vec<Spec> {
        let loads =
            self.exercises.values().filter(|tree| tree.proof.as_deref() == Some(Proof::Loads.as_str()));
        loads.filter_map(|tree| tree.spec.as_ref()?.parse().ok()).collect()
    }

    /// The specs of the provider SDKs (`provider`), plugins (`plugin`) or packages with programs (`executable`) that were captured.
    pub fn specs(&self, kind: &str) -> Vec<Spec> {
        let of_kind = |name: &str| name.split(':').next() == Some(kind);
        let trees = self.exercises.iter().filter(|(name, _)| of_kind(name));
        trees.filter_map(|(_, tree)| tree.spec.as_ref()?.parse().ok()).collect()
    }
}

/// A profile as it stands in the document.
pub fn profile_text(profile: Profile) -> String {
    profile.as_str().to_owned()
}

/// A package as it stands in the document.
pub fn placed(path: String, id: &PackageId, digest: String) -> Placed {
    Placed { path, id: id.to_string(), digest }
}

/// Values that are text in the document and checked words here.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
