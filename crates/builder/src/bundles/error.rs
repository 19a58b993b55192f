//! Why nothing was bundled. Fields are facts; the cause is in `source()`.

use std::path::PathBuf;

use lock::System;

use super::keys;
use super::program::Wrong;
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
    /// A directory that was named with --tool holds no program of ours.
    #[error("take the program from {}: there is no bin/opencode-cache", path.display())]
    NoTool {
        /// The directory.
        path: PathBuf,
    },
    /// A program that cannot go with the bundle.
    #[error("take {} along: {}", path.display(), match wrong {
        Wrong::Dynamic => "it needs a C library of the machine that it runs on",
        Wrong::Other => "it is for another system than what it goes with",
        Wrong::None => "it is no program for any of OpenCode's systems",
    })]
    Program {
        /// The program.
        path: PathBuf,
        /// Why it cannot.
        wrong: Wrong,
    },
    /// What tells of an output could not be made.
    #[error("bundle {}: tell what is in it", path.display())]
    Papers {
        /// The output.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Deltas of several systems into one file.
    #[error("bundle since {}: the outputs are for several systems, and nobody who has one file has all their older ones", path.display())]
    DeltaSystems {
        /// What it was to be made against.
        path: PathBuf,
    },
    /// What a delta was to be made against has nothing of the kind.
    #[error("bundle since {}: it has no output for {system}", path.display())]
    NoOlder {
        /// What it was to be made against.
        path: PathBuf,
        /// The output's system.
        system: System,
    },
    /// A key of Nix's was to sign beside the file.
    #[error("sign beside the bundle with {}: only minisign has a form for that", path.display())]
    Detached {
        /// The key.
        path: PathBuf,
    },
    /// A key that could not be made.
    #[error(transparent)]
    Key(#[from] keys::Error),
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
            Self::NoTool { .. } => "bundle-no-tool",
            Self::Program { wrong: Wrong::Dynamic, .. } => "bundle-tool-dynamic",
            Self::Program { wrong: Wrong::Other, .. } => "bundle-tool-other-system",
            Self::Program { .. } => "bundle-tool-unknown",
            Self::Papers { .. } => "bundle-papers",
            Self::DeltaSystems { .. } => "bundle-delta-systems",
            Self::NoOlder { .. } => "bundle-delta-no-base",
            Self::Detached { .. } => "bundle-detached-key",
            Self::Key(error) => error.code(),
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
            Self::NoTool { .. } | Self::Program { .. } => Some(
                "name the unpacked archive of a release for each system: those hold static programs; --no-tool takes none".into(),
            ),
            Self::Papers { .. } => Some("`opencode-cache sbom` says more; --no-papers leaves them out".into()),
            Self::DeltaSystems { .. } => Some("leave out --output: each system has a file of its own then".into()),
            Self::NoOlder { .. } => Some("name a bundle or an output for that system, or leave out --since".into()),
            Self::Detached { .. } => Some("leave out --detached: it signs in the file".into()),
            Self::Key(error) => error.hint(),
            Self::Worker => None,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Bundle { source, .. } if source.is_input() => Kind::Input,
            Self::Tree(tree::Error::NotInStore { .. })
            | Self::Contents(_)
            | Self::MadeByNix { .. }
            | Self::Taken { .. }
            | Self::NoTool { .. }
            | Self::Program { .. }
            | Self::DeltaSystems { .. }
            | Self::NoOlder { .. }
            | Self::Detached { .. }
            | Self::Key(keys::Error::Exists { .. } | keys::Error::Name { .. }) => Kind::Input,
            Self::Key(keys::Error::Seed) => Kind::Bug,
            Self::Worker => Kind::Bug,
            _ => Kind::Outside,
        }
    }
}
