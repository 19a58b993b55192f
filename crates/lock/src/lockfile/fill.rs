//! What an exercise leaves that an output lays: a root of OpenCode's and a path below it.

use std::{fmt, str::FromStr};

use crate::rel_path::{self, RelPath};

/// The roots that an exercise may leave something in, by OpenCode's own names for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FillRoot {
    /// `$XDG_CACHE_HOME/opencode`.
    Cache,
    /// `$XDG_DATA_HOME/opencode`.
    Data,
}

/// A place that an exercise fills: `cache/packages/pyright`, `cache/bin/clangd`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fill {
    /// The root.
    pub root: FillRoot,
    /// The path below it.
    pub path: RelPath,
}

/// Why a text is no [`Fill`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FillError {
    /// It begins with no root.
    #[error("`{text}` begins neither with `cache/` nor with `data/`")]
    Root {
        /// The text as given, at most its first 80 characters.
        text: String,
    },
    /// The path is none.
    #[error(transparent)]
    Path(#[from] rel_path::Error),
}

impl FillRoot {
    /// The root's word.
    pub fn as_str(self) -> &'static str {
        match self {
            FillRoot::Cache => "cache",
            FillRoot::Data => "data",
        }
    }
}

impl FromStr for Fill {
    type Err = FillError;

    fn from_str(text: &str) -> Result<Self, FillError> {
        let (root, path) = match text.split_once('/') {
            Some(("cache", path)) => (FillRoot::Cache, path),
            Some(("data", path)) => (FillRoot::Data, path),
            _ => return Err(FillError::Root { text: text.chars().take(80).collect() }),
        };
        Ok(Fill { root, path: path.parse()? })
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.root.as_str(), self.path)
    }
}

crate::macros::text_serde!(Fill);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_is_a_place_below_a_root() {
        let fill: Fill = "cache/packages/pyright".parse().unwrap();
        assert_eq!((fill.root, fill.path.as_str()), (FillRoot::Cache, "packages/pyright"));
        assert_eq!(fill.to_string(), "cache/packages/pyright");
        for bad in ["", "cache", "cache/", "config/x", "cache/../x", "/cache/x", "data//x"] {
            assert!(bad.parse::<Fill>().is_err(), "{bad:?}");
        }
    }
}
