//! What a recording tells of versions that are pinned by hand, and of a day that the registry's publish times cannot tell.

use std::collections::{BTreeMap, BTreeSet};

use lock::{ArtifactSource, Lock, PackageName, Version};
use replay::registry::Origin;

use super::one::Recorded;
use super::{Error, Recording};
use crate::progress::Event;
use crate::resolve;

impl Recording<'_> {
    /// What is newly pinned by hand must be there, also where nothing asks for it in the end.
    pub(super) async fn pins_exist(&self, origin: &Origin) -> Result<(), Error> {
        let is_old = |(name, version): &(&PackageName, &Version)| {
            self.old.is_some_and(|old| old.pins.get(*name) == Some(*version))
        };
        for (name, version) in self.wishes.manifest.packages.iter().filter(|pin| !is_old(pin)) {
            let id = name.at(version.clone());
            let answer = origin.packument(name).await;
            let packument = resolve::found(origin.upstream(), name, &id.to_string(), answer)?;
            if !packument.versions.contains_key(version) {
                return Err(resolve::Error::Absent { what: id.to_string(), status: 404 }.into());
            }
        }
        Ok(())
    }

    /// Tells of pins that nothing asks for.
    pub(super) fn unused_pins(&self, lock: &Lock) {
        let mut used: BTreeSet<&PackageName> =
            lock.exercises.values().flat_map(|exercise| &exercise.packages).map(|id| &id.name).collect();
        used.extend(lock.programs.values().flat_map(BTreeMap::values).filter_map(|artifact| {
            match &artifact.source {
                ArtifactSource::Npm { package, .. } => Some(package),
                _ => None,
            }
        }));
        for (name, version) in lock.pins.iter().filter(|(name, _)| !used.contains(name)) {
            let note = format!("{name} is pinned to {version} in [packages], and nothing asks for it");
            self.progress.event(Event::Note(&note));
        }
    }

    /// Tells where publish times cannot all be right, which a day was to decide by.
    pub(super) fn warn(&self, recorded: &[Recorded]) {
        let unordered: BTreeMap<_, _> = recorded.iter().flat_map(|one| &one.record.unordered).collect();
        let Some((name, (version, earlier))) = unordered.first_key_value() else { return };
        let more = match unordered.len() {
            1 => String::new(),
            number => format!(" (and so for {} packages more)", number - 1),
        };
        self.progress.event(Event::Note(&format!(
            "the registry's publish times are not the publishers' own: {name} {version} is older there than {earlier}{more}; what was \
             resolved as of a day may not be what was there on that day"
        )));
    }
}
