//! A tree that goes into a bundle: where it lies, what it holds, and what the index tells of it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use bundle::{Contents as Bytes, Listing, Part, Role, Sha256};
use lock::RelPath;
use tree::StorePath;

use super::Error;
use crate::contents::Contents;

/// One tree.
#[derive(Debug, Clone)]
pub(super) struct Source {
    root: PathBuf,
    listing: Listing,
    part: Part,
}

/// All of them, in the order that an index has.
#[derive(Debug, Clone)]
pub(super) struct Sources(Vec<Source>);

impl Source {
    /// An output of `build`, every byte of which is what its name says.
    pub(super) fn output(path: &Path) -> Result<Self, Error> {
        let stored = StorePath::resolve(path)?;
        let root = stored.path().to_path_buf();
        let contents = Contents::read(&root)?;
        // Both read everything: side by side they wait for the disk once.
        let (verified, listing) = std::thread::scope(|scope| {
            let verified = scope.spawn(|| stored.verify());
            let listing = listing(&root);
            (verified.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), listing)
        });
        verified.map_err(|error| match error {
            tree::Error::Damaged { path, .. } if tree::store::is_of_nix(&path) => Error::MadeByNix { path },
            error => error.into(),
        })?;
        let listing = listing?;
        let text = listing.to_text();
        let facts = [
            ("opencode", contents.opencode.to_string()),
            ("profile", contents.profile),
            ("lock", contents.lock),
        ];
        let part = Part {
            system: contents.system,
            role: Role::Output,
            digest: stored.digest(),
            listing: Sha256::of(text.as_bytes()),
            listing_size: text.len() as u64,
            size: listing.size(),
            base: None,
            facts: BTreeMap::from(facts.map(|(word, value)| (word.to_owned(), value))),
        };
        Ok(Self { root, listing, part })
    }
}

fn listing(root: &Path) -> Result<Listing, Error> {
    let failed = |source| Error::Bundle { verb: "list", path: root.to_path_buf(), source };
    Listing::of(&tree::scan(root)?).map_err(failed)
}

impl Sources {
    /// The same tree that is named twice is there once.
    pub(super) fn new(mut sources: Vec<Source>) -> Self {
        let order = |source: &Source| (source.part.system, source.part.role, source.part.digest);
        sources.sort_by_key(order);
        sources.dedup_by_key(|source| order(source));
        Self(sources)
    }

    pub(super) fn parts(&self) -> Vec<Part> {
        self.0.iter().map(|source| source.part.clone()).collect()
    }

    pub(super) fn listings(&self) -> Vec<Listing> {
        self.0.iter().map(|source| source.listing.clone()).collect()
    }

    /// What a bundle of them is called where nobody says: the version and the system, where there is one of each.
    pub(super) fn file_name(&self) -> String {
        let outputs = || self.0.iter().map(|source| &source.part).filter(|part| part.role == Role::Output);
        let one = |mut words: Vec<String>| {
            words.dedup();
            if words.len() == 1 { words.pop() } else { None }
        };
        let version = one(outputs().filter_map(|part| part.facts.get("opencode").cloned()).collect());
        let system = one(outputs().map(|part| part.system.to_string()).collect());
        let words: Vec<_> = [Some("opencode".to_owned()), version, system].into_iter().flatten().collect();
        format!("{}.bundle", words.join("-"))
    }
}

impl Bytes for Sources {
    fn open(&self, part: usize, path: &RelPath) -> tree::Result<Box<dyn Read + '_>> {
        let root = self.0.get(part).map(|source| source.root.as_path()).unwrap_or(Path::new(""));
        Ok(Box::new(tree::open_file(&root.join(path.as_str()))?))
    }
}
