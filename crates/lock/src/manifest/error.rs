//! What can be wrong with a manifest's text. Owns the problems, their codes and hints; never prints one.

use crate::{
    date, licence, package, position::Position, rel_path, repository, signature, spec, system, version,
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

/// What can be wrong with a manifest's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is over [`super::MAX_BYTES`].
    #[error("the manifest is {found} bytes long, over the bound of {bound}")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The bound in bytes.
        bound: usize,
    },
    /// The text is no TOML.
    #[error("{message}")]
    Syntax {
        /// What the TOML parser says, on one line.
        message: String,
    },
    /// A key that a manifest does not have here.
    #[error("unknown key `{key}` in {within}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The table that it stands in.
        within: String,
        /// The key that may have been meant.
        nearest: Option<&'static str>,
        /// Every key that can stand here, separated by commas.
        known: String,
    },
    /// A key that has to be there is not.
    #[error("{within} has no `{key}`")]
    MissingKey {
        /// The key.
        key: &'static str,
        /// The table that lacks it.
        within: String,
    },
    /// A value of another type than it has to have.
    #[error("`{key}` has to be {expected}, not {found}")]
    WrongType {
        /// The value's key.
        key: String,
        /// The type that it has to have.
        expected: &'static str,
        /// The type that it has.
        found: &'static str,
    },
    /// A word that is none of a fixed set.
    #[error("`{key}` cannot be `{found}`")]
    Unknown {
        /// The value's key.
        key: &'static str,
        /// The word.
        found: String,
        /// The words that it can be, separated by commas.
        known: &'static str,
    },
    /// `repository` is none.
    #[error("`repository` has to be \"OWNER/NAME\" or \"HOST/OWNER/NAME\"")]
    Repository {
        /// What is wrong with it.
        source: repository::Error,
    },
    /// A repository, and artifacts that come from a registry.
    #[error("`repository` says nothing while artifacts come from a registry")]
    RepositoryOfNpm,
    /// `opencode` is neither `latest` nor a version.
    #[error("`opencode` has to be \"latest\" or a version")]
    OpencodeVersion {
        /// What is wrong with the version.
        source: version::Error,
    },
    /// A system that there is not.
    #[error("`systems` holds an unknown system")]
    System {
        /// What is wrong with it.
        source: system::Error,
    },
    /// A provider or plugin that is no npm spec.
    #[error("`{key}` holds a malformed spec")]
    Spec {
        /// The list's key.
        key: &'static str,
        /// What is wrong with the spec.
        source: spec::Error,
    },
    /// A path that cannot be one.
    #[error("`{key}` holds the path {path:?}, which {problem}")]
    Path {
        /// The list's key.
        key: &'static str,
        /// The path.
        path: String,
        /// What is wrong with it, as the end of a sentence whose subject is the path.
        problem: &'static str,
    },
    /// A package's name that is none.
    #[error("`{key}` holds a malformed name")]
    Package {
        /// The list's or table's key.
        key: &'static str,
        /// What is wrong with it.
        source: package::Error,
    },
    /// A package's version that is none.
    #[error("`packages.{name}` has to be an exact version")]
    PackageVersion {
        /// The package.
        name: String,
        /// What is wrong with it.
        source: version::Error,
    },
    /// A day that is none.
    #[error("`{key}` has to be a day")]
    Date {
        /// The value's key.
        key: &'static str,
        /// What is wrong with it.
        source: date::Error,
    },
    /// The id of a language server or a language that cannot be one.
    #[error("`{key}` holds {id:?}, which is no id")]
    Id {
        /// The list's key.
        key: &'static str,
        /// The text.
        id: String,
    },
    /// A variable's name that is none.
    #[error("`{key}` holds {name:?}, which is no variable's name")]
    Variable {
        /// The table's key.
        key: String,
        /// The name.
        name: String,
    },
    /// A file's path that leaves the project.
    #[error("`{key}` holds a path that cannot be a file's of a project")]
    File {
        /// The table's key.
        key: String,
        /// What is wrong with it.
        source: rel_path::Error,
    },
    /// An exercise's name with other characters than letters, digits, `-`, `_` and `.`.
    #[error("an exercise cannot be called {name:?}")]
    ExerciseName {
        /// The name.
        name: String,
    },
    /// A word of `[trust]` that is none.
    #[error("`{key}` is malformed")]
    Trust {
        /// The value's key.
        key: String,
        /// What is wrong with it.
        source: signature::Error,
    },
    /// An item of `[licences]` `deny` that names no licence.
    #[error("`licences.deny` cannot have this")]
    Licence {
        /// What is wrong with it.
        source: licence::DeniedError,
    },
    /// A key whose name is a fingerprint, and another key's.
    #[error("`{key}` names the key {named}, and the key that stands there is {found}")]
    OtherKey {
        /// The name's key.
        key: String,
        /// The name.
        named: String,
        /// The fingerprint of the key.
        found: String,
    },
    /// A list that has to hold something is empty.
    #[error("`{key}` is empty")]
    Empty {
        /// The list's key.
        key: String,
    },
    /// An argument with a NUL character, which no program can be given.
    #[error("`{key}` holds an argument with a NUL character")]
    Argument {
        /// The list's key.
        key: String,
    },
    /// An item stands twice in one list.
    #[error("`{key}` holds `{item}` a second time")]
    Repeated {
        /// The list's key.
        key: &'static str,
        /// The item.
        item: String,
    },
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
            Problem::TooLarge { .. } => "manifest-too-large",
            Problem::Syntax { .. } => "manifest-syntax",
            Problem::UnknownKey { .. } => "manifest-unknown-key",
            Problem::MissingKey { .. } => "manifest-missing-key",
            Problem::WrongType { .. } => "manifest-type",
            Problem::Repository { .. }
            | Problem::RepositoryOfNpm
            | Problem::Unknown { .. }
            | Problem::OpencodeVersion { .. }
            | Problem::System { .. }
            | Problem::Spec { .. }
            | Problem::Path { .. }
            | Problem::Package { .. }
            | Problem::PackageVersion { .. }
            | Problem::Date { .. }
            | Problem::Id { .. }
            | Problem::Variable { .. }
            | Problem::File { .. }
            | Problem::ExerciseName { .. }
            | Problem::Trust { .. }
            | Problem::Licence { .. }
            | Problem::OtherKey { .. }
            | Problem::Empty { .. }
            | Problem::Argument { .. }
            | Problem::Repeated { .. } => "manifest-value",
        }
    }

    /// The next step, where one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Problem::UnknownKey { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            Problem::UnknownKey { known, .. } => Some(format!("known here: {known}")),
            Problem::Unknown { known, .. } => Some(format!("it can be {known}")),
            Problem::RepositoryOfNpm => Some("write `source = \"github\"`, or leave `repository` out".into()),
            Problem::PackageVersion { .. } => {
                Some("for example \"1.2.3\"; ranges are for npm to resolve".into())
            }
            Problem::Date { .. } => Some("for example \"2026-01-31\"".into()),
            Problem::Id { .. } => Some("use letters, digits, `-`, `_`, `.`, `+` and `#`".into()),
            Problem::OpencodeVersion { .. } => Some("for example \"1.18.18\"".into()),
            Problem::ExerciseName { .. } => Some("use letters, digits, `-`, `_` and `.`".into()),
            Problem::Trust { source: signature::Error::PublicKey, .. } => {
                Some("write it as the registry's owner publishes it, one line of base64".into())
            }
            Problem::Licence { .. } => Some(
                "name SPDX ids (\"GPL-3.0-only\", or \"GPL-*\" for all that begin so), \"unknown\", \"missing\" or \"UNLICENSED\""
                    .into(),
            ),
            Problem::OtherKey { .. } => Some(
                "compare both with what the registry's owner publishes, by another way than the registry itself".into(),
            ),
            Problem::Empty { key } if key == "systems" => {
                Some("leave `systems` out to mean this machine".into())
            }
            _ => None,
        }
    }
}
