//! The words of the format as types. Owns what an entry and a default are; never how they are laid.

use crate::Sum;

/// The user's directory that a destination is relative to. Which path that is, the wrapper knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// OpenCode's cache directory, `$XDG_CACHE_HOME/opencode`.
    Cache,
    /// OpenCode's global configuration directory, `$XDG_CONFIG_HOME/opencode`. Its entries form a
    /// group: all are laid, or none.
    Config,
    /// OpenCode's data directory, `$XDG_DATA_HOME/opencode`.
    Data,
}

impl Root {
    /// Every root, in the order of the format.
    pub const ALL: [Root; 3] = [Root::Cache, Root::Config, Root::Data];

    /// The word that stands in a map.
    pub const fn word(self) -> &'static str {
        match self {
            Root::Cache => "cache",
            Root::Config => "config",
            Root::Data => "data",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Root> {
        Root::ALL.into_iter().find(|root| root.word() == word)
    }
}

/// What is to stand at a destination. Sources are relative to the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action<'a> {
    /// A symbolic link to `source`, a file or directory that OpenCode never writes.
    Link {
        /// Where in the output.
        source: &'a str,
    },
    /// A writable file with the content of `source`, the user's from then on.
    Copy {
        /// Where in the output.
        source: &'a str,
        /// Sum of the content, so that a start can tell "still as we wrote it" without reading it.
        sum: Sum,
    },
    /// A file that has the content of `source` at every start.
    Force {
        /// Where in the output.
        source: &'a str,
    },
    /// A real directory that must exist; what is in it is nobody's business.
    Keep,
}

impl<'a> Action<'a> {
    /// The word that stands in a map.
    pub const fn word(&self) -> &'static str {
        match self {
            Action::Link { .. } => "link",
            Action::Copy { .. } => "copy",
            Action::Force { .. } => "force",
            Action::Keep => "keep",
        }
    }

    /// Where in the output the bytes are; `keep` has none.
    pub const fn source(&self) -> Option<&'a str> {
        match self {
            Action::Link { source } | Action::Copy { source, .. } | Action::Force { source } => Some(source),
            Action::Keep => None,
        }
    }
}

/// One destination and what is to stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry<'a> {
    /// Which of the user's directories.
    pub root: Root,
    /// Path relative to it: no empty, `.` or `..` component.
    pub dest: &'a str,
    /// What is to stand there.
    pub action: Action<'a>,
}

/// The value of an environment default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EnvValue<'a> {
    /// The text as it stands (`env`).
    Text(&'a str),
    /// A path relative to the output, to be made absolute (`envpath`).
    OutputPath(&'a str),
}

/// An environment variable that is set for OpenCode where the user has not set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnvDefault<'a> {
    /// Its name: letters, digits and `_`, not beginning with a digit.
    pub name: &'a str,
    /// Its value.
    pub value: EnvValue<'a>,
}
