//! What can be wrong with a lock's text. Owns the problems, their codes and hints; never prints one.

use crate::{
    attestation, date, debian, https_url,
    lockfile::{FieldError, FillError, exercise::ExerciseNameError},
    package::{self, PackageId},
    position::Position,
    rel_path, repository, signature, spec, sri,
    system::{self, System},
    version::{self, Version},
};

/// A problem and its place. Displayed as `line:column: problem`, so that a path and a colon make it an address that
/// editors follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Where the offending key or value begins.
    pub at: Position,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with a lock's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is over [`super::MAX_BYTES`].
    #[error("the lock is {found} bytes long, over the bound of {bound}")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The bound in bytes.
        bound: usize,
    },
    /// The text is no JSON.
    #[error("expected {expected}")]
    Syntax {
        /// What should stand here.
        expected: &'static str,
        /// Whether a version control system's conflict marker stands here.
        conflict: bool,
    },
    /// A string or number is malformed.
    #[error("found {what}")]
    Malformed {
        /// What was found.
        what: &'static str,
    },
    /// Lists and objects are nested deeper than any lock's.
    #[error("nested too deep")]
    TooDeep,
    /// A key stands twice in one object.
    #[error("the key `{key}` stands here a second time")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// The lock's version is newer than this program.
    #[error("the lock has version {found}, this program reads versions up to {newest}")]
    NewerVersion {
        /// The lock's version.
        found: u64,
        /// The newest version that is read.
        newest: u64,
    },
    /// There never was a lock of this version.
    #[error("there never was a lock version {found}")]
    NoSuchVersion {
        /// The lock's version.
        found: u64,
    },
    /// A key that a lock does not have here.
    #[error("unknown key `{key}` in {within}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The object that it stands in.
        within: &'static str,
        /// A key that may have been meant.
        nearest: Option<&'static str>,
    },
    /// A key that has to be there is not.
    #[error("{within} has no `{key}`")]
    MissingKey {
        /// The key.
        key: &'static str,
        /// The object that lacks it.
        within: &'static str,
    },
    /// A value of another form than it has to have.
    #[error("{what} has to be {expected}, not {found}")]
    WrongForm {
        /// The value.
        what: &'static str,
        /// The form that it has to have.
        expected: &'static str,
        /// The form that it has.
        found: &'static str,
    },
    /// A word that is not well-formed.
    #[error("{what} is malformed")]
    Word {
        /// The value.
        what: &'static str,
        /// What is wrong with the word.
        source: WordError,
    },
    /// A word that is none of a fixed set.
    #[error("{what} cannot be `{found}`")]
    Unknown {
        /// The value.
        what: &'static str,
        /// The word.
        found: String,
        /// The words that it can be, separated by commas.
        known: &'static str,
    },
    /// A list or object that has to hold something is empty.
    #[error("{what} is empty")]
    Empty {
        /// The list or object.
        what: &'static str,
    },
    /// An item stands twice in one list.
    #[error("`{item}` stands here a second time")]
    Repeated {
        /// The item.
        item: String,
    },
    /// A package's manifest holds a field in a form that it never has, or an address.
    #[error(transparent)]
    Field {
        /// What is wrong with the field.
        source: FieldError,
    },
    /// An exercise's name does not fit its kind.
    #[error("an exercise of kind {kind} cannot be called `{name}`")]
    ExerciseName {
        /// The name.
        name: String,
        /// The kind.
        kind: &'static str,
    },
    /// A plugin or provider that no registry has.
    #[error("`{spec}` is a {kind} spec; only packages of a registry can be pinned")]
    ForeignSpec {
        /// The spec.
        spec: String,
        /// Its kind.
        kind: &'static str,
    },
    /// An artifact is of another version than the lock's OpenCode.
    #[error("the artifact for {system} is version {found}, the lock's OpenCode is {wanted}")]
    ArtifactVersion {
        /// The artifact's system.
        system: System,
        /// Its version.
        found: Version,
        /// The lock's OpenCode version.
        wanted: Version,
    },
    /// A package is said to be needed by a system that is not one of the lock's.
    #[error("{system} is none of the lock's systems")]
    ForeignSystem {
        /// The system.
        system: System,
    },
    /// An exercise names a package that is neither pinned nor known.
    #[error("`{id}` is neither in `packages` nor in `known`")]
    Unpinned {
        /// The package.
        id: PackageId,
    },
    /// A package that no exercise names.
    #[error("no exercise names `{id}`")]
    Unreferenced {
        /// The package.
        id: PackageId,
    },
    /// A package stands in both `packages` and `known`.
    #[error("`{id}` is both in `packages` and in `known`")]
    PinnedAndKnown {
        /// The package.
        id: PackageId,
    },
    /// A signature's state, or an attestation, of what is not pinned from a registry.
    #[error("no package or artifact of a registry is pinned as `{id}`")]
    SignatureOfNothing {
        /// The package.
        id: PackageId,
    },
    /// An address of a registry's tarball among the downloads.
    #[error("`{url}` is the address of a registry's package")]
    RegistryAddress {
        /// The address.
        url: String,
    },
    /// A redirect to an address that the lock holds no answer for.
    #[error("the lock holds no download `{location}`")]
    DanglingRedirect {
        /// The address.
        location: String,
    },
}

const NO_ADDRESS: &str = "a lock names packages by name, version and integrity, never by an address";

/// What is wrong with a word of the lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordError {
    /// A day.
    #[error(transparent)]
    Date(#[from] date::Error),
    /// An exercise's name.
    #[error(transparent)]
    ExerciseName(#[from] ExerciseNameError),
    /// A place that an exercise fills.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// A header's name: letters in lower case, digits and hyphens.
    #[error("{name:?} is no header's name in lower case")]
    Header {
        /// The name, at most its first 80 characters.
        name: String,
    },
    /// The id of a language server, a language or a program: letters, digits, `-`, `_`, `.`, `+` and `#`.
    #[error("{text:?} holds other characters than letters, digits, `-`, `_`, `.`, `+` and `#`")]
    Id {
        /// The text, at most its first 80 characters.
        text: String,
    },
    /// A package's name or id.
    #[error(transparent)]
    Package(#[from] package::Error),
    /// A path.
    #[error(transparent)]
    Path(#[from] rel_path::Error),
    /// A word of Debian's.
    #[error(transparent)]
    Debian(#[from] debian::Error),
    /// An attestation.
    #[error(transparent)]
    Attestation(#[from] attestation::Error),
    /// A signature's state.
    #[error(transparent)]
    Signature(#[from] signature::Error),
    /// A spec.
    #[error(transparent)]
    Spec(#[from] spec::Error),
    /// An integrity.
    #[error(transparent)]
    Sri(#[from] sri::Error),
    /// A system.
    #[error(transparent)]
    System(#[from] system::Error),
    /// A text that has to be printable.
    #[error("{text:?} is empty or holds a control character")]
    Text {
        /// The text, at most its first 80 characters.
        text: String,
    },
    /// A variable's name.
    #[error("{name:?} is no variable's name")]
    Variable {
        /// The name, at most its first 80 characters.
        name: String,
    },
    /// An address.
    #[error(transparent)]
    Url(#[from] https_url::Error),
    /// The name of a release's file.
    #[error("{text:?} is no name of a release's file")]
    Asset {
        /// The text.
        text: String,
    },
    /// A repository.
    #[error(transparent)]
    Repository(#[from] repository::Error),
    /// A version.
    #[error(transparent)]
    Version(#[from] version::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.problem)
    }
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        self.problem.code()
    }

    /// The next step, where one is known.
    pub fn hint(&self) -> Option<String> {
        self.problem.hint()
    }
}

impl Problem {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Problem::TooLarge { .. } => "lock-too-large",
            Problem::Syntax { conflict: true, .. } => "lock-conflict",
            Problem::Syntax { .. } | Problem::Malformed { .. } | Problem::TooDeep => "lock-syntax",
            Problem::DuplicateKey { .. } => "lock-duplicate-key",
            Problem::NewerVersion { .. } => "lock-newer",
            Problem::NoSuchVersion { .. } => "lock-version",
            Problem::UnknownKey { .. } => "lock-unknown-key",
            Problem::MissingKey { .. } => "lock-missing-key",
            Problem::WrongForm { .. } | Problem::Empty { .. } | Problem::Unknown { .. } => "lock-value",
            Problem::Word { .. } | Problem::Repeated { .. } => "lock-value",
            Problem::Field { source: FieldError::Address { .. } } => "lock-address",
            Problem::Field { source: FieldError::Form { .. } } => "lock-value",
            Problem::ExerciseName { .. } => "lock-exercise-name",
            Problem::ForeignSpec { .. } => "lock-foreign-spec",
            Problem::ArtifactVersion { .. } => "lock-artifact-version",
            Problem::ForeignSystem { .. } => "lock-foreign-system",
            Problem::Unpinned { .. } => "lock-unpinned",
            Problem::Unreferenced { .. } => "lock-unreferenced",
            Problem::PinnedAndKnown { .. } => "lock-pinned-and-known",
            Problem::SignatureOfNothing { .. } => "lock-unpinned",
            Problem::RegistryAddress { .. } => "lock-address",
            Problem::DanglingRedirect { .. } => "lock-dangling-redirect",
        }
    }

    /// The next step, where one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Problem::NewerVersion { .. } => Some("update opencode-cache".into()),
            Problem::Syntax { conflict: true, .. } => Some(
                "merge opencode-cache.toml, take either side of the lock, then run `opencode-cache lock`"
                    .into(),
            ),
            Problem::UnknownKey { key, .. } if matches!(key.as_str(), "resolved" | "tarball") => {
                Some(NO_ADDRESS.into())
            }
            Problem::UnknownKey { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            Problem::Unknown { known, .. } => Some(format!("it can be {known}")),
            Problem::Field { source: FieldError::Address { .. } } | Problem::RegistryAddress { .. } => {
                Some(NO_ADDRESS.into())
            }
            Problem::Unpinned { .. }
            | Problem::Unreferenced { .. }
            | Problem::PinnedAndKnown { .. }
            | Problem::SignatureOfNothing { .. }
            | Problem::DanglingRedirect { .. }
            | Problem::ArtifactVersion { .. } => {
                Some("run `opencode-cache lock` to write the lock anew".into())
            }
            _ => None,
        }
    }
}
