//! Why a configuration was refused.

use std::path::PathBuf;

use super::{MAX_BYTES, substitute};

/// Why a configuration was refused. Line and column count from 1 in the file as it was written. No text of an
/// error holds what stands in a variable or in a file that the configuration refers to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is larger than [`MAX_BYTES`], or is no regular file.
    #[error("read {}: not a regular file of at most {MAX_BYTES} bytes", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The text is not JSONC.
    #[error("parse {}:{line}:{column}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser saw.
        reason: String,
    },
    /// A key holds something that OpenCode does not accept there.
    #[error("read {}:{line}:{column}: {key} must be {expected}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The key, as a dotted path.
        key: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A provider or plugin is named by something that is no npm spec of a registry.
    #[error("read {}:{line}:{column}: {key}: {spec:?} cannot be pinned: {reason}", path.display())]
    Spec {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The key, as a dotted path.
        key: String,
        /// The text.
        spec: String,
        /// Why not.
        reason: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A `{file:…}` cannot be put in its place; OpenCode refuses the configuration too.
    #[error("read {}:{line}:{column}: {reference}{}: {reason}", path.display(), named(file))]
    Reference {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The reference, as written.
        reference: String,
        /// The file, unless a variable's value is part of its path.
        file: Option<PathBuf>,
        /// Why not.
        reason: substitute::Reason,
    },
    /// With everything that it refers to in its place the text is too large.
    #[error("read {}: with its {{env:…}} and {{file:…}} replaced it has over {} bytes", path.display(), substitute::MAX_BYTES)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config-unreadable",
            Self::NotAFile { .. } => "config-not-a-file",
            Self::Syntax { .. } => "config-syntax",
            Self::Shape { .. } => "config-shape",
            Self::Spec { .. } => "config-spec",
            Self::Reference { .. } => "config-reference",
            Self::TooLarge { .. } => "config-too-large",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } | Self::NotAFile { .. } => Some(
                "name an opencode.json: paths in the manifest's `config` are relative to the manifest".into(),
            ),
            Self::Spec { instead, .. } => Some((*instead).to_owned()),
            Self::Reference { .. } => {
                Some("put the file there, as for OpenCode itself; for a lock an empty one is enough".into())
            }
            Self::TooLarge { .. } => Some("refer to smaller files".into()),
            Self::Syntax { .. } | Self::Shape { .. } => {
                Some("correct it: OpenCode does not start with it either".into())
            }
        }
    }
}

fn named(file: &Option<PathBuf>) -> String {
    file.as_ref().map(|file| format!(" ({})", file.display())).unwrap_or_default()
}
