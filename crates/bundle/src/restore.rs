//! The trees of a bundle as directories: of stagings, which make them canonical and give them their names. Nothing that is there is
//! written to, and no link is followed: every directory is made by the reading itself.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::sink::{Place, Sink};

/// Makes the trees.
#[derive(Debug)]
pub struct Restoring {
    roots: Vec<Option<PathBuf>>,
    file: Option<(File, PathBuf)>,
}

impl Restoring {
    /// Where each of the index's trees is to be: nowhere, or a directory that is empty.
    pub fn new(roots: Vec<Option<PathBuf>>) -> Self {
        Self { roots, file: None }
    }

    fn locate(&self, place: Place<'_>) -> Option<PathBuf> {
        let root = self.roots.get(place.number)?.as_ref()?;
        Some(if place.path.is_empty() { root.clone() } else { root.join(place.path) })
    }

    fn create(path: &Path, executable: bool) -> tree::Result<File> {
        let mode = if executable { 0o555 } else { 0o444 };
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
        file.map_err(|source| failed("create", path, source))
    }
}

impl Sink for Restoring {
    fn directory(&mut self, place: Place<'_>) -> tree::Result<()> {
        let Some(path) = self.locate(place) else { return Ok(()) };
        match DirBuilder::new().mode(0o755).create(&path) {
            Err(error) if place.path.is_empty() && error.kind() == ErrorKind::AlreadyExists => {
                let mut held = fs::read_dir(&path).map_err(|source| failed("list", &path, source))?;
                if held.next().is_some() { Err(tree::Error::Exists { path }) } else { Ok(()) }
            }
            made => made.map_err(|source| failed("create", &path, source)),
        }
    }

    fn file(&mut self, place: Place<'_>, _size: u64, executable: bool) -> tree::Result<()> {
        self.file = None;
        if let Some(path) = self.locate(place) {
            self.file = Some((Self::create(&path, executable)?, path));
        }
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> tree::Result<()> {
        match &mut self.file {
            Some((file, path)) => file.write_all(bytes).map_err(|source| failed("write", path, source)),
            None => Ok(()),
        }
    }

    fn file_ends(&mut self) -> tree::Result<()> {
        self.file = None;
        Ok(())
    }

    fn same(&mut self, place: Place<'_>, first: Place<'_>) -> tree::Result<()> {
        let Some(path) = self.locate(place) else { return Ok(()) };
        let Some(first) = self.locate(first) else {
            // The tree that has it was not wanted, and so was not kept: the caller must ask for both.
            let source = io::Error::new(ErrorKind::NotFound, "it is in a tree that is not unpacked");
            return Err(failed("create", &path, source));
        };
        let executable = matches!(fs::symlink_metadata(&first), Ok(found) if is_executable(&found));
        let mut from = tree::open_file(&first)?;
        let mut to = Self::create(&path, executable)?;
        // Shares the blocks where the file system can.
        io::copy(&mut from, &mut to).map_err(|source| failed("write", &path, source)).map(drop)
    }

    fn link(&mut self, place: Place<'_>, target: &str) -> tree::Result<()> {
        let Some(path) = self.locate(place) else { return Ok(()) };
        symlink(target, &path).map_err(|source| failed("create", &path, source))
    }
}

fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o100 != 0
}

fn failed(verb: &'static str, path: &Path, source: io::Error) -> tree::Error {
    tree::Error::Io { verb, path: path.to_path_buf(), source }
}
