//! One error for whoever calls this crate: kind, stable code, hint; the cause is in `source()`.

use crate::{
    binary, bundles, capture, catalogue, contents, derivation, emit, exercise, export, fetch, licences,
    lockfile, plan, programs, record, registry, resolve, update, verify,
};

/// What went wrong, seen from the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The answer to the question asked is no.
    No,
    /// A file that the user wrote or handed over is not usable.
    Input,
    /// The network, the disk, the kernel, or OpenCode itself.
    Outside,
    /// A bug in this program.
    Bug,
}

/// Whatever can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user's wishes.
    #[error(transparent)]
    Plan(#[from] plan::Error),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] lockfile::Error),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// Recording.
    #[error(transparent)]
    Record(#[from] record::Error),
    /// What the registry has.
    #[error(transparent)]
    Resolve(#[from] resolve::Error),
    /// The catalogue.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
    /// Fetching.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// The release binary.
    #[error(transparent)]
    Binary(#[from] binary::Error),
    /// Capturing.
    #[error(transparent)]
    Capture(#[from] capture::Error),
    /// Emitting.
    #[error(transparent)]
    Emit(#[from] emit::Error),
    /// The store.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// An output's own description.
    #[error(transparent)]
    Contents(#[from] contents::Error),
    /// Verifying.
    #[error(transparent)]
    Verify(#[from] verify::Error),
    /// Moving a lock.
    #[error(transparent)]
    Update(#[from] update::Error),
    /// Exporting.
    #[error(transparent)]
    Export(#[from] export::Error),
    /// Bundling.
    #[error(transparent)]
    Bundles(#[from] bundles::Error),
    /// Terms that the manifest refuses.
    #[error(transparent)]
    Licences(#[from] licences::Error),
    /// A step of a Nix derivation.
    #[error(transparent)]
    Derivation(#[from] derivation::Error),
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Plan(error) => error.code(),
            Self::Lock(error) => error.code(),
            Self::Registry(error) => error.code(),
            Self::Record(error) => error.code(),
            Self::Resolve(error) => error.code(),
            Self::Catalogue(error) => error.code(),
            Self::Fetch(error) => error.code(),
            Self::Binary(error) => error.code(),
            Self::Capture(error) => error.code(),
            Self::Emit(error) => error.code(),
            Self::Tree(error) => error.code(),
            Self::Contents(error) => error.code(),
            Self::Verify(error) => error.code(),
            Self::Update(error) => error.code(),
            Self::Export(error) => error.code(),
            Self::Bundles(error) => error.code(),
            Self::Licences(error) => error.code(),
            Self::Derivation(error) => error.code(),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Plan(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::Registry(error) => error.hint(),
            Self::Record(error) => error.hint(),
            Self::Resolve(error) => error.hint(),
            Self::Catalogue(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Binary(error) => error.hint(),
            Self::Capture(error) => error.hint(),
            Self::Emit(error) => error.hint(),
            Self::Tree(error) => error.hint(),
            Self::Contents(error) => error.hint(),
            Self::Verify(error) => error.hint(),
            Self::Update(error) => error.hint(),
            Self::Export(error) => error.hint(),
            Self::Bundles(error) => error.hint(),
            Self::Licences(error) => error.hint(),
            Self::Derivation(error) => error.hint(),
        }
    }

    /// The kind, which a command line turns into its exit status.
    pub fn kind(&self) -> Kind {
        match self {
            _ if self.code().starts_with("bug-") => Kind::Bug,
            Self::Plan(_)
            | Self::Lock(lockfile::Error::Missing { .. } | lockfile::Error::Malformed { .. }) => Kind::Input,
            Self::Lock(lockfile::Error::Unreadable { .. }) | Self::Contents(_) | Self::Licences(_) => {
                Kind::Input
            }
            Self::Record(record::Error::Resolve(error)) if error.is_input() => Kind::Input,
            Self::Record(
                record::Error::Provider(_)
                | record::Error::Licences(_)
                | record::Error::PinConflict { .. }
                | record::Error::Pinned { .. }
                | record::Error::Younger { .. }
                | record::Error::NoSdk { .. }
                | record::Error::Exercise { source: exercise::Error::NoProgram { .. }, .. }
                | record::Error::Program(programs::Error::NoCommonVersion { .. }),
            ) => Kind::Input,
            Self::Fetch(fetch::Error::System { .. }) | Self::Binary(binary::Error::NotLocked { .. }) => {
                Kind::Input
            }
            Self::Verify(error) => error.kind(),
            Self::Update(error) => error.kind(),
            Self::Export(error) => error.kind(),
            Self::Bundles(error) => error.kind(),
            Self::Derivation(derivation::Error::Spec { .. } | derivation::Error::NoRegistry { .. }) => {
                Kind::Input
            }
            _ => Kind::Outside,
        }
    }
}

/// An error and its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_nothing_can_start_is_a_wrong_wish() {
        let source = exercise::Error::NoProgram { spec: "ms".parse().unwrap() };
        let name = "executable:ms".parse().unwrap();
        let error = Error::from(record::Error::Exercise { name, source });
        assert_eq!((error.kind(), error.code()), (Kind::Input, "command-no-program"));
        assert!(error.hint().is_some());
    }
}
