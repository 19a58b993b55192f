//! The file that a bundle is, or the files that one was cut into: `FILE.001`, `FILE.002`, ….

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Doing as _, Error, Result};
use crate::joined::Joined;
use crate::read::Bundle;

/// Files that a bundle may be cut into: as many as three digits name.
pub const MOST: usize = 999;

/// The name of one of the files that a bundle is cut into; they count from 1.
pub fn numbered(file: &Path, number: usize) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(format!(".{number:03}"));
    name.into()
}

/// The files of the bundle of that name, in order: `FILE` alone, or `FILE.001` and its followers, whether or not the number is said.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let is_first = path.extension().is_some_and(|extension| extension == "001");
    let whole = if is_first { path.with_extension("") } else { path.to_path_buf() };
    if !is_first && (path.exists() || !numbered(path, 1).exists()) {
        return vec![path.to_path_buf()];
    }
    let parts: Vec<_> =
        (1..=MOST).map(|number| numbered(&whole, number)).take_while(|part| part.exists()).collect();
    if parts.is_empty() { vec![path.to_path_buf()] } else { parts }
}

/// Opens the bundle of that name, as [`files`] finds it.
///
/// # Errors
/// [`Error::Io`], [`Error::Tree`], and as [`Bundle::open`].
pub fn open(path: &Path) -> Result<Bundle<Joined<File>>> {
    let opened = files(path).iter().map(|file| regular(file)).collect::<Result<Vec<_>>>()?;
    Bundle::open(Joined::new(opened).doing("read")?)
}

/// Opens a regular file, through links; what would wait for somebody to write, or never end, is refused.
fn regular(path: &Path) -> Result<File> {
    let path = fs::canonicalize(path).doing("open")?;
    let file = tree::open_file(&path)?;
    let is_file = file.metadata().doing("open")?.is_file();
    if is_file { Ok(file) } else { Err(Error::NoBundle) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_found_under_either_name() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.bundle");
        assert_eq!(files(&file), std::slice::from_ref(&file));
        let parts: Vec<_> = (1..=3).map(|number| numbered(&file, number)).collect();
        parts.iter().chain([&numbered(&file, 5)]).for_each(|part| fs::write(part, "").unwrap());
        assert_eq!(files(&file), parts);
        assert_eq!(files(&parts[0]), parts);
        // One that is whole is meant before one that was cut.
        fs::write(&file, "").unwrap();
        assert_eq!(files(&file), [file]);
    }

    #[test]
    fn directories_and_devices_are_no_bundles() {
        for path in ["/", "/dev/zero"] {
            assert_eq!(open(Path::new(path)).unwrap_err().code(), "bundle-none", "{path}");
        }
        assert_eq!(open(Path::new("/nowhere")).unwrap_err().code(), "bundle-io");
    }
}
