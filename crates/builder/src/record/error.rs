//! Why nothing was recorded.

use std::path::PathBuf;
use std::sync::Arc;

use lock::{Date, ExerciseName, Lock, PackageName, Spec, Version};

use crate::{
    binary, by_name, count, debian, exercise, fetch, licences, programs, resolve, settle, signatures,
};

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something does not resolve.
    #[error(transparent)]
    Resolve(#[from] resolve::Error),
    /// The release binary could not be fetched.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// Debian's C library cannot be had.
    #[error(transparent)]
    Debian(#[from] debian::Error),
    /// The release binary could not be unpacked.
    #[error(transparent)]
    Binary(#[from] binary::Error),
    /// An exercise failed.
    #[error("record {name}")]
    Exercise {
        /// The exercise.
        name: ExerciseName,
        /// The cause.
        source: exercise::Error,
    },
    /// The outside world failed while an exercise ran.
    #[error("record {name}: fetch {package}")]
    Upstream {
        /// The exercise.
        name: ExerciseName,
        /// The package.
        package: String,
        /// The cause.
        source: Arc<replay::vendor::Error>,
    },
    /// A host said no to what OpenCode wanted to download.
    #[error("record {name}: {url} answered {status}")]
    Refused {
        /// The exercise.
        name: ExerciseName,
        /// Host and path.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The registry wants credentials, or other ones.
    #[error("record {name}: ask {host} for {package}: {}", resolve::refusal(*status))]
    Forbidden {
        /// The exercise.
        name: ExerciseName,
        /// The package.
        package: PackageName,
        /// The registry's host.
        host: String,
        /// The HTTP status: 401 or 403.
        status: u16,
    },
    /// A package that was resolved cannot be pinned.
    #[error("record {name}: pin {package}: {reason}")]
    Unpinnable {
        /// The exercise.
        name: ExerciseName,
        /// The package.
        package: String,
        /// Why not.
        reason: String,
    },
    /// An exercise failed in which packages are pinned by hand.
    #[error("record {name} with {} pinned by hand", pins.join(", "))]
    Pinned {
        /// The exercise.
        name: ExerciseName,
        /// The pins that it asked for.
        pins: Vec<String>,
        /// The cause.
        source: exercise::Error,
    },
    /// A pin and an exact version contradict each other.
    #[error("pin {package}: it is pinned to {pinned} by hand, and {name} wants {wanted}")]
    PinConflict {
        /// The package.
        package: PackageName,
        /// The version of `[packages]`.
        pinned: Version,
        /// The exercise.
        name: ExerciseName,
        /// The version that it wants.
        wanted: Version,
    },
    /// Every version of a package is too young.
    #[error(
        "record {name}: resolve {package} as of {day}: every version is younger; the first one, {version}, was published {time}"
    )]
    Younger {
        /// The exercise.
        name: ExerciseName,
        /// The package.
        package: PackageName,
        /// The day.
        day: Date,
        /// The version that was published first.
        version: Version,
        /// When, as the registry says.
        time: String,
    },
    /// The registry does not say when a package's versions were published.
    #[error(
        "record {name}: resolve {package} as of a day: the registry does not say when its versions were published"
    )]
    NoTimes {
        /// The exercise.
        name: ExerciseName,
        /// The package.
        package: PackageName,
    },
    /// No version of a provider SDK works with this OpenCode.
    #[error("record {name}: no version of {package} works with this OpenCode; tried {}", list(tried))]
    NoSdk {
        /// The exercise.
        name: ExerciseName,
        /// The SDK.
        package: PackageName,
        /// The versions, and what happened.
        tried: Vec<(Version, String)>,
    },
    /// An SDK is named with a version, and this OpenCode takes all of that for the package's name.
    #[error("record {name}: OpenCode {opencode} looks for a package that is called {spec}, version and all")]
    NamedVersion {
        /// The exercise.
        name: ExerciseName,
        /// The SDK.
        spec: Spec,
        /// OpenCode's version.
        opencode: Version,
    },
    /// What was installed could not be read.
    #[error("record {name}")]
    Settle {
        /// The exercise.
        name: ExerciseName,
        /// The cause.
        source: settle::Error,
    },
    /// A provider that was named cannot be had.
    #[error(transparent)]
    Provider(#[from] by_name::Error),
    /// The release binary could not be read.
    #[error("read {}", path.display())]
    Release {
        /// The binary.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A program that OpenCode starts cannot be had.
    #[error(transparent)]
    Program(#[from] programs::Error),
    /// What the registry states is not believed.
    #[error(transparent)]
    Trust(#[from] signatures::Error),
    /// Terms that the manifest refuses.
    #[error(transparent)]
    Licences(#[from] licences::Error),
    /// The models could not be counted.
    #[error("count the models")]
    Count(#[from] count::Error),
    /// A worker ended abnormally.
    #[error("record: a worker ended abnormally")]
    Worker,
}

fn list(tried: &[(Version, String)]) -> String {
    tried.iter().map(|(version, reason)| format!("{version} ({reason})")).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// The same, knowing which lock there is: a version that it pins and that the registry does not have has been taken away.
    pub(super) fn against(self, locked: Option<&Lock>) -> Self {
        let (Self::Resolve(error) | Self::Program(programs::Error::Resolve(error))) = &self else {
            return self;
        };
        let resolve::Error::Absent { what, status: 404 | 410 } = error else { return self };
        let is_pinned = |lock: &Lock| lock.npm_pins().keys().any(|id| id.to_string() == *what);
        match locked.is_some_and(is_pinned) {
            true => Self::Trust(signatures::Error::gone(what)),
            false => self,
        }
    }

    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Resolve(error) => error.code(),
            Self::Fetch(error) => error.code(),
            Self::Debian(error) => error.code(),
            Self::Binary(error) => error.code(),
            Self::Exercise { source, .. } => source.code(),
            Self::Upstream { source, .. } => source.code(),
            Self::Refused { .. } => "download-refused",
            Self::Forbidden { .. } => "registry-forbidden",
            Self::Unpinnable { .. } => "package-unpinnable",
            Self::Pinned { .. } => "pin-breaks-exercise",
            Self::PinConflict { .. } => "pin-conflict",
            Self::Younger { .. } => "before-younger",
            Self::NoTimes { .. } => "before-no-times",
            Self::NoSdk { .. } => "sdk-does-not-work",
            Self::NamedVersion { .. } => "sdk-with-version",
            Self::Settle { .. } => "tree-not-whole",
            Self::Provider(error) => error.code(),
            Self::Release { .. } => "release-unreadable",
            Self::Program(error) => error.code(),
            Self::Trust(error) => error.code(),
            Self::Licences(error) => error.code(),
            Self::Count(error) => error.code(),
            Self::Worker => "bug-worker",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Resolve(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Debian(error) => error.hint(),
            Self::Binary(error) => error.hint(),
            Self::Exercise { source, .. } => source.hint(),
            Self::Upstream { source, .. } => source.hint(),
            Self::Refused { status: 403 | 429, .. } => {
                Some("such hosts limit how often they are asked: try again later, or from another address".into())
            }
            Self::Refused { .. } => Some("OpenCode may be too old for what is there today, or too new".into()),
            Self::Provider(error) => error.hint(),
            Self::Program(error) => error.hint(),
            Self::Trust(error) => error.hint(),
            Self::Licences(error) => error.hint(),
            Self::Count(error) => error.hint(),
            Self::Pinned { .. } => {
                Some("the pinned version may be outside the range that a package wants: take the pin out of [packages], or let go of what is frozen".into())
            }
            Self::PinConflict { .. } => Some("let [packages] name the same version, or none".into()),
            Self::Younger { package, .. } | Self::NoTimes { package, .. } => Some(format!(
                "take a later day, or pin it by hand: `[packages]` \"{package}\" = \"VERSION\" holds whatever the day"
            )),
            Self::NoSdk { package, .. } => Some(format!(
                "if it needs settings that a trial cannot know, write the version yourself: `[packages]` \"{package}\" = \"VERSION\" \
                 is taken as it is"
            )),
            Self::NamedVersion { spec, .. } => spec
                .name()
                .map(|name| format!("name {name} alone, and say `[packages]` \"{name}\" = \"VERSION\"")),
            Self::Forbidden { host, status, .. } => Some(resolve::refusal_hint(host, *status)),
            _ => None,
        }
    }
}
