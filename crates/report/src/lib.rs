//! What an output or a bundle holds, for those who have to approve it: as an SBOM for programs, as a page for people. All of it is told
//! from the bytes: a package is what lies there with a `package.json`, and every file belongs to one component. A lock adds what bytes
//! cannot say: hashes of archives, signatures, hosts.
//!
//! | module | owns |
//! |---|---|
//! | [`source`] | the bytes: a directory or a bundle, as names, sizes, hashes, and the few texts that are read |
//! | [`inventory`], `collect`, `graph` | components, where they lie, who brought them, what needs what |
//! | [`cyclonedx`], [`spdx`] | the two forms of an SBOM |
//! | [`check`] | whether an SBOM says what the bytes say |
//! | [`licences`] | a summary of the terms, what a manifest refuses, the licences' texts |
//! | [`page`] | one page of HTML, with its scripts and its style |
//! | [`beside`] | the same as a tree beside an output |
//! | [`mod@papers`] | what goes along with an output: both SBOMs, the texts, the page |
//!
//! Invariants: nothing is run, no network, no clock, no randomness, nothing printed: the same bytes and the same lock give the same
//! text. What packages say of themselves is hostile: it is bounded, and stands in a text only escaped.

pub mod beside;
pub mod check;
mod collect;
pub mod cyclonedx;
mod error;
mod graph;
pub mod inventory;
pub mod licences;
pub mod page;
pub mod papers;
pub mod source;
pub mod spdx;

use std::collections::BTreeMap;
use std::path::Path;

pub use collect::{collect, inspection};
pub use error::Error;
pub use inventory::{Component, Inventory, Kind, Place};
pub use page::{Hosts, Page, Proof};
pub use papers::papers;
pub use source::Source;

/// Writes a report: aside, flushed, renamed.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    Ok(tree::atomic::write_file(path, text.as_bytes(), 0o644)?)
}

/// Writes several files, by their paths below `directory`, which must not be there.
pub fn write_all(directory: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), Error> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Write { path, source }
    };
    std::fs::create_dir(directory).map_err(io(directory))?;
    for (name, bytes) in files {
        let path = directory.join(name);
        let above = path.parent().unwrap_or(directory);
        std::fs::create_dir_all(above).map_err(io(above))?;
        std::fs::write(&path, bytes).map_err(io(&path))?;
    }
    Ok(())
}
