//! The user's own `opencode.json`: which providers, plugins and programs it names.
//!
//! JSONC, as OpenCode reads it: `{env:…}` and `{file:…}` are replaced before it is parsed, and what they put in is
//! used for nothing else. It is in no value, text or error that leaves this module: not in a lock, and not in a log.
//! Only what implies a download or a program is looked at; everything else is OpenCode's business. This module never
//! resolves anything.

pub(crate) mod asked;
mod directory;
mod error;
mod substitute;
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lock::Spec;
use serde_json::Value;

pub use asked::{Asked, What};
pub use directory::{configs, directory, heads};
pub use error::Error;
pub use substitute::{Reason, Variables};
pub use tree::Text;
use tree::{Node, Source, Tree};

/// The largest `opencode.json` that is read, in bytes. Real ones are a few kilobytes; the bound
/// only keeps a wrong path (a log, a device) from filling the memory.
pub const MAX_BYTES: u64 = 4 << 20;

/// A configuration that was read.
#[derive(Debug)]
pub struct Config {
    /// The file, or what stands for one.
    pub path: PathBuf,
    root: Node,
    asked: Vec<Asked>,
}

/// What one configuration asks OpenCode to install.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// npm specs of `provider.*.npm`, as written.
    pub providers: BTreeSet<Spec>,
    /// npm specs of `plugin`, as written.
    pub plugins: BTreeSet<Spec>,
    /// Plugins that are files on this machine (`file://…`, `./…`, `/…`): OpenCode loads them in
    /// place, nothing is captured.
    pub local_plugins: Vec<String>,
    /// Providers that are named without an SDK: the catalogue says which is theirs.
    pub ids: BTreeSet<String>,
    /// Providers that this configuration defines itself, so that the catalogue need not know them.
    pub defined: BTreeSet<String>,
    /// Packages whose programs it starts by command.
    pub commands: BTreeSet<Spec>,
    /// SDKs that are no package of their own (`@ai-sdk/google-vertex/anthropic`): the binary must have them.
    pub built_in: BTreeSet<String>,
}

impl Wanted {
    /// Wants what another one wants too.
    pub fn extend(&mut self, more: Wanted) {
        self.providers.extend(more.providers);
        self.plugins.extend(more.plugins);
        self.local_plugins.extend(more.local_plugins);
        self.ids.extend(more.ids);
        self.defined.extend(more.defined);
        self.commands.extend(more.commands);
        self.built_in.extend(more.built_in);
    }
}

/// Reads the configuration at `path`: what it asks for that can be captured. Variables are those of this process.
pub fn read(path: &Path) -> Result<Wanted, Error> {
    Config::read(path, &of_this_process)?.wanted()
}

/// A variable of this process.
pub fn of_this_process(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

impl Config {
    /// Reads the configuration at `path`.
    pub fn read(path: &Path, variables: Variables<'_>) -> Result<Self, Error> {
        let text = read_text(path)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Self::parse(path, directory, &text, variables)
    }

    /// Parses a configuration's text; `path` names it in errors, and paths in it start from `directory`.
    pub fn parse(path: &Path, directory: &Path, text: &str, variables: Variables<'_>) -> Result<Self, Error> {
        let source = Source { path, directory, text: text.strip_prefix('\u{feff}').unwrap_or(text) };
        let root = source.tree(variables)?;
        let asked = asked::read(&source, &root)?;
        Ok(Self { path: path.into(), root, asked })
    }

    /// What it says, as JSON. Strings in which something is replaced are as they are written.
    pub fn value(&self) -> Value {
        self.root.to_value()
    }

    /// Everything that it asks for, in the order of its text.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// Whether it switches a provider off.
    pub fn is_disabled(&self, id: &str) -> bool {
        let names = |key: &str| {
            let items = self.root.get(key).and_then(Node::items);
            items.map(|items| items.iter().any(|item| item.text().is_some_and(|text| text.text == id)))
        };
        names("disabled_providers") == Some(true) || names("enabled_providers") == Some(false)
    }

    /// What of it can be captured.
    ///
    /// # Errors
    /// What is asked for and can never be captured. What a variable or another file names is left alone: a lock
    /// does not depend on them.
    pub fn wanted(&self) -> Result<Wanted, Error> {
        let mut wanted = Wanted::default();
        for asked in &self.asked {
            asked.add_to(&mut wanted, self)?;
        }
        let defined = wanted.defined.clone();
        wanted.ids.retain(|id| !defined.contains(id) || is_bare(&self.root, id));
        Ok(wanted)
    }
}

/// Whether a provider is defined without an SDK.
fn is_bare(root: &Node, id: &str) -> bool {
    root.get("provider").and_then(|providers| providers.get(id)).is_some_and(|one| one.get("npm").is_none())
}

fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = crate::files::read_bounded(path, MAX_BYTES).map_err(|error| match error {
        crate::files::ReadError::NotAFile | crate::files::ReadError::TooLarge => {
            Error::NotAFile { path: path.into() }
        }
        crate::files::ReadError::Io(source) => Error::Read { path: path.into(), source },
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let text = String::from_utf8_lossy(valid);
        let source = Source { path, directory: Path::new(""), text: &text };
        let (line, column) = source.position(valid.len());
        Error::Syntax { path: path.into(), line, column, reason: "not UTF-8".into() }
    })
}

/// OpenCode takes these for paths, and everything else for something of npm's (1.14.34 to 1.18.33).
pub fn is_local(text: &str) -> bool {
    let drive = |text: &str| {
        let mut chars = text.chars();
        chars.next().is_some_and(|letter| letter.is_ascii_alphabetic())
            && chars.next() == Some(':')
            && matches!(chars.next(), Some('/' | '\\'))
    };
    text.starts_with("file://") || text.starts_with('.') || text.starts_with('/') || drive(text)
}

#[cfg(test)]
mod tests;
