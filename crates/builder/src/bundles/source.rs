//! A tree that goes into a bundle: where it lies, what it holds, and what the index tells of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use bundle::{Contents as Bytes, Listing, Marks, Part, Role, Sha256};
use lock::{RelPath, System};
use tree::{Digest, NarHash, StorePath};

use super::Error;
use crate::contents::Contents;

/// One tree.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) root: PathBuf,
    pub(super) listing: Listing,
    pub(super) part: Part,
    /// What it is told as the difference from, where it is.
    pub(super) base: Option<Box<Source>>,
    /// What its files are known by when they are packed.
    pub(super) marks: Marks,
}

/// All of them, in the order that an index has.
#[derive(Debug, Clone)]
pub(super) struct Sources(pub(super) Vec<Source>);

impl Source {
    /// An output of `build`, every byte of which is what its name says.
    pub(super) fn output(path: &Path) -> Result<Self, Error> {
        let stored = StorePath::resolve(path)?;
        let root = stored.path().to_path_buf();
        let contents = Contents::read(&root)?;
        let (listing, nar, marks) = listing(&root)?;
        stored.compare(&nar).map_err(|error| match error {
            tree::Error::Damaged { path, .. } if tree::store::is_of_nix(&path) => Error::MadeByNix { path },
            error => error.into(),
        })?;
        let facts = [
            ("opencode", contents.opencode.to_string()),
            ("profile", contents.profile),
            ("lock", contents.lock),
        ];
        let facts = facts.map(|(word, value)| (word.to_owned(), value)).into();
        let new = Self::new(root, listing, contents.system, Role::Output, stored.digest(), facts);
        Ok(Self { marks, ..new })
    }

    /// A tree that is in no store yet.
    pub(super) fn tree(root: &Path, system: System, role: Role) -> Result<Self, Error> {
        let (listing, nar, marks) = listing(root)?;
        let new = Self::new(root.to_path_buf(), listing, system, role, Digest::of(&nar), BTreeMap::new());
        Ok(Self { marks, ..new })
    }

    /// One that came out of a bundle.
    pub(super) fn unpacked(root: PathBuf, listing: Listing, part: Part) -> Self {
        Self { root, listing, part: Part { base: None, ..part }, base: None, marks: Marks::default() }
    }

    fn new(
        root: PathBuf,
        listing: Listing,
        system: System,
        role: Role,
        digest: Digest,
        facts: BTreeMap<String, String>,
    ) -> Self {
        let text = listing.to_text();
        let (hash, listing_size) = (Sha256::of(text.as_bytes()), text.len() as u64);
        let size = listing.size();
        let part = Part { system, role, digest, listing: hash, listing_size, size, base: None, facts };
        Self { root, listing, part, base: None, marks: Marks::default() }
    }

    /// OpenCode's version, of an output.
    pub(super) fn opencode(&self) -> Option<&str> {
        self.part.facts.get("opencode").map(String::as_str)
    }
}

fn listing(root: &Path) -> Result<(Listing, NarHash, Marks), Error> {
    let failed = |source| Error::Bundle { verb: "list", path: root.to_path_buf(), source };
    Listing::and_nar(&tree::scan(root)?).map_err(failed)
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

    /// What their files are known by.
    pub(super) fn marks(&self) -> Marks {
        let mut marks = Marks::default();
        self.0.iter().for_each(|source| marks.extend(source.marks.clone()));
        marks
    }

    /// As a delta wants them: which trees the target has, in the same order.
    pub(super) fn bases(&self) -> Vec<Option<(Digest, Listing)>> {
        let base = |source: &Source| {
            let base = source.base.as_ref()?;
            Some((base.part.digest, base.listing.clone()))
        };
        self.0.iter().map(base).collect()
    }

    /// The systems that there are outputs for.
    pub(super) fn systems(&self) -> BTreeSet<System> {
        let outputs = self.0.iter().filter(|source| source.part.role == Role::Output);
        outputs.map(|source| source.part.system).collect()
    }

    /// What a bundle of them is called where nobody says: the version and the system, where there is one of each; of a delta the
    /// older version too.
    pub(super) fn file_name(&self) -> String {
        let outputs = || self.0.iter().filter(|source| source.part.role == Role::Output);
        let one = |mut words: Vec<String>| {
            words.dedup();
            if words.len() == 1 { words.pop() } else { None }
        };
        let version = one(outputs().filter_map(|output| output.opencode().map(str::to_owned)).collect());
        let system = one(outputs().map(|output| output.part.system.to_string()).collect());
        let base = outputs().find_map(|output| Some(format!("since-{}", output.base.as_ref()?.opencode()?)));
        let words = [Some("opencode".to_owned()), version, system, base].into_iter().flatten();
        let words: Vec<_> = words.collect();
        format!("{}.bundle", words.join("-"))
    }
}

impl Bytes for Sources {
    fn open(&self, part: usize, path: &RelPath) -> tree::Result<Box<dyn Read + '_>> {
        file(self.0.get(part), path)
    }

    fn open_base(&self, part: usize, path: &RelPath) -> tree::Result<Box<dyn Read + '_>> {
        file(self.0.get(part).and_then(|source| source.base.as_deref()), path)
    }
}

fn file(source: Option<&Source>, path: &RelPath) -> tree::Result<Box<dyn Read>> {
    let root = source.map(|source| source.root.as_path()).unwrap_or(Path::new(""));
    Ok(Box::new(tree::open_file(&root.join(path.as_str()))?))
}
