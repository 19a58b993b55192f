//! What can go wrong with a bundle. Fields are facts; the cause is in `source()`.

use std::io;

/// The result of whatever this crate does.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a bundle could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file, or what it is written to, said no.
    #[error("cannot {verb} the bundle")]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// What is unpacked could not be put where it belongs.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// The file holds no bundle.
    #[error("this is no bundle of opencode-cache")]
    NoBundle,
    /// A format that is not known here.
    #[error("the bundle is of format {version}, and this program knows {}", crate::header::VERSION)]
    Newer {
        /// The format's number.
        version: u32,
    },
    /// The file ends before what its beginning promises.
    #[error("the bundle ends after {found} bytes; {wanted} are wanted")]
    Truncated {
        /// Bytes that are there.
        found: u64,
        /// Bytes that have to be there.
        wanted: u64,
    },
    /// Bytes are not those that their hash was made of.
    #[error("the bundle is damaged: {what}, at byte {at}")]
    Damaged {
        /// Which part of it.
        what: &'static str,
        /// Where that begins in the file.
        at: u64,
    },
    /// The hashes are right, and what they are of makes no sense: it was written so.
    #[error("the bundle is malformed: {what}: {reason}")]
    Malformed {
        /// Which part of it.
        what: &'static str,
        /// What is wrong there.
        reason: String,
    },
    /// Something is larger than any of ours.
    #[error("the bundle is too large: {what}, over {limit}")]
    TooLarge {
        /// What of it.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// A delta is made against a tree that is not there, or is another than its name says.
    #[error("the bundle holds what differs from {}, which is not here", base.file_name())]
    Base {
        /// The tree.
        base: tree::Digest,
    },
    /// It is not of whom it should be of.
    #[error(transparent)]
    Signature(#[from] crate::signatures::Error),
    /// A file holds no key.
    #[error("read the key {}", path.display())]
    Key {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong; nothing of what stands in the file.
        source: crate::signatures::Error,
    },
    /// A file changed between being listed and being packed.
    #[error("{path} changed while it was packed")]
    Changed {
        /// The file, relative to its tree.
        path: String,
    },
}

impl Error {
    /// A stable kebab-case code for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { source, .. }
                if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                "disk-full"
            }
            Self::Io { .. } => "bundle-io",
            Self::Tree(error) => error.code(),
            Self::NoBundle => "bundle-none",
            Self::Newer { .. } => "bundle-newer",
            Self::Truncated { .. } => "bundle-truncated",
            Self::Damaged { .. } => "bundle-damaged",
            Self::Malformed { .. } => "bundle-malformed",
            Self::TooLarge { .. } => "bundle-too-large",
            Self::Base { .. } => "bundle-base-missing",
            Self::Signature(source) | Self::Key { source, .. } => source.code(),
            Self::Changed { .. } => "bundle-source-changed",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Tree(error) => return error.hint(),
            Self::Io { .. } if self.code() == "disk-full" => {
                "free space there, then run the command again".to_owned()
            }
            Self::NoBundle => "`opencode-cache bundle` writes one".to_owned(),
            Self::Base { .. } => {
                "install the bundle that it was made against first, or a full one".to_owned()
            }
            Self::Newer { .. } => "use the opencode-cache that is in the bundle, or a newer one".to_owned(),
            Self::Truncated { .. } | Self::Damaged { .. } => {
                "copy it again from where it was made; `opencode-cache verify FILE` compares there too"
                    .to_owned()
            }
            Self::Signature(source) | Self::Key { source, .. } => return source.hint().map(str::to_owned),
            Self::Changed { .. } => "make sure that nothing else writes there, then run it again".to_owned(),
            Self::Io { .. } | Self::Malformed { .. } | Self::TooLarge { .. } => return None,
        })
    }

    /// Whether the file that was handed over is what is wrong.
    pub fn is_input(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::Tree(_) | Self::Changed { .. })
    }

    pub(crate) fn malformed(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { what, reason: reason.into() }
    }
}

/// Names the verb of an operating-system error.
pub(crate) trait Doing<T> {
    fn doing(self, verb: &'static str) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, verb: &'static str) -> Result<T> {
        self.map_err(|source| Error::Io { verb, source })
    }
}
