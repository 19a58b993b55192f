//! Why nothing was recorded.

use std::sync::Arc;

use lock::{ExerciseName, PackageName};

use crate::{binary, count, exercise, fetch, programs, resolve, settle};

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
    /// What was installed could not be read.
    #[error("record {name}")]
    Settle {
        /// The exercise.
        name: ExerciseName,
        /// The cause.
        source: settle::Error,
    },
    /// A program that OpenCode starts cannot be had.
    #[error(transparent)]
    Program(#[from] programs::Error),
    /// The models could not be counted.
    #[error("count the models")]
    Count(#[from] count::Error),
    /// A worker ended abnormally.
    #[error("record: a worker ended abnormally")]
    Worker,
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Resolve(error) => error.code(),
            Self::Fetch(error) => error.code(),
            Self::Binary(error) => error.code(),
            Self::Exercise { source, .. } => source.code(),
            Self::Upstream { source, .. } => source.code(),
            Self::Forbidden { .. } => "registry-forbidden",
            Self::Unpinnable { .. } => "package-unpinnable",
            Self::Settle { .. } => "tree-not-whole",
            Self::Program(error) => error.code(),
            Self::Count(error) => error.code(),
            Self::Worker => "bug-worker",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Resolve(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Binary(error) => error.hint(),
            Self::Exercise { source, .. } => source.hint(),
            Self::Upstream { source, .. } => source.hint(),
            Self::Program(error) => error.hint(),
            Self::Count(error) => error.hint(),
            Self::Forbidden { host, status, .. } => Some(resolve::refusal_hint(host, *status)),
            _ => None,
        }
    }
}
