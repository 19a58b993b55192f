//! A whole output, fitted: the same files under other names, and one that is another.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use crate::edit::Edit;
use crate::elf::{edits, machine};
use crate::error::{At, Error, Result};
use crate::{BINARY, LIBRARIES};

/// Directories below one another at most, as elsewhere for trees of ours.
const MAX_DEPTH: usize = 256;

/// Makes in the empty directory `into` what is at `output`, with a binary that `loader` loads: hard links to the files where the
/// file system gives them, and a changed copy of the binary. `loader` is an absolute path, of up to 79 bytes, that leads to the
/// loader among the output's [`LIBRARIES`]. Modes of directories and times are left to whoever makes trees canonical.
///
/// What was changed is returned, in order of its place in [`BINARY`].
///
/// # Errors
/// [`Error::NoLibraries`] where the output has none; [`Error::Shape`], [`Error::PathTooLong`], [`Error::Io`]. What was made until
/// then is left for whoever made `into`.
pub fn output(output: &Path, loader: &Path, into: &Path) -> Result<Vec<Edit>> {
    let path = output.join(BINARY);
    let original = File::open(&path).at("open", &path)?;
    let own = output.join(LIBRARIES).join(machine(&original, &path)?.loader());
    if !own.is_file() {
        return Err(Error::NoLibraries { output: output.into() });
    }
    let edits = edits(&original, &path, loader)?;
    copy_directory(output, into, Path::new(""), MAX_DEPTH)?;
    let copy = into.join(BINARY);
    write(&original, &copy, &edits)?;
    Ok(edits)
}

fn write(original: &File, copy: &Path, edits: &[Edit]) -> Result<()> {
    let mut from = original.try_clone().at("read", copy)?;
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o755).open(copy).at("create", copy)?;
    std::io::copy(&mut from, &mut to).at("write", copy)?;
    for edit in edits {
        to.write_all_at(&edit.after, edit.offset).at("write", copy)?;
    }
    to.set_permissions(fs::Permissions::from_mode(0o555)).at("set the mode of", copy)
}

fn copy_directory(from: &Path, into: &Path, below: &Path, depth: usize) -> Result<()> {
    let source = from.join(below);
    if depth == 0 {
        return Err(std::io::Error::other("too many directories below one another")).at("copy", &source);
    }
    for entry in fs::read_dir(&source).at("list", &source)? {
        let entry = entry.at("list", &source)?;
        let (path, relative) = (entry.path(), below.join(entry.file_name()));
        let place = into.join(&relative);
        let kind = entry.file_type().at("look at", &path)?;
        if kind.is_dir() {
            fs::create_dir(&place).at("create", &place)?;
            copy_directory(from, into, &relative, depth - 1)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&path).at("read", &path)?, &place).at("create", &place)?;
        } else if relative != Path::new(BINARY) && fs::hard_link(&path, &place).is_err() {
            // Another file system, or one without links, or too many of them.
            fs::copy(&path, &place).at("copy", &path)?;
        }
    }
    Ok(())
}
