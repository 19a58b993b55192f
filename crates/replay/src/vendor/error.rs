//! What can go wrong between the network and the vendor directory.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::registry::upstream;
use lock::Sri;

/// What was being done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verb {
    /// Make a directory.
    MakeDirectory,
    /// Open or make a file.
    Open,
    /// Read a file.
    Read,
    /// Write a file.
    Write,
    /// Put a finished file in its place.
    Rename,
    /// Remove a file.
    Remove,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MakeDirectory => "make directory",
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Rename => "rename",
            Self::Remove => "remove",
        })
    }
}

/// Why a pinned file is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused.
    #[error("cannot {verb} {path}")]
    Io {
        /// What was being done.
        verb: Verb,
        /// To which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The disk is full, or the user's share of it.
    #[error("no space left for {path}")]
    NoSpace {
        /// The file that was being written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of the vendor directory is not what its name says.
    #[error("{path} is damaged: wanted {wanted}, got {got}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Its pinned hash.
        wanted: Sri,
        /// Its hash.
        got: Sri,
    },
    /// What was downloaded is not what is pinned.
    #[error("{what} from {host} has the wrong hash: wanted {wanted}, got {got}")]
    WrongHash {
        /// The package or address.
        what: String,
        /// The host that sent it.
        host: String,
        /// The pinned hash.
        wanted: Sri,
        /// The hash of what came.
        got: Sri,
    },
    /// What was downloaded is not as long as what is pinned.
    #[error("{what} from {host} has the wrong size: wanted {wanted} bytes, got {got}")]
    WrongSize {
        /// The package or address.
        what: String,
        /// The host that sent it.
        host: String,
        /// The pinned size in bytes.
        wanted: u64,
        /// The size that came or was announced, in bytes; of a download that is too long, what came until it was cut off.
        got: u64,
    },
    /// The download ended early at every try. What came is kept, and the next fetch goes on from there.
    #[error("{what} from {host} broke off after {got} of {wanted} bytes")]
    Truncated {
        /// The package or address.
        what: String,
        /// The host that sent it.
        host: String,
        /// The pinned size in bytes.
        wanted: u64,
        /// What came, in bytes.
        got: u64,
    },
    /// The host says that it has no such thing, or does not give it to us.
    #[error("{host} answered {status} about {what}")]
    Absent {
        /// The package or address.
        what: String,
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// What is sent is larger than any download may be.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// The package or address.
        what: String,
        /// The bound in bytes.
        limit: u64,
    },
    /// The host could not be asked.
    #[error("cannot download {what}")]
    Upstream {
        /// The package or address.
        what: String,
        /// Why.
        #[source]
        source: upstream::Error,
    },
    /// Another process is downloading the same file and does not end.
    #[error("{path} is being written by another process")]
    Busy {
        /// The part that it holds.
        path: PathBuf,
    },
}

impl Error {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "vendor-io",
            Self::NoSpace { .. } => "vendor-no-space",
            Self::Corrupt { .. } => "vendor-corrupt",
            Self::WrongHash { .. } => "fetch-wrong-hash",
            Self::WrongSize { .. } => "fetch-wrong-size",
            Self::Truncated { .. } => "fetch-truncated",
            Self::Absent { status: 401 | 403, .. } => "fetch-forbidden",
            Self::Absent { .. } => "fetch-absent",
            Self::TooLarge { .. } => "fetch-too-large",
            Self::Upstream { source, .. } => source.code(),
            Self::Busy { .. } => "vendor-busy",
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoSpace { path, .. } => format!(
                "make room on the file system of {} and run the same again; it goes on where it stopped",
                path.display()
            ),
            Self::Corrupt { path, .. } => format!("remove {} and fetch again", path.display()),
            Self::WrongHash { host, .. } | Self::WrongSize { host, .. } => {
                format!(
                    "{host} serves other bytes than were pinned: ask its owner, or lock again if the change is wanted"
                )
            }
            Self::Truncated { .. } => "run the same again; it goes on where it stopped".to_owned(),
            Self::Absent { host, status: 401 | 403, .. } => {
                format!("does .npmrc hold a valid token for {host}?")
            }
            Self::Absent { .. } => {
                "is the registry the one that it was locked with, or a mirror of it?".to_owned()
            }
            Self::Upstream { source, .. } => return source.hint(),
            Self::Busy { path } => format!("end the process that holds {}", path.display()),
            Self::Io { .. } | Self::TooLarge { .. } => return None,
        })
    }

    /// The host that failed, where the outside world is to blame.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::WrongHash { host, .. }
            | Self::WrongSize { host, .. }
            | Self::Truncated { host, .. }
            | Self::Absent { host, .. } => Some(host),
            Self::Upstream { source, .. } => source.host(),
            _ => None,
        }
    }

    /// A file that was there a moment ago.
    pub(crate) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::io(Verb::Read, path, source)
    }

    pub(super) fn io(verb: Verb, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path, source },
            _ => Self::Io { verb, path, source },
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let path = Path::new("/dev/full");
        let full = std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all(b"x").unwrap_err();
        let error = Error::io(Verb::Write, path, full);
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            ("vendor-no-space", "no space left for /dev/full")
        );
        assert!(error.hint().unwrap().contains("make room"));
    }
}
