//! Packages that somebody has put into a directory, flat or as a mirror has them. Whoever put them there is believed, as whoever
//! writes a lock is.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use lock::{Algorithm, Hasher};
use tree::unpack::{self, Format, Limits};

use super::error::Error;
use super::index::Stanza;

/// Directories below one another at most: a mirror's pool has five.
const MAX_DEPTH: usize = 8;

/// Packages at most that are looked at.
const MAX_PACKAGES: usize = 10_000;

/// Bytes of what a package says of itself at most.
const MAX_CONTROL: u64 = 256 * 1024;

/// What every package in the directory says of itself, with its place, size and hash, as an index would say it.
pub(super) fn read(directory: &Path) -> Result<Vec<Stanza>, Error> {
    let mut files = Vec::new();
    list(directory, MAX_DEPTH, &mut files)?;
    files.sort();
    let mut found: Vec<Stanza> = Vec::new();
    for file in files {
        let stanza = describe(&file)?;
        let same = |other: &&Stanza| {
            ["Package", "Architecture"].iter().all(|field| other.get(field) == stanza.get(field))
        };
        if found.iter().find(same).is_some_and(|other| other.get("SHA256") != stanza.get("SHA256")) {
            return Err(Error::Several { package: stanza.name().to_owned(), directory: directory.into() });
        }
        found.push(stanza);
    }
    Ok(found)
}

/// Those of these names and this architecture.
pub(super) fn of(found: &[Stanza], names: &[&str], architecture: &str) -> Vec<Stanza> {
    let fits = |stanza: &&Stanza| {
        names.contains(&stanza.name())
            && matches!(stanza.get("Architecture"), Some(own) if own == architecture || own == "all")
    };
    found.iter().filter(fits).cloned().collect()
}

fn list(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |source| Error::Io { verb: "list", path: directory.into(), source };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // Links are followed: a mirror may have some.
        let is_directory = path.is_dir();
        if is_directory && depth > 0 {
            list(&path, depth - 1, files)?;
        } else if !is_directory && path.extension().is_some_and(|extension| extension == "deb") {
            files.push(path);
        }
        if files.len() > MAX_PACKAGES {
            return Err(failed(io::Error::other(format!("over {MAX_PACKAGES} packages"))));
        }
    }
    Ok(())
}

fn describe(path: &Path) -> Result<Stanza, Error> {
    let io = |source| Error::Io { verb: "read", path: path.into(), source };
    let open = || File::open(path).map_err(io);
    let control =
        unpack::read(BufReader::new(open()?), Format::DebControl, "control", MAX_CONTROL, &Limits::PACKAGE)
            .map_err(|source| Error::Unpack { path: path.into(), source })?;
    let mut stanza = Stanza::all(&String::from_utf8_lossy(&control)).into_iter().next().unwrap_or_default();
    let (mut hash, mut size, mut file) = (Hasher::new(Algorithm::Sha256), 0, open()?);
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(io)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
    let malformed = || Error::Malformed {
        package: path.display().to_string(),
        field: "Package, Version or Architecture",
    };
    let place = stanza.pool_path().ok_or_else(malformed)?;
    for (field, value) in [("Filename", place), ("Size", size.to_string()), ("SHA256", hash.finish().hex())] {
        stanza.set(field, value);
    }
    Ok(stanza)
}
