//! What changed from one lock to another, as a value: a dry run is a diff that is printed, an update that changes
//! nothing is a diff that is empty. Owns the comparison; never prints it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    date::Date,
    https_url::HttpsUrl,
    lockfile::{Artifact, Catalogue, ExerciseName, Lock},
    package::{PackageId, PackageName},
    system::System,
    version::Version,
};

/// What changed from one lock to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// OpenCode's version, where it changed.
    pub opencode: Option<Change<Version>>,
    /// The release artifacts that were added, removed or changed.
    pub artifacts: BTreeMap<System, Change<Option<Artifact>>>,
    /// The exercises.
    pub exercises: Keys<ExerciseName>,
    /// The pinned packages. One that is changed has the same name and version and other bytes or metadata.
    pub packages: Keys<PackageId>,
    /// The packages of which only metadata is known.
    pub known: Keys<PackageId>,
    /// The other downloads.
    pub downloads: Keys<HttpsUrl>,
    /// The model catalogue, where it changed.
    pub catalogue: Option<Change<Option<Catalogue>>>,
    /// The providers whose number of models changed.
    pub models: BTreeMap<String, Change<u32>>,
    /// The programs.
    pub programs: Keys<String>,
    /// The packages that are pinned by hand.
    pub pins: BTreeMap<PackageName, Change<Option<Version>>>,
    /// The day as of which packages are resolved, where it changed.
    pub before: Option<Change<Option<Date>>>,
    /// The providers that were asked for by id.
    pub providers: Keys<String>,
}

/// A value before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change<T> {
    /// Before.
    pub from: T,
    /// After.
    pub to: T,
}

/// The keys of a map that were added, removed, or kept with another value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Keys<K: Ord> {
    /// Only the new lock has them.
    pub added: BTreeSet<K>,
    /// Only the old lock has them.
    pub removed: BTreeSet<K>,
    /// Both have them, with different values.
    pub changed: BTreeSet<K>,
}

/// Compares two locks.
pub fn diff(old: &Lock, new: &Lock) -> Diff {
    Diff {
        opencode: changed(&old.opencode, &new.opencode),
        artifacts: changes(&old.systems, &new.systems, |artifact| artifact.cloned()),
        exercises: keys(&old.exercises, &new.exercises),
        packages: keys(&old.packages, &new.packages),
        known: keys(&old.known, &new.known),
        downloads: keys(&old.downloads, &new.downloads),
        catalogue: changed(&old.catalogue, &new.catalogue),
        models: changes(&old.models, &new.models, |count| count.copied().unwrap_or(0)),
        programs: keys(&old.programs, &new.programs),
        pins: changes(&old.pins, &new.pins, |version| version.cloned()),
        before: changed(&old.before, &new.before),
        providers: keys(&old.providers, &new.providers),
    }
}

fn changed<T: PartialEq + Clone>(from: &T, to: &T) -> Option<Change<T>> {
    (from != to).then(|| Change { from: from.clone(), to: to.clone() })
}

fn changes<K: Ord + Clone, V, T: PartialEq + Clone>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    value: impl Fn(Option<&V>) -> T,
) -> BTreeMap<K, Change<T>> {
    let keys: BTreeSet<&K> = old.keys().chain(new.keys()).collect();
    let change = |key: &K| changed(&value(old.get(key)), &value(new.get(key)));
    keys.into_iter().filter_map(|key| Some((key.clone(), change(key)?))).collect()
}

fn keys<K: Ord + Clone, V: PartialEq>(old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> Keys<K> {
    let only = |one: &BTreeMap<K, V>, other: &BTreeMap<K, V>| {
        one.keys().filter(|key| !other.contains_key(key)).cloned().collect()
    };
    let differs = |(key, value): &(&K, &V)| old.get(key).is_some_and(|before| before != *value);
    Keys {
        added: only(new, old),
        removed: only(old, new),
        changed: new.iter().filter(differs).map(|(key, _)| key.clone()).collect(),
    }
}

impl<K: Ord> Keys<K> {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Diff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.opencode.is_none()
            && self.artifacts.is_empty()
            && self.exercises.is_empty()
            && self.packages.is_empty()
            && self.known.is_empty()
            && self.downloads.is_empty()
            && self.catalogue.is_none()
            && self.models.is_empty()
            && self.programs.is_empty()
            && self.pins.is_empty()
            && self.before.is_none()
            && self.providers.is_empty()
    }

    /// What changed, for people: one line each, beginning with `+` (added), `-` (removed) or `~` (changed). A package
    /// that went from one version to another is one line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(Change { from, to }) = &self.opencode {
            lines.push(format!("~ opencode {from} -> {to}"));
        }
        for (system, change) in &self.artifacts {
            lines.push(format!("{} artifact {system}", sign(change)));
        }
        key_lines(&mut lines, "exercise", &self.exercises);
        package_lines(&mut lines, "package", &self.packages);
        package_lines(&mut lines, "known", &self.known);
        key_lines(&mut lines, "download", &self.downloads);
        if let Some(change) = &self.catalogue {
            lines.push(format!("{} catalogue", sign(change)));
        }
        for (provider, Change { from, to }) in &self.models {
            lines.push(format!("~ models {provider} {from} -> {to}"));
        }
        key_lines(&mut lines, "program", &self.programs);
        for (name, change) in &self.pins {
            lines.push(format!("{} pin {name}", sign(change)));
        }
        if let Some(change) = &self.before {
            lines.push(format!("{} before", sign(change)));
        }
        key_lines(&mut lines, "provider", &self.providers);
        lines
    }
}

fn sign<T>(change: &Change<Option<T>>) -> char {
    match (&change.from, &change.to) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    }
}

fn key_lines<K: Ord + std::fmt::Display>(lines: &mut Vec<String>, what: &str, keys: &Keys<K>) {
    for (sign, keys) in [('-', &keys.removed), ('+', &keys.added), ('~', &keys.changed)] {
        lines.extend(keys.iter().map(|key| format!("{sign} {what} {key}")));
    }
}

fn package_lines(lines: &mut Vec<String>, what: &str, ids: &Keys<PackageId>) {
    let mut by_name: BTreeMap<&PackageName, [Vec<&Version>; 3]> = BTreeMap::new();
    for (column, ids) in [&ids.removed, &ids.added, &ids.changed].into_iter().enumerate() {
        for id in ids {
            by_name.entry(&id.name).or_default()[column].push(&id.version);
        }
    }
    for (name, [removed, added, changed]) in by_name {
        match (&removed[..], &added[..]) {
            ([from], [to]) => lines.push(format!("~ {what} {name} {from} -> {to}")),
            _ => {
                lines.extend(removed.iter().map(|version| format!("- {what} {name}@{version}")));
                lines.extend(added.iter().map(|version| format!("+ {what} {name}@{version}")));
            }
        }
        lines.extend(changed.iter().map(|version| format!("~ {what} {name}@{version}")));
    }
}
