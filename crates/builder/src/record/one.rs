//! One exercise, performed online behind a recorder of its own, and what it left: facts, and not yet pins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use lock::{
    Date, ExerciseKind, ExerciseName, Fill, PackageId, PackageName, Proof, Sri, System, Version, Want,
};
use replay::proxy::ProxyFacts;
use replay::registry::npmrc::Settings;
use replay::registry::{
    Answer, BasePath, BaseRecord, Failure, Hidden, Origin, RecordRegistry, Release, Sight, Upstream,
};

use super::Error;
use crate::downloads::Outlet;
use crate::exercise::Outcome;
use crate::fills::{self, Left};
use crate::generation::Generation;
use crate::stage::{self, Stage};
use crate::trial::{self, Verdict};
use crate::{commands, downloads, exercise, resolve, settle};

/// One exercise to record, with everything that takes.
pub(super) struct One {
    pub(super) name: ExerciseName,
    pub(super) kind: ExerciseKind,
    pub(super) origin: Origin,
    pub(super) settings: Settings,
    pub(super) binary: PathBuf,
    /// Its version.
    pub(super) opencode: Version,
    pub(super) host: System,
    /// What it may see of the registry.
    pub(super) sight: Sight,
    /// The generation of the AI SDK in the binary.
    pub(super) generation: Option<Generation>,
}

/// What one exercise left.
pub(super) struct Recorded {
    pub(super) name: ExerciseName,
    pub(super) kind: ExerciseKind,
    pub(super) record: BaseRecord,
    pub(super) resolved: BTreeSet<PackageId>,
    /// What was asked for and of which nothing was taken.
    pub(super) absent: BTreeSet<PackageName>,
    pub(super) fills: BTreeSet<Fill>,
    pub(super) others: ProxyFacts,
    /// How far a provider's SDK was seen to work.
    pub(super) proof: Option<Proof>,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

impl One {
    /// Performs it online, behind a recorder.
    pub(super) async fn record(self) -> Result<Recorded, Error> {
        match &self.kind {
            ExerciseKind::Provider { spec } => self.provider(spec).await,
            kind => Ok(self.once(kind, &self.sight).await?.0),
        }
    }

    /// Performs it once, as `kind` says, with what `sight` shows; a provider's SDK is tried too.
    pub(super) async fn once(
        &self,
        kind: &ExerciseKind,
        sight: &Sight,
    ) -> Result<(Recorded, Option<Verdict>), Error> {
        let failed = |source: exercise::Error| Error::Exercise { name: self.name.clone(), source };
        let base = BasePath::escaped(self.name.as_str()).map_err(|_| Error::Worker)?;
        let mut stage = Stage::open(&self.binary, &self.opencode, exercise::LISTENERS)
            .await
            .map_err(|error| failed(error.into()))?;
        let listener = stage.take_listener().ok_or(Error::Worker)?;
        let bases = BTreeMap::from([(base.clone(), sight.clone())]);
        let registry = RecordRegistry::serve(listener, self.origin.clone(), bases)
            .map_err(|source| failed(exercise::Error::Listen { source }))?;
        let outlet = Outlet::record(&mut stage, &self.settings, self.origin.vendor())
            .map_err(|reason| failed(stage::Error::from(reason).into()))?;
        let url = registry.url(&base);
        let performed = tokio::select! {
            performed = self.perform(&mut stage, kind, &url, &outlet) => performed,
            () = registry.failed() => Ok((Outcome::Filled, None)),
        };
        let (mut facts, others) = (registry.shutdown().await, outlet.close().await);
        let others = downloads::without_catalogue(others, &self.opencode);
        // The outside world's failure explains the exercise's.
        if let Some(failure) = facts.failures.pop() {
            return Err(upstream_failure(self.name.clone(), failure));
        }
        let record = facts.bases.remove(&base).unwrap_or_default();
        if let Some(error) = forbidden(&self.name, &record, self.origin.upstream()) {
            return Err(error);
        }
        if let Some((package, hidden)) = record.hidden.first_key_value() {
            return Err(self.hidden(package, hidden));
        }
        let (outcome, verdict) = match performed {
            Ok(performed) => performed,
            Err(source) => {
                if let Some(error) = self.kept_from(kind, &others) {
                    return Err(error);
                }
                return Err(refused(kind, &record)
                    .map_or_else(|| self.pinned(sight, &record, failed(source)), Error::Resolve));
            }
        };
        if outcome == Outcome::Untouched
            && let Some(error) = refused(kind, &record)
        {
            return Err(Error::Resolve(error));
        }
        let unreadable = |source| Error::Settle { name: self.name.clone(), source };
        let left = match exercise::directory(&stage, kind) {
            Some(directory) if outcome == Outcome::Filled => {
                let resolved = settle::resolved(&stage.sandbox().outside(directory)).map_err(unreadable)?;
                Left { fills: BTreeSet::new(), resolved }
            }
            None if fills::are_left(&self.kind) => {
                let downloads: Vec<&Sri> =
                    others.exchanges.iter().map(|exchange| &exchange.integrity).collect();
                fills::left(&stage, &downloads).map_err(unreadable)?
            }
            _ => Left::default(),
        };
        let Left { fills, resolved } = left;
        let (name, kind) = (self.name.clone(), self.kind.clone());
        let notes = commands::unrun(&kind, &record, &resolved);
        let absent = absent(&record, &resolved);
        let recorded = Recorded { name, kind, record, absent, resolved, fills, others, proof: None, notes };
        Ok((recorded, verdict))
    }

    /// What kept OpenCode from downloading a language server.
    fn kept_from(&self, kind: &ExerciseKind, others: &ProxyFacts) -> Option<Error> {
        if !matches!(kind, ExerciseKind::LanguageServer { .. }) {
            return None;
        }
        let name = self.name.clone();
        if let Some(failure) = others.failures.first() {
            let package = failure.url.host_str().unwrap_or_default().to_owned();
            return Some(Error::Upstream { name, package, source: Arc::clone(&failure.error) });
        }
        let refused = others.exchanges.iter().find(|exchange| exchange.status >= 400)?;
        let url = format!("{}{}", refused.url.host_str().unwrap_or_default(), refused.url.path());
        Some(Error::Refused { name, url, status: refused.status })
    }

    async fn perform(
        &self,
        stage: &mut Stage,
        kind: &ExerciseKind,
        registry: &str,
        outlet: &Outlet,
    ) -> Result<(Outcome, Option<Verdict>), exercise::Error> {
        if let ExerciseKind::Provider { spec } = kind {
            let (outcome, verdict) = trial::perform(stage, spec, registry, outlet, self.host).await?;
            return Ok((outcome, Some(verdict)));
        }
        Ok((exercise::perform(stage, kind, registry, outlet, self.host).await?, None))
    }

    /// Why a package of which nothing may be seen ends the recording.
    pub(super) fn hidden(&self, package: &PackageName, how: &Hidden) -> Error {
        hidden(&self.name, self.sight.before, package, how)
    }

    /// Where an exercise fails in which something is pinned by hand, that may be the reason.
    fn pinned(&self, sight: &Sight, record: &BaseRecord, error: Error) -> Error {
        let asked = |(package, _): &(&PackageName, &Version)| record.packuments.contains_key(*package);
        let by_hand = self.sight.only.iter().filter(|pin| sight.only.get(pin.0) == Some(pin.1)).filter(asked);
        let frozen = self.sight.among.iter().filter(|(package, _)| record.packuments.contains_key(*package));
        let frozen =
            frozen.flat_map(|(package, versions)| versions.iter().map(move |version| (package, version)));
        let pins: Vec<String> =
            by_hand.chain(frozen).map(|(package, version)| format!("{package}@{version}")).collect();
        match error {
            Error::Exercise { name, source } if !pins.is_empty() => Error::Pinned { name, pins, source },
            error => error,
        }
    }
}

/// Why a package of which nothing may be seen ends the recording of `name`.
pub(super) fn hidden(
    name: &ExerciseName,
    before: Option<Date>,
    package: &PackageName,
    hidden: &Hidden,
) -> Error {
    let (name, package) = (name.clone(), package.clone());
    match (hidden, before) {
        (Hidden::Younger { first }, Some(day)) => {
            Error::Younger { name, package, day, version: first.0.clone(), time: first.1.clone() }
        }
        (Hidden::NoSuchVersion(version), _) => {
            let what = package.at(version.clone()).to_string();
            Error::Resolve(resolve::Error::Absent { what, status: 404 })
        }
        _ => Error::NoTimes { name, package },
    }
}

/// A registry that wants credentials has said nothing about the package: not a fact to record.
pub(super) fn forbidden(name: &ExerciseName, record: &BaseRecord, upstream: &Upstream) -> Option<Error> {
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
pub(super) fn refused(kind: &ExerciseKind, record: &BaseRecord) -> Option<resolve::Error> {
    let (ExerciseKind::Plugin { spec } | ExerciseKind::Provider { spec } | ExerciseKind::Executable { spec }) =
        kind
    else {
        return None;
    };
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

pub(super) fn upstream_failure(name: ExerciseName, failure: Failure) -> Error {
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
        ExerciseKind::Plugin { spec }
        | ExerciseKind::Provider { spec }
        | ExerciseKind::Executable { spec } => spec.name().zip(spec.want()),
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
