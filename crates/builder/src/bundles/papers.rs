//! What goes along for those who approve an output: files that somebody makes who knows how to tell of bytes, as a tree of its own.
//!
//! It is never told as what differs from an older one, which nobody need have kept: it is small, and what its files share with the output
//! (the licences' texts) is in a bundle once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bundle::index::OUTPUT;
use bundle::{Listing, Part, Role};
use tempfile::TempDir;

use super::source::{Source, Sources};
use super::{Error, tool};

/// An output, and what a bundle has beside it.
#[derive(Debug)]
pub struct Told<'a> {
    /// Where it lies.
    pub root: &'a Path,
    /// Which it is.
    pub part: &'a Part,
    /// What lies there.
    pub listing: &'a Listing,
    /// The other trees for its system.
    pub beside: Vec<(&'a Part, &'a Listing)>,
    /// The program that the bundle begins with; empty where there is none.
    pub program: &'a [u8],
}

/// The files of the tree for an output, by path.
type Making = dyn Fn(&Told<'_>) -> Result<BTreeMap<String, Vec<u8>>, Box<dyn std::error::Error + Send + Sync>>
    + Send
    + Sync;

/// Who makes them.
#[derive(Clone)]
pub struct Papers(pub Arc<Making>);

impl fmt::Debug for Papers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Papers")
    }
}

impl Papers {
    /// Adds the tree of each output. The directories are where they lie, as long as those are there.
    pub(super) fn add(&self, sources: &mut Sources, program: &[u8]) -> Result<Vec<TempDir>, Error> {
        let (mut places, mut added) = (Vec::new(), Vec::new());
        for output in sources.0.iter().filter(|source| source.part.role == Role::Output) {
            let (place, source) = self.of(output, sources, program)?;
            places.push(place);
            added.push(source);
        }
        *sources = Sources::new(sources.0.drain(..).chain(added).collect());
        Ok(places)
    }

    fn of(&self, output: &Source, all: &Sources, program: &[u8]) -> Result<(TempDir, Source), Error> {
        let others = all.0.iter().filter(|other| other.part.system == output.part.system);
        let beside =
            others.filter(|other| other.part.role != Role::Output).map(|other| (&other.part, &other.listing));
        let (root, part, listing) = (output.root.as_path(), &output.part, &output.listing);
        let told = Told { root, part, listing, beside: beside.collect(), program };
        let files = (self.0)(&told).map_err(|source| Error::Papers { path: root.to_path_buf(), source })?;
        let failed = |source| tree::Error::Io { verb: "write", path: std::env::temp_dir(), source };
        let place = tempfile::Builder::new().prefix("opencode-cache-papers-").tempdir().map_err(failed)?;
        let tree = place.path().join("tree");
        files.iter().try_for_each(|(name, bytes)| tool::put(&tree, name, bytes, 0o644))?;
        let mut source = Source::tree(&tree, output.part.system, Role::Papers)?;
        source.part.facts.insert(OUTPUT.to_owned(), output.part.digest.to_string());
        Ok((place, source))
    }
}
