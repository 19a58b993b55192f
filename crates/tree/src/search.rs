//! The proof that a string occurs nowhere in a tree: not in a file, not in a link's target, not in
//! a name. Reads plain bytes: what is compressed or encoded is not looked into.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use memchr::memmem::Finder;

use crate::error::{At, Result};
use crate::scan::{Entry, Kind, Tree, open_file, scan};
use crate::settle::threads;

/// Bytes searched at once.
const BUFFER: usize = 256 * 1024;

/// Where a string was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The entry, relative to the tree's root.
    pub path: PathBuf,
    /// The index of the string among those that were looked for.
    pub needle: usize,
    /// In what part of the entry.
    pub place: Place,
}

/// The part of an entry that holds a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Its own name.
    Name,
    /// The target of a link.
    Target,
    /// The bytes of a file.
    Content,
}

/// Looks for `needles` in every name, link target and file of the tree at `root`; gives the first
/// entry, in the order of the listing, that holds one. An empty needle is found at once.
///
/// # Errors
/// What [`scan`] refuses, and [`Error::Io`](crate::Error::Io) on reading a file.
pub fn contains_bytes(root: &Path, needles: &[&[u8]]) -> Result<Option<Found>> {
    search(&scan(root)?, needles)
}

/// As [`contains_bytes`], on a tree that was already listed.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) on reading a file.
pub fn search(tree: &Tree, needles: &[&[u8]]) -> Result<Option<Found>> {
    let job = Job { tree, needles: needles.iter().map(Finder::new).collect(), next: AtomicUsize::new(0) };
    let results: Vec<Result<Option<(usize, Found)>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads()).map(|_| scope.spawn(|| job.run())).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut first: Option<(usize, Found)> = None;
    for result in results {
        if let Some((index, found)) = result?
            && first.as_ref().is_none_or(|(lowest, _)| index < *lowest)
        {
            first = Some((index, found));
        }
    }
    Ok(first.map(|(_, found)| found))
}

struct Job<'a> {
    tree: &'a Tree,
    needles: Vec<Finder<'a>>,
    /// The first entry that no worker has taken.
    next: AtomicUsize,
}

impl Job<'_> {
    /// Takes entries until one holds a needle. Entries are taken in order, so what the other
    /// workers still have in hand lies before or right after: the lowest index of all wins.
    fn run(&self) -> Result<Option<(usize, Found)>> {
        let mut buffer = Vec::new();
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = self.tree.entries().get(index) else {
                return Ok(None);
            };
            if let Some((needle, place)) = self.entry(entry, &mut buffer)? {
                let path = entry.path.clone();
                return Ok(Some((index, Found { path, needle, place })));
            }
        }
    }

    fn entry(&self, entry: &Entry, buffer: &mut Vec<u8>) -> Result<Option<(usize, Place)>> {
        let name = entry.path.file_name().unwrap_or_default();
        if let Some(needle) = self.find(name.as_bytes()) {
            return Ok(Some((needle, Place::Name)));
        }
        match &entry.kind {
            Kind::Directory => Ok(None),
            Kind::Link { target } => {
                let needle = self.find(target.as_os_str().as_bytes());
                Ok(needle.map(|needle| (needle, Place::Target)))
            }
            Kind::File { .. } => {
                let needle = self.file(&self.tree.locate(entry), buffer)?;
                Ok(needle.map(|needle| (needle, Place::Content)))
            }
        }
    }

    fn file(&self, path: &Path, buffer: &mut Vec<u8>) -> Result<Option<usize>> {
        let longest = self.needles.iter().map(|needle| needle.needle().len()).max();
        let overlap = longest.unwrap_or(0).saturating_sub(1);
        buffer.resize(overlap + BUFFER, 0);
        let mut file = open_file(path)?;
        let mut kept = 0;
        loop {
            let read = file.read(&mut buffer[kept..]).at("read", path)?;
            if read == 0 {
                return Ok(None);
            }
            let filled = kept + read;
            if let Some(needle) = self.find(&buffer[..filled]) {
                return Ok(Some(needle));
            }
            // What a needle may have begun in stays for the next round.
            kept = overlap.min(filled);
            buffer.copy_within(filled - kept..filled, 0);
        }
    }

    fn find(&self, text: &[u8]) -> Option<usize> {
        self.needles.iter().position(|needle| needle.find(text).is_some())
    }
}
