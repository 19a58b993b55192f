//! Wishes → lock: resolve, run the exercises behind the recording registry, and pin what OpenCode
//! asked for and npm resolved.
//!
//! What an old lock says about an exercise that has not changed is kept: a lock moves only where
//! its manifest moved, until it is refreshed on purpose.

mod by_hand;
mod error;
mod named;
mod one;
mod provider;
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lock::{
    Catalogue, Date, Exercise, ExerciseKind, ExerciseName, Known, Lock, Package, PackageId, Reach, System,
    Version,
};
use replay::registry::{BaseRecord, Origin, Sight};
use replay::vendor::Vendor;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::frozen::Frozen;
use crate::generation::Generation;
use crate::opencode::servers;
use crate::plan::Wishes;
use crate::progress::{Event, Progress, timed};
use crate::registry::Registry;
use crate::releases::{Parts, Releases};
use crate::signatures::Judge;
use crate::{
    binary, catalogue, count, debian, downloads, fetch, licences, parallel, pins, programs, releases,
    resolve, variants,
};

pub use error::Error;
use one::{One, Recorded, release, tags};
use shared::Group;

/// What a recording needs.
pub struct Recording<'a> {
    /// What the user wants.
    pub wishes: &'a Wishes,
    /// The lock that there is, unless everything is to be resolved anew.
    pub old: Option<&'a Lock>,
    /// What keeps its versions though everything is resolved anew.
    pub frozen: Frozen,
    /// The lock that there is in any case: what it pins has to be still what it was, and signed where it was.
    pub locked: Option<&'a Lock>,
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
        let locked = self.locked;
        self.resolved_and_recorded().await.map_err(|error| error.against(locked))
    }

    async fn resolved_and_recorded(self) -> Result<Lock, Error> {
        let host = binary::host()?;
        let systems = self.wishes.manifest.wanted_systems().unwrap_or_else(|| BTreeSet::from([host]));
        let version = self.version(&systems).await?;
        let systems = match self.old {
            Some(old)
                if old.opencode == version
                    && old.systems.keys().eq(&systems)
                    && releases::other_source(&self.wishes.manifest, old).is_none() =>
            {
                old.systems.clone()
            }
            _ => self.releases().artifacts(&version, &systems).await?,
        };
        let mut lock = empty_lock(version, systems);
        let mut judge = Judge::new(&self.wishes.manifest.trust, self.locked);
        // Before any of it is run.
        judge.pins(&lock, self.old, &self.registry.upstream).await?;
        judge.check()?;
        self.exercises(&mut lock, &mut judge, host).await?;
        lock.retain_referenced();
        judge.pins(&lock, self.old, &self.registry.upstream).await?;
        judge.unchanged(&lock);
        judge.notes().for_each(|note| self.progress.event(Event::Note(note)));
        judge.finish(&mut lock)?;
        licences::check(&self.wishes.manifest.licences, &lock)?;
        lock.retain_referenced();
        Ok(lock)
    }

    /// While the manifest says "latest" an old lock's version is kept: moving on is done on purpose.
    async fn version(&self, systems: &BTreeSet<System>) -> Result<Version, Error> {
        match (&self.wishes.manifest.opencode, self.old) {
            (lock::Wanted::Latest, Some(old))
                if systems.iter().all(|system| old.systems.contains_key(system))
                    && pins::other_day(&self.wishes.manifest, old).is_none() =>
            {
                Ok(old.opencode.clone())
            }
            (wanted, _) => {
                let parts =
                    Parts { systems: systems.clone(), variants: self.wishes.manifest.variants.clone() };
                Ok(self.releases().version(wanted, &parts, self.before()).await?)
            }
        }
    }

    fn releases(&self) -> Releases {
        Releases::of(&self.wishes.manifest, &self.registry, &self.vendor).against(self.locked)
    }

    /// A manifest that names no day takes the lock's, as "latest" takes its OpenCode.
    fn before(&self) -> Option<Date> {
        self.wishes.manifest.before.or_else(|| self.old?.before)
    }

    async fn exercises(&self, lock: &mut Lock, judge: &mut Judge<'_>, host: System) -> Result<(), Error> {
        let manifest = &self.wishes.manifest;
        lock.pins = manifest.packages.clone();
        lock.before = self.before();
        let kept = self.old.filter(|old| old.opencode == lock.opencode && old.systems == lock.systems);
        self.providers(lock, judge, kept, host).await?;
        let mut anew = self.wishes.exercises(&lock.opencode, &lock.providers);
        for (name, kind) in &anew {
            if let Some(pins::Conflict { package, pinned, wanted }) = pins::conflict(manifest, kind) {
                return Err(Error::PinConflict { name: name.clone(), package, pinned, wanted });
            }
        }
        if let Some(old) = kept {
            let other_day = pins::other_day(manifest, old).is_some();
            anew.retain(|name, kind| match old.exercises.get(name) {
                Some(exercise)
                    if exercise.kind == *kind && !other_day && !pins::outdated(manifest, old, exercise) =>
                {
                    lock.exercises.insert(name.clone(), exercise.clone());
                    false
                }
                _ => true,
            });
            lock.packages = old.packages.clone();
            lock.known = old.known.clone();
            lock.downloads = old.downloads.clone();
            lock.catalogue = old.catalogue.clone();
            lock.models = old.models.clone();
            lock.programs = old.programs.clone();
            lock.variants = old.variants.clone();
            lock.libraries = old.libraries.clone();
        }
        let origin = Origin::new(self.registry.upstream.clone(), self.vendor.clone());
        self.pins_exist(&origin).await?;
        if variants::missing_from(manifest, lock).is_some() {
            let parts = Parts {
                systems: lock.systems.keys().copied().collect(),
                variants: manifest.variants.clone(),
            };
            lock.variants = self.releases().variants(&lock.opencode, &parts).await?;
        }
        if debian::missing_from(manifest, lock).is_some() {
            let systems = match manifest.libraries {
                lock::Libraries::None => BTreeSet::new(),
                _ => lock.systems.keys().copied().collect(),
            };
            let place = debian::Place::of(&self.registry.upstream);
            let resolving = debian::resolve(&systems, place.as_ref());
            lock.libraries = timed(&*self.progress, "ask for Debian's C library", resolving).await?;
        }
        let same_day = kept.is_none_or(|old| pins::other_day(manifest, old).is_none());
        let programs_fit = same_day && programs::missing_from(manifest, lock).is_none();
        anew = self.without_unpublished(lock, anew, &origin).await?;
        let group = Group::take(kept, lock, &mut anew);
        if anew.is_empty() && group.is_none() && !lock.models.is_empty() && programs_fit {
            return Ok(());
        }
        let binary = self.binary(lock, judge, host).await?;
        if !programs_fit {
            let manifest = self.frozen.pinned(&self.wishes.manifest);
            let resolving = programs::Resolving {
                manifest: &manifest,
                systems: lock.systems.keys().copied().collect(),
                before: lock.before,
                registry: &self.registry,
                vendor: &self.vendor,
            };
            lock.programs = resolving.run(&binary).await?;
        }
        let anew = self.without_built_in(lock, anew, &binary).await?;
        Self::takes(lock, &anew)?;
        let counting = async {
            if !lock.models.is_empty() {
                return Ok((lock.catalogue.clone(), lock.models.clone()));
            }
            self.models(&binary, &lock.opencode).await
        };
        let lock_as_it_is = &*lock;
        let recording = async {
            let recorded = self.record(anew, lock_as_it_is, &origin, &binary, host).await?;
            self.together(group, recorded, lock_as_it_is, &origin, &binary, host).await
        };
        let (recorded, models) = tokio::try_join!(recording, counting)?;
        (lock.catalogue, lock.models) = models;
        self.warn(&recorded);
        for recorded in recorded {
            self.add(lock, judge, recorded).await?;
        }
        self.unused_pins(lock);
        Ok(())
    }

    /// The catalogue, where it can be had and this OpenCode can use it, and how many models it lists.
    async fn models(
        &self,
        binary: &Path,
        version: &Version,
    ) -> Result<(Option<Catalogue>, BTreeMap<String, u32>), Error> {
        let ask = catalogue::ask(binary, version, &self.registry.settings, &self.vendor, &*self.progress);
        let why = match timed(&*self.progress, "ask for the catalogue", ask)
            .await
            .map_err(count::Error::from)?
        {
            catalogue::Found::Snapshot { why } => why,
            catalogue::Found::Pinned(pinned) => {
                let file = self.vendor.path_of(&pinned.integrity);
                let counting = count::models(binary, version, Some(&file));
                match timed(&*self.progress, "count models", counting).await {
                    Ok(models) => return Ok((Some(pinned), models)),
                    Err(error) => format!("OpenCode cannot use what {} serves: {error}", pinned.url.host()),
                }
            }
        };
        let note = format!("the catalogue of models is the one inside OpenCode, because none was had: {why}");
        self.progress.event(Event::Note(&note));
        let models = timed(&*self.progress, "count models", count::models(binary, version, None)).await?;
        Ok((None, models))
    }

    /// The binary of this machine's system, which has to run here whatever is wanted.
    async fn binary(&self, lock: &Lock, judge: &mut Judge<'_>, host: System) -> Result<PathBuf, Error> {
        let artifact = match lock.systems.get(&host) {
            Some(artifact) => artifact.clone(),
            None => {
                let only = BTreeSet::from([host]);
                let mut found = self.releases().artifacts(&lock.opencode, &only).await?;
                let found = found.remove(&host).ok_or(binary::Error::NotLocked { system: host })?;
                judge.artifact(&found, &self.registry.upstream).await?;
                judge.check()?;
                found
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
        lock: &Lock,
        origin: &Origin,
        binary: &Path,
        host: System,
    ) -> Result<Vec<Recorded>, Error> {
        let sdks = anew.values().any(|kind| matches!(kind, ExerciseKind::Provider { .. }));
        let generation = if sdks { generation(binary).await? } else { None };
        let permits = Arc::new(Semaphore::new(parallel()));
        let mut running = JoinSet::new();
        for (name, kind) in anew {
            let sight = pins::sight(&self.wishes.manifest, &kind, &lock.opencode);
            let one = One {
                sight: Sight { before: lock.before, among: self.frozen.of(&name), ..sight },
                generation,
                name,
                kind,
                origin: origin.clone(),
                settings: self.registry.settings.clone(),
                binary: binary.to_path_buf(),
                opencode: lock.opencode.clone(),
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
    async fn add(&self, lock: &mut Lock, judge: &mut Judge<'_>, recorded: Recorded) -> Result<(), Error> {
        let Recorded { name, kind, record, resolved, absent, fills, others, proof, notes: own } = recorded;
        let (downloads, notes) = downloads::recorded(&others);
        lock.downloads.extend(downloads);
        let own_system = Self::only_here(lock, &kind);
        for note in notes.into_iter().chain(own).chain(own_system) {
            self.progress.event(Event::Note(&format!("{name}: {note}")));
        }
        let tags = tags(&kind, &record, &resolved);
        for id in &resolved {
            if lock.pin(id).is_none() {
                self.pin(lock, &name, id, &record).await?;
            }
            if let Some(package) = lock.packages.get(id) {
                judge.recorded(id, &package.integrity, &record);
            }
        }
        lock.exercises.insert(name, Exercise { kind, tags, absent, packages: resolved, fills, proof });
        Ok(())
    }

    /// OpenCode downloads a released language server for the system that it runs on only.
    fn only_here(lock: &Lock, kind: &ExerciseKind) -> Option<String> {
        let ExerciseKind::LanguageServer { server } = kind else { return None };
        let host = binary::host().ok()?;
        let others: Vec<String> =
            lock.systems.keys().filter(|system| **system != host).map(System::to_string).collect();
        if others.is_empty() || !servers::is_released(server) {
            return None;
        }
        Some(format!("captured for this machine's system only; a build for {} fails", others.join(", ")))
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

/// The generation of the AI SDK in a release binary.
async fn generation(binary: &Path) -> Result<Option<Generation>, Error> {
    let path = binary.to_path_buf();
    let read = tokio::task::spawn_blocking(move || {
        let release = crate::release::Release::read(&path);
        release.map_err(|source| binary::Error::Open { path, source })
    });
    Ok(read.await.map_err(|_| Error::Worker)??.generation)
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
        variants: BTreeMap::new(),
        libraries: BTreeMap::new(),
        pins: BTreeMap::new(),
        before: None,
        providers: BTreeMap::new(),
        signatures: BTreeMap::new(),
        attestations: BTreeMap::new(),
    }
}
