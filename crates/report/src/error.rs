//! What can go wrong. Fields are facts; the cause is in `source()`.

use std::path::PathBuf;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The output is none, or cannot be read.
    #[error(transparent)]
    Output(#[from] builder::contents::Error),
    /// A file of it could not be read.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// The file could not be read.
    #[error("read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A report could not be written.
    #[error("write {}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The bundle is none, or not whole.
    #[error("read {}", path.display())]
    Bundle {
        /// The bundle.
        path: PathBuf,
        /// What is wrong with it.
        source: bundle::Error,
    },
    /// A bundle without an output, or with several.
    #[error("read {}: it has outputs for {}", path.display(), if systems.is_empty() { "no system" } else { systems })]
    System {
        /// The bundle.
        path: PathBuf,
        /// The systems that it has outputs for.
        systems: String,
    },
    /// What an output says of itself is not what this version reads.
    #[error("read {}: {reason}", path.display())]
    Contents {
        /// The output or bundle.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An SBOM that is none, or none of ours.
    #[error("read {}: {reason}", path.display())]
    Sbom {
        /// The SBOM.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A report of `verify` that is none, or of something else.
    #[error("read {}: {reason}", path.display())]
    Proof {
        /// The report.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Output(error) => error.code(),
            Self::Tree(error) => error.code(),
            Self::Io { .. } => "report-read",
            Self::Write { .. } => "report-write",
            Self::Bundle { .. } => "report-bundle",
            Self::System { .. } => "report-system",
            Self::Contents { .. } => "output-malformed",
            Self::Sbom { .. } => "sbom-malformed",
            Self::Proof { .. } => "proof-malformed",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Output(error) => error.hint(),
            Self::Tree(error) => error.hint(),
            Self::Write { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
                Some("name a directory that is not there yet".into())
            }
            Self::System { .. } => Some("say which one: --system SYSTEM".into()),
            Self::Bundle { source: bundle::Error::Base { .. }, .. } => {
                Some("say what the delta was made against, an older bundle or output: --since OLD".into())
            }
            Self::Bundle { .. } => Some(
                "name an output of `build`, or a bundle of `bundle`; `verify FILE` says where one is damaged"
                    .into(),
            ),
            Self::Sbom { .. } => Some(
                "name an SBOM that `opencode-cache sbom` wrote: others do not say where things lie".into(),
            ),
            Self::Proof { .. } => {
                Some("name what `opencode-cache verify --proof FILE` wrote for this output".into())
            }
            _ => None,
        }
    }

    /// Whether what the user handed over is the reason, and not the machine.
    pub fn is_input(&self) -> bool {
        !matches!(self, Self::Tree(_) | Self::Io { .. } | Self::Write { .. })
    }
}
