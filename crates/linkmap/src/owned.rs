//! Writing a map. Owns the canonical rendering: one map has one text. Only with feature `alloc`.

use crate::{Action, Entry, EnvDefault, EnvValue, Fault, HEADER, Map, Reason, Root, Sum, path_order};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A map that is being put together. It takes anything; [`LinkMap::render`] refuses what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkMap {
    exec: String,
    restore: Option<String>,
    root: String,
    fallback: Option<String>,
    /// In the order of the format, as are the entries.
    env: Vec<(String, OwnedValue)>,
    entries: Vec<OwnedEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum OwnedValue {
    Text(String),
    OutputPath(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OwnedEntry {
    root: Root,
    dest: String,
    action: OwnedAction,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum OwnedAction {
    Link(String),
    Copy(String, Sum),
    Force(String),
    Keep,
}

impl LinkMap {
    /// A map without entries. `exec` is the real binary, relative to the output; `root` OpenCode's cache
    /// directory relative to the cache home, its last component `opencode` (see [`Map::root`]).
    pub fn new(exec: &str, root: &str) -> LinkMap {
        LinkMap {
            exec: exec.to_owned(),
            restore: None,
            root: root.to_owned(),
            fallback: None,
            env: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Names the plugin that gives the user's environment back, relative to the output.
    pub fn restore(&mut self, path: &str) -> &mut LinkMap {
        self.restore = Some(path.to_owned());
        self
    }

    /// Names the cache home in the output that OpenCode reads where nothing can be laid.
    pub fn fallback(&mut self, path: &str) -> &mut LinkMap {
        self.fallback = Some(path.to_owned());
        self
    }

    /// Sets `name` to `value` for OpenCode, where the user has not set it.
    pub fn env(&mut self, name: &str, value: &str) -> &mut LinkMap {
        self.variable(name, OwnedValue::Text(value.to_owned()))
    }

    /// Sets `name` to the absolute path of `path` (relative to the output), where the user has not set it.
    pub fn env_path(&mut self, name: &str, path: &str) -> &mut LinkMap {
        self.variable(name, OwnedValue::OutputPath(path.to_owned()))
    }

    /// `dest` is to be a link to `source`. For what OpenCode never writes.
    pub fn link(&mut self, root: Root, dest: &str, source: &str) -> &mut LinkMap {
        self.entry(root, dest, OwnedAction::Link(source.to_owned()))
    }

    /// `dest` is to be a writable file that begins with the content of `source`, which is `content`.
    pub fn copy(&mut self, root: Root, dest: &str, source: &str, content: &[u8]) -> &mut LinkMap {
        let action = OwnedAction::Copy(source.to_owned(), Sum::of(content));
        self.entry(root, dest, action)
    }

    /// `dest` is to have the content of `source` at every start. Only [`Root::Cache`] takes it.
    pub fn force(&mut self, root: Root, dest: &str, source: &str) -> &mut LinkMap {
        self.entry(root, dest, OwnedAction::Force(source.to_owned()))
    }

    /// `dest` is to be a directory that exists; what is in it is left alone.
    pub fn keep(&mut self, root: Root, dest: &str) -> &mut LinkMap {
        self.entry(root, dest, OwnedAction::Keep)
    }

    /// The one text of this map, checked as the wrapper will check it.
    ///
    /// # Errors
    /// What the wrapper would refuse, with the line of the text that was not written.
    pub fn render(&self) -> Result<String, Fault> {
        let text = self.text();
        let read = LinkMap::parse(text.as_bytes())?;
        if read != *self {
            // A line feed or TAB inside a path or value made other lines or fields of it.
            let reason = Reason::ControlCharacter;
            return Err(Fault { line: 1, reason });
        }
        Ok(text)
    }

    /// Reads a map into an owned one.
    ///
    /// # Errors
    /// As [`Map::parse`].
    pub fn parse(bytes: &[u8]) -> Result<LinkMap, Fault> {
        Map::parse(bytes).map(|map| LinkMap::from(&map))
    }

    fn variable(&mut self, name: &str, value: OwnedValue) -> &mut LinkMap {
        let at = self.env.partition_point(|(other, _)| other.as_str() <= name);
        self.env.insert(at, (name.to_owned(), value));
        self
    }

    fn entry(&mut self, root: Root, dest: &str, action: OwnedAction) -> &mut LinkMap {
        let not_after = |other: &OwnedEntry| {
            let order = other.root.cmp(&root);
            order.then_with(|| path_order(&other.dest, dest)).is_le()
        };
        let at = self.entries.partition_point(not_after);
        let dest = dest.to_owned();
        self.entries.insert(at, OwnedEntry { root, dest, action });
        self
    }

    fn text(&self) -> String {
        let mut text = format!("{HEADER}\nexec\t{}\n", self.exec);
        if let Some(path) = &self.restore {
            text.push_str(&format!("restore\t{path}\n"));
        }
        text.push_str(&format!("root\t{}\n", self.root));
        if let Some(path) = &self.fallback {
            text.push_str(&format!("fallback\t{path}\n"));
        }
        for (name, value) in &self.env {
            text.push_str(&match value {
                OwnedValue::Text(value) => format!("env\t{name}\t{value}\n"),
                OwnedValue::OutputPath(path) => format!("envpath\t{name}\t{path}\n"),
            });
        }
        for OwnedEntry { root, dest, action } in &self.entries {
            let root = root.word();
            text.push_str(&match action {
                OwnedAction::Link(source) => format!("link\t{root}\t{dest}\t{source}\n"),
                OwnedAction::Copy(source, sum) => format!("copy\t{root}\t{dest}\t{source}\t{sum}\n"),
                OwnedAction::Force(source) => format!("force\t{root}\t{dest}\t{source}\n"),
                OwnedAction::Keep => format!("keep\t{root}\t{dest}\n"),
            });
        }
        text
    }
}

impl From<&Map<'_>> for LinkMap {
    fn from(map: &Map<'_>) -> LinkMap {
        let mut owned = LinkMap::new(map.exec(), map.root());
        owned.restore = map.restore().map(ToOwned::to_owned);
        owned.fallback = map.fallback().map(ToOwned::to_owned);
        for EnvDefault { name, value } in map.env() {
            match value {
                EnvValue::Text(text) => owned.env(name, text),
                EnvValue::OutputPath(path) => owned.env_path(name, path),
            };
        }
        for Entry { root, dest, action } in map.entries() {
            let action = match action {
                Action::Link { source } => OwnedAction::Link(source.to_owned()),
                Action::Copy { source, sum } => OwnedAction::Copy(source.to_owned(), sum),
                Action::Force { source } => OwnedAction::Force(source.to_owned()),
                Action::Keep => OwnedAction::Keep,
            };
            owned.entry(root, dest, action);
        }
        owned
    }
}
