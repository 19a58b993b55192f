//! Finished trees under the name that their content gives them: `<digest>-opencode-cache`.
//!
//! A store is one directory. A tree is made in a [`Staging`] beside its later place, and appears
//! there, canonical and flushed, by one rename. What has a final name is complete, whatever was
//! killed when. Nothing in a store is ever changed; it is only added and removed as a whole.

mod link;
mod staging;

use std::fs;
use std::path::{Component, Path, PathBuf};

pub use link::set_link;
pub use staging::Staging;

use crate::digest::Digest;
use crate::error::{At, Error, Result};
use crate::nar::{NarHash, nar_hash};

/// A directory of finished trees.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// A finished tree in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorePath {
    path: PathBuf,
    digest: Digest,
}

impl StorePath {
    /// The stored tree that `path` is, or is a link to, such as `result`; in whatever store. Needs no
    /// right to write there. Says nothing of the content: see [`StorePath::verify`].
    ///
    /// # Errors
    /// [`Error::NotInStore`] for a path with another name, or inside a tree; [`Error::Io`].
    pub fn resolve(path: &Path) -> Result<Self> {
        let real = fs::canonicalize(path).at("resolve", path)?;
        let name = real.file_name().and_then(|name| name.to_str());
        let digest = name.and_then(Digest::from_file_name).ok_or_else(|| not_in_store(path))?;
        Ok(Self { path: real, digest })
    }

    /// Reads the tree again, and compares its content with its name. Meant for trees that are named
    /// by their content: ours, and content-addressed ones of Nix.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the content is another; what [`scan`](crate::scan()) refuses;
    /// [`Error::Io`].
    pub fn verify(&self) -> Result<NarHash> {
        let nar = nar_hash(&self.path)?;
        self.compare(&nar)?;
        Ok(nar)
    }

    /// Compares its name with its content, which has this hash: for whoever had to read it all anyway.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn compare(&self, nar: &NarHash) -> Result<()> {
        let found = Digest::of(nar);
        if found == self.digest { Ok(()) } else { Err(Error::Damaged { path: self.path.clone(), found }) }
    }

    /// The digest in its name.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Where the tree lies: absolute, free of links.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Store {
    /// Opens the store at `root`, making it if it is not there, and removes what killed processes
    /// left half-done in it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn at(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root).at("create", &root)?;
        let root = fs::canonicalize(&root).at("resolve", &root)?;
        staging::reap(&root)?;
        Ok(Self { root })
    }

    /// The directory that holds the trees, free of links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Begins a new tree.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn staging(&self) -> Result<Staging> {
        Staging::begin(&self.root)
    }

    /// The tree with this digest, if the store has it. A name in the store is enough: use
    /// [`Store::verify`] to know that the content is still right.
    pub fn get(&self, digest: Digest) -> Option<StorePath> {
        let path = self.root.join(digest.file_name());
        let is_there = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        is_there.then_some(StorePath { path, digest })
    }

    /// The tree of this store that `path` lies in or is. Looks at the path alone, not at the disk:
    /// `None` for a path with `..` or with another root, a link to this one included.
    pub fn find(&self, path: &Path) -> Option<StorePath> {
        let mut below = path.strip_prefix(&self.root).ok()?.components();
        let Component::Normal(name) = below.next()? else {
            return None;
        };
        if !below.all(|component| matches!(component, Component::Normal(_))) {
            return None;
        }
        let digest = Digest::from_file_name(name.to_str()?)?;
        let path = self.root.join(name);
        Some(StorePath { path, digest })
    }

    /// Reads a tree of this store again, and compares its content with its name. `path` is the tree
    /// or a link to it, such as `result`.
    ///
    /// # Errors
    /// [`Error::NotInStore`] if it is no tree of this store; otherwise as [`StorePath::verify`].
    pub fn verify(&self, path: &Path) -> Result<NarHash> {
        let stored = StorePath::resolve(path)?;
        if stored.path.parent() != Some(&self.root) {
            return Err(not_in_store(path));
        }
        stored.verify()
    }

    /// Removes a tree from the store; links to it dangle from then on. It loses its name first, so
    /// that no half-removed tree is ever found under it. Fine if it is not there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(&self, stored: &StorePath) -> Result<()> {
        staging::discard(&self.root, stored.path())
    }
}

/// Whether a path lies in a component `<digest>-opencode-cache` of any store, ours or Nix's: the
/// digest of the first such component. Looks at the path alone, not at the disk.
pub fn digest_in(path: &Path) -> Option<Digest> {
    path.components().find_map(|component| match component {
        Component::Normal(name) => Digest::from_file_name(name.to_str()?),
        _ => None,
    })
}

/// Whether a tree lies in a store of Nix's, which names most of them after what they are made from.
pub fn is_of_nix(path: &Path) -> bool {
    path.parent().is_some_and(|store| store.ends_with("nix/store"))
}

fn not_in_store(path: &Path) -> Error {
    Error::NotInStore { path: path.to_path_buf() }
}
