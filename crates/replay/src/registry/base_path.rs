//! The first segment of a registry's URL, which tells exercises apart. Owns its escaping.

use std::fmt::{self, Write as _};
use std::str::FromStr;

/// Longest base path, in bytes: far below what any client or server limits a URL to.
const MAX_LENGTH: usize = 200;

/// One URL path segment of `[A-Za-z0-9._-]`, under which one exercise sees its registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BasePath(String);

/// Why a text is no base path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a base path")]
pub struct BasePathError {
    /// The text.
    pub text: String,
}

impl BasePathError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "replay-base-path"
    }
}

impl BasePath {
    /// The base path of any name, such as an exercise's: what a URL segment cannot hold becomes `_` and two hexadecimal digits, so
    /// that different names never share one. A name that is too long for a segment is an error.
    ///
    /// # Errors
    /// Where the escaped name is empty or longer than a segment may be.
    pub fn escaped(name: &str) -> Result<Self, BasePathError> {
        let mut text = String::with_capacity(name.len());
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || byte == b'-' || (byte == b'.' && !text.is_empty()) {
                text.push(char::from(byte));
            } else {
                // Writing into a String cannot fail.
                let _ = write!(text, "_{byte:02x}");
            }
        }
        text.parse()
    }

    /// The segment, without slashes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BasePath {
    type Err = BasePathError;

    fn from_str(text: &str) -> Result<Self, BasePathError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        // A leading "-" would collide with npm's own paths, a leading "." is eaten by URL normalisation.
        let fits = (1..=MAX_LENGTH).contains(&text.len()) && !text.starts_with('.') && !text.starts_with('-');
        if fits && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BasePathError { text: text.to_owned() })
        }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_names_never_share_a_base_path() {
        let names = ["a/b", "a_2fb", "a.b", "@a", "provider:@ai-sdk/x@1", "provider:@ai-sdk/x_1", ".a", "é"];
        let mut paths: Vec<_> = names.iter().map(|name| BasePath::escaped(name).unwrap()).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), names.len());
    }

    #[test]
    fn what_would_change_the_url_is_refused() {
        for text in ["", "..", ".", "-", "a/b", "a b", "a%2f", "a?b", &"a".repeat(201)] {
            assert!(text.parse::<BasePath>().is_err(), "{text}");
        }
    }
}
