//! Removing a tree, read-only directories included. Never follows a link.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{At, Result};

/// Removes the file, link or directory at `path` with all that it holds; fine if there is nothing.
/// Directories that their owner may not write to (every canonical one) are made writable first.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) naming what could not be removed.
pub fn remove_tree(path: &Path) -> Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => metadata.at("read", path)?,
    };
    if !metadata.is_dir() {
        return gone(fs::remove_file(path)).at("remove", path);
    }
    match gone(fs::remove_dir_all(path)) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_directories(path)?;
            gone(fs::remove_dir_all(path)).at("remove", path)
        }
        removed => removed.at("remove", path),
    }
}

/// Somebody else having removed it is as good.
fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Lets the owner write to every directory of a tree.
fn open_directories(root: &Path) -> Result<()> {
    let mut pending = vec![root.to_path_buf()];
    while let Some(directory) = pending.pop() {
        let metadata = fs::symlink_metadata(&directory).at("read", &directory)?;
        if !metadata.is_dir() {
            continue;
        }
        if metadata.mode() & 0o700 != 0o700 {
            let open = fs::Permissions::from_mode(metadata.mode() | 0o700);
            fs::set_permissions(&directory, open).at("make writable", &directory)?;
        }
        subdirectories(&directory, &mut pending)?;
    }
    Ok(())
}

fn subdirectories(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).at("list", directory)? {
        let entry = entry.at("list", directory)?;
        if entry.file_type().at("read", &entry.path())?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(())
}
