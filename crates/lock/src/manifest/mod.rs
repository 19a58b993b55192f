//! `opencode-cache.toml`: what is wanted. Owns its keys, their types and their defaults; never resolves anything and
//! never opens a path that it names.

mod error;
mod read;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

pub use error::{Error, Problem};

use crate::{spec::Spec, system::System, version::Version};

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
    /// `profile`: whether OpenCode may use a network that is there.
    pub profile: Profile,
    /// `config`: the user's `opencode.json` files, absolute or relative to the manifest.
    pub config: Vec<PathBuf>,
    /// `config_dirs`: directories whose `package.json` is captured too, absolute or relative to the manifest.
    pub config_dirs: Vec<PathBuf>,
    /// `providers`: provider SDKs beside those that the configs name. Every kind of spec is read; only a registry's can
    /// be pinned.
    pub providers: Vec<Spec>,
    /// `plugins`: plugins beside those that the configs name. Every kind of spec is read; only a registry's can be
    /// pinned.
    pub plugins: Vec<Spec>,
    /// `[exercises.NAME] run`: further commands of OpenCode's to record, by name. Names consist of letters, digits,
    /// `-`, `_` and `.`; no list of arguments is empty.
    pub exercises: BTreeMap<String, Vec<String>>,
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
}

/// Whether OpenCode may use a network that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Nothing is asked of any network.
    #[default]
    Offline,
    /// A network is used where there is one, without retries and with short time-outs.
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
