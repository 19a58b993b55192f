//! Why an archive's entry is refused. Facts only; the entry's name is in
//! [`Error::Archive`](crate::Error::Archive).

use std::path::PathBuf;

/// Why an archive is refused because of one of its entries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The name begins with a slash.
    #[error("its path is absolute")]
    AbsolutePath,
    /// The name has a component `..`.
    #[error("its path has a component `..`")]
    ParentComponent,
    /// The name is empty, holds a zero byte or is not UTF-8.
    #[error("its name is none that a file can have")]
    BadName,
    /// The name holds a backslash.
    #[error("its name holds a backslash, which separates directories on some systems")]
    Backslash,
    /// The name, or one component of it, is too long.
    #[error("its name is longer than {limit} bytes")]
    NameTooLong {
        /// The bound, in bytes.
        limit: usize,
    },
    /// The name has too many components.
    #[error("it lies more than {limit} directories deep")]
    TooDeep {
        /// The bound, in components.
        limit: usize,
    },
    /// A symbolic link is absolute, or may lead out of the archive's tree.
    #[error("it is a link that leads out of the archive, to {target:?}")]
    LinkLeaves {
        /// Where it points.
        target: PathBuf,
    },
    /// A hard link to something that is not an earlier regular file of the archive.
    #[error("it is a hard link to {target:?}, which is no earlier file of the archive")]
    HardLink {
        /// What it is to be linked to.
        target: PathBuf,
    },
    /// An earlier entry of the path's directories is a link or a file.
    #[error("its directory {parent:?} is a link or a file of the same archive")]
    ThroughEntry {
        /// The entry that is not a directory.
        parent: PathBuf,
    },
    /// A device, a pipe, a socket.
    #[error("it is a {kind}")]
    Special {
        /// What it is: `pipe`, `block device`, `character device`.
        kind: &'static str,
    },
    /// An entry type beyond files, directories and links.
    #[error("its type {flag:#04x} is not supported")]
    UnknownType {
        /// The type flag of the header.
        flag: u8,
    },
    /// The set-user-id, set-group-id or sticky bit is on.
    #[error("it has a set-user-id, set-group-id or sticky bit (mode {mode:04o})")]
    SetId {
        /// The mode in the header.
        mode: u32,
    },
    /// An earlier entry has the same name.
    #[error("an earlier entry has the same name")]
    Duplicate,
    /// An earlier entry's name differs only by case, or by how accents are written.
    #[error("it is the same as {other:?} on systems that tell neither case nor spellings of accents apart")]
    SameElsewhere {
        /// The other entry.
        other: PathBuf,
    },
    /// The archive has too many entries, directories without an entry of their own included.
    #[error("the archive has more than {limit} entries")]
    TooManyEntries {
        /// The bound that was passed, in entries.
        limit: u64,
    },
    /// The archive unpacks to too many bytes.
    #[error("the archive unpacks to more than {limit} bytes")]
    TooManyBytes {
        /// The bound that was passed, in bytes of the unpacked stream.
        limit: u64,
    },
    /// The archive unpacks to suspiciously many bytes for its own size.
    #[error("the archive unpacks to more than {limit} times its size")]
    Ratio {
        /// The bound that was passed: unpacked bytes per packed byte.
        limit: u64,
    },
    /// Its bytes are another entry's as well.
    #[error("it overlaps with another entry")]
    Overlap,
    /// It is encrypted.
    #[error("it is encrypted")]
    Encrypted,
    /// It is packed in a way that we do not unpack.
    #[error("its compression method {method} is not supported")]
    Compression {
        /// The method's number in the zip format.
        method: u16,
    },
    /// A header does not say what headers say.
    #[error("its header is malformed: {what}")]
    Malformed {
        /// Which part of it.
        what: &'static str,
    },
    /// The one entry that was wanted is not there.
    #[error("the archive does not have it")]
    Missing,
    /// The one entry that was wanted is not a regular file.
    #[error("it is not a regular file")]
    NotAFile,
}

impl Refusal {
    /// A stable kebab-case code for machines.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::AbsolutePath => "archive-absolute-path",
            Self::ParentComponent => "archive-parent-component",
            Self::BadName => "archive-bad-name",
            Self::Backslash => "archive-backslash",
            Self::NameTooLong { .. } => "archive-name-too-long",
            Self::TooDeep { .. } => "archive-too-deep",
            Self::LinkLeaves { .. } => "archive-link-leaves",
            Self::HardLink { .. } => "archive-hard-link",
            Self::ThroughEntry { .. } => "archive-through-entry",
            Self::Special { .. } => "archive-special-file",
            Self::UnknownType { .. } => "archive-unknown-type",
            Self::SetId { .. } => "archive-set-id",
            Self::Duplicate => "archive-duplicate",
            Self::SameElsewhere { .. } => "archive-same-elsewhere",
            Self::TooManyEntries { .. } => "archive-too-many-entries",
            Self::TooManyBytes { .. } => "archive-too-many-bytes",
            Self::Ratio { .. } => "archive-ratio",
            Self::Overlap => "archive-overlap",
            Self::Encrypted => "archive-encrypted",
            Self::Compression { .. } => "archive-compression",
            Self::Malformed { .. } => "archive-malformed",
            Self::Missing => "archive-missing-member",
            Self::NotAFile => "archive-not-a-file",
        }
    }
}
