//! A file that is there as a whole or not at all: written aside in the same directory, flushed,
//! renamed, and the directory flushed. Never leaves a half-written file under the final name;
//! `kill -9` may leave a hidden `.<name>.<random>.aside` beside it.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::behind::Behind;
use crate::error::{At, Result};

/// The end of the names of files that are being written.
pub const ASIDE_SUFFIX: &str = ".aside";

/// Writes a whole file atomically and durably; an older one is replaced. `mode` is set as given,
/// whatever the umask.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io); an older file is then untouched.
pub fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut aside = Aside::beside(path)?;
    aside.write_all(bytes).at("write", path)?;
    aside.finish(mode)
}

/// A file on its way: what is written to it appears under its final name only with
/// [`Aside::finish`]; dropped before that, it vanishes. Not buffered: write in large pieces.
#[derive(Debug)]
pub struct Aside {
    file: NamedTempFile,
    path: PathBuf,
    behind: Behind,
}

impl Aside {
    /// Begins the file that is to be at `path`; its directory must be there.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) naming `path`.
    pub fn beside(path: &Path) -> Result<Self> {
        let mut prefix = OsString::from(".");
        // 200 of a name's 255 bytes: the rest is for dots, random part and suffix.
        let name = path.file_name().unwrap_or_default();
        if name.len() <= 200 {
            prefix.push(name);
            prefix.push(".");
        }
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(ASIDE_SUFFIX)
            .tempfile_in(directory_of(path))
            .at("create", path)?;
        Ok(Self { file, path: path.to_path_buf(), behind: Behind::default() })
    }

    /// The open file, for reading back, truncating or cloning the descriptor.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// As [`Aside::finish`], under another name in the same directory: for files that are named after their bytes.
    ///
    /// # Errors
    /// As [`Aside::finish`].
    pub fn finish_as(mut self, name: &str, mode: u32) -> Result<()> {
        self.path.set_file_name(name);
        self.finish(mode)
    }

    /// Flushes, sets the mode, and gives the file its final name.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io); nothing is left under either name then.
    pub fn finish(self, mode: u32) -> Result<()> {
        let Self { file, path, behind } = self;
        file.as_file().set_permissions(Permissions::from_mode(mode)).at("set the mode of", &path)?;
        behind.finish().at("flush", &path)?;
        file.as_file().sync_all().at("flush", &path)?;
        file.persist(&path).map_err(|error| error.error).at("create", &path)?;
        sync_directory(directory_of(&path))
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.behind.written(self.file.as_file(), count)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Flushes a directory, so that a rename in it survives a power cut.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    File::open(path).and_then(|directory| directory.sync_all()).at("flush", path)
}

/// The directory that holds `path`: `.` for a bare name.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
