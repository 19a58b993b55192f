//! Why a lock cannot be moved.

use std::path::PathBuf;

use lock::Version;

use crate::error::Kind;
use crate::{frozen, lockfile, plan, resolve};

/// Why a lock cannot be moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry says no, or nothing.
    #[error(transparent)]
    Resolve(#[from] resolve::Error),
    /// Something cannot be frozen.
    #[error(transparent)]
    Frozen(#[from] frozen::Error),
    /// The version that is wanted is not published as a whole.
    #[error("update to OpenCode {version}: not published of it: {}", missing.join(", "))]
    Incomplete {
        /// The version.
        version: Version,
        /// What is missing.
        missing: Vec<String>,
    },
    /// The manifest could not be read.
    #[error(transparent)]
    Read(#[from] plan::Error),
    /// The manifest that is there is none.
    #[error("edit {}", path.display())]
    Edit {
        /// The manifest.
        path: PathBuf,
        /// Where and what.
        source: lock::manifest::Error,
    },
    /// The new lock would not be read back, or not be written.
    #[error(transparent)]
    Lock(#[from] lockfile::Error),
    /// The new catalogue could not be written.
    #[error(transparent)]
    Catalogue(#[from] crate::catalogue::Error),
    /// A file could not be put in its place; all are as they were.
    #[error("write {}: nothing was changed", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: tree::Error,
    },
    /// A file could not be put in its place, nor could those that were changed before it be put back.
    #[error("write {}: {} has changed already, and could not be put back", path.display(), changed.display())]
    Torn {
        /// The file that could not be written.
        path: PathBuf,
        /// The one that was written.
        changed: PathBuf,
        /// The cause.
        source: tree::Error,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Resolve(error) => error.code(),
            Self::Frozen(error) => error.code(),
            Self::Incomplete { .. } => "opencode-incomplete",
            Self::Read(error) => error.code(),
            Self::Edit { source, .. } => source.code(),
            Self::Lock(error) => error.code(),
            Self::Catalogue(error) => error.code(),
            Self::Write { source, .. } if source.code() == "disk-full" => "disk-full",
            Self::Write { .. } => "update-write",
            Self::Torn { .. } => "update-torn",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Resolve(error) => error.hint(),
            Self::Frozen(error) => error.hint(),
            Self::Incomplete { .. } => Some(
                "leave out `--to`: the newest version is taken of which everything is published; or want fewer systems or variants"
                    .into(),
            ),
            Self::Read(error) => error.hint(),
            Self::Edit { source, .. } => source.hint(),
            Self::Lock(error) => error.hint(),
            Self::Catalogue(error) => error.hint(),
            Self::Write { .. } => None,
            Self::Torn { .. } => Some("run `opencode-cache update` again, or take the files from version control".into()),
        }
    }

    /// The kind, which a command line turns into its exit status.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Resolve(error) if error.is_input() => Kind::Input,
            Self::Frozen(_) | Self::Incomplete { .. } | Self::Read(_) | Self::Edit { .. } => Kind::Input,
            _ => Kind::Outside,
        }
    }
}
