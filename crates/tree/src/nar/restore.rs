//! NAR → tree on disk. Nothing that is there is written to, and no link is followed: every directory is made by the reading itself.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::read::{Sink, read};
use crate::error::{At, Error, Result};
use crate::scan::locate;

/// Makes the tree of a NAR at `destination`, which must not be there, or may be an empty directory where the NAR is of one. Files are
/// 0444 or 0555 and directories 0755: canonical but for times and the directories' modes.
///
/// # Errors
/// What [`read`] refuses, [`Error::Exists`], [`Error::Io`]; what was made until then stays.
pub fn restore(from: impl Read, destination: &Path) -> Result<()> {
    let mut restoring = Restoring { root: destination, file: None };
    read(from, &mut restoring)
}

struct Restoring<'a> {
    root: &'a Path,
    file: Option<(File, PathBuf)>,
}

impl Sink for Restoring<'_> {
    fn directory(&mut self, path: &Path) -> Result<()> {
        let place = locate(self.root, path);
        let is_root = path.as_os_str().is_empty();
        match DirBuilder::new().mode(0o755).create(&place) {
            Err(error) if is_root && error.kind() == std::io::ErrorKind::AlreadyExists => {
                let mut held = fs::read_dir(&place).at("list", &place)?;
                if held.next().is_some() { Err(Error::Exists { path: place }) } else { Ok(()) }
            }
            made => made.at("create", &place),
        }
    }

    fn file(&mut self, path: &Path, _size: u64, executable: bool) -> Result<()> {
        let place = locate(self.root, path);
        let mode = if executable { 0o555 } else { 0o444 };
        let file =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&place).at("create", &place)?;
        self.file = Some((file, place));
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.file {
            Some((file, place)) => file.write_all(bytes).at("write", place),
            None => Ok(()),
        }
    }

    fn file_ends(&mut self) -> Result<()> {
        self.file = None;
        Ok(())
    }

    fn link(&mut self, path: &Path, target: &Path) -> Result<()> {
        let place = locate(self.root, path);
        symlink(target, &place).at("create", &place)
    }
}
