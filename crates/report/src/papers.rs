//! What goes along with an output for those who approve it: both SBOMs, the licences' texts, and the page, as the files of one directory.
//! They lie beside an output and never in it: its digest is of what is run, and what tells of it can name that digest.

use std::collections::BTreeMap;

use crate::inventory::Inventory;
use crate::page::Page;
use crate::source::Source;
use crate::{cyclonedx, licences, spdx};

/// Where the directory lies in a tree of its own, as below any prefix.
pub const DIRECTORY: &str = "share/doc/opencode-cache";

/// The files, by path.
pub fn papers(inventory: &Inventory, source: &Source) -> BTreeMap<String, Vec<u8>> {
    let texts = licences::texts(inventory, source);
    let mut files: BTreeMap<String, Vec<u8>> =
        texts.into_iter().map(|(name, bytes)| (format!("licences/{name}"), bytes)).collect();
    files.insert("sbom.cdx.json".into(), cyclonedx::render(inventory).into_bytes());
    files.insert("sbom.spdx.json".into(), spdx::render(inventory).into_bytes());
    files.insert("inside.html".into(), Page::default().render(inventory).into_bytes());
    files
}

/// The files of the tree.
pub fn tree(inventory: &Inventory, source: &Source) -> BTreeMap<String, Vec<u8>> {
    let files = papers(inventory, source).into_iter();
    files.map(|(name, bytes)| (format!("{DIRECTORY}/{name}"), bytes)).collect()
}
