//! Terms: a summary, what a manifest refuses, and the licences' texts in one directory.

use std::collections::BTreeMap;

use lock::{LicenceKind, LicencePolicy, PackageName};
use serde::Serialize;

use crate::inventory::{Component, Inventory, Kind};
use crate::source::Source;

/// How often each licence is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Declaration → how many components, the most frequent first.
    pub declared: Vec<(String, usize)>,
    /// Components that declare nothing that SPDX knows: label, and what they say.
    pub unclear: Vec<(String, String)>,
}

/// The components that come from somebody: what installers and this program wrote has no terms of its own.
pub fn concerned(inventory: &Inventory) -> impl Iterator<Item = &Component> {
    let own = [Kind::Files, Kind::Launcher, Kind::Catalogue];
    inventory.components.iter().filter(move |component| !own.contains(&component.kind))
}

/// Counts.
pub fn summary(inventory: &Inventory) -> Summary {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut unclear = Vec::new();
    for component in concerned(inventory) {
        *counts.entry(component.licence.to_string()).or_default() += 1;
        if component.licence.kind() != LicenceKind::Spdx {
            unclear.push((component.label(), component.licence.to_string()));
        }
    }
    let mut declared: Vec<(String, usize)> = counts.into_iter().collect();
    declared.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Summary { declared, unclear }
}

/// What of it a manifest refuses: labels and declarations.
pub fn refused<'i>(inventory: &'i Inventory, policy: &LicencePolicy) -> Vec<&'i Component> {
    let refuses = |component: &&Component| {
        let name: Option<PackageName> = component.name.parse().ok();
        policy.refuses(name.as_ref(), &component.licence)
    };
    concerned(inventory).filter(refuses).collect()
}

/// The texts of the licences, as files of a directory: `INDEX.tsv` (component, declaration, file), and each text once, by its hash. Of
/// components without a text of their own the index says so.
pub fn texts(inventory: &Inventory, source: &Source) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut index = String::from("component\tdeclared\ttext\n");
    for component in concerned(inventory) {
        let line = |file: &str| {
            format!("{}\t{}\t{file}\n", plain(&component.label()), plain(&component.licence.to_string()))
        };
        let mut any = false;
        let mut seen = Vec::new();
        for text in component.texts.iter().filter_map(|path| source.texts.get(path)) {
            let name = format!("{}.txt", &bundle::Sha256::of(text).to_string()[..32]);
            any = true;
            if !seen.contains(&name) {
                index.push_str(&line(&name));
                files.insert(name.clone(), text.clone());
                seen.push(name);
            }
        }
        if !any {
            index.push_str(&line("-"));
        }
    }
    files.insert("INDEX.tsv".into(), index.into_bytes());
    files
}

fn plain(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}
