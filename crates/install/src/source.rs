//! A bundle's file: one, or the several that it was cut into (`FILE.001`, `FILE.002`, …).

use std::fs::File;
use std::path::{Path, PathBuf};

use bundle::{Bundle, Joined};

use crate::error::{At as _, Result};

/// A bundle as it lies on a disk.
pub type Opened = Bundle<Joined<File>>;

/// The most files that a bundle is looked for in.
const MOST_PARTS: u32 = 999;

/// The first of several files.
const FIRST: &str = ".001";

/// Opens a bundle. Of one that was cut, the first file names all; so does the name without a number, where no such file is there.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io), and what [`Bundle::open`] says.
pub fn open(path: &Path) -> Result<Opened> {
    let files = files(path);
    let opened: Result<Vec<File>> = files.iter().map(|file| File::open(file).at("open", file)).collect();
    Ok(Bundle::open(Joined::new(opened?).at("read", path)?)?)
}

/// The files of a bundle, in order.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let name = path.as_os_str().to_string_lossy();
    let whole = match name.strip_suffix(FIRST) {
        Some(whole) => whole.to_owned(),
        None if path.exists() => return vec![path.to_path_buf()],
        None => name.into_owned(),
    };
    let numbered = |number: u32| PathBuf::from(format!("{whole}.{number:03}"));
    let parts: Vec<_> = (1..=MOST_PARTS).map(numbered).take_while(|part| part.exists()).collect();
    // What is not there is told by whoever opens it.
    if parts.is_empty() { vec![path.to_path_buf()] } else { parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_names_all_and_so_does_the_name_without_a_number() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        for name in ["a.001", "a.002", "a.004", "b"] {
            std::fs::write(path(name), "").unwrap();
        }
        let parts = vec![path("a.001"), path("a.002")];
        assert_eq!(files(&path("a.001")), parts);
        assert_eq!(files(&path("a")), parts);
        assert_eq!(files(&path("b")), [path("b")]);
        assert_eq!(files(&path("none")), [path("none")]);
    }
}
