//! What can go wrong with a binary cache as a whole; what is wrong inside one is a [`Problem`](crate::cache::Problem).

use std::io;
use std::path::{Path, PathBuf};

use crate::key::NotOne;
use crate::path::StorePath;

/// The result of whatever this crate does with files.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a cache could not be written or looked through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A tree could not be read, or a file not be put in its place.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// The directory is a cache for another store, whose paths have other names.
    #[error("{} is a cache of another store than /nix/store", path.display())]
    OtherStore {
        /// Its `nix-cache-info`.
        path: PathBuf,
    },
    /// There is no cache.
    #[error("{} is no Nix binary cache: it has no nix-cache-info", path.display())]
    NoCache {
        /// The directory.
        path: PathBuf,
    },
    /// What was to be written under a path is something else.
    #[error("{} is not what {wanted} is named after", path.display())]
    Content {
        /// The tree or file.
        path: PathBuf,
        /// The path that it was to have.
        wanted: StorePath,
    },
    /// More narinfos than are looked through.
    #[error("{} holds more than {limit} paths", path.display())]
    TooMany {
        /// The cache.
        path: PathBuf,
        /// The bound.
        limit: usize,
    },
    /// A key's file holds none.
    #[error("read the key {}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wanted.
        source: NotOne,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { source, .. }
                if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                "disk-full"
            }
            Self::Io { .. } => "cache-io",
            Self::Tree(error) => error.code(),
            Self::OtherStore { .. } => "cache-other-store",
            Self::NoCache { .. } => "cache-none",
            Self::Content { .. } => "cache-wrong-content",
            Self::TooMany { .. } => "cache-too-many",
            Self::Key { .. } => "key-malformed",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Tree(error) => return error.hint(),
            Self::Io { path, .. } if self.code() == "disk-full" => {
                format!("free space on the file system of {}, then run the command again", path.display())
            }
            Self::OtherStore { .. } => "name another directory, or an empty one".to_owned(),
            Self::NoCache { .. } => "`opencode-cache export --nix-cache DIR` writes one".to_owned(),
            Self::Content { path, .. } => {
                format!(
                    "{} was altered: `opencode-cache verify` on an output, or `fetch` for a download",
                    path.display()
                )
            }
            Self::Key { .. } => "`nix key generate-secret --key-name NAME` makes one".to_owned(),
            Self::Io { .. } | Self::TooMany { .. } => return None,
        })
    }

    /// Whether a file that the user handed over is what is wrong.
    pub fn is_input(&self) -> bool {
        matches!(
            self,
            Self::OtherStore { .. } | Self::NoCache { .. } | Self::Content { .. } | Self::Key { .. }
        )
    }
}

/// Names verb and path of an operating-system error.
pub(crate) trait At<T> {
    fn at(self, verb: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> At<T> for std::result::Result<T, E> {
    fn at(self, verb: &'static str, path: &Path) -> Result<T> {
        self.map_err(|error| Error::Io { verb, path: path.to_path_buf(), source: error.into() })
    }
}
