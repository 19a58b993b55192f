//! Whose program lies in a tree: what runs stays, since it may load something for the first time at any moment.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tree::store::digest_in;
use tree::{Digest, Store};

use crate::error::{At as _, Error, Result};

/// Where the kernel tells of processes.
const PROCESSES: &str = "/proc";

/// The trees of a store that a process has its program in. What other users run is seen by root only.
///
/// # Errors
/// [`Error::Processes`] where nobody says what runs; [`Error::Io`].
pub(crate) fn running(store: &Store) -> Result<BTreeSet<Digest>> {
    let processes = Path::new(PROCESSES);
    if !processes.join("self").exists() {
        return Err(Error::Processes { path: processes.to_path_buf() });
    }
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(processes).at("list", processes)? {
        let path = entry.at("list", processes)?.path();
        // No process, one that has ended, or somebody else's.
        let Ok(program) = fs::read_link(path.join("exe")) else { continue };
        if program.starts_with(store.root()) {
            found.extend(digest_in(&program));
        }
    }
    Ok(found)
}
