//! What can go wrong with a tree: one enum for the crate, refusals of archives apart in
//! [`Refusal`]. Never holds sentences: the fields are the facts, the cause is in `source()`.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::unpack::Refusal;

/// The result of whatever this crate does.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a tree could not be read, written, settled, stored or unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// What was tried, as an infinitive: `create`, `rename`, `flush`.
        verb: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A socket, device or pipe lies in a tree.
    #[error("{} is a {kind}, which a tree cannot hold", path.display())]
    Special {
        /// Where it lies.
        path: PathBuf,
        /// What it is: `socket`, `pipe`, `block device`, `character device`.
        kind: &'static str,
    },
    /// A tree has more entries than any output of ours.
    #[error("{} holds more than {limit} entries", root.display())]
    TooManyEntries {
        /// The tree's root.
        root: PathBuf,
        /// The bound that was passed, in entries.
        limit: usize,
    },
    /// A tree is nested deeper than any output of ours.
    #[error("{} lies more than {limit} directories deep", path.display())]
    TooDeep {
        /// The first path that lies too deep.
        path: PathBuf,
        /// The bound that was passed, in directories below the root.
        limit: usize,
    },
    /// A symbolic link is absolute, or may lead out of its tree.
    #[error("the link {} leads out of its tree, to {}", path.display(), target.display())]
    LinkLeaves {
        /// The link.
        path: PathBuf,
        /// Where it points, as written in it.
        target: PathBuf,
    },
    /// A file grew, shrank or went away between being listed and being read.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A settle rule failed.
    #[error("cannot settle {}", path.display())]
    Rule {
        /// The entry that the rule was asked about, relative to the tree's root.
        path: PathBuf,
        /// What the rule says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A settle rule gave bytes for something that is not a file.
    #[error("{} is not a file: its content cannot be replaced", path.display())]
    NotAFile {
        /// The entry, relative to the tree's root.
        path: PathBuf,
    },
    /// A place where something new was to be made is taken.
    #[error("{} is already there", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// Something that is not a symbolic link stands where a link was to be set.
    #[error("{} is there and is not a link: it stays", path.display())]
    NotALink {
        /// The place.
        path: PathBuf,
    },
    /// A path that is no stored tree, or one of another store.
    #[error("{} is no tree of the store", path.display())]
    NotInStore {
        /// The path in question.
        path: PathBuf,
    },
    /// A stored tree does not hold what its name promises.
    #[error("{} holds the content of {found}", path.display())]
    Damaged {
        /// The stored tree; its name begins with the digest that it should have.
        path: PathBuf,
        /// The digest of what it holds.
        found: Digest,
    },
    /// An archive is refused because of one of its entries.
    #[error("archive entry {entry:?}: {refusal}")]
    Archive {
        /// The entry's name as the archive has it; for a missing member the wanted name.
        entry: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// An archive's stream ends early or is not what it says to be.
    #[error("the archive is broken after entry {after:?}")]
    BrokenArchive {
        /// The last entry that was seen, empty when there was none.
        after: PathBuf,
        /// What the decoder says.
        source: io::Error,
    },
    /// A stream is no NAR, or not one that Nix would write.
    #[error("no NAR: {reason}, at byte {at}")]
    BrokenNar {
        /// Bytes before the place.
        at: u64,
        /// What is wrong there.
        reason: &'static str,
    },
}

impl Error {
    /// A stable kebab-case code for machines; new ones may be added, none changes its meaning.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { source, .. } if is_disk_full(source) => "disk-full",
            Self::Io { .. } => "tree-io",
            Self::Special { .. } => "tree-special-file",
            Self::TooManyEntries { .. } => "tree-too-many-entries",
            Self::TooDeep { .. } => "tree-too-deep",
            Self::LinkLeaves { .. } => "tree-link-leaves",
            Self::Changed { .. } => "tree-changed",
            Self::Rule { .. } => "tree-rule",
            Self::NotAFile { .. } => "tree-not-a-file",
            Self::Exists { .. } => "tree-exists",
            Self::NotALink { .. } => "tree-not-a-link",
            Self::NotInStore { .. } => "store-foreign-path",
            Self::Damaged { .. } => "store-damaged",
            Self::Archive { refusal, .. } => refusal.code(),
            Self::BrokenArchive { .. } => "archive-broken",
            Self::BrokenNar { .. } => "nar-malformed",
        }
    }

    /// What the user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { path, source, .. } if is_disk_full(source) => Some(format!(
                "free space on the file system of {}, then run the command again",
                path.display()
            )),
            Self::NotALink { path } => {
                Some(format!("move {} away, or choose another place for the link", path.display()))
            }
            Self::Damaged { path, .. } => {
                Some(format!("remove {} (chmod -R u+w first) and build again", path.display()))
            }
            Self::Changed { .. } => {
                Some("make sure that nothing else writes there, then run it again".to_owned())
            }
            _ => None,
        }
    }
}

fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Names verb and path of an operating-system error.
pub(crate) trait At<T> {
    /// Wraps the error as [`Error::Io`].
    fn at(self, verb: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> At<T> for std::result::Result<T, E> {
    fn at(self, verb: &'static str, path: &Path) -> Result<T> {
        self.map_err(|error| Error::Io { verb, path: path.to_path_buf(), source: error.into() })
    }
}
