//! The canonical mode and time, and how an entry gets them. Never touches names or bytes.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, Timespec, Timestamps, UTIME_OMIT};

use crate::atomic::directory_of;
use crate::error::{At, Result};
use crate::scan::{Kind, Tree, open_file};

/// Seconds after the epoch; Nix's choice. Zero would make some tools believe that the time is not
/// known, and zip cannot hold it.
const MTIME: i64 = 1;
/// Nobody writes to a stored file: a link into a tree must never become a way to change it.
const FILE_MODE: u32 = 0o444;
const EXECUTABLE_MODE: u32 = 0o555;
const DIRECTORY_MODE: u32 = 0o555;

/// The time that every entry gets; the access time stays, nobody can see it in a NAR or digest.
const TIMES: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    last_modification: Timespec { tv_sec: MTIME, tv_nsec: 0 },
};

fn mode_of(kind: &Kind) -> Option<u32> {
    match kind {
        Kind::Directory => Some(DIRECTORY_MODE),
        Kind::File { executable: true, .. } => Some(EXECUTABLE_MODE),
        Kind::File { .. } => Some(FILE_MODE),
        Kind::Link { .. } => None,
    }
}

/// Whether mode and time are already the canonical ones.
pub(crate) fn is_canonical(kind: &Kind, metadata: &Metadata) -> bool {
    let mode = metadata.mode() & 0o7777;
    metadata.mtime() == MTIME
        && metadata.mtime_nsec() == 0
        && mode_of(kind).is_none_or(|wanted| wanted == mode)
}

/// Seals an open file that was just written.
pub(crate) fn seal_file(file: &File, executable: bool) -> io::Result<()> {
    let mode = if executable { EXECUTABLE_MODE } else { FILE_MODE };
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode as _))?;
    Ok(rustix::fs::futimens(file, &TIMES)?)
}

/// Seals a link: its time only, a link has no mode.
pub(crate) fn seal_link(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::utimensat(CWD, path, &TIMES, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Seals a directory; to be called when nothing more is to be made in it.
pub(crate) fn seal_directory(path: &Path) -> io::Result<()> {
    seal_path(path, DIRECTORY_MODE)
}

fn seal_path(path: &Path, mode: u32) -> io::Result<()> {
    rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode as _), AtFlags::empty())?;
    Ok(rustix::fs::utimensat(CWD, path, &TIMES, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Brings modes and times of a tree into canonical form, in place; names and bytes stay. A file
/// with a second name elsewhere becomes a copy first, so that the other name keeps its mode.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) naming the entry.
pub fn canonicalise(tree: &Tree) -> Result<()> {
    // Backwards: a directory after all that it holds.
    for entry in tree.entries().iter().rev() {
        let path = tree.locate(entry);
        if entry.facts.shared {
            separate(&path, entry.depth() > 0)?;
        } else if entry.facts.canonical && entry.kind != Kind::Directory {
            continue;
        }
        match mode_of(&entry.kind) {
            Some(mode) => seal_path(&path, mode),
            None => seal_link(&path),
        }
        .at("seal", &path)?;
    }
    Ok(())
}

/// Gives a file that has several names an inode of its own.
fn separate(path: &Path, inside: bool) -> Result<()> {
    let parent = directory_of(path);
    if inside {
        // Perhaps canonical, that is read-only, already; it is sealed again after its files.
        rustix::fs::chmodat(CWD, parent, Mode::RWXU, AtFlags::empty()).at("unseal", parent)?;
    }
    let mut own =
        tempfile::Builder::new().prefix(".separate-").tempfile_in(parent).at("create a file in", parent)?;
    io::copy(&mut open_file(path)?, own.as_file_mut()).at("copy", path)?;
    own.persist(path).map_err(|error| error.error).at("replace", path)?;
    Ok(())
}
