//! One exercise, performed online behind a recorder of its own, and what it left: facts, and not yet pins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use lock::{ExerciseKind, ExerciseName, PackageId, PackageName, System, Version, Want};
use replay::proxy::ProxyFacts;
use replay::registry::npmrc::Settings;
use replay::registry::{
    Answer, BasePath, BaseRecord, Failure, Origin, RecordRegistry, Release, Sight, Upstream,
};

use super::Error;
use crate::downloads::Outlet;
use crate::exercise::Outcome;
use crate::stage::{self, Stage};
use crate::{exercise, resolve, settle};

/// One exercise to record, with everything that takes.
pub(super) struct One {
    pub(super) name: ExerciseName,
    pub(super) kind: ExerciseKind,
    pub(super) origin: Origin,
    pub(super) settings: Settings,
    pub(super) binary: PathBuf,
    pub(super) host: System,
}

/// What one exercise left.
pub(super) struct Recorded {
    pub(super) name: ExerciseName,
    pub(super) kind: ExerciseKind,
    pub(super) record: BaseRecord,
    pub(super) resolved: BTreeSet<PackageId>,
    pub(super) others: ProxyFacts,
}

impl One {
    /// Performs it online, behind a recorder.
    pub(super) async fn record(self) -> Result<Recorded, Error> {
        let failed = |source: exercise::Error| Error::Exercise { name: self.name.clone(), source };
        let base = BasePath::escaped(self.name.as_str()).map_err(|_| Error::Worker)?;
        let mut stage =
            Stage::open(&self.binary, exercise::LISTENERS).await.map_err(|error| failed(error.into()))?;
        let listener = stage.take_listener().ok_or(Error::Worker)?;
        let bases = BTreeMap::from([(base.clone(), Sight::default())]);
        let registry = RecordRegistry::serve(listener, self.origin.clone(), bases)
            .map_err(|source| failed(exercise::Error::Listen { source }))?;
        let outlet = Outlet::record(&mut stage, &self.settings, self.origin.vendor())
            .map_err(|reason| failed(stage::Error::from(reason).into()))?;
        let url = registry.url(&base);
        let outcome = tokio::select! {
            outcome = exercise::perform(&mut stage, &self.kind, &url, &outlet, self.host) => outcome,
            () = registry.failed() => Ok(Outcome::Filled),
        };
        let (mut facts, others) = (registry.shutdown().await, outlet.close().await);
        // The outside world's failure explains the exercise's.
        if let Some(failure) = facts.failures.pop() {
            return Err(upstream_failure(self.name, failure));
        }
        let record = facts.bases.remove(&base).unwrap_or_default();
        if let Some(error) = forbidden(&self.name, &record, self.origin.upstream()) {
            return Err(error);
        }
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(source) => {
                return Err(refused(&self.kind, &record).map_or_else(|| failed(source), Error::Resolve));
            }
        };
        if outcome == Outcome::Untouched
            && let Some(error) = refused(&self.kind, &record)
        {
            return Err(Error::Resolve(error));
        }
        let resolved = match exercise::directory(&self.kind) {
            Some(directory) if outcome == Outcome::Filled => {
                settle::resolved(&stage.sandbox().outside(directory))
                    .map_err(|source| Error::Settle { name: self.name.clone(), source })?
            }
            _ => BTreeSet::new(),
        };
        Ok(Recorded { name: self.name, kind: self.kind, record, resolved, others })
    }
}

/// A registry that wants credentials has said nothing about the package: not a fact to record.
fn forbidden(name: &ExerciseName, record: &BaseRecord, upstream: &Upstream) -> Option<Error> {
    record.packuments.iter().find_map(|(package, answer)| match answer {
        Answer::Absent { status: status @ (401 | 403) } => {
            let (name, package) = (name.clone(), package.clone());
            Some(Error::Forbidden { host: upstream.host(&package), name, package, status: *status })
        }
        _ => None,
    })
}

/// Where OpenCode failed because the registry does not have what it was asked for by name, that is
/// the reason to tell.
fn refused(kind: &ExerciseKind, record: &BaseRecord) -> Option<resolve::Error> {
    let (ExerciseKind::Plugin { spec } | ExerciseKind::Provider { spec }) = kind else { return None };
    let absent = |status| resolve::Error::Absent { what: spec.to_string(), status };
    match (record.packuments.get(spec.name()?)?, spec.want()?) {
        (Answer::Absent { status }, _) => Some(absent(*status)),
        (Answer::Found(packument), Want::Exact(version)) if !packument.versions.contains_key(version) => {
            Some(absent(404))
        }
        (Answer::Found(packument), Want::Tag(tag)) if !packument.tags.contains_key(tag) => Some(absent(404)),
        _ => None,
    }
}

fn upstream_failure(name: ExerciseName, failure: Failure) -> Error {
    let package = match failure.version {
        Some(version) => format!("{}@{version}", failure.package),
        None => failure.package.to_string(),
    };
    Error::Upstream { name, package, source: failure.error }
}

pub(super) fn release<'a>(record: &'a BaseRecord, id: &PackageId) -> Option<&'a Release> {
    match record.packuments.get(&id.name)? {
        Answer::Found(packument) => packument.versions.get(&id.version),
        Answer::Absent { .. } => None,
    }
}

/// The dist-tags that decided something, or may: the one that was asked for, and `latest` where it
/// is a version that was resolved (npm prefers it inside a range).
pub(super) fn tags(
    kind: &ExerciseKind,
    record: &BaseRecord,
    resolved: &BTreeSet<PackageId>,
) -> BTreeMap<PackageName, BTreeMap<String, Version>> {
    let asked = match kind {
        ExerciseKind::Plugin { spec } | ExerciseKind::Provider { spec } => spec.name().zip(spec.want()),
        _ => None,
    };
    let mut tags = BTreeMap::new();
    for (name, answer) in &record.packuments {
        let Answer::Found(packument) = answer else { continue };
        let decided = |tag: &str| {
            let asked = matches!(asked, Some((of, Want::Tag(word))) if of == name && word == tag);
            asked || tag == "latest"
        };
        let kept: BTreeMap<String, Version> = packument
            .tags
            .iter()
            .filter(|(tag, version)| decided(tag) && resolved.contains(&name.at((*version).clone())))
            .map(|(tag, version)| (tag.clone(), version.clone()))
            .collect();
        if !kept.is_empty() {
            tags.insert(name.clone(), kept);
        }
    }
    tags
}

/// Packages that were asked for and of which nothing was taken, because there is nothing (404) or
/// nothing that was wanted. Both ways npm writes the same tree, and a replay answers 404.
pub(super) fn absent(record: &BaseRecord, resolved: &BTreeSet<PackageId>) -> BTreeSet<PackageName> {
    let taken: BTreeSet<&PackageName> = resolved.iter().map(|id| &id.name).collect();
    record.packuments.keys().filter(|name| !taken.contains(name)).cloned().collect()
}
