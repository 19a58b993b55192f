//! The output that is asked about: which one it is, and what it says of itself. Never looks into its trees.

use std::path::{Path, PathBuf};

use builder::{Contents, layout};
use lock::Profile;

use crate::surroundings::{Surroundings, is_program};

/// The program whose output is meant where none was named.
const PROGRAM: &str = "opencode";

/// An output.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Where it lies, links resolved: what the wrapper in it takes for its own place.
    pub root: PathBuf,
    /// Its own description; where it cannot be read, why.
    pub contents: Result<Contents, String>,
}

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// None was named, and none was found.
    #[error(
        "find an output: there is no link `result` here, and the `opencode` that is first on PATH is not of ours"
    )]
    NoOutput,
    /// What was named is none.
    #[error("read {}: not an output of opencode-cache", path.display())]
    NotAnOutput {
        /// What was named.
        path: PathBuf,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoOutput => "no-output",
            Self::NotAnOutput { .. } => "output-unreadable",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> String {
        "run `opencode-cache build`, and name the link or directory that it printed".into()
    }
}

impl Subject {
    /// The output that was named, or `result` in the working directory, or that of the first `opencode` on PATH.
    pub fn find(named: Option<&Path>, surroundings: &Surroundings) -> Result<Self, Error> {
        if let Some(named) = named {
            let path = surroundings.directory().join(named);
            return Self::at(&path).ok_or(Error::NotAnOutput { path });
        }
        let here = Self::at(&surroundings.directory().join("result"));
        here.or_else(|| Self::at(&surroundings.program(PROGRAM)?)).ok_or(Error::NoOutput)
    }

    /// The output at a path, that a link points to, or that a wrapper lies in.
    pub fn at(path: &Path) -> Option<Self> {
        let path = path.canonicalize().ok()?;
        let root = if path.is_dir() { path } else { output_of_wrapper(&path)? };
        let contents = Contents::read(&root).map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        });
        let is_output = contents.is_ok() || root.join(layout::LINKMAP).is_file();
        is_output.then_some(Self { root, contents })
    }

    /// Whether its OpenCode is told that there is no network.
    pub fn is_offline(&self) -> bool {
        self.contents.as_ref().is_ok_and(|contents| contents.profile == Profile::Offline.as_str())
    }

    /// The release binary.
    pub fn binary(&self) -> PathBuf {
        self.root.join(layout::BINARY)
    }
}

/// The output two components above a wrapper.
fn output_of_wrapper(program: &Path) -> Option<PathBuf> {
    let root = program.parent()?.parent()?;
    (root.join(layout::WRAPPER) == program).then(|| root.to_path_buf())
}

/// The programs of that name on PATH, in its order, each once.
pub fn on_path(surroundings: &Surroundings) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in surroundings.path().into_iter().map(|directory| directory.join(PROGRAM)) {
        if is_program(&path) && !found.contains(&path) {
            found.push(path);
        }
    }
    found
}
