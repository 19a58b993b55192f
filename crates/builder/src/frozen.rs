//! Packages that keep the versions that a lock has while everything else moves: `freeze` in the manifest, `--freeze`. Owns which
//! versions those are, for each exercise; asks nobody.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use lock::{ArtifactSource, ExerciseName, Lock, Manifest, PackageName, Version};

use crate::opencode;

/// The name by which OpenCode itself is frozen.
pub const OPENCODE: &str = "opencode";

/// What is frozen, and at which versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frozen {
    everywhere: BTreeMap<PackageName, BTreeSet<Version>>,
    exercises: BTreeMap<ExerciseName, BTreeMap<PackageName, BTreeSet<Version>>>,
    programs: BTreeMap<PackageName, Version>,
}

/// Why something cannot be frozen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The lock does not have it.
    #[error("freeze {name}: the lock has no such package")]
    Unknown {
        /// The name.
        name: PackageName,
        /// A name that is nearly that.
        nearest: Option<String>,
    },
    /// Its version is OpenCode's.
    #[error("freeze {name}: it is published with OpenCode, in OpenCode's version")]
    WithOpencode {
        /// The name.
        name: PackageName,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "freeze-unknown",
            Self::WithOpencode { .. } => "freeze-with-opencode",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { nearest: Some(nearest), .. } => Some(format!("did you mean {nearest}?")),
            Self::Unknown { .. } => Some("`opencode-cache inspect` lists what the lock has".into()),
            Self::WithOpencode { .. } => Some(format!("freeze `{OPENCODE}`")),
        }
    }
}

impl Frozen {
    /// The versions that `lock` has of the packages that are named.
    ///
    /// # Errors
    /// Where the lock does not have one of them, so that nothing would be frozen.
    pub fn at(names: &BTreeSet<PackageName>, lock: &Lock) -> Result<Self, Error> {
        let mut frozen = Self::default();
        for name in names.iter().filter(|name| name.as_str() != OPENCODE) {
            if opencode::RELEASED_WITH.contains(&name.as_str()) {
                return Err(Error::WithOpencode { name: name.clone() });
            }
            for (exercise, found) in &lock.exercises {
                let versions =
                    found.packages.iter().filter(|id| id.name == *name).map(|id| id.version.clone());
                for version in versions {
                    let of = frozen.exercises.entry(exercise.clone()).or_default();
                    of.entry(name.clone()).or_default().insert(version.clone());
                    frozen.everywhere.entry(name.clone()).or_default().insert(version);
                }
            }
            for artifact in lock.programs.values().flat_map(BTreeMap::values) {
                match &artifact.source {
                    ArtifactSource::Npm { package, version } if package == name => {
                        frozen.programs.insert(name.clone(), version.clone());
                    }
                    _ => {}
                }
            }
            if !frozen.everywhere.contains_key(name) && !frozen.programs.contains_key(name) {
                let known: Vec<String> = lock.packages.keys().map(|id| id.name.to_string()).collect();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let nearest = lock::nearest(name.as_str(), &known).map(str::to_owned);
                return Err(Error::Unknown { name: name.clone(), nearest });
            }
        }
        Ok(frozen)
    }

    /// What an exercise may see of frozen packages: the versions that it had, or where it had none those that others had.
    pub fn of(&self, exercise: &ExerciseName) -> BTreeMap<PackageName, BTreeSet<Version>> {
        let mut versions = self.everywhere.clone();
        versions.extend(self.exercises.get(exercise).cloned().unwrap_or_default());
        versions
    }

    /// Whether a package keeps its version.
    pub fn has(&self, name: &PackageName) -> bool {
        self.everywhere.contains_key(name) || self.programs.contains_key(name)
    }

    /// The manifest with the packages of programs pinned.
    pub(crate) fn pinned<'m>(&self, manifest: &'m Manifest) -> Cow<'m, Manifest> {
        if self.programs.is_empty() {
            return Cow::Borrowed(manifest);
        }
        let mut pinned = manifest.clone();
        pinned.packages.extend(self.programs.clone());
        Cow::Owned(pinned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frozen(names: &[&str]) -> Result<Frozen, Error> {
        let lock = Lock::parse(include_str!("../../../opencode.lock.json")).unwrap();
        Frozen::at(&names.iter().map(|name| name.parse().unwrap()).collect(), &lock)
    }

    #[test]
    fn what_is_frozen_is_what_the_lock_has() {
        let lock = Lock::parse(include_str!("../../../opencode.lock.json")).unwrap();
        let pty: PackageName = "opencode-pty".parse().unwrap();
        let (id, _) = lock.packages.iter().find(|(id, _)| id.name == pty).unwrap();
        let frozen = frozen(&["opencode", "opencode-pty"]).unwrap();
        assert!(frozen.has(&pty) && !frozen.has(&"opencode".parse().unwrap()));
        for exercise in lock.exercises.keys() {
            let versions = frozen.of(exercise);
            assert_eq!(
                versions.into_iter().collect::<Vec<_>>(),
                [(pty.clone(), BTreeSet::from([id.version.clone()]))]
            );
        }
    }

    #[test]
    fn what_the_lock_does_not_have_cannot_be_frozen() {
        let error = frozen(&["opencode-ptty"]).unwrap_err();
        assert_eq!(
            (error.code(), error.hint().unwrap().as_str()),
            ("freeze-unknown", "did you mean opencode-pty?")
        );
        assert_eq!(frozen(&["@opencode-ai/plugin"]).unwrap_err().code(), "freeze-with-opencode");
    }
}
