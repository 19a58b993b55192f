//! What a delta is made against: the trees of an older bundle, unpacked where nobody else looks, or an older output.

use std::io::Read;
use std::path::{Path, PathBuf};

use bundle::{Bases, Listing, Part};
use lock::RelPath;
use tree::{Digest, Staging, Store};

use super::source::Source;
use super::{Error, unpacked};

/// The older trees.
#[derive(Debug)]
pub(super) struct Older {
    pub(super) sources: Vec<Source>,
    /// Where they lie, where they had to be unpacked.
    _staging: Option<Staging>,
}

impl Older {
    /// Of a bundle, or of an output. A bundle that is a delta itself needs what it was made against, in one of `stores`, of which the
    /// first is ours to unpack in.
    pub(super) fn at(path: &Path, stores: &[PathBuf]) -> Result<Self, Error> {
        if path.is_dir() {
            return Ok(Self { sources: vec![Source::output(path)?], _staging: None });
        }
        let failed = |source| Error::Bundle { verb: "read", path: path.to_path_buf(), source };
        let mut bundle = bundle::open(path).map_err(failed)?;
        bundle.check().map_err(failed)?;
        let held = Held(stores);
        let front = bundle.front(&held).map_err(failed)?;
        let store = stores.first().cloned().unwrap_or_else(std::env::temp_dir);
        let staging = Store::at(store)?.staging()?;
        let roots = unpacked::unpack(&mut bundle, &front, &held, staging.path()).map_err(failed)?;
        let all = front.index.parts.iter().zip(&front.listings).zip(roots);
        let sources =
            all.map(|((part, listing), root)| Source::unpacked(root, listing.clone(), part.clone()));
        Ok(Self { sources: sources.collect(), _staging: Some(staging) })
    }

    /// The older tree that is for the same as a new one.
    pub(super) fn of(&self, part: &Part) -> Option<&Source> {
        self.sources.iter().find(|source| (source.part.system, source.part.role) == (part.system, part.role))
    }
}

/// Where what a delta was made against may lie: stores, and the trees of an older bundle or output.
#[derive(Debug)]
pub struct Against {
    stores: Vec<PathBuf>,
    /// What was unpacked is there as long as this is.
    _older: Option<Older>,
}

impl Against {
    /// Stores, of which the first is ours to unpack in, and what is named beside them.
    ///
    /// # Errors
    /// What is named cannot be read, or is none.
    pub fn find(since: Option<&Path>, stores: &[PathBuf]) -> Result<Self, Error> {
        let older = since.map(|path| Older::at(path, stores)).transpose()?;
        let trees = older.iter().flat_map(|older| &older.sources);
        let beside = trees.filter_map(|source| source.root.parent().map(Path::to_path_buf));
        Ok(Self { stores: stores.iter().cloned().chain(beside).collect(), _older: older })
    }
}

impl Bases for Against {
    fn listing(&self, digest: &Digest) -> tree::Result<Option<Listing>> {
        Held(&self.stores).listing(digest)
    }

    fn open(&self, digest: &Digest, path: &RelPath) -> tree::Result<Box<dyn Read + '_>> {
        Held(&self.stores).file(digest, path)
    }
}

/// Stores in which the trees may lie that a delta is made against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held<'a>(pub(crate) &'a [PathBuf]);

impl Held<'_> {
    fn find(&self, digest: &Digest) -> Option<PathBuf> {
        self.0
            .iter()
            .map(|store| store.join(digest.file_name()))
            .find(|path| path.symlink_metadata().is_ok_and(|found| found.is_dir()))
    }

    fn file(&self, digest: &Digest, path: &RelPath) -> tree::Result<Box<dyn Read + 'static>> {
        let root = self.find(digest).unwrap_or_else(|| digest.file_name().into());
        Ok(Box::new(tree::open_file(&root.join(path.as_str()))?))
    }
}

impl Bases for Held<'_> {
    fn listing(&self, digest: &Digest) -> tree::Result<Option<Listing>> {
        let Some(path) = self.find(digest) else { return Ok(None) };
        match Listing::of(&tree::scan(&path)?) {
            Ok(listing) => Ok(Some(listing)),
            Err(bundle::Error::Tree(error)) => Err(error),
            // No bundle was ever made of it, or against it.
            Err(_) => Ok(None),
        }
    }

    fn open(&self, digest: &Digest, path: &RelPath) -> tree::Result<Box<dyn Read + '_>> {
        self.file(digest, path)
    }
}
