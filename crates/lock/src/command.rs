//! A command of the user's own that makes OpenCode download something: the words of `[exercises.NAME]` and of the lock's
//! `command` exercises. Owns its parts; never runs one.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::rel_path::RelPath;

/// A command of OpenCode's, and what it finds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command {
    /// OpenCode's arguments; never empty.
    pub run: Vec<String>,
    /// Variables beside those that every exercise has. No secret belongs here: they stand in the lock.
    pub env: BTreeMap<String, String>,
    /// What the scripted model says, one reply a request; after the last one it goes on with its usual answer.
    pub replies: Vec<Reply>,
    /// Files of the project that it runs in, by path.
    pub files: BTreeMap<RelPath, String>,
}

/// What the scripted model says to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// This text.
    Text(String),
    /// It calls a tool.
    Call {
        /// The tool's name.
        tool: String,
        /// Its arguments: an object, its keys sorted.
        arguments: Value,
    },
}

impl Command {
    /// A command of nothing but arguments.
    pub fn of(run: Vec<String>) -> Self {
        Self { run, ..Self::default() }
    }
}

/// Whether a text can be a variable's name: letters, digits and `_`, no digit at first (POSIX).
pub(crate) fn is_variable(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(word) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

/// Whether a text can be the id of a language server or a language: letters, digits, `-`, `_`, `.`, `+` and `#`.
pub(crate) fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+#".contains(&byte);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(allowed)
}
