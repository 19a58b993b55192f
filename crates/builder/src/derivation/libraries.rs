//! Libraries that native modules need and that no directory of the machine has (NixOS): found in the store, and named in a
//! file that `modules.mjs` reads, which loads them by their paths before anything of OpenCode's. A loader takes what is loaded
//! already for every later file that needs a library of that name; so no file is edited and no variable is set.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Error;
use super::elf::Elf;
use crate::{emit, layout};

/// What OpenCode itself carries needs these (its file watcher, 1.14 and later), in an order in which each finds what it needs.
const ALWAYS: [&str; 2] = ["libgcc_s.so.1", "libstdc++.so.6"];

/// Where a loader looks first.
const LOADER_PATH: &str = "LD_LIBRARY_PATH";

/// How deep and how much is looked for native modules: more than any tree that npm makes.
const MOST_DEPTH: usize = 40;

/// Writes the list for the output at `out`, where there is anything to list.
pub fn place(out: &Path, places: &[PathBuf]) -> Result<(), Error> {
    if places.is_empty() {
        return Ok(());
    }
    let own = Elf::open(&out.join(layout::BINARY)).map_err(Error::io("read", out))?.map(|elf| elf.machine);
    let mut needed = BTreeSet::new();
    collect(out, own, 0, &mut needed)?;
    let always = ALWAYS.iter().map(|name| (*name).to_owned());
    let others = needed.into_iter().filter(|name| !ALWAYS.contains(&name.as_str()));
    let found: Vec<String> = always.chain(others).filter_map(|name| find(places, &name)).collect();
    let text = format!("{:#}\n", serde_json::json!(found));
    emit::write(out, layout::LIBRARIES, text.as_bytes(), 0o444).map_err(Error::Emit)
}

/// The variable by which an OpenCode that loads plugins while it installs them finds the libraries: nothing of it is left in a tree.
pub fn lent(places: &[PathBuf]) -> Vec<(String, String)> {
    let directories: Vec<String> =
        places.iter().map(|place| place.join("lib").display().to_string()).collect();
    match directories.is_empty() {
        true => Vec::new(),
        false => vec![(LOADER_PATH.to_owned(), directories.join(":"))],
    }
}

fn find(places: &[PathBuf], name: &str) -> Option<String> {
    let mut paths = places.iter().map(|place| place.join("lib").join(name));
    paths.find(|path| path.exists())?.to_str().map(str::to_owned)
}

/// What the native modules of this machine's kind below `directory` need.
fn collect(
    directory: &Path,
    machine: Option<u16>,
    depth: usize,
    needed: &mut BTreeSet<String>,
) -> Result<(), Error> {
    let list = |error| Error::io("list", directory)(error);
    for entry in std::fs::read_dir(directory).map_err(list)? {
        let entry = entry.map_err(list)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(list)?);
        if kind.is_dir() && depth < MOST_DEPTH {
            collect(&path, machine, depth + 1, needed)?;
        } else if kind.is_file() && is_native(&path) {
            let read = |error| Error::io("read", &path)(error);
            if let Some(mut elf) = Elf::open(&path).map_err(read)?.filter(|elf| Some(elf.machine) == machine)
            {
                needed.extend(elf.needed().map_err(read)?);
            }
        }
    }
    Ok(())
}

fn is_native(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.ends_with(".node") || name.ends_with(".so") || name.contains(".so.")
}
