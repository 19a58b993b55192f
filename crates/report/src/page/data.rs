//! What the scripts draw from: components in short, exercises and groups by number.

use std::collections::BTreeMap;

use lock::{About, Diff, LicenceKind};
use serde_json::{Value, json};

use super::group;
use crate::inventory::{Component, Inventory, Kind};

/// As JSON that ends no element and begins no comment of HTML.
pub(super) fn json(inventory: &Inventory, diff: Option<&Diff>) -> String {
    let exercises: Vec<&String> = inventory.exercises.keys().collect();
    let numbers: BTreeMap<&str, usize> =
        inventory.components.iter().enumerate().map(|(number, one)| (one.id.as_str(), number)).collect();
    let groups = groups(inventory);
    let changed = diff.map(changed);
    let components: Vec<Value> = inventory
        .components
        .iter()
        .map(|one| {
            let places: Vec<Value> = one
                .places
                .iter()
                .map(|place| {
                    let group = group(one.kind, &inventory.exercises, &place.path);
                    json!([place.path, place.bytes, groups.iter().position(|name| *name == group)])
                })
                .collect();
            let mut value = json!({
                "n": one.name,
                "k": one.kind.as_str(),
                "b": one.bytes(),
                "p": places,
                "e": one.exercises.iter().filter_map(|name| exercises.iter().position(|other| *other == name)).collect::<Vec<_>>(),
                "d": one.needs.iter().filter_map(|id| numbers.get(id.as_str())).collect::<Vec<_>>(),
            });
            let mut set = |key: &str, word: Option<String>| {
                if let Some(word) = word {
                    value[key] = word.into();
                }
            };
            set("v", one.version.clone());
            set("l", (one.licence.kind() != LicenceKind::Missing).then(|| one.licence.to_string()));
            set("q", (one.licence.kind() != LicenceKind::Spdx && one.kind != Kind::Files && one.kind != Kind::Catalogue).then(|| one.licence.kind().as_str().to_owned()));
            set("s", one.signature.clone());
            set("a", one.attested.clone());
            set("u", one.purl.clone());
            set("h", one.archive.as_ref().map(ToString::to_string));
            set("c", changed.as_ref().and_then(|changed| change(one, changed)));
            value
        })
        .collect();
    let data = json!({
        "exercises": exercises,
        "groups": groups,
        "changes": diff.is_some(),
        "components": components,
    });
    let hides = |one: char| matches!(one, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
    let mut text = String::new();
    for one in data.to_string().chars() {
        if hides(one) {
            text.push_str(&format!("\\u{:04x}", u32::from(one)));
        } else {
            text.push(one);
        }
    }
    text
}

/// The groups, the largest first.
pub(super) fn groups(inventory: &Inventory) -> Vec<String> {
    let mut bytes: BTreeMap<String, u64> = BTreeMap::new();
    for one in &inventory.components {
        for place in &one.places {
            *bytes.entry(group(one.kind, &inventory.exercises, &place.path)).or_default() += place.bytes;
        }
    }
    let mut groups: Vec<(String, u64)> = bytes.into_iter().collect();
    groups.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    groups.into_iter().map(|(name, _)| name).collect()
}

/// Name → what it was and is, for each version that came or went.
type Changed<'d> = BTreeMap<&'d str, Vec<(Option<&'d str>, Option<&'d str>)>>;

/// What a difference says of packages: name → versions that were not there before, and whether there were others.
fn changed(diff: &Diff) -> Changed<'_> {
    let mut changed: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for row in diff.rows.iter().filter(|row| row.about == About::Package) {
        changed.entry(row.name.as_str()).or_default().push((row.from.as_deref(), row.to.as_deref()));
    }
    changed
}

fn change(one: &Component, changed: &Changed<'_>) -> Option<String> {
    if one.kind != Kind::Package {
        return None;
    }
    let rows = changed.get(one.name.as_str())?;
    let (from, _) = rows.iter().find(|(_, to)| *to == one.version.as_deref())?;
    let others = from.is_some() || rows.iter().any(|(from, _)| from.is_some());
    Some(if others { "changed" } else { "new" }.to_owned())
}
