//! The lock on disk: read with a bound, written aside and renamed.

use std::path::{Path, PathBuf};

use lock::Lock;

use crate::files;

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is none.
    #[error("read {}: there is no lock yet", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It could not be read.
    #[error("read {}: {reason}", path.display())]
    Unreadable {
        /// The lock.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// It is not a lock.
    #[error("parse {}", path.display())]
    Malformed {
        /// The lock.
        path: PathBuf,
        /// Where and what.
        source: lock::lockfile::Error,
    },
    /// It could not be written.
    #[error("write {}", path.display())]
    Write {
        /// The lock.
        path: PathBuf,
        /// The cause.
        source: tree::Error,
    },
    /// What was to be written would not be read back: a bug.
    #[error("write {}: it would not be read back", path.display())]
    Render {
        /// The lock.
        path: PathBuf,
        /// What a reader would say.
        source: lock::lockfile::Error,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "lock-missing",
            Self::Unreadable { .. } => "lock-unreadable",
            Self::Malformed { source, .. } => source.code(),
            Self::Write { .. } => "lock-write",
            Self::Render { .. } => "bug-lock-render",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some("run `opencode-cache lock` where there is a network".into()),
            Self::Malformed { source, .. } => source.hint(),
            _ => None,
        }
    }
}

/// Reads the lock at `path`, with its text.
pub fn read(path: &Path) -> Result<(Lock, String), Error> {
    let unreadable = |reason: String| Error::Unreadable { path: path.into(), reason };
    let bytes = files::read_bounded(path, lock::lockfile::MAX_BYTES as u64).map_err(|error| match error {
        files::ReadError::Io(source) if source.kind() == std::io::ErrorKind::NotFound => {
            Error::Missing { path: path.into() }
        }
        files::ReadError::Io(source) => unreadable(source.to_string()),
        _ => unreadable(format!("not a regular file of at most {} bytes", lock::lockfile::MAX_BYTES)),
    })?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("not UTF-8".into()))?;
    let lock = Lock::parse(&text).map_err(|source| Error::Malformed { path: path.into(), source })?;
    Ok((lock, text))
}

/// A lock's canonical text, which was read back; `path` is for the error.
pub fn text(path: &Path, lock: &Lock) -> Result<String, Error> {
    let text = lock.render();
    Lock::parse(&text).map_err(|source| Error::Render { path: path.into(), source })?;
    Ok(text)
}

/// Writes a lock, in its canonical text, after reading that text back.
pub fn write(path: &Path, lock: &Lock) -> Result<(), Error> {
    let text = text(path, lock)?;
    tree::atomic::write_file(path, text.as_bytes(), 0o644)
        .map_err(|source| Error::Write { path: path.into(), source })
}
