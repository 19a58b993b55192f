//! What there is: components, each with its places, its terms, and who vouches for it. Values only; `collect` makes them.

use std::collections::{BTreeMap, BTreeSet};

use lock::{Licence, Sri};
use serde::Serialize;

/// Everything that a report tells.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// The output's digest.
    pub digest: String,
    /// OpenCode's version.
    pub opencode: String,
    /// The system.
    pub system: String,
    /// `offline` or `online`.
    pub profile: String,
    /// SRI of the text of the lock that it was built from.
    pub lock: String,
    /// Whether that lock was at hand; without it nothing is known of archives, signatures and hosts.
    pub with_lock: bool,
    /// Bytes of all files of the output.
    pub bytes: u64,
    /// The components, by kind, name and version.
    pub components: Vec<Component>,
    /// The exercises, by name.
    pub exercises: BTreeMap<String, Exercise>,
    /// Which components the whole needs by itself, by id.
    pub needs: BTreeSet<String>,
    /// Hosts that were asked while it was recorded, and what for; the npm registry is whichever the user has, and in no lock.
    pub hosts: BTreeMap<String, BTreeSet<String>>,
}

/// What a component is, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// OpenCode's release binary.
    Opencode,
    /// What this program put beside it: the launcher, its settings and plugins.
    Launcher,
    /// A program that OpenCode starts.
    Program,
    /// A library of the system's that is carried along.
    Library,
    /// The catalogue of models.
    Catalogue,
    /// What an exercise left beside packages: installers' own files, downloads.
    Files,
    /// An npm package.
    Package,
}

/// One thing that is inside.
#[derive(Debug, Clone)]
pub struct Component {
    /// Unique, and the same for the same name and version.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// Its name: of a package what its `package.json` says.
    pub name: String,
    /// Its version, where it says one.
    pub version: Option<String>,
    /// Its package URL, where it has one.
    pub purl: Option<String>,
    /// Under which terms.
    pub licence: Licence,
    /// Where it was downloaded from, in the words that a lock has: an npm registry (whose address is in no lock), or a host.
    pub from: Option<String>,
    /// The archive that it came in.
    pub archive: Option<Sri>,
    /// Whether the registry vouched for it: the lock's words.
    pub signature: Option<String>,
    /// Who built it, where that is attested.
    pub attested: Option<String>,
    /// Where it lies.
    pub places: Vec<Place>,
    /// What brought it.
    pub exercises: BTreeSet<String>,
    /// What it needs, by id.
    pub needs: BTreeSet<String>,
    /// The paths of the texts of its terms.
    pub texts: Vec<String>,
}

/// One place that a component lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path in the output, of a directory or a file.
    pub path: String,
    /// SHA-256, of a file's bytes; of a directory of its listing: a line `f SHA256 SIZE PATH` for each file (`x` for a program), `l TARGET
    /// PATH` for each link, with TABs between, in the order of paths, without what belongs to other components.
    pub content: String,
    /// Bytes of its files.
    pub bytes: u64,
}

/// One thing that OpenCode was made to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exercise {
    /// The directory or file that it left.
    pub path: String,
    /// What OpenCode was asked for.
    pub spec: Option<String>,
    /// How far an SDK was seen to work.
    pub proof: Option<String>,
    /// Bytes in it.
    pub bytes: u64,
    /// How many packages.
    pub packages: usize,
    /// Scope → how many different versions were asked of its registry; of packages without a scope the key is empty.
    pub scopes: BTreeMap<String, usize>,
}

impl Component {
    /// Bytes in all its places.
    pub fn bytes(&self) -> u64 {
        self.places.iter().map(|place| place.bytes).sum()
    }

    /// For people: `name@version`.
    pub fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{version}", self.name),
            None => self.name.clone(),
        }
    }
}

impl Kind {
    /// The word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opencode => "opencode",
            Self::Launcher => "launcher",
            Self::Program => "program",
            Self::Library => "library",
            Self::Catalogue => "catalogue",
            Self::Files => "files",
            Self::Package => "package",
        }
    }
}
