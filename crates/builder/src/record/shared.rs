//! What shares one tree (OpenCode before 1.14), recorded together: each SDK's version is chosen by a trial of its own, then one OpenCode
//! installs all of it, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lock::{Exercise, ExerciseKind, ExerciseName, Lock, PackageName, System, Version, Want};
use replay::registry::{BasePath, Origin, RecordRegistry, Sight};

use super::one::{Recorded, absent, forbidden, upstream_failure};
use super::{Error, Recording, pins};
use crate::downloads::Outlet;
use crate::progress::Event;
use crate::stage::{self, Stage};
use crate::{downloads, exercise, layout, opencode, resolve, settle, shared};

/// What fills the shared tree, taken out of what is recorded one by one.
#[derive(Default)]
pub(super) struct Group {
    /// What keeps its version, as the old lock has it.
    kept: BTreeMap<ExerciseName, Exercise>,
    /// What is new: plugins at once, SDKs when they were tried.
    plugins: BTreeMap<ExerciseName, ExerciseKind>,
}

impl Group {
    /// Takes apart what there is to record. Where nothing of the group is new, and nothing of it has gone, it is as it was.
    pub(super) fn take(
        old: Option<&Lock>,
        lock: &mut Lock,
        anew: &mut BTreeMap<ExerciseName, ExerciseKind>,
    ) -> Self {
        let version = lock.opencode.clone();
        let mut group = Self::default();
        let shares =
            |exercise: &Exercise| opencode::shares(&version, &exercise.kind) && !exercise.packages.is_empty();
        let gone = old.into_iter().flat_map(|old| &old.exercises).any(|(name, exercise)| {
            shares(exercise) && !lock.exercises.contains_key(name) && !anew.contains_key(name)
        });
        if !gone && !anew.values().any(|kind| opencode::shares(&version, kind)) {
            return group;
        }
        let names: Vec<ExerciseName> = lock
            .exercises
            .iter()
            .filter(|(_, exercise)| shares(exercise))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            if let Some((name, exercise)) = lock.exercises.remove_entry(&name) {
                group.kept.insert(name, exercise);
            }
        }
        let is_plugin = |kind: &ExerciseKind| {
            matches!(kind, ExerciseKind::Plugin { .. }) && opencode::shares(&version, kind)
        };
        let plugins: Vec<ExerciseName> =
            anew.iter().filter(|(_, kind)| is_plugin(kind)).map(|(name, _)| name.clone()).collect();
        group.plugins = plugins.into_iter().filter_map(|name| anew.remove_entry(&name)).collect();
        group
    }

    /// Whether nobody shares a tree, or all that do are as they were.
    pub(super) fn is_none(&self) -> bool {
        self.kept.is_empty() && self.plugins.is_empty()
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self, recorded: &[Recorded], version: &Version) -> bool {
        let tried = recorded.iter().filter(|one| is_member(one, version)).count();
        self.kept.is_empty() && self.plugins.is_empty() && tried <= 1
    }
}

fn is_member(recorded: &Recorded, version: &Version) -> bool {
    opencode::shares(version, &recorded.kind) && !recorded.resolved.is_empty()
}

/// What a member brings along from before: its proof, and what has to be said.
#[derive(Default)]
struct Before {
    proof: Option<lock::Proof>,
    notes: Vec<String>,
}

impl Recording<'_> {
    /// Nothing is run for config directories whose library was never published, nor for plugins of OpenCode's own that were not: OpenCode of
    /// then does without (1.0 does not start without its plugins, which `verify` tells).
    pub(super) async fn without_unpublished(
        &self,
        lock: &mut Lock,
        mut anew: BTreeMap<ExerciseName, ExerciseKind>,
        origin: &Origin,
    ) -> Result<BTreeMap<ExerciseName, ExerciseKind>, Error> {
        let version = lock.opencode.clone();
        let own = opencode::own_plugins(&version);
        for (name, kind) in anew.clone() {
            let (package, wanted, without) = match &kind {
                ExerciseKind::ConfigDir { .. } if !opencode::needs_library(&version) => {
                    let library = resolve::name(opencode::CONFIG_DIR_PACKAGE)?;
                    (library, version.clone(), "config directories, and tools that import it do not work")
                }
                ExerciseKind::Plugin { spec } if own.contains(&spec.as_str()) => {
                    match (spec.name(), spec.want()) {
                        (Some(name), Some(Want::Exact(version))) => {
                            (name.clone(), version.clone(), "its place, and goes without its own plugin")
                        }
                        _ => continue,
                    }
                }
                _ => continue,
            };
            let found = origin.packument(&package).await;
            match resolve::found(origin.upstream(), &package, package.as_str(), found) {
                Ok(packument) if packument.versions.contains_key(&wanted) => continue,
                Ok(_) | Err(resolve::Error::Absent { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let note = format!(
                "{name}: {package}@{wanted} was never published: OpenCode installs nothing into {without}"
            );
            self.progress.event(Event::Note(&note));
            anew.remove(&name);
            lock.exercises.insert(name, Exercise::empty(kind));
        }
        Ok(anew)
    }

    /// SDKs that OpenCode could not find where it installed them.
    pub(super) fn takes(lock: &Lock, anew: &BTreeMap<ExerciseName, ExerciseKind>) -> Result<(), Error> {
        for (name, kind) in anew {
            if let ExerciseKind::Provider { spec } = kind
                && !opencode::takes_provider(&lock.opencode, spec)
            {
                return Err(Error::NamedVersion {
                    name: name.clone(),
                    spec: spec.clone(),
                    opencode: lock.opencode.clone(),
                });
            }
        }
        Ok(())
    }

    /// Records the group, with the SDKs that were tried; and gives everything back that was recorded.
    pub(super) async fn together(
        &self,
        group: Group,
        recorded: Vec<Recorded>,
        lock: &Lock,
        origin: &Origin,
        binary: &Path,
        host: System,
    ) -> Result<Vec<Recorded>, Error> {
        if group.is_empty(&recorded, &lock.opencode) {
            return Ok(recorded);
        }
        let (tried, mut rest): (Vec<_>, Vec<_>) =
            recorded.into_iter().partition(|one| is_member(one, &lock.opencode));
        let mut sight =
            Sight { only: self.wishes.manifest.packages.clone(), before: lock.before, ..Sight::default() };
        let mut members: BTreeMap<ExerciseName, (ExerciseKind, Before)> = BTreeMap::new();
        let keep = |sight: &mut Sight, kind: &ExerciseKind, packages: &BTreeSet<lock::PackageId>| {
            let (ExerciseKind::Plugin { spec } | ExerciseKind::Provider { spec }) = kind else { return };
            let found = packages.iter().filter(|id| spec.name() == Some(&id.name));
            for id in found.filter(|id| !self.wishes.manifest.packages.contains_key(&id.name)) {
                sight.tagged.insert(id.name.clone(), id.version.clone());
                sight.always.insert(id.clone());
            }
        };
        for (name, exercise) in group.kept {
            keep(&mut sight, &exercise.kind, &exercise.packages);
            members.insert(name, (exercise.kind, Before { proof: exercise.proof, notes: Vec::new() }));
        }
        for one in tried {
            keep(&mut sight, &one.kind, &one.resolved);
            members.insert(one.name, (one.kind, Before { proof: one.proof, notes: one.notes }));
        }
        for (name, kind) in group.plugins {
            let own = pins::sight(&self.wishes.manifest, &kind, &lock.opencode);
            sight.always.extend(own.always);
            let frozen: BTreeMap<PackageName, BTreeSet<Version>> = self.frozen.of(&name);
            sight.among.extend(frozen);
            members.insert(name, (kind, Before::default()));
        }
        rest.extend(self.members(members, sight, origin, binary, lock, host).await?);
        rest.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(rest)
    }

    async fn members(
        &self,
        members: BTreeMap<ExerciseName, (ExerciseKind, Before)>,
        sight: Sight,
        origin: &Origin,
        binary: &Path,
        lock: &Lock,
        host: System,
    ) -> Result<Vec<Recorded>, Error> {
        let Some(name) = members.keys().next().cloned() else { return Ok(Vec::new()) };
        let failed = |source: exercise::Error| Error::Exercise { name: name.clone(), source };
        let base = BasePath::escaped(layout::SHARED).map_err(|_| Error::Worker)?;
        let mut stage = Stage::open(binary, &lock.opencode, exercise::LISTENERS)
            .await
            .map_err(|error| failed(error.into()))?;
        let listener = stage.take_listener().ok_or(Error::Worker)?;
        let bases = BTreeMap::from([(base.clone(), sight)]);
        let registry = RecordRegistry::serve(listener, origin.clone(), bases)
            .map_err(|source| failed(exercise::Error::Listen { source }))?;
        let outlet = Outlet::record(&mut stage, &self.registry.settings, origin.vendor())
            .map_err(|reason| failed(stage::Error::from(reason).into()))?;
        let url = registry.url(&base);
        let kinds: Vec<ExerciseKind> = members.values().map(|(kind, _)| kind.clone()).collect();
        let performed = tokio::select! {
            performed = shared::perform(&mut stage, &kinds, &url, &outlet, host, &[]) => performed,
            () = registry.failed() => Ok(()),
        };
        let (mut facts, others) = (registry.shutdown().await, outlet.close().await);
        let mut others = downloads::without_catalogue(others, &lock.opencode);
        if let Some(failure) = facts.failures.pop() {
            return Err(upstream_failure(name, failure));
        }
        let record = facts.bases.remove(&base).unwrap_or_default();
        if let Some(error) = forbidden(&name, &record, origin.upstream()) {
            return Err(error);
        }
        if let Some((package, hidden)) = record.hidden.first_key_value() {
            return Err(super::one::hidden(&name, lock.before, package, hidden));
        }
        if let Err(source) = performed {
            let refused = kinds.iter().find_map(|kind| super::one::refused(kind, &record));
            return Err(refused.map_or_else(|| failed(source), Error::Resolve));
        }
        let root = stage.sandbox().outside(stage::CACHE_DIR);
        let unreadable = |source| Error::Settle { name: name.clone(), source };
        let mut absent = absent(&record, &settle::resolved(&root).map_err(unreadable)?);
        let mut recorded = Vec::new();
        for (name, (kind, Before { proof, notes })) in members {
            recorded.push(Recorded {
                resolved: settle::needed(&root, &kind).map_err(unreadable)?,
                // Asked for by any of them, and answered to all of them.
                absent: std::mem::take(&mut absent),
                record: record.clone(),
                fills: BTreeSet::new(),
                others: std::mem::take(&mut others),
                name,
                kind,
                proof,
                notes,
            });
        }
        Ok(recorded)
    }
}
