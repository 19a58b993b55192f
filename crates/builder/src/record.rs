//! Wishes → lock: resolve, run the exercises behind the recording registry, and pin what OpenCode
//! asked for and npm resolved.
//!
//! What an old lock says about an exercise that has not changed is kept: a lock moves only where
//! its manifest moved, until it is refreshed on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lock::{
    Exercise, ExerciseKind, ExerciseName, Known, Lock, Package, PackageId, PackageName, Reach, System,
    Version, Want,
};
use replay::proxy::ProxyFacts;
use replay::registry::npmrc::Settings;
use replay::registry::{
    Answer, BasePath, BaseRecord, Failure, Origin, RecordRegistry, Release, Sight, Upstream,
};
use replay::vendor::Vendor;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::downloads::Outlet;
use crate::exercise::Outcome;
use crate::plan::Wishes;
use crate::progress::{Event, Progress, timed};
use crate::registry::Registry;
use crate::stage::{self, Stage};
use crate::{binary, count, downloads, exercise, fetch, parallel, resolve, settle};

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something does not resolve.
    #[error(transparent)]
    Resolve(#[from] resolve::Error),
    /// The release binary could not be fetched.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// The release binary could not be unpacked.
    #[error(transparent)]
    Binary(#[from] binary::Error),
    /// An exercise failed.
    #[error("record {name}")]
    Exercise {
        /// The exercise.
        name: ExerciseName,
        /// The cause.
        source: exercise::Error,
    },
    /// The outside world failed while an exercise ran.
    #[error("record {name}: fetch {package}")]
    Upstream {
        /// The exercise.
        name: ExerciseName,
        /// The package.
        package: String,
        /// The cause.
        source: Arc<replay::vendor::Error>,
    },
    /// The registry wants credentials, or other ones.
    #[error("record {name}: ask {host} for {package}: {}", resolve::refusal(*status))]
    Forbidden {
        /// The exercise.
        name: ExerciseName,
        /// The package.
        package: PackageName,
        /// The registry's host.
        host: String,
        /// The HTTP status: 401 or 403.
        status: u16,
    },
    /// A package that was resolved cannot be pinned.
    #[error("record {name}: pin {package}: {reason}")]
    Unpinnable {
        /// The exercise.
        name: ExerciseName,
        /// The package.
        package: String,
        /// Why not.
        reason: String,
    },
    /// What was installed could not be read.
    #[error("record {name}")]
    Settle {
        /// The exercise.
        name: ExerciseName,
        /// The cause.
        source: settle::Error,
    },
    /// The models could not be counted.
    #[error("count the models")]
    Count(#[from] count::Error),
    /// A worker ended abnormally.
    #[error("record: a worker ended abnormally")]
    Worker,
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Resolve(error) => error.code(),
            Self::Fetch(error) => error.code(),
            Self::Binary(error) => error.code(),
            Self::Exercise { source, .. } => source.code(),
            Self::Upstream { source, .. } => source.code(),
            Self::Forbidden { .. } => "registry-forbidden",
            Self::Unpinnable { .. } => "package-unpinnable",
            Self::Settle { .. } => "tree-not-whole",
            Self::Count(error) => error.code(),
            Self::Worker => "bug-worker",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Resolve(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Binary(error) => error.hint(),
            Self::Exercise { source, .. } => source.hint(),
            Self::Upstream { source, .. } => source.hint(),
            Self::Count(error) => error.hint(),
            Self::Forbidden { host, status, .. } => Some(resolve::refusal_hint(host, *status)),
            _ => None,
        }
    }
}

/// What a recording needs.
pub struct Recording<'a> {
    /// What the user wants.
    pub wishes: &'a Wishes,
    /// The lock that there is, unless everything is to be resolved anew.
    pub old: Option<&'a Lock>,
    /// The registry, and how the world is reached.
    pub registry: Registry,
    /// Where downloads go.
    pub vendor: Vendor,
    /// Who is told.
    pub progress: Arc<dyn Progress>,
}

impl Recording<'_> {
    /// Resolves and records.
    pub async fn run(self) -> Result<Lock, Error> {
        let host = binary::host()?;
        let systems = self.wishes.manifest.wanted_systems().unwrap_or_else(|| BTreeSet::from([host]));
        let version = self.version(&systems).await?;
        let systems = match self.old {
            Some(old) if old.opencode == version && old.systems.keys().eq(&systems) => old.systems.clone(),
            _ => resolve::artifacts(&self.registry.upstream, &version, &systems).await?,
        };
        let mut lock = empty_lock(version, systems);
        self.exercises(&mut lock, host).await?;
        lock.retain_referenced();
        Ok(lock)
    }

    /// While the manifest says "latest" an old lock's version is kept: moving on is done on purpose.
    async fn version(&self, systems: &BTreeSet<System>) -> Result<Version, Error> {
        match (&self.wishes.manifest.opencode, self.old) {
            (lock::Wanted::Latest, Some(old))
                if systems.iter().all(|system| old.systems.contains_key(system)) =>
            {
                Ok(old.opencode.clone())
            }
            (wanted, _) => Ok(resolve::version(&self.registry.upstream, wanted, systems).await?),
        }
    }

    async fn exercises(&self, lock: &mut Lock, host: System) -> Result<(), Error> {
        let mut anew = self.wishes.exercises(&lock.opencode);
        if let Some(old) = self.old.filter(|old| old.opencode == lock.opencode && old.systems == lock.systems)
        {
            anew.retain(|name, kind| match old.exercises.get(name) {
                Some(exercise) if exercise.kind == *kind => {
                    lock.exercises.insert(name.clone(), exercise.clone());
                    false
                }
                _ => true,
            });
            lock.packages = old.packages.clone();
            lock.known = old.known.clone();
            lock.downloads = old.downloads.clone();
            lock.models = old.models.clone();
        }
        if anew.is_empty() && !lock.models.is_empty() {
            return Ok(());
        }
        let binary = self.binary(lock, host).await?;
        let counting = async {
            if !lock.models.is_empty() {
                return Ok(lock.models.clone());
            }
            let counted = timed(&*self.progress, "count models", count::models(&binary)).await;
            counted.map_err(Error::from)
        };
        let (recorded, models) = tokio::try_join!(self.record(anew, &binary, host), counting)?;
        lock.models = models;
        for recorded in recorded {
            self.add(lock, recorded).await?;
        }
        Ok(())
    }

    /// The binary of this machine's system, which has to run here whatever is wanted.
    async fn binary(&self, lock: &Lock, host: System) -> Result<PathBuf, Error> {
        let artifact = match lock.systems.get(&host) {
            Some(artifact) => artifact.clone(),
            None => {
                let only = BTreeSet::from([host]);
                let mut found = resolve::artifacts(&self.registry.upstream, &lock.opencode, &only).await?;
                found.remove(&host).ok_or(binary::Error::NotLocked { system: host })?
            }
        };
        let pins = fetch::artifact_pins(&artifact);
        fetch::fetch(&self.vendor, &self.registry.upstream, &pins, &self.progress).await?;
        let vendor = self.vendor.clone();
        let unpacked = tokio::task::spawn_blocking(move || binary::unpacked(&vendor, &artifact));
        Ok(unpacked.await.map_err(|_| Error::Worker)??)
    }

    /// Performs exercises, a few at once.
    async fn record(
        &self,
        anew: BTreeMap<ExerciseName, ExerciseKind>,
        binary: &Path,
        host: System,
    ) -> Result<Vec<Recorded>, Error> {
        let origin = Origin::new(self.registry.upstream.clone(), self.vendor.clone());
        let permits = Arc::new(Semaphore::new(parallel()));
        let mut running = JoinSet::new();
        for (name, kind) in anew {
            let one = One {
                name,
                kind,
                origin: origin.clone(),
                settings: self.registry.settings.clone(),
                binary: binary.to_path_buf(),
                host,
            };
            let (permits, progress) = (permits.clone(), self.progress.clone());
            running.spawn(async move {
                let _permit = permits.acquire_owned().await;
                let what = format!("record {}", one.name);
                timed(&*progress, &what, one.record()).await
            });
        }
        let mut recorded = Vec::new();
        while let Some(done) = running.join_next().await {
            recorded.push(done.map_err(|_| Error::Worker)??);
        }
        recorded.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(recorded)
    }

    /// Turns one recording into pins.
    async fn add(&self, lock: &mut Lock, recorded: Recorded) -> Result<(), Error> {
        let Recorded { name, kind, record, resolved, others } = recorded;
        let (downloads, notes) = downloads::recorded(&others);
        lock.downloads.extend(downloads);
        for note in notes {
            self.progress.event(Event::Note(&format!("{name}: {note}")));
        }
        let tags = tags(&kind, &record, &resolved);
        let absent = absent(&record, &resolved);
        for id in &resolved {
            if lock.pin(id).is_none() {
                self.pin(lock, &name, id, &record).await?;
            }
        }
        lock.exercises.insert(
            name,
            Exercise { kind, tags, absent, packages: resolved, fills: BTreeSet::new(), proof: None },
        );
        Ok(())
    }

    async fn pin(
        &self,
        lock: &mut Lock,
        name: &ExerciseName,
        id: &PackageId,
        record: &BaseRecord,
    ) -> Result<(), Error> {
        let unpinnable =
            |reason: String| Error::Unpinnable { name: name.clone(), package: id.to_string(), reason };
        let release =
            release(record, id).ok_or_else(|| unpinnable("the registry was not asked for it".into()))?;
        let manifest =
            lock::manifest_fields(&release.manifest).map_err(|error| unpinnable(error.to_string()))?;
        let integrity = release.integrity.clone();
        if !lock.systems.keys().any(|system| manifest.allows(*system)) {
            lock.known.insert(id.clone(), Known { integrity, manifest });
            return Ok(());
        }
        let (integrity, size) = match record.tarballs.get(id) {
            // What the registry states is what npm writes into its lock files.
            Some(tarball) => (integrity.unwrap_or_else(|| tarball.integrity.clone()), tarball.size),
            // Another system's, which the OpenCode that ran here had no use for.
            None => {
                let size = resolve::tarball_size(&self.registry.upstream, id, release).await?;
                (integrity.ok_or_else(|| unpinnable("the registry states no strong hash".into()))?, size)
            }
        };
        lock.packages.insert(id.clone(), Package { integrity, size, reach: Reach::Everywhere, manifest });
        Ok(())
    }
}

fn empty_lock(opencode: Version, systems: BTreeMap<System, lock::Artifact>) -> Lock {
    Lock {
        opencode,
        systems,
        exercises: BTreeMap::new(),
        packages: BTreeMap::new(),
        known: BTreeMap::new(),
        downloads: BTreeMap::new(),
        catalogue: None,
        models: BTreeMap::new(),
        programs: BTreeMap::new(),
        pins: BTreeMap::new(),
        before: None,
        providers: BTreeMap::new(),
    }
}

/// One exercise to record, with everything that takes.
struct One {
    name: ExerciseName,
    kind: ExerciseKind,
    origin: Origin,
    settings: Settings,
    binary: PathBuf,
    host: System,
}

/// What one exercise left.
struct Recorded {
    name: ExerciseName,
    kind: ExerciseKind,
    record: BaseRecord,
    resolved: BTreeSet<PackageId>,
    others: ProxyFacts,
}

impl One {
    async fn record(self) -> Result<Recorded, Error> {
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

fn release<'a>(record: &'a BaseRecord, id: &PackageId) -> Option<&'a Release> {
    match record.packuments.get(&id.name)? {
        Answer::Found(packument) => packument.versions.get(&id.version),
        Answer::Absent { .. } => None,
    }
}

/// The dist-tags that decided something, or may: the one that was asked for, and `latest` where it
/// is a version that was resolved (npm prefers it inside a range).
fn tags(
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
fn absent(record: &BaseRecord, resolved: &BTreeSet<PackageId>) -> BTreeSet<PackageName> {
    let taken: BTreeSet<&PackageName> = resolved.iter().map(|id| &id.name).collect();
    record.packuments.keys().filter(|name| !taken.contains(name)).cloned().collect()
}
