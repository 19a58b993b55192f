//! What a tree holds: a sorted listing. Never follows a link, never changes anything.

use std::ffi::OsString;
use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;

use crate::canonical;
use crate::error::{At, Error, Result};

/// Entries of one tree at most. The largest known result has some 20,000; this bound keeps the
/// listing under 500 MB of memory.
pub const MAX_ENTRIES: usize = 2_000_000;

/// Directories between an entry and the root at most. npm trees nest some 20 deep; the bound keeps
/// the walk's recursion well inside a thread's stack.
pub const MAX_DEPTH: usize = 256;

/// A listing of a tree, in NAR order: a directory before what it holds, names within a directory
/// by their bytes. The first entry is the root itself, with an empty path.
#[derive(Debug, Clone)]
pub struct Tree {
    root: PathBuf,
    entries: Vec<Entry>,
}

/// One thing in a tree.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Relative to the tree's root; empty for the root.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// The facts that say whether it is canonical already.
    pub(crate) facts: Facts,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory; what it holds follows in the listing.
    Directory,
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// Whether its owner may execute it: Nix looks at that bit alone, and so do we, so that
        /// our NAR of any tree is Nix's.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it points, as written in it.
        target: PathBuf,
    },
}

/// What the file system says beyond the kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// Permission bits and mtime are the canonical ones.
    pub(crate) canonical: bool,
    /// A file that has another name somewhere.
    pub(crate) shared: bool,
}

impl Tree {
    /// Where the tree lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All entries, sorted, the root first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where an entry of this tree lies.
    pub fn locate(&self, entry: &Entry) -> PathBuf {
        locate(&self.root, &entry.path)
    }

    /// The sum of the sizes of all files, in bytes.
    pub fn bytes(&self) -> u64 {
        let size = |entry: &Entry| match entry.kind {
            Kind::File { size, .. } => size,
            Kind::Directory | Kind::Link { .. } => 0,
        };
        self.entries.iter().map(size).sum()
    }

    /// Refuses absolute links and links that may lead out of the tree.
    ///
    /// # Errors
    /// [`Error::LinkLeaves`] for the first such link.
    pub fn check_links(&self) -> Result<()> {
        self.entries.iter().try_for_each(|entry| match &entry.kind {
            Kind::Link { target } if !stays_inside(&entry.path, target) => {
                Err(Error::LinkLeaves { path: self.locate(entry), target: target.clone() })
            }
            _ => Ok(()),
        })
    }
}

impl Entry {
    /// Directories between this entry and the root, the root's own count being zero.
    pub(crate) fn depth(&self) -> usize {
        self.path.components().count()
    }
}

/// `root/path`, without the trailing slash that an empty path would leave (a file or link as the
/// root would not open then).
pub(crate) fn locate(root: &Path, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { root.to_path_buf() } else { root.join(path) }
}

/// Whether a link at `path` (relative to a tree's root) stays inside that tree: `..` only at the
/// target's beginning, and no more of them than directories above the link. A `..` after a name is
/// refused since that name may itself be a link, and then `name/..` is not where it seems to be.
pub fn stays_inside(path: &Path, target: &Path) -> bool {
    let mut above = path.components().count().saturating_sub(1);
    let mut named = false;
    for component in target.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(_) => named = true,
            Component::ParentDir if named || above == 0 => return false,
            Component::ParentDir => above -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    !target.as_os_str().is_empty()
}

/// Lists the tree at `root`, which may also be a single file or link.
///
/// # Errors
/// [`Error::Special`] for sockets, pipes and devices; [`Error::TooManyEntries`] and
/// [`Error::TooDeep`] beyond [`MAX_ENTRIES`] and [`MAX_DEPTH`]; [`Error::Io`] otherwise.
pub fn scan(root: &Path) -> Result<Tree> {
    scan_within(root, MAX_ENTRIES, MAX_DEPTH)
}

fn scan_within(root: &Path, max_entries: usize, max_depth: usize) -> Result<Tree> {
    let metadata = fs::symlink_metadata(root).at("read", root)?;
    let mut walk = Walk { root, max_entries, max_depth, entries: Vec::new() };
    walk.visit(PathBuf::new(), &metadata, 0)?;
    Ok(Tree { root: root.to_path_buf(), entries: walk.entries })
}

struct Walk<'a> {
    root: &'a Path,
    max_entries: usize,
    max_depth: usize,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    fn visit(&mut self, path: PathBuf, metadata: &Metadata, depth: usize) -> Result<()> {
        self.check_room(1)?;
        if depth > self.max_depth {
            return Err(Error::TooDeep { path: locate(self.root, &path), limit: self.max_depth });
        }
        let kind = self.kind(&path, metadata)?;
        let below = (kind == Kind::Directory).then(|| path.clone());
        let facts = Facts {
            canonical: canonical::is_canonical(&kind, metadata),
            shared: metadata.is_file() && metadata.nlink() > 1,
        };
        self.entries.push(Entry { path, kind, facts });
        let Some(directory) = below else {
            return Ok(());
        };
        for (name, metadata) in self.list(&directory)? {
            self.visit(directory.join(name), &metadata, depth + 1)?;
        }
        Ok(())
    }

    /// One directory's names and facts, sorted. The directory is closed again on return, so that
    /// depth costs no file descriptors.
    fn list(&self, directory: &Path) -> Result<Vec<(OsString, Metadata)>> {
        let place = locate(self.root, directory);
        let mut names = Vec::new();
        for entry in fs::read_dir(&place).at("list", &place)? {
            let entry = entry.at("list", &place)?;
            let metadata = entry.metadata().at("read", &entry.path())?;
            names.push((entry.file_name(), metadata));
            self.check_room(names.len())?;
        }
        names.sort_unstable_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
        Ok(names)
    }

    fn check_room(&self, more: usize) -> Result<()> {
        if self.entries.len() + more > self.max_entries {
            return Err(Error::TooManyEntries { root: self.root.to_path_buf(), limit: self.max_entries });
        }
        Ok(())
    }

    fn kind(&self, path: &Path, metadata: &Metadata) -> Result<Kind> {
        let kind = metadata.file_type();
        if kind.is_dir() {
            return Ok(Kind::Directory);
        }
        if kind.is_file() {
            return Ok(Kind::File { size: metadata.len(), executable: metadata.mode() & 0o100 != 0 });
        }
        let place = locate(self.root, path);
        if kind.is_symlink() {
            let target = fs::read_link(&place).at("read the link", &place)?;
            return Ok(Kind::Link { target });
        }
        Err(Error::Special { path: place, kind: special(kind) })
    }
}

fn special(kind: FileType) -> &'static str {
    if kind.is_socket() {
        "socket"
    } else if kind.is_fifo() {
        "pipe"
    } else if kind.is_block_device() {
        "block device"
    } else {
        "character device"
    }
}

/// Opens a listed file for reading; fails where a link has taken its place, and does not wait
/// where a pipe has.
///
/// # Errors
/// [`Error::Io`].
pub fn open_file(path: &Path) -> Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path).at("open", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_stay_and_links_that_leave() {
        for (path, target) in [
            ("a", "b"),
            ("a", "./b/c"),
            ("d/a", "../b"),
            ("d/e/a", "../../b"),
            ("d/a", "."),
            ("a", "missing"),
        ] {
            assert!(stays_inside(Path::new(path), Path::new(target)), "{path} -> {target}");
        }
        for (path, target) in [
            ("a", "/etc/passwd"),
            ("a", ".."),
            ("d/a", "../../b"),
            ("d/a", "x/../../.."),
            ("d/a", "x/.."),
            ("a", ""),
        ] {
            assert!(!stays_inside(Path::new(path), Path::new(target)), "{path} -> {target}");
        }
    }

    #[test]
    fn bounds_on_entries_and_depth_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        assert_eq!(scan_within(dir.path(), 4, 3).unwrap().entries().len(), 4);
        let many = scan_within(dir.path(), 3, 3).unwrap_err();
        assert!(matches!(many, Error::TooManyEntries { limit: 3, .. }));
        let deep = scan_within(dir.path(), 4, 2).unwrap_err();
        assert!(matches!(deep, Error::TooDeep { limit: 2, path } if path.ends_with("a/b/c")));
    }
}
