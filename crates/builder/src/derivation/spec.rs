//! What `nix/lib` tells a derivation's builder: JSON, in the file that `passAsFile` made of the attribute `spec`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lock::{Archive, Profile, Sri, System};
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
    /// Its form, as the lock says it.
    pub form: Archive,
    /// The binary's path in it.
    pub member: String,
    /// What it says of itself.
    pub version: String,
    /// The interpreter that it gets; where there is none it stays as it was published.
    pub interpreter: Option<String>,
    /// What has `bin/patchelf`.
    pub patchelf: Option<PathBuf>,
}

/// One exercise, or those that share a tree.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// The lock, reduced to what this is about, so that nothing else makes it run again.
    pub lock: Slice,
    /// The system that it is for: this machine's.
    pub system: String,
    /// OpenCode's binary.
    pub binary: PathBuf,
    /// Where the pinned files lie, by hash.
    pub artifacts: BTreeMap<String, PathBuf>,
    /// Store paths whose `lib` has what native modules need, where OpenCode loads what it installs.
    pub libraries: Vec<PathBuf>,
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

/// What is to be told of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Papers {
    /// The output.
    pub output: PathBuf,
    /// The lock's file.
    pub lock: PathBuf,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        match read::<FetchOne>(file.path()) {
            Ok(spec) => format!("{} {:?} {:?}", spec.size, spec.package, spec.url),
            Err(error) => {
                format!("{}: {error}", error.code()).replace(&file.path().display().to_string(), "spec")
            }
        }
    }

    #[test]
    fn a_spec_is_what_nix_lib_writes_and_nothing_else() {
        let whole = r#"{"package":"a@1.0.0","url":null,"integrity":"sha512-x","size":1,"registry":null,"nodejs":null}"#;
        assert_eq!(said(whole), "1 Some(\"a@1.0.0\") None");
        let more = whole.replace("\"size\"", "\"other\":1,\"size\"");
        assert!(
            said(&more).starts_with("derivation-spec: read spec: unknown field `other`"),
            "{}",
            said(&more)
        );
        assert!(said("").starts_with("derivation-spec: read spec: EOF"));
        assert!(read::<FetchOne>(Path::new("/dev/null")).unwrap_err().to_string().ends_with("not a file"));
    }

    #[test]
    fn words_are_checked() {
        assert!(sri("sha512-nonsense").is_err() && system("sparc-linux").is_err());
        assert_eq!(profile("offline").unwrap(), Profile::Offline);
        assert!(profile("ofline").unwrap_err().to_string().contains("\"online\" or \"offline\""));
    }
}
