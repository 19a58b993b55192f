//! Why nothing was bundled. Fields are facts; the cause is in `source()`.

use std::path::PathBuf;

use crate::contents;
use crate::error::Kind;

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What is wrong with a bundle, or with writing it.
    #[error("{verb} {}", path.display())]
    Bundle {
        /// What was tried.
        verb: &'static str,
        /// The bundle, or the tree that was to go into one.
        path: PathBuf,
        /// The cause.
        source: bundle::Error,
    },
    /// An output could not be read.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// An output does not describe itself.
    #[error(transparent)]
    Contents(#[from] contents::Error),
    /// An output that Nix has made: it refers to the C library in Nix's store, and its name says nothing of its content.
    #[error("bundle {}: Nix has made it, and it needs the store that it is in", path.display())]
    MadeByNix {
        /// The output.
        path: PathBuf,
    },
    /// Something that is no bundle stands where the bundle is to go.
    #[error("write {}: something is there that is no bundle; it stays", path.display())]
    Taken {
        /// The place.
        path: PathBuf,
    },
    /// A worker ended abnormally.
    #[error("bundle: a worker ended abnormally")]
    Worker,
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bundle { source, .. } => source.code(),
            Self::Tree(error) => error.code(),
            Self::Contents(error) => error.code(),
            Self::MadeByNix { .. } => "bundle-made-by-nix",
            Self::Taken { .. } => "bundle-place-taken",
            Self::Worker => "bug-worker",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Bundle { source, .. } => source.hint(),
            Self::Tree(error) => error.hint(),
            Self::Contents(error) => error.hint(),
            Self::MadeByNix { .. } => Some(
                "`opencode-cache build` makes one of the same lock without Nix; for machines with Nix, `nix copy` moves this one"
                    .into(),
            ),
            Self::Taken { .. } => Some("move it away, or name another file with --output".into()),
            Self::Worker => None,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Bundle { source, .. } if source.is_input() => Kind::Input,
            Self::Tree(tree::Error::NotInStore { .. })
            | Self::Contents(_)
            | Self::MadeByNix { .. }
            | Self::Taken { .. } => Kind::Input,
            Self::Worker => Kind::Bug,
            _ => Kind::Outside,
        }
    }
}
