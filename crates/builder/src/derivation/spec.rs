//! What `nix/lib` tells a derivation's builder: JSON, in the file that `passAsFile` made of the attribute `spec`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lock::{Profile, Sri, System};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Error, MAX_SPEC};
use crate::files;

/// One pinned file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchOne {
    /// `name@version`, where a registry has it.
    pub package: Option<String>,
    /// Its address, where it has one of its own.
    pub url: Option<String>,
    /// Its hash.
    pub integrity: String,
    /// Its size in bytes.
    pub size: u64,
    /// The registry, instead of what npm's configuration says.
    pub registry: Option<String>,
    /// What has `bin/npm`, which is asked where nothing else names a registry.
    pub nodejs: Option<PathBuf>,
}

/// The release archive, and what is to become of the binary in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unpack {
    /// The archive.
    pub archive: PathBuf,
    /// The binary's path in it.
    pub member: String,
    /// What it says of itself.
    pub version: String,
    /// The interpreter that it gets; where there is none it stays as it was published.
    pub interpreter: Option<String>,
    /// What has `bin/patchelf`.
    pub patchelf: Option<PathBuf>,
}

/// One exercise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// The lock, reduced to what this exercise is about, so that nothing else makes it run again.
    pub lock: Slice,
    /// The system that it is for: this machine's.
    pub system: String,
    /// OpenCode's binary.
    pub binary: PathBuf,
    /// Where the pinned files lie, by hash.
    pub artifacts: BTreeMap<String, PathBuf>,
}

/// A lock's text as it stands among other things.
#[derive(Debug, Deserialize)]
pub struct Slice(pub Value);

/// What is joined.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The lock's file.
    pub lock: PathBuf,
    /// The file of the pinned catalogue, where the lock pins one.
    pub catalogue: Option<PathBuf>,
    /// The system that it is for.
    pub system: String,
    /// The profile's word.
    pub profile: String,
    /// OpenCode's binary.
    pub binary: PathBuf,
    /// What the exercises left.
    pub exercises: Vec<PathBuf>,
    /// Where the archives of programs and the files of grammars lie, by hash.
    pub artifacts: BTreeMap<String, PathBuf>,
    /// Store paths whose `lib` has what native modules need.
    pub libraries: Vec<PathBuf>,
}

/// Reads a spec.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let wrong = |reason: String| Error::Spec { path: path.into(), reason };
    let bytes = files::read_bounded(path, MAX_SPEC).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
}

pub(super) fn sri(text: &str) -> Result<Sri, Error> {
    text.parse().map_err(|error| Error::Spec { path: "spec".into(), reason: format!("{text}: {error}") })
}

pub(super) fn system(text: &str) -> Result<System, Error> {
    text.parse().map_err(|error| Error::Spec { path: "spec".into(), reason: format!("{text}: {error}") })
}

pub(super) fn profile(text: &str) -> Result<Profile, Error> {
    [Profile::Online, Profile::Offline].into_iter().find(|profile| profile.as_str() == text).ok_or_else(
        || Error::Spec {
            path: "spec".into(),
            reason: format!("profile = {text:?}: it is \"online\" or \"offline\""),
        },
    )
}
