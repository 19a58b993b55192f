//! The link `result`. Never replaces what is not a link.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::atomic::{directory_of, sync_directory};
use crate::error::{At, Error, Result};

/// Makes `link` a symbolic link to `target`, atomically: whoever looks sees the old link or the new
/// one, never none. A link that is right already is left alone.
///
/// # Errors
/// [`Error::NotALink`] if a file or directory stands there, which stays; [`Error::Io`].
pub fn set_link(link: &Path, target: &Path) -> Result<()> {
    match fs::symlink_metadata(link) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Fails where something has come into being since: nothing is replaced unseen.
            symlink(target, link).at("create", link)?;
        }
        Err(error) => return Err(error).at("read", link),
        Ok(metadata) if !metadata.is_symlink() => {
            return Err(Error::NotALink { path: link.to_path_buf() });
        }
        Ok(_) if fs::read_link(link).at("read the link", link)? == target => return Ok(()),
        Ok(_) => replace(link, target)?,
    }
    sync_directory(directory_of(link))
}

fn replace(link: &Path, target: &Path) -> Result<()> {
    let aside = tempfile::Builder::new()
        .prefix(".link-")
        .make_in(directory_of(link), |path| symlink(target, path))
        .at("create a link beside", link)?;
    aside.persist(link).map_err(|error| error.error).at("replace", link).map(drop)
}
