//! Which of a bundle's trees become directories. Trees of other systems do not; what wanted ones share with them, and come to be told
//! of only there, is kept aside until they ask for it.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bundle::{Front, Kind, Place, Restoring, Sha256, Sink};

/// Where the trees of a bundle go.
pub(crate) struct Sorting<'a> {
    front: &'a Front,
    restoring: Restoring,
    /// Of each tree of the index, where it becomes a directory.
    roots: Vec<Option<PathBuf>>,
    /// An empty directory for what is kept aside.
    pool: &'a Path,
    /// Contents of wanted trees.
    needed: HashSet<Sha256>,
    /// Contents of trees that are not wanted, by tree and path; only needed ones.
    shared: HashMap<(usize, &'a str), Sha256>,
    /// What is kept aside already.
    kept: HashSet<Sha256>,
    /// What is being kept aside.
    file: Option<(File, PathBuf)>,
    /// Whether the file under way is one of a wanted tree.
    is_wanted: bool,
}

impl<'a> Sorting<'a> {
    pub(crate) fn new(front: &'a Front, roots: Vec<Option<PathBuf>>, pool: &'a Path) -> Self {
        let is_wanted = |number: usize| roots.get(number).is_some_and(Option::is_some);
        let files = |wanted: bool| {
            let trees =
                front.listings.iter().enumerate().filter(move |(number, _)| is_wanted(*number) == wanted);
            trees.flat_map(|(number, listing)| listing.entries().iter().map(move |entry| (number, entry)))
        };
        let hash = |kind: &Kind| match kind {
            Kind::File { hash, size, .. } if *size > 0 => Some(*hash),
            _ => None,
        };
        let needed: HashSet<_> = files(true).filter_map(|(_, entry)| hash(&entry.kind)).collect();
        let others = files(false).filter_map(|(number, entry)| {
            let hash = hash(&entry.kind).filter(|hash| needed.contains(hash))?;
            Some(((number, entry.path.as_str()), hash))
        });
        let shared = others.collect();
        let restoring = Restoring::new(roots.clone());
        let (kept, file) = (HashSet::new(), None);
        Self { front, restoring, roots, pool, needed, shared, kept, file, is_wanted: false }
    }

    fn has(&self, place: Place<'_>) -> bool {
        self.roots.get(place.number).is_some_and(Option::is_some)
    }

    fn aside(&self, hash: Sha256) -> PathBuf {
        self.pool.join(hash.to_string())
    }
}

impl Sink for Sorting<'_> {
    fn directory(&mut self, place: Place<'_>) -> tree::Result<()> {
        self.restoring.directory(place)
    }

    fn file(&mut self, place: Place<'_>, size: u64, executable: bool) -> tree::Result<()> {
        self.file = None;
        self.is_wanted = self.has(place);
        if self.is_wanted {
            return self.restoring.file(place, size, executable);
        }
        let hash = self.shared.get(&(place.number, place.path)).copied();
        let Some(hash) = hash.filter(|hash| self.needed.contains(hash) && self.kept.insert(*hash)) else {
            return Ok(());
        };
        let path = self.aside(hash);
        self.file = Some((create(&path, false)?, path));
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> tree::Result<()> {
        if self.is_wanted {
            return self.restoring.content(bytes);
        }
        match &mut self.file {
            Some((file, path)) => file.write_all(bytes).map_err(|source| failed("write", path, source)),
            None => Ok(()),
        }
    }

    fn file_ends(&mut self) -> tree::Result<()> {
        self.file = None;
        self.restoring.file_ends()
    }

    fn same(&mut self, place: Place<'_>, first: Place<'_>) -> tree::Result<()> {
        if !self.has(place) || self.has(first) {
            return self.restoring.same(place, first);
        }
        let Some(root) = self.roots.get(place.number).and_then(Option::as_ref) else { return Ok(()) };
        let path = root.join(place.path);
        let Some(hash) = self.shared.get(&(first.number, first.path)) else {
            let source =
                io::Error::new(io::ErrorKind::NotFound, "what it is the same as was not told before");
            return Err(failed("create", &path, source));
        };
        let mut from = tree::open_file(&self.aside(*hash))?;
        let mut to = create(&path, self.is_executable(place))?;
        io::copy(&mut from, &mut to).map_err(|source| failed("write", &path, source)).map(drop)
    }

    fn link(&mut self, place: Place<'_>, target: &str) -> tree::Result<()> {
        self.restoring.link(place, target)
    }
}

impl Sorting<'_> {
    fn is_executable(&self, place: Place<'_>) -> bool {
        let entries = self.front.listings.get(place.number).map_or(&[][..], |listing| listing.entries());
        let wanted = place.path.split('/');
        let found = entries.binary_search_by(|entry| entry.path.components().cmp(wanted.clone()));
        let kind = found.ok().and_then(|at| entries.get(at)).map(|entry| &entry.kind);
        matches!(kind, Some(Kind::File { executable: true, .. }))
    }
}

fn create(path: &Path, executable: bool) -> tree::Result<File> {
    let mode = if executable { 0o555 } else { 0o444 };
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.map_err(|source| failed("create", path, source))
}

fn failed(verb: &'static str, path: &Path, source: io::Error) -> tree::Error {
    tree::Error::Io { verb, path: path.to_path_buf(), source }
}
