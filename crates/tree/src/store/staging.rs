//! A tree on its way into a store. Never visible under a final name before it is complete, and
//! never left behind: dropped, it is removed; killed, the next [`Store::at`](super::Store::at)
//! removes it.
//!
//! A staging directory `.staging-<pid>-<random>` has a file of the same name with `.lock` beside
//! it, which its process holds locked. The kernel gives the lock up with the process, so a locked
//! one is alive and an unlocked one is dead, whatever became of the process number. The lock file
//! is made before the directory and removed after it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::StorePath;
use crate::atomic::sync_directory;
use crate::canonical::canonicalise;
use crate::digest::Digest;
use crate::error::{At, Error, Result};
use crate::nar::{NarHash, hash_tree};
use crate::remove::remove_tree;
use crate::scan::{Tree, scan};

/// How the names of trees begin that are not finished.
const PREFIX: &str = ".staging-";
const LOCK_SUFFIX: &str = ".lock";

/// An unfinished tree: a directory to be filled, then [committed](Staging::commit).
#[derive(Debug)]
pub struct Staging {
    store: PathBuf,
    path: PathBuf,
    lock: Lock,
}

impl Staging {
    pub(super) fn begin(store: &Path) -> Result<Self> {
        let lock = Lock::new(store)?;
        let path = lock.guarded();
        let made = DirBuilder::new().mode(0o755).create(&path).at("create", &path);
        if made.is_err() {
            lock.remove();
        }
        made?;
        Ok(Self { store: store.to_path_buf(), path, lock })
    }

    /// The directory to fill: empty at first, on the store's file system.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the tree canonical, names it by its content, flushes it, and puts it into the store by
    /// one rename. If the store has that digest already, that tree is read again, compared and kept.
    ///
    /// # Errors
    /// What [`scan`] refuses; [`Error::LinkLeaves`]; [`Error::Damaged`] if the tree that the store
    /// has under that digest does not hold what its name promises; [`Error::Io`]. On an error the
    /// staged tree is removed.
    pub fn commit(self) -> Result<StorePath> {
        let tree = scan(&self.path)?;
        tree.check_links()?;
        canonicalise(&tree)?;
        let nar = hash_while_flushing(&tree, &self.store)?;
        let digest = Digest::of(&nar);
        let path = self.store.join(digest.file_name());
        let stored = StorePath { path, digest };
        match fs::rename(&self.path, &stored.path) {
            Ok(()) => sync_directory(&self.store)?,
            Err(error) if is_taken(error.kind()) => same_content(&stored, &nar)?,
            renamed => renamed.at("create", &stored.path)?,
        }
        Ok(stored)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is reaped when the store is opened next.
        if remove_tree(&self.path).is_ok() {
            self.lock.remove();
        }
    }
}

fn same_content(stored: &StorePath, nar: &NarHash) -> Result<()> {
    if stored.verify()? == *nar {
        return Ok(());
    }
    Err(Error::Damaged { path: stored.path.clone(), found: stored.digest })
}

fn is_taken(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists)
}

/// Hashing keeps the processor busy and flushing the disk: both at once, and one flush for the
/// whole file system instead of one per file.
fn hash_while_flushing(tree: &Tree, store: &Path) -> Result<NarHash> {
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| flush_file_system(store));
        let nar = hash_tree(tree);
        flush.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        nar
    })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn flush_file_system(store: &Path) -> Result<()> {
    let directory = File::open(store).at("open", store)?;
    rustix::fs::syncfs(&directory).at("flush the file system of", store)
}

/// Without `syncfs` everything is flushed that the machine has in memory; it cannot fail.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn flush_file_system(_store: &Path) -> Result<()> {
    rustix::fs::sync();
    Ok(())
}

/// Takes a tree's name away, then the tree.
pub(super) fn discard(store: &Path, tree: &Path) -> Result<()> {
    let lock = Lock::new(store)?;
    let aside = lock.guarded();
    match fs::rename(tree, &aside) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        renamed => renamed.at("remove", tree)?,
    }
    remove_tree(&aside)?;
    lock.remove();
    Ok(())
}

/// Removes what dead processes have left in a store.
pub(super) fn reap(store: &Path) -> Result<()> {
    for entry in fs::read_dir(store).at("list", store)? {
        let name = entry.at("list", store)?.file_name();
        if name.as_bytes().starts_with(PREFIX.as_bytes()) {
            reap_one(&store.join(stem(&name)))?;
        }
    }
    Ok(())
}

/// The staging directory's name, of its own or its lock's.
fn stem(name: &OsStr) -> &OsStr {
    let bytes = name.as_bytes();
    OsStr::from_bytes(bytes.strip_suffix(LOCK_SUFFIX.as_bytes()).unwrap_or(bytes))
}

fn reap_one(staging: &Path) -> Result<()> {
    let path = lock_of(staging);
    let file = match OpenOptions::new().read(true).write(true).open(&path) {
        // Without a lock nobody is at work there: a lock outlives its directory.
        Err(error) if error.kind() == ErrorKind::NotFound => return remove_tree(staging),
        file => file.at("open", &path)?,
    };
    let lock = Lock { path, file };
    if lock.acquire()? {
        remove_tree(staging)?;
        lock.remove();
    }
    Ok(())
}

fn lock_of(staging: &Path) -> PathBuf {
    let mut name = OsString::from(staging);
    name.push(LOCK_SUFFIX);
    PathBuf::from(name)
}

/// The locked file that tells a staging directory to be alive.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// A new lock, with a new name. One that a reaper was faster to lock, between its making and
    /// its locking, is left to it.
    fn new(store: &Path) -> Result<Self> {
        loop {
            let (file, path) = tempfile::Builder::new()
                .prefix(&format!("{PREFIX}{}-", std::process::id()))
                .suffix(LOCK_SUFFIX)
                .rand_bytes(10)
                .tempfile_in(store)
                .and_then(|file| file.keep().map_err(|error| error.error))
                .at("create a file in", store)?;
            let lock = Self { path, file };
            if lock.acquire()? {
                return Ok(lock);
            }
        }
    }

    /// The directory that this lock stands for.
    fn guarded(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default();
        self.path.with_file_name(stem(name))
    }

    /// Whether the lock is ours now: nobody else holds it, and it still has its name.
    fn acquire(&self) -> Result<bool> {
        match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(false),
            locked => locked.at("lock", &self.path)?,
        }
        let ours = self.file.metadata().at("read", &self.path)?;
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            found => found
                .at("read", &self.path)
                .map(|found| (found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        }
    }

    fn remove(&self) {
        // Left behind, it is an empty file that the next opening of the store removes.
        let _ = fs::remove_file(&self.path);
    }
}
