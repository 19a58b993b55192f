//! Why a derivation of `nix/lib` fails, with a next step in the words of those who write Nix.

use std::io;
use std::path::{Path, PathBuf};

use crate::{emit, fetch, registry};

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the derivation was told makes no sense.
    #[error("read {}: {reason}", path.display())]
    Spec {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file system said no.
    #[error("{verb} {}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Nobody knows a registry.
    #[error("fetch {what}: no npm registry is known in this build")]
    NoRegistry {
        /// What was to be had.
        what: String,
    },
    /// The registry's settings.
    #[error(transparent)]
    Registry(registry::Error),
    /// The download.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// The archive is refused.
    #[error("unpack {}", path.display())]
    Unpack {
        /// The archive.
        path: PathBuf,
        /// The cause.
        source: tree::Error,
    },
    /// The interpreter could not be set.
    #[error("set the interpreter of {}: {reason}", path.display())]
    Interpreter {
        /// The binary.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// Setting the interpreter changed what OpenCode is made of.
    #[error("set the interpreter of {}: its payload is not the published one any more", path.display())]
    Payload {
        /// The binary.
        path: PathBuf,
    },
    /// The binary is not what the lock says.
    #[error("run {} --version: it says {said:?}, and the lock {wanted}", path.display())]
    Version {
        /// The binary.
        path: PathBuf,
        /// What it said.
        said: String,
        /// What the lock says.
        wanted: String,
    },
    /// Laying out.
    #[error(transparent)]
    Emit(emit::Error),
}

impl Error {
    pub(super) fn io(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Io { verb, path, source }
    }

    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Spec { .. } => "derivation-spec",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => "disk-full",
            Self::Io { .. } => "derivation-io",
            Self::NoRegistry { .. } => "registry-unknown",
            Self::Registry(error) => error.code(),
            Self::Fetch(error) => error.code(),
            Self::Unpack { source, .. } => source.code(),
            Self::Interpreter { .. } => "binary-interpreter",
            Self::Payload { .. } => "binary-payload",
            Self::Version { .. } => "binary-version",
            Self::Emit(error) => error.code(),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Spec { .. } => Some("use nix/lib and tool of one version".into()),
            Self::NoRegistry { .. } => Some(
                "say `registry = \"URL\"` to mkOpencode; or have npm_config_registry in the environment of the Nix daemon; or \
                 say `nodejs = pkgs.nodejs`, whose npm is asked"
                    .into(),
            ),
            Self::Interpreter { .. } => {
                Some("say `patchelf = pkgs.patchelf` and an `interpreter` of glibc's or musl's to mkOpencode".into())
            }
            Self::Version { .. } | Self::Payload { .. } => {
                Some("tell us with the version of OpenCode and of patchelf: an OpenCode without its payload is a bare bun".into())
            }
            Self::Registry(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Unpack { source, .. } => source.hint(),
            Self::Emit(error) => error.hint(),
            Self::Io { .. } => None,
        }
    }
}
