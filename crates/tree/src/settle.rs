//! Raw tree → canonical tree. What is kept, dropped or replaced is the caller's rule; modes, times
//! and order are the same for all. Never changes the raw tree, never invents an entry.
//!
//! First the whole plan, as a value; then the copy, with a thread per directory in hand. Each
//! directory's entries are made in order by one thread, so that the order of a plain listing does
//! not depend on the machine either.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::canonical::{seal_directory, seal_file, seal_link};
use crate::error::{At, Error, Result};
use crate::remove::remove_tree;
use crate::scan::{Entry, Kind, Tree, locate, open_file, scan, stays_inside};

/// Threads for a tree at most: the work is system calls on one file system, more do not help.
const MAX_THREADS: usize = 4;

/// Files up to this many bytes are copied through memory, in one read and one write; larger ones
/// by the kernel (`copy_file_range`, a reflink where the file system has them).
const SMALL: u64 = 64 * 1024;

/// What is to become of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is part of the canonical tree.
    Keep,
    /// It is not, and neither is anything below it.
    Drop,
    /// It is a file with these bytes instead; its executable bit stays.
    Replace(Vec<u8>),
}

/// What a rule may fail with.
pub type RuleError = Box<dyn std::error::Error + Send + Sync>;

/// Decides about one entry of the raw tree; [`Entry::path`] is relative to its root. Asked once per
/// entry, in the order of the listing, never about the root or below what was dropped.
pub type Rule<'a> = dyn Fn(&Entry) -> std::result::Result<Verdict, RuleError> + 'a;

/// What a copy came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Entries of the canonical tree, its root included.
    pub entries: usize,
    /// Bytes in its files.
    pub bytes: u64,
}

/// Copies the directory `raw` to `canonical`, which must not be there or be an empty directory; its
/// parent must be there. On an error nothing of `canonical` is left.
///
/// # Errors
/// What [`scan`] refuses in `raw`; [`Error::Rule`]; [`Error::NotAFile`] for a replaced directory or
/// link; [`Error::LinkLeaves`] for a kept link that is absolute or leads out; [`Error::Exists`];
/// [`Error::Changed`]; [`Error::Io`].
pub fn copy_canonical(raw: &Path, canonical: &Path, rule: &Rule<'_>) -> Result<Settled> {
    let tree = scan(raw)?;
    let plan = Plan::new(&tree, rule)?;
    make_root(canonical)?;
    match plan.write(canonical) {
        Ok(settled) => Ok(settled),
        Err(error) => {
            // The first error is the one to tell; what cannot be removed now is in the way later.
            let _ = remove_tree(canonical);
            Err(error)
        }
    }
}

/// How many threads pay for file work on this machine.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(MAX_THREADS))
}

fn make_root(path: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let exists = || Error::Exists { path: path.to_path_buf() };
            let metadata = fs::symlink_metadata(path).at("read", path)?;
            let empty = metadata.is_dir() && fs::read_dir(path).at("list", path)?.next().is_none();
            empty.then_some(()).ok_or_else(exists)
        }
        created => created.at("create", path),
    }
}

/// A directory to be, and what is made in it: positions in the listing.
struct Planned<'a> {
    path: &'a Path,
    leaves: Vec<Leaf<'a>>,
}

/// A file or link to be.
enum Leaf<'a> {
    Copy { path: &'a Path, executable: bool, size: u64 },
    Write { path: &'a Path, executable: bool, bytes: Vec<u8> },
    Link { path: &'a Path, target: &'a Path },
}

struct Plan<'a> {
    raw: &'a Path,
    /// The root first, a directory before those in it.
    directories: Vec<Planned<'a>>,
}

impl<'a> Plan<'a> {
    fn new(tree: &'a Tree, rule: &Rule<'_>) -> Result<Self> {
        let mut plan = Self { raw: tree.root(), directories: Vec::new() };
        // The directories from the root to where the listing is, as positions in the plan.
        let mut open: Vec<usize> = Vec::new();
        let mut dropped: Option<&Path> = None;
        for entry in tree.entries() {
            if dropped.is_some_and(|path| entry.path.starts_with(path)) {
                continue;
            }
            let is_root = entry.path.as_os_str().is_empty();
            let verdict = if is_root { Verdict::Keep } else { ask(rule, entry)? };
            if verdict == Verdict::Drop {
                dropped = Some(&entry.path);
                continue;
            }
            open.truncate(entry.depth());
            match Leaf::new(tree, entry, verdict)? {
                Some(leaf) => match open.last() {
                    Some(parent) => plan.directories[*parent].leaves.push(leaf),
                    // Only the root has no parent: it is not a directory.
                    None => return Err(not_a_directory(tree.root())),
                },
                None => {
                    open.push(plan.directories.len());
                    plan.directories.push(Planned { path: &entry.path, leaves: Vec::new() });
                }
            }
        }
        Ok(plan)
    }

    fn write(&self, canonical: &Path) -> Result<Settled> {
        for directory in self.directories.iter().skip(1) {
            let path = canonical.join(directory.path);
            DirBuilder::new().mode(0o755).create(&path).at("create", &path)?;
        }
        let bytes = self.fill(canonical)?;
        for directory in self.directories.iter().rev() {
            let path = locate(canonical, directory.path);
            seal_directory(&path).at("seal", &path)?;
        }
        let leaves: usize = self.directories.iter().map(|one| one.leaves.len()).sum();
        Ok(Settled { entries: self.directories.len() + leaves, bytes })
    }

    /// Makes all files and links; gives the bytes written.
    fn fill(&self, canonical: &Path) -> Result<u64> {
        let next = AtomicUsize::new(0);
        let work = || -> Result<u64> {
            let mut buffer = Vec::new();
            let mut bytes = 0;
            while let Some(directory) = self.directories.get(next.fetch_add(1, Ordering::Relaxed)) {
                for leaf in &directory.leaves {
                    bytes += leaf.write(self.raw, canonical, &mut buffer)?;
                }
            }
            Ok(bytes)
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (1..threads()).map(|_| scope.spawn(work)).collect();
            let mine = work();
            workers.into_iter().fold(mine, |sum, worker| {
                let theirs = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                Ok(sum? + theirs?)
            })
        })
    }
}

fn ask(rule: &Rule<'_>, entry: &Entry) -> Result<Verdict> {
    rule(entry).map_err(|source| Error::Rule { path: entry.path.clone(), source })
}

fn not_a_directory(path: &Path) -> Error {
    Error::Io { verb: "list", path: path.to_path_buf(), source: io::ErrorKind::NotADirectory.into() }
}

impl<'a> Leaf<'a> {
    /// `None` for a directory.
    fn new(tree: &Tree, entry: &'a Entry, verdict: Verdict) -> Result<Option<Self>> {
        let path = entry.path.as_path();
        Ok(Some(match (&entry.kind, verdict) {
            (Kind::File { executable, .. }, Verdict::Replace(bytes)) => {
                Leaf::Write { path, executable: *executable, bytes }
            }
            (_, Verdict::Replace(_)) => return Err(Error::NotAFile { path: path.to_path_buf() }),
            (Kind::File { executable, size }, _) => Leaf::Copy { path, executable: *executable, size: *size },
            (Kind::Link { target }, _) if !stays_inside(path, target) => {
                return Err(Error::LinkLeaves { path: tree.locate(entry), target: target.clone() });
            }
            (Kind::Link { target }, _) => Leaf::Link { path, target },
            (Kind::Directory, _) => return Ok(None),
        }))
    }

    fn write(&self, raw: &Path, canonical: &Path, buffer: &mut Vec<u8>) -> Result<u64> {
        match self {
            Self::Copy { path, executable, size } => {
                let (from, to) = (raw.join(path), canonical.join(path));
                copy_file(&from, &to, *size, *executable, buffer)?;
                Ok(*size)
            }
            Self::Write { path, executable, bytes } => {
                let to = canonical.join(path);
                let mut file = create(&to)?;
                file.write_all(bytes).at("write", &to)?;
                seal_file(&file, *executable).at("seal", &to)?;
                Ok(bytes.len() as u64)
            }
            Self::Link { path, target } => {
                let to = canonical.join(path);
                std::os::unix::fs::symlink(target, &to).at("create", &to)?;
                seal_link(&to).at("seal", &to)?;
                Ok(0)
            }
        }
    }
}

fn create(path: &Path) -> Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).at("create", path)
}

fn copy_file(from: &Path, to: &Path, size: u64, executable: bool, buffer: &mut Vec<u8>) -> Result<()> {
    let mut source = open_file(from)?;
    let mut target = create(to)?;
    let copied = if size <= SMALL {
        buffer.clear();
        // One byte more than was listed, to see that the file has not grown.
        (&mut source).take(size + 1).read_to_end(buffer).at("read", from)?;
        target.write_all(buffer).at("write", to)?;
        buffer.len() as u64
    } else {
        io::copy(&mut source, &mut target).at("copy", to)?
    };
    if copied != size {
        return Err(Error::Changed { path: from.to_path_buf() });
    }
    seal_file(&target, executable).at("seal", to)
}
