//! Exercises: what was run to make OpenCode fill its cache. Owns their kinds and names; never runs one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use crate::{
    command::Command,
    lockfile::Fill,
    package::{PackageId, PackageName},
    spec::Spec,
    version::Version,
};

/// One exercise and everything that the registry was asked during it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exercise {
    /// What was run.
    pub kind: ExerciseKind,
    /// The dist-tags of packages that were asked for by tag (or whose tags a resolver looks at).
    pub tags: BTreeMap<PackageName, BTreeMap<String, Version>>,
    /// Packages that were asked for and do not exist: a recorded 404.
    pub absent: BTreeSet<PackageName>,
    /// What was resolved; each id is one of the lock's packages or known ones.
    pub packages: BTreeSet<PackageId>,
    /// What it leaves beside the one directory that its kind implies.
    pub fills: BTreeSet<Fill>,
    /// How far a provider's SDK was seen to work with this OpenCode; other kinds have none.
    pub proof: Option<Proof>,
}

impl Exercise {
    /// One that resolved nothing.
    #[must_use]
    pub fn empty(kind: ExerciseKind) -> Self {
        Self {
            kind,
            tags: BTreeMap::new(),
            absent: BTreeSet::new(),
            packages: BTreeSet::new(),
            fills: BTreeSet::new(),
            proof: None,
        }
    }
}

/// How far a provider's SDK was seen to work with the lock's OpenCode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// It answered, through the scripted model.
    Answered,
    /// It was loaded; its protocol cannot be scripted.
    Loads,
}

/// What an exercise runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExerciseKind {
    /// OpenCode installs into a config directory (`@opencode-ai/plugin`, and what the user's own `package.json` there
    /// names).
    ConfigDir {
        /// The dependencies that are wanted there, as npm specs.
        dependencies: BTreeMap<PackageName, String>,
    },
    /// OpenCode starts with a plugin.
    Plugin {
        /// The plugin, as OpenCode asks for it.
        spec: Spec,
    },
    /// OpenCode answers through a provider whose SDK is not built in.
    Provider {
        /// The SDK, as OpenCode asks for it.
        spec: Spec,
    },
    /// A command of the user's.
    Command(Command),
    /// OpenCode installs a package whose program a configuration starts by `npx` and the like.
    Executable {
        /// The package, as it is asked for.
        spec: Spec,
    },
    /// OpenCode installs a language server.
    LanguageServer {
        /// Its id, as OpenCode calls it.
        server: String,
    },
    /// The terminal interface draws code of these languages, for which it downloads grammars.
    Grammars {
        /// The languages, as OpenCode calls them.
        languages: BTreeSet<String>,
    },
    /// OpenCode before 1.14 keeps one `node_modules` for every provider and plugin (`bun.lock`, `package.json`,
    /// `version`).
    SharedTree {
        /// What is installed into it.
        specs: Vec<Spec>,
        /// What `package.json` has to say afterwards instead of the resolved version, so that OpenCode's own "is it
        /// installed?" holds (1.0.152: `latest`).
        patched: BTreeMap<PackageName, String>,
    },
}

/// An exercise's name: its kind, and where several of a kind may stand a qualifier: `config-dir`,
/// `plugin:opencode-pty@latest`, `command:agents`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExerciseName(String);

/// A text that names no exercise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an exercise's name (config-dir, plugin:…, provider:…, command:…, executable:…, language-server:…, grammars, shared-tree)"
)]
pub struct ExerciseNameError {
    /// The text as given, at most its first 250 characters.
    pub text: String,
}

/// Longest exercise name, in bytes: a spec and its kind.
const MAX_LENGTH: usize = 600;

impl ExerciseKind {
    /// The kinds' words, in order of spelling.
    pub const WORDS: [&'static str; 8] = [
        "command",
        "config-dir",
        "executable",
        "grammars",
        "language-server",
        "plugin",
        "provider",
        "shared-tree",
    ];

    /// The kind's word in the lock.
    pub fn as_str(&self) -> &'static str {
        match self {
            ExerciseKind::ConfigDir { .. } => "config-dir",
            ExerciseKind::Plugin { .. } => "plugin",
            ExerciseKind::Provider { .. } => "provider",
            ExerciseKind::Command(_) => "command",
            ExerciseKind::Executable { .. } => "executable",
            ExerciseKind::LanguageServer { .. } => "language-server",
            ExerciseKind::Grammars { .. } => "grammars",
            ExerciseKind::SharedTree { .. } => "shared-tree",
        }
    }

    /// The name of an exercise of this kind. Plugins, providers and executables are named after their spec, language servers after
    /// their id, whatever `qualifier` says; of grammars there is one; of config directories and shared trees there is one without a qualifier.
    ///
    /// # Errors
    /// A command without a qualifier, or a qualifier with control characters or over the length.
    pub fn name(&self, qualifier: Option<&str>) -> Result<ExerciseName, ExerciseNameError> {
        let qualifier = match self {
            ExerciseKind::Plugin { spec }
            | ExerciseKind::Provider { spec }
            | ExerciseKind::Executable { spec } => Some(spec.as_str()),
            ExerciseKind::LanguageServer { server } => Some(server.as_str()),
            ExerciseKind::Grammars { .. } => None,
            _ => qualifier,
        };
        match qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.as_str()).parse(),
            None => self.as_str().parse(),
        }
    }
}

impl Proof {
    /// The proof's word in the lock.
    pub fn as_str(self) -> &'static str {
        match self {
            Proof::Answered => "answered",
            Proof::Loads => "loads",
        }
    }
}

impl ExerciseName {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind's word.
    pub fn kind(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(kind, _)| kind)
    }

    /// What stands after the kind.
    pub fn qualifier(&self) -> Option<&str> {
        self.0.split_once(':').map(|(_, qualifier)| qualifier)
    }

    /// Whether an exercise of this kind may bear this name.
    pub fn fits(&self, kind: &ExerciseKind) -> bool {
        kind.name(self.qualifier()).as_ref() == Ok(self)
    }
}

impl FromStr for ExerciseName {
    type Err = ExerciseNameError;

    fn from_str(text: &str) -> Result<Self, ExerciseNameError> {
        let name = ExerciseName(text.to_owned());
        let needs_qualifier = !matches!(name.kind(), "config-dir" | "grammars" | "shared-tree");
        let valid = ExerciseKind::WORDS.contains(&name.kind())
            && text.len() <= MAX_LENGTH
            && !text.chars().any(char::is_control)
            && name.qualifier().map_or(!needs_qualifier, |qualifier| !qualifier.is_empty());
        if valid { Ok(name) } else { Err(ExerciseNameError { text: text.chars().take(250).collect() }) }
    }
}

impl fmt::Display for ExerciseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::macros::text_serde!(ExerciseName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kinds() {
        let plugin = ExerciseKind::Plugin { spec: "opencode-pty@latest".parse().unwrap() };
        let name = plugin.name(None).unwrap();
        assert_eq!(name.to_string(), "plugin:opencode-pty@latest");
        assert!(name.fits(&plugin));
        assert!(!"plugin:other".parse::<ExerciseName>().unwrap().fits(&plugin));
        assert!(!"provider:opencode-pty@latest".parse::<ExerciseName>().unwrap().fits(&plugin));
        let command = ExerciseKind::Command(Command::of(vec!["models".into()]));
        assert!(command.name(None).is_err());
        assert_eq!(command.name(Some("agents")).unwrap().qualifier(), Some("agents"));
        let dir = ExerciseKind::ConfigDir { dependencies: BTreeMap::new() };
        assert_eq!(dir.name(None).unwrap().as_str(), "config-dir");
        assert_eq!(dir.name(Some("a/b")).unwrap().as_str(), "config-dir:a/b");
    }

    #[test]
    fn refuses_other_names() {
        for bad in ["", "plugin", "plugin:", "config-dir:", "weather", "command", "command:a\nb", ":x"] {
            assert!(bad.parse::<ExerciseName>().is_err(), "{bad:?}");
        }
    }
}
