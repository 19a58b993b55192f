//! The trees that a delta is made against: those of the store, fitted ones as what they were. What they give is checked by whoever
//! reads the delta.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use bundle::{Bases, Entry, Hasher, Kind, Listing, Sha256};
use fit::{BINARY, Edit, Undone};
use lock::RelPath;
use tree::Digest;

use crate::error::Result;
use crate::generation;
use crate::place::Place;

/// Bytes read at once where they are only hashed.
const BUFFER: usize = 256 * 1024;

/// The store's trees, by the digests that bundles call them by.
#[derive(Debug)]
pub(crate) struct Stored {
    root: PathBuf,
    /// Fitted outputs: what they are called in the store, and what was changed.
    fitted: BTreeMap<Digest, (Digest, Vec<Edit>)>,
}

impl Stored {
    pub(crate) fn of(place: &Place) -> Result<Self> {
        let generations = generation::all(place)?;
        let trees = generations.into_iter().flat_map(|generation| generation.record.trees.into_values());
        let fitted = trees.filter_map(|tree| {
            let fitted = tree.fitted?;
            Some((tree.digest, (fitted.digest, fitted.edits)))
        });
        Ok(Self { root: place.store(), fitted: fitted.collect() })
    }

    /// Where a tree is, and what was changed in it.
    fn locate(&self, digest: &Digest) -> (PathBuf, &[Edit]) {
        let path = |digest: &Digest| self.root.join(digest.file_name());
        match self.fitted.get(digest) {
            Some((fitted, edits)) if !path(digest).is_dir() => (path(fitted), edits),
            _ => (path(digest), &[]),
        }
    }
}

impl Bases for Stored {
    fn listing(&self, digest: &Digest) -> tree::Result<Option<Listing>> {
        let (path, edits) = self.locate(digest);
        if !path.is_dir() {
            return Ok(None);
        }
        match listing(&path, edits) {
            Ok(listing) => Ok(Some(listing)),
            Err(bundle::Error::Tree(error)) => Err(error),
            // No bundle can hold it, and so it is nobody's base.
            Err(_) => Ok(None),
        }
    }

    fn open(&self, digest: &Digest, path: &RelPath) -> tree::Result<Box<dyn Read + '_>> {
        let (root, edits) = self.locate(digest);
        let file = tree::open_file(&root.join(path.as_str()))?;
        Ok(if path.as_str() == BINARY { Box::new(Undone::new(file, edits)) } else { Box::new(file) })
    }
}

/// The listing of a tree as it was before it was fitted.
pub(crate) fn listing(root: &Path, edits: &[Edit]) -> bundle::Result<Listing> {
    let listing = Listing::of(&tree::scan(root)?)?;
    if edits.is_empty() {
        return Ok(listing);
    }
    let entries = listing.entries().iter().cloned().map(|entry| match entry {
        Entry { path, kind: Kind::File { size, executable, .. } } if path.as_str() == BINARY => {
            let hash = hash(&root.join(BINARY), edits)?;
            Ok(Entry { path, kind: Kind::File { hash, size, executable } })
        }
        other => Ok(other),
    });
    Listing::new(entries.collect::<bundle::Result<_>>()?)
}

fn hash(path: &Path, edits: &[Edit]) -> tree::Result<Sha256> {
    let failed = |source| tree::Error::Io { verb: "read", path: path.to_path_buf(), source };
    let mut file = Undone::new(tree::open_file(path)?, edits);
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}
