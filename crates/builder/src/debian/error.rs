//! Why Debian's C library cannot be had.

use std::path::PathBuf;

/// Why Debian's C library cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no apt on this machine, or it knows no mirror.
    #[error("find Debian's packages: {reason}")]
    NoApt {
        /// What is so.
        reason: &'static str,
    },
    /// apt said no.
    #[error("ask apt ({verb}): {said}")]
    Apt {
        /// What it was asked.
        verb: &'static str,
        /// Its last line.
        said: String,
    },
    /// A mirror cannot say which packages there are: nobody would have verified it.
    #[error("find Debian's packages on {mirror}: a mirror alone is not believed")]
    NoIndex {
        /// The mirror.
        mirror: String,
    },
    /// A package is not there.
    #[error("find Debian's {package} for {architecture}: it is not there")]
    NoPackage {
        /// The package.
        package: String,
        /// What Debian calls the system.
        architecture: String,
    },
    /// What is said of a package is not whole.
    #[error("read what is said of Debian's {package}: {field}")]
    Malformed {
        /// The package.
        package: String,
        /// The field that is missing or wrong.
        field: &'static str,
    },
    /// There are several versions of a package.
    #[error("find Debian's {package}: {} has several versions", directory.display())]
    Several {
        /// The package.
        package: String,
        /// Where.
        directory: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{verb} {}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A package could not be unpacked.
    #[error("unpack {}", path.display())]
    Unpack {
        /// The package.
        path: PathBuf,
        /// The cause.
        source: tree::Error,
    },
    /// A pinned package is on no mirror that was asked.
    #[error("fetch {path}: none of {} has it", asked.join(", "))]
    NotThere {
        /// Its place.
        path: String,
        /// Who was asked.
        asked: Vec<String>,
    },
    /// A file in a directory is not what is pinned.
    #[error("{} is not what the lock pins", path.display())]
    WrongHash {
        /// The file.
        path: PathBuf,
    },
    /// The packages do not hold a library that OpenCode needs.
    #[error("find {library} in Debian's packages: it is not there")]
    NoLibrary {
        /// The library.
        library: String,
    },
    /// A worker ended abnormally.
    #[error("read Debian's packages: a worker ended abnormally")]
    Worker,
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoApt { .. } => "debian-no-apt",
            Self::Apt { .. } => "debian-apt",
            Self::NoIndex { .. } => "debian-no-index",
            Self::NoPackage { .. } => "debian-no-package",
            Self::Malformed { .. } => "debian-malformed",
            Self::Several { .. } => "debian-several",
            Self::Io { .. } => "debian-io",
            Self::Unpack { source, .. } => source.code(),
            Self::NotThere { .. } => "debian-not-there",
            Self::WrongHash { .. } => "debian-wrong-hash",
            Self::NoLibrary { .. } => "debian-no-library",
            Self::Worker => "bug-worker",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoApt { .. } | Self::NoIndex { .. } | Self::NoPackage { .. } => format!(
                "run it on a Debian or Ubuntu, or name a directory with --debian that holds the .deb files of {}, gcc-NN-base",
                super::PACKAGES.join(", ")
            ),
            Self::Apt { .. } => "see whether `apt-get update` works on this machine".to_owned(),
            Self::Several { .. } => "leave one of them there".to_owned(),
            Self::NotThere { .. } => {
                "mirrors drop what a newer version replaces: lock again with --refresh, or name a mirror or directory that still has it with --debian"
                    .to_owned()
            }
            Self::WrongHash { .. } => "put the file there that was locked, or lock again with --refresh".to_owned(),
            Self::Unpack { source, .. } => return source.hint(),
            _ => return None,
        })
    }
}
