//! The bytes: names, sizes and hashes of all files, and the texts of the few that are read. From a directory, or from a bundle in one
//! pass, without unpacking it to a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use builder::files;
use bundle::{Bases, Index, Listing, NoBases, Part, Role, Sha256, Sink};
use lock::System;

use crate::error::Error;

/// The largest text of a package that is read, in bytes; the largest `package.json` known has 150 kB, the largest licence 600 kB.
const MAX_TEXT: u64 = 4 << 20;

/// The largest `manifest.json`, as `builder` has it.
const MAX_CONTENTS: u64 = 64 << 20;

/// Texts of one tree at most, in bytes altogether.
const MAX_TEXTS: u64 = 512 << 20;

/// How the names of files begin that hold terms.
const LICENCE_NAMES: [&str; 6] = ["license", "licence", "copying", "notice", "unlicense", "copyright"];

/// What a report is made of.
#[derive(Debug)]
pub struct Source {
    /// The output's digest.
    pub digest: String,
    /// All that lies there.
    pub listing: Listing,
    /// The texts that are read, by path.
    pub texts: BTreeMap<String, Vec<u8>>,
    /// What a bundle has beside the output, for the same system.
    pub beside: Vec<Beside>,
    /// The program that a bundle begins with: its hash and its bytes.
    pub program: Option<(Sha256, u64)>,
}

/// A tree of a bundle that is no output.
#[derive(Debug)]
pub struct Beside {
    /// `tool` or `libraries`.
    pub role: &'static str,
    /// Its digest.
    pub digest: String,
    /// What the bundle says of it.
    pub facts: BTreeMap<String, String>,
    /// All that lies there.
    pub listing: Listing,
}

impl Beside {
    /// A tree that is told of; of papers nothing is, or they would have to tell of themselves.
    pub fn of(part: &Part, listing: &Listing) -> Option<Self> {
        let is_told = !matches!(part.role, Role::Output | Role::Papers);
        let (digest, facts) = (part.digest.to_string(), part.facts.clone());
        is_told.then(|| Self { role: part.role.as_str(), digest, facts, listing: listing.clone() })
    }
}

impl Source {
    /// Whether a bundle lies there, also one that was cut.
    pub fn is_bundle(path: &Path) -> bool {
        !path.is_dir() && bundle::open(path).is_ok()
    }

    /// Reads the output (or link to one) or the bundle at `path`; of a bundle with several systems the one that is named, else this
    /// machine's.
    pub fn read(path: &Path, system: Option<System>) -> Result<Self, Error> {
        Self::read_against(path, system, &NoBases)
    }

    /// The same, of a delta too: `bases` has what it was made against.
    pub fn read_against(path: &Path, system: Option<System>, bases: &dyn Bases) -> Result<Self, Error> {
        if path.is_dir() { Self::of_output(path) } else { Self::of_bundle(path, system, bases) }
    }

    fn of_output(path: &Path) -> Result<Self, Error> {
        // Says in its own words where this is no output.
        builder::Contents::read(path)?;
        let stored = tree::StorePath::resolve(path)?;
        let scanned = tree::scan(stored.path())?;
        let listing = listing(path, Listing::of(&scanned))?;
        Self::listed(stored.path(), stored.digest().to_string(), listing, Vec::new())
    }

    /// An output of which it is known what lies there; what is `beside` it is told of too.
    pub fn listed(root: &Path, digest: String, listing: Listing, beside: Vec<Beside>) -> Result<Self, Error> {
        let mut texts = BTreeMap::new();
        for wanted in wanted(&listing) {
            let file = root.join(&wanted);
            let bytes = files::read_bounded(&file, MAX_CONTENTS)
                .map_err(|error| Error::Io { path: file, source: std::io::Error::other(error) })?;
            texts.insert(wanted, bytes);
        }
        Ok(Self { digest, listing, texts, beside, program: None })
    }

    fn of_bundle(path: &Path, system: Option<System>, bases: &dyn Bases) -> Result<Self, Error> {
        let refused = |source| Error::Bundle { path: path.into(), source };
        // Also one that was cut into several files; and what is no file is refused, not waited for.
        let mut bundle = bundle::open(path).map_err(refused)?;
        let front = bundle.front(bases).map_err(refused)?;
        let number =
            chosen(&front.index, system).map_err(|systems| Error::System { path: path.into(), systems })?;
        let part = &front.index.parts[number];
        let listing = front.listings[number].clone();
        let wanted = wanted(&listing);
        let mut kept = Texts::new(&front.listings, &listing, &wanted);
        bundle.unpack(&front, bases, &mut kept).map_err(refused)?;
        let found = kept.found;
        let texts = listing.entries().iter().filter_map(hash).filter(|(path, _)| wanted.contains(*path));
        let texts = texts.filter_map(|(path, hash)| Some((path.to_owned(), found.get(&hash)?.clone())));
        let texts = texts.collect();
        let others = front.index.parts.iter().zip(&front.listings);
        let others = others.filter(|(other, _)| other.system == part.system);
        let beside = others.filter_map(|(other, listing)| Beside::of(other, listing));
        let program = bundle.header().stub.map(|stub| (stub.hash, stub.size));
        Ok(Self { digest: part.digest.to_string(), listing, texts, beside: beside.collect(), program })
    }
}

fn listing(path: &Path, listing: bundle::Result<Listing>) -> Result<Listing, Error> {
    listing.map_err(|error| match error {
        bundle::Error::Tree(error) => error.into(),
        source => Error::Bundle { path: path.into(), source },
    })
}

/// Which part is the output that is meant; else the systems that there are.
fn chosen(index: &Index, system: Option<System>) -> Result<usize, String> {
    let outputs = index.parts.iter().enumerate().filter(|(_, part)| part.role == Role::Output);
    let outputs: Vec<(usize, System)> = outputs.map(|(number, part)| (number, part.system)).collect();
    let of = |system: System| outputs.iter().find(|(_, other)| *other == system).map(|(number, _)| *number);
    let found = match (system, &outputs[..]) {
        (Some(system), _) => of(system),
        (None, [(only, _)]) => Some(*only),
        (None, _) => System::host().and_then(of),
    };
    found.ok_or_else(|| outputs.iter().map(|(_, system)| system.to_string()).collect::<Vec<_>>().join(", "))
}

/// The files whose texts are read: the output's own description, each `package.json` that an installer looks at, and texts of licences
/// beside them. Files are not read beyond what all of them may have together.
fn wanted(listing: &Listing) -> BTreeSet<String> {
    let sizes = listing.entries().iter().filter_map(|entry| match entry.kind {
        bundle::Kind::File { size, .. } => Some((entry.path.as_str(), size)),
        _ => None,
    });
    let mut left = MAX_TEXTS;
    let mut wanted = BTreeSet::new();
    for (path, size) in sizes {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let bound = if path == builder::layout::CONTENTS { MAX_CONTENTS } else { MAX_TEXT };
        let is_wanted = path == builder::layout::CONTENTS
            || (name == "package.json" && (is_package(directory) || !directory.contains("node_modules")))
            || (is_licence(name)
                && (is_package(directory) || directory.starts_with("lib/opencode/libc/doc/")));
        if is_wanted && size <= bound.min(left) {
            left -= size;
            wanted.insert(path.to_owned());
        }
    }
    wanted
}

/// Whether an installer puts a package into this directory: `…/node_modules/NAME` or `…/node_modules/@SCOPE/NAME`.
pub(crate) fn is_package(directory: &str) -> bool {
    package_name(directory).is_some()
}

/// The name that a package has where it lies.
pub(crate) fn package_name(directory: &str) -> Option<&str> {
    let (before, name) = directory.rsplit_once("node_modules/")?;
    if !(before.is_empty() || before.ends_with('/')) {
        return None;
    }
    let parts = name.split('/').count();
    let scoped = name.starts_with('@');
    (!name.is_empty() && !name.starts_with('.') && ((scoped && parts == 2) || (!scoped && parts == 1)))
        .then_some(name)
}

/// Whether a file holds terms, by its name.
pub(crate) fn is_licence(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let code = [".js", ".ts", ".json", ".mjs", ".cjs", ".map"].iter().any(|end| name.ends_with(end));
    !code && LICENCE_NAMES.iter().any(|start| name.starts_with(start))
}

/// Keeps the texts that are wanted while a bundle goes by: by hash, since one that is there twice comes once.
struct Texts<'l> {
    listings: Vec<BTreeMap<&'l str, Sha256>>,
    wanted: BTreeSet<Sha256>,
    current: Option<(Sha256, Vec<u8>)>,
    found: BTreeMap<Sha256, Vec<u8>>,
}

impl<'l> Texts<'l> {
    fn new(listings: &'l [Listing], of: &Listing, wanted: &BTreeSet<String>) -> Self {
        let hashes = |listing: &'l Listing| listing.entries().iter().filter_map(hash).collect();
        let wanted = of.entries().iter().filter_map(hash).filter(|(path, _)| wanted.contains(*path));
        Self {
            listings: listings.iter().map(hashes).collect(),
            wanted: wanted.map(|(_, hash)| hash).collect(),
            current: None,
            found: BTreeMap::new(),
        }
    }
}

fn hash(entry: &bundle::Entry) -> Option<(&str, Sha256)> {
    match entry.kind {
        bundle::Kind::File { hash, .. } => Some((entry.path.as_str(), hash)),
        _ => None,
    }
}

impl Sink for Texts<'_> {
    fn directory(&mut self, _: bundle::Place<'_>) -> tree::Result<()> {
        Ok(())
    }

    fn file(&mut self, place: bundle::Place<'_>, _: u64, _: bool) -> tree::Result<()> {
        let hash = self.listings.get(place.number).and_then(|listing| listing.get(place.path));
        self.current = hash.filter(|hash| self.wanted.contains(hash)).map(|hash| (*hash, Vec::new()));
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> tree::Result<()> {
        if let Some((_, text)) = &mut self.current {
            text.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn file_ends(&mut self) -> tree::Result<()> {
        self.found.extend(self.current.take());
        Ok(())
    }

    fn same(&mut self, _: bundle::Place<'_>, _: bundle::Place<'_>) -> tree::Result<()> {
        Ok(())
    }

    fn link(&mut self, _: bundle::Place<'_>, _: &str) -> tree::Result<()> {
        Ok(())
    }
}
