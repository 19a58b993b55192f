//! A binary cache in a directory: `nix-cache-info`, `DIGEST.narinfo` for each path, and `nar/FILEHASH.nar.zst`.
//!
//! A narinfo appears after the NAR that it names, each by one rename, so that whoever reads the directory meanwhile (or after a
//! power cut) finds whole paths only. What Nix or others have put beside is left alone.

mod check;
mod nar;
mod write;

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tree::atomic;

pub use check::{Problem, Report};
pub use write::{Added, Content, Item};

use crate::error::{At as _, Error, Result};
use crate::narinfo::{self, NarInfo};
use crate::path::{STORE, StorePath};

/// What makes a directory a cache.
const INFO: &str = "nix-cache-info";

/// The directory of packed NARs.
const NARS: &str = "nar";

/// The end of the names of narinfos.
const NARINFO: &str = ".narinfo";

/// The most that is read of a `nix-cache-info`, in bytes; Nix's own has 21.
const LONGEST_INFO: u64 = 64 * 1024;

/// A cache.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// The right to write to a cache: one process at a time has it.
struct Writing {
    _locked: File,
}

impl Cache {
    /// Whether a directory is a cache, by what lies in it.
    pub fn is_at(path: &Path) -> bool {
        path.join(INFO).is_file()
    }

    /// The cache that is there.
    ///
    /// # Errors
    /// [`Error::NoCache`], [`Error::OtherStore`], [`Error::Io`].
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join(INFO);
        if !Self::is_at(root) {
            return Err(Error::NoCache { path: root.to_path_buf() });
        }
        let text = read_text(&path, LONGEST_INFO)?;
        let store = text.lines().find_map(|line| line.strip_prefix("StoreDir: "));
        if store != Some(STORE) {
            return Err(Error::OtherStore { path });
        }
        Ok(Self { root: root.to_path_buf() })
    }

    /// The cache that is there, or a new one.
    ///
    /// # Errors
    /// [`Error::OtherStore`], [`Error::Io`], [`Error::Tree`].
    pub fn create(root: &Path) -> Result<Self> {
        fs::create_dir_all(root.join(NARS)).at("create", root)?;
        if !Self::is_at(root) {
            atomic::write_file(&root.join(INFO), narinfo::cache_info().as_bytes(), 0o644)?;
        }
        Self::open(root)
    }

    /// Where it lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the cache says of a path; `None` where it does not have it, or says nothing that makes sense.
    fn told(&self, path: &StorePath) -> Option<NarInfo> {
        let text =
            read_text(&self.root.join(format!("{}{NARINFO}", path.digest())), narinfo::LONGEST).ok()?;
        text.parse().ok().filter(|info: &NarInfo| info.store_path == *path)
    }

    /// Waits until nobody else writes, and removes what killed writers left.
    fn write(&self) -> Result<Writing> {
        let root = File::open(&self.root).at("open", &self.root)?;
        flock(&root, FlockOperation::LockExclusive).at("lock", &self.root)?;
        for directory in [self.root.clone(), self.root.join(NARS)] {
            for entry in fs::read_dir(&directory).at("list", &directory)? {
                let path = entry.at("list", &directory)?.path();
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if name.starts_with('.') && name.ends_with(atomic::ASIDE_SUFFIX) {
                    fs::remove_file(&path).at("remove", &path)?;
                }
            }
        }
        Ok(Writing { _locked: root })
    }
}

/// A whole small file, links not followed.
fn read_text(path: &Path, most: u64) -> Result<String> {
    let file = tree::open_file(path)?;
    let mut text = String::new();
    let count = match file.take(most + 1).read_to_string(&mut text) {
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(not_text(path, "it is no text")),
        read => read.at("read", path),
    }?;
    if count as u64 > most {
        return Err(not_text(path, "it is too long"));
    }
    Ok(text)
}

fn not_text(path: &Path, why: &'static str) -> Error {
    let source = std::io::Error::new(ErrorKind::InvalidData, why);
    Error::Io { verb: "read", path: path.to_path_buf(), source }
}
