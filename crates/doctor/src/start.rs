//! The next start as the wrapper will see it: its roots, the entries and what stands at their places. The only
//! module that speaks with the wrapper's code.

use std::io;
use std::path::{Path, PathBuf};

use linkmap::{Action, EnvValue, Map, Root};
use wrapper::carrier::Carrier;
use wrapper::environment::Environment;
use wrapper::output::Output;
use wrapper::refresh::Plan;
pub use wrapper::refresh::observe::State;
pub use wrapper::roots::Missing;
use wrapper::roots::Roots;

use crate::subject::Subject;
use crate::surroundings::{Surroundings, path_of};
use std::os::unix::ffi::OsStrExt;

/// What a start will find.
#[derive(Debug)]
pub struct Start {
    /// OpenCode's cache directory.
    pub cache: Option<PathBuf>,
    /// Its configuration directory.
    pub config: Option<PathBuf>,
    /// Its data directory.
    pub data: Option<PathBuf>,
    /// Its state directory.
    pub state: Option<PathBuf>,
    /// The cache home in the output that OpenCode reads where nothing can be laid.
    pub fallback: Option<PathBuf>,
    /// Why there is no cache directory.
    pub missing: Option<Missing>,
    /// Whether the output's name is one by which links to it are known later.
    pub is_named_by_digest: bool,
    /// Whether variables can be lent to OpenCode.
    pub can_lend: bool,
    /// Whether the entries of the configuration directory are to stand there.
    pub lays_config: bool,
    /// The entries that have a place.
    pub entries: Vec<Seen>,
    /// What is set for OpenCode where the user has not set it.
    pub defaults: Vec<(String, PathBuf)>,
}

/// An entry, and what stands at its place.
#[derive(Debug)]
pub struct Seen {
    /// The user's directory that it belongs to.
    pub root: Root,
    /// Its path below that.
    pub dest: String,
    /// What is to stand there.
    pub kind: Kind,
    /// Its source, absolute.
    pub source: Option<PathBuf>,
    /// Its place, absolute.
    pub place: PathBuf,
    /// What stands there.
    pub state: io::Result<State>,
}

/// What is to stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A link to the source.
    Link,
    /// A file that begins as the source.
    Copy,
    /// A file that is the source at every start.
    Force,
    /// A directory.
    Keep,
}

impl Start {
    /// Looks at everything that a start of the output's wrapper looks at.
    ///
    /// # Errors
    /// Why the link map cannot be read; then a start lays nothing.
    pub fn foresee(subject: &Subject, surroundings: &Surroundings) -> Result<Self, String> {
        let output = Output::at(subject.root.as_os_str().as_bytes());
        let path = subject.root.join(builder::layout::LINKMAP);
        let text = builder::files::read_bounded(&path, linkmap::MAX_BYTES as u64)
            .map_err(|error| format!("it cannot be read: {error}"))?;
        let map = Map::parse(&text).map_err(|fault| fault.to_string())?;

        let strings = surroundings.strings();
        let environment = Environment::new(strings.iter().copied());
        let carrier = Carrier::available(&environment, &map);
        let roots = Roots::choose(&environment, &map, carrier.is_some());
        let wanted: Vec<_> = map.entries().collect();
        let plan = Plan { output: &output, map: &map, entries: &wanted, roots: &roots };
        let root = |root| roots.of(root).map(path_of);
        Ok(Self {
            cache: root(Root::Cache),
            config: root(Root::Config),
            data: root(Root::Data),
            state: roots.state().map(path_of),
            fallback: map.fallback().map(|path| path_of(&output.path(path))),
            missing: roots.missing,
            is_named_by_digest: output.is_named_by_digest(),
            can_lend: carrier.is_some(),
            // What cannot be looked at is told entry by entry.
            lays_config: plan.lays_config().unwrap_or(true),
            entries: entries(plan),
            defaults: defaults(&output, &map),
        })
    }

    /// Whether everything that belongs in a directory of the user's stands there.
    pub fn is_laid(&self, root: Root) -> bool {
        let mut entries = self.entries.iter().filter(|seen| seen.root == root);
        entries.all(|seen| matches!(seen.state, Ok(State::Current)))
    }

    /// A directory of the user's.
    pub fn root(&self, root: Root) -> Option<&Path> {
        match root {
            Root::Cache => self.cache.as_deref(),
            Root::Config => self.config.as_deref(),
            Root::Data => self.data.as_deref(),
        }
    }

    /// What OpenCode will have in a variable: the user's value, else the map's.
    pub fn variable(&self, name: &str, surroundings: &Surroundings) -> Option<PathBuf> {
        let default =
            || self.defaults.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        surroundings.get(name).map(PathBuf::from).or_else(default)
    }

    /// Whether a switch of OpenCode's will be on.
    pub fn is_on(&self, name: &str, surroundings: &Surroundings) -> bool {
        let value = self.variable(name, surroundings);
        value.is_some_and(|value| builder::opencode::reads::is_on(value.as_os_str().as_bytes()))
    }
}

fn entries(plan: Plan<'_>) -> Vec<Seen> {
    let seen = plan.survey().into_iter().map(|(entry, place, state)| {
        let place = path_of(&place);
        Seen {
            root: entry.root,
            dest: entry.dest.to_owned(),
            kind: match entry.action {
                Action::Link { .. } => Kind::Link,
                Action::Copy { .. } => Kind::Copy,
                Action::Force { .. } => Kind::Force,
                Action::Keep => Kind::Keep,
            },
            source: entry.action.source().map(|source| path_of(&plan.output.path(source))),
            state: state.map_err(|_| cause(&place)),
            place,
        }
    });
    seen.collect()
}

/// Why the wrapper could not look at a place: it has a line for a person only.
fn cause(place: &Path) -> io::Error {
    let looked = place.symlink_metadata().and_then(|_| std::fs::File::open(place));
    looked.err().unwrap_or_else(|| io::Error::other("it changes while it is looked at"))
}

fn defaults(output: &Output, map: &Map<'_>) -> Vec<(String, PathBuf)> {
    let value = |value: EnvValue<'_>| match value {
        EnvValue::Text(text) => PathBuf::from(text),
        EnvValue::OutputPath(path) => path_of(&output.path(path)),
    };
    map.env().map(|default| (default.name.to_owned(), value(default.value))).collect()
}
