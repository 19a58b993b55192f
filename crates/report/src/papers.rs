//! What goes along with an output for those who approve it: both SBOMs and the licences' texts, as the files of one directory. They lie
//! beside an output and never in it: its digest is of what is run.

use std::collections::BTreeMap;

use crate::inventory::Inventory;
use crate::source::Source;
use crate::{cyclonedx, licences, spdx};

/// The files, by path.
pub fn papers(inventory: &Inventory, source: &Source) -> BTreeMap<String, Vec<u8>> {
    let texts = licences::texts(inventory, source);
    let mut files: BTreeMap<String, Vec<u8>> =
        texts.into_iter().map(|(name, bytes)| (format!("licences/{name}"), bytes)).collect();
    files.insert("sbom.cdx.json".into(), cyclonedx::render(inventory).into_bytes());
    files.insert("sbom.spdx.json".into(), spdx::render(inventory).into_bytes());
    files
}
