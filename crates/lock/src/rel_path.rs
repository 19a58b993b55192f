//! A path inside an archive or a tree. Owns what may be joined to a root without leaving it; never touches a file
//! system.

use std::{fmt, str::FromStr};

/// A relative path with forward slashes: no empty, `.` or `..` component, no control character, so that joining it
/// to a root stays below the root (symbolic links apart).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(String);

/// Longest path that is accepted, in bytes: Linux' `PATH_MAX` less the terminating NUL.
pub const MAX_LENGTH: usize = 4095;

/// Why a text is no [`RelPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is empty.
    #[error("the path is empty")]
    Empty,
    /// The path begins with a slash.
    #[error("the path `{path}` is absolute")]
    Absolute {
        /// The text as given.
        path: String,
    },
    /// A component is empty, `.` or `..`.
    #[error("the path `{path}` has the component `{component}`")]
    Component {
        /// The text as given.
        path: String,
        /// The component that is refused.
        component: String,
    },
    /// The path holds NUL or another control character.
    #[error("the path {path:?} holds a control character")]
    Control {
        /// The text as given.
        path: String,
    },
    /// The path is longer than [`MAX_LENGTH`].
    #[error("the path is {length} bytes long, over {MAX_LENGTH}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "path-invalid"
    }
}

impl RelPath {
    /// The path's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components from the root down; never empty.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl FromStr for RelPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let path = || text.to_owned();
        if text.is_empty() {
            return Err(Error::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(Error::TooLong { length: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(Error::Control { path: path() });
        }
        if text.starts_with('/') {
            return Err(Error::Absolute { path: path() });
        }
        match text.split('/').find(|component| matches!(*component, "" | "." | "..")) {
            Some(component) => Err(Error::Component { path: path(), component: component.to_owned() }),
            None => Ok(RelPath(text.to_owned())),
        }
    }
}

impl AsRef<std::path::Path> for RelPath {
    fn as_ref(&self) -> &std::path::Path {
        self.0.as_ref()
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::macros::text_serde!(RelPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_below_its_root() {
        for good in ["a", "package/bin/opencode", ".bin/x", "a b/ü", "..a/b..", "a\\b"] {
            assert_eq!(good.parse::<RelPath>().unwrap().to_string(), good);
        }
        for bad in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/..", "a\0b", "a\nb"] {
            assert!(bad.parse::<RelPath>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(MAX_LENGTH + 1).parse::<RelPath>().is_err());
    }

    #[test]
    fn names_its_parts() {
        let path: RelPath = "package/bin/opencode".parse().unwrap();
        assert_eq!(path.file_name(), "opencode");
        assert_eq!(path.components().collect::<Vec<_>>(), ["package", "bin", "opencode"]);
    }
}
