//! `opencode-cache.toml`: what is wanted. Owns its keys, their types and their defaults; never resolves anything and
//! never opens a path that it names.

mod commands;
mod edit;
mod error;
mod licences;
mod read;
mod trust;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

pub use edit::Edit;
pub use error::{Error, Problem};

use crate::{
    command::Command, date::Date, licence::LicencePolicy, package::PackageName, repository::Repository,
    signature::Trust, spec::Spec, system::System, version::Version,
};

/// Largest manifest text that is read, in bytes: 1 MiB. It is written by a person.
pub const MAX_BYTES: usize = 1 << 20;

/// A whole manifest. Every key is optional; the default is the manifest of an empty text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// `opencode`: the OpenCode version that is wanted.
    pub opencode: Wanted,
    /// `systems`: never empty; nothing means the host.
    pub systems: Option<BTreeSet<System>>,
    /// `source`: where release artifacts come from.
    pub source: Source,
    /// `repository`: whose releases, where they are not those of OpenCode's own repository; only with `source = "github"`.
    pub repository: Option<Repository>,
    /// `profile`: whether OpenCode may use a network that is there.
    pub profile: Profile,
    /// `config`: the user's `opencode.json` files, absolute or relative to the manifest.
    pub config: Vec<PathBuf>,
    /// `config_dirs`: directories whose `package.json` is captured too, absolute or relative to the manifest.
    pub config_dirs: Vec<PathBuf>,
    /// `providers`: providers beside those that the configs name, by the id that OpenCode's catalogue gives them or by their
    /// SDK. Every kind of spec is read; only a registry's can be pinned.
    pub providers: Vec<Spec>,
    /// `plugins`: plugins beside those that the configs name. Every kind of spec is read; only a registry's can be
    /// pinned.
    pub plugins: Vec<Spec>,
    /// `[packages]`: versions that are taken wherever a package is resolved, whatever would be newer.
    pub packages: BTreeMap<PackageName, Version>,
    /// `freeze`: packages that keep the versions that the lock has when everything else moves; `opencode` is OpenCode itself.
    pub freeze: BTreeSet<PackageName>,
    /// `before`: packages are resolved as of the end of this day.
    pub before: Option<Date>,
    /// `ripgrep`: where the search program comes from that OpenCode would download.
    pub ripgrep: Ripgrep,
    /// `libraries`: whose C library goes into outputs, for machines that have none.
    pub libraries: Libraries,
    /// `variants`: other builds of the release to pin beside it: `baseline`, `baseline-musl`, `musl`.
    pub variants: BTreeSet<String>,
    /// `language_servers`: the language servers to capture, by the ids that OpenCode gives them.
    pub language_servers: BTreeSet<String>,
    /// `commands`: packages whose programs configurations start by `npx` and the like.
    pub commands: Commands,
    /// `grammars`: the languages whose code the terminal interface is to colour.
    pub grammars: BTreeSet<String>,
    /// `[exercises.NAME]`: further commands of OpenCode's to record, by name. Names consist of letters, digits,
    /// `-`, `_` and `.`.
    pub exercises: BTreeMap<String, Command>,
    /// `[trust]`: what is wanted of registries' signatures.
    pub trust: Trust,
    /// `[licences]`: under which terms nothing may be brought along.
    pub licences: LicencePolicy,
}

/// Packages whose programs are started by command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commands {
    /// `"*"`: those of every command in the configurations that says which package it runs.
    pub all: bool,
    /// Those that are named. Every kind of spec is read; only a registry's can be pinned.
    pub specs: Vec<Spec>,
}

/// The OpenCode version that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Wanted {
    /// The newest that is published for every wanted system.
    #[default]
    Latest,
    /// This one.
    Exact(Version),
}

/// Where release artifacts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Source {
    /// An npm registry.
    #[default]
    Npm,
    /// The releases of a repository on GitHub.
    Github,
}

/// Where ripgrep comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Ripgrep {
    /// Prebuilt packages of an npm registry.
    #[default]
    Npm,
    /// The release that OpenCode itself would download.
    Github,
    /// It is not captured: the machine has one.
    None,
}

/// Whose C library goes into outputs for Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Libraries {
    /// Nobody's: the machine has one.
    #[default]
    None,
    /// Debian's, from its packages.
    Debian,
}

/// Whether OpenCode may use a network that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Nothing is asked of any network.
    Offline,
    /// Everything is there at the start; OpenCode may add what is not, without retries and with short time-outs.
    #[default]
    Online,
}

impl Manifest {
    /// Reads a manifest's text.
    ///
    /// # Errors
    /// The first problem, with its line and column.
    pub fn parse(text: &str) -> Result<Manifest, Error> {
        read::parse(text)
    }

    /// The systems that are wanted: those named, else the host; nothing where the host is none of ours.
    pub fn wanted_systems(&self) -> Option<BTreeSet<System>> {
        self.systems.clone().or_else(|| System::host().map(|host| BTreeSet::from([host])))
    }
}

impl Profile {
    /// The profile's word in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::Offline => "offline",
            Profile::Online => "online",
        }
    }
}
