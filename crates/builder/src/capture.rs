//! Vendor → canonical trees: every exercise of a lock performed again with nothing but loopback,
//! each behind its own replaying registry, and what it installed compared with the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lock::{Download, Exercise, ExerciseKind, ExerciseName, Lock, PackageId, Pin, System, Version};
use replay::proxy::ProxyFacts;
use replay::registry::{
    BasePath, PackumentView, RegistryView, ReplayFacts, ReplayRegistry, TarballFile, VersionView,
};
use replay::vendor::Vendor;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::downloads::{self, Outlet};
use crate::progress::{Event, Progress, timed};
use crate::settle::TreeKind;
use crate::stage::Stage;
use crate::{cut, emit, exercise, fills, layout, opencode, parallel, settle, shared, stage};

/// Why a capture failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An exercise failed.
    #[error("replay {name}")]
    Exercise {
        /// The exercise.
        name: ExerciseName,
        /// The cause.
        source: exercise::Error,
    },
    /// OpenCode asked for something that the lock does not answer.
    #[error("replay {name}: OpenCode asked for {}, which the lock does not answer", questions.join(", "))]
    Unrecorded {
        /// The exercise.
        name: ExerciseName,
        /// The questions.
        questions: Vec<String>,
    },
    /// A pinned file could not be served.
    #[error("replay {name}: read {}: {reason}", path.display())]
    Unreadable {
        /// The exercise.
        name: ExerciseName,
        /// The file.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// npm resolved something else than the lock says.
    #[error("replay {name}: resolved {}", difference.join(", "))]
    Resolved {
        /// The exercise.
        name: ExerciseName,
        /// `+` what the lock does not have, `-` what was not resolved.
        difference: Vec<String>,
    },
    /// A file holds something of this machine.
    #[error("settle {name}: {} holds {what}", path.display())]
    HostSpecific {
        /// The exercise.
        name: ExerciseName,
        /// The file in the tree.
        path: PathBuf,
        /// What it holds.
        what: String,
    },
    /// The installed tree is no good.
    #[error("settle {name}")]
    Settle {
        /// The exercise.
        name: ExerciseName,
        /// The cause.
        source: settle::Error,
    },
    /// A package lacks something that its tarball has, each time.
    #[error("settle {name}: {package} was left without {}", path.display())]
    Cut {
        /// The exercise.
        name: ExerciseName,
        /// The package.
        package: PackageId,
        /// Where in the tree that should be.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("create {}", path.display())]
    Io {
        /// On what.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A worker ended abnormally.
    #[error("replay: a worker ended abnormally")]
    Worker,
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exercise { source, .. } => source.code(),
            Self::Unrecorded { .. } => "replay-unrecorded",
            Self::Unreadable { .. } => "vendor-unreadable",
            Self::Resolved { .. } => "replay-resolved-otherwise",
            Self::HostSpecific { .. } => "tree-host-specific",
            Self::Settle { source: settle::Error::Tree(error), .. } => error.code(),
            Self::Settle { .. } | Self::Cut { .. } => "tree-not-whole",
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => "disk-full",
            Self::Io { .. } => "output-write",
            Self::Worker => "bug-worker",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Exercise { source: exercise::Error::Stage(source), .. } => source.hint(),
            Self::Exercise {
                source: source @ (exercise::Error::NoUnpacker { .. } | exercise::Error::OtherSystem { .. }),
                ..
            } => source.hint(),
            Self::Unrecorded { .. } | Self::Resolved { .. } | Self::Exercise { .. } => Some(
                "the lock does not fit its OpenCode any more: run `opencode-cache lock --refresh`".into(),
            ),
            Self::Unreadable { .. } => Some("run `opencode-cache fetch`".into()),
            Self::Cut { .. } => Some(
                "run it again when this machine is less busy: OpenCode was ended while it installed".into(),
            ),
            Self::Settle { source: settle::Error::Tree(error), .. } => error.hint(),
            _ => None,
        }
    }
}

/// How often an exercise is performed at most, where it leaves a package cut.
const TRIES: usize = 3;

/// What a capture works with.
#[derive(Clone)]
pub struct Capture {
    /// The lock.
    pub lock: Arc<Lock>,
    /// The system that the trees are for.
    pub system: System,
    /// The release binary of this machine's system.
    pub binary: PathBuf,
    /// The pinned bytes.
    pub vendor: Vendor,
    /// Variables that an OpenCode has which loads what it installs (before 1.14), beside the usual ones.
    pub lent: Vec<(String, String)>,
    /// Who is told.
    pub progress: Arc<dyn Progress>,
}

impl Capture {
    /// Performs every exercise, a few at once, and leaves the canonical trees below `output`.
    pub async fn run(&self, output: &Path) -> Result<(), Error> {
        let permits = Arc::new(Semaphore::new(parallel()));
        let mut running = JoinSet::new();
        let (together, alone): (Vec<_>, Vec<_>) = (self.lock.exercises.clone().into_iter())
            .filter(|(name, exercise)| {
                emit::tree_of(&self.lock.opencode, name, exercise).is_some()
                    || fills::are_left(&exercise.kind)
            })
            .partition(|(_, exercise)| opencode::shares(&self.lock.opencode, &exercise.kind));
        if !together.is_empty() {
            let (capture, output, permits) = (self.clone(), output.to_path_buf(), permits.clone());
            running.spawn(async move {
                let _permit = permits.acquire_owned().await;
                let replayed = capture.uncut(|| capture.together(&together, &output));
                timed(&*capture.progress, "replay what shares a tree", replayed).await
            });
        }
        for (name, exercise) in alone {
            let (capture, output, permits) = (self.clone(), output.to_path_buf(), permits.clone());
            running.spawn(async move {
                let _permit = permits.acquire_owned().await;
                let what = format!("replay {name}");
                let replayed = capture.uncut(|| capture.one(&name, &exercise, &output));
                timed(&*capture.progress, &what, replayed).await
            });
        }
        while let Some(done) = running.join_next().await {
            done.map_err(|_| Error::Worker)??;
        }
        Ok(())
    }

    /// Performs something again, from the beginning, where it left a package cut.
    async fn uncut<F: Future<Output = Result<(), Error>>>(
        &self,
        perform: impl Fn() -> F,
    ) -> Result<(), Error> {
        for _ in 1..TRIES {
            match perform().await {
                Err(error @ Error::Cut { .. }) => {
                    self.progress.event(Event::Note(&format!("{error}; again")))
                }
                done => return done,
            }
        }
        perform().await
    }

    async fn one(&self, name: &ExerciseName, exercise: &Exercise, output: &Path) -> Result<(), Error> {
        let failed = |source: exercise::Error| Error::Exercise { name: name.clone(), source };
        let base = BasePath::escaped(name.as_str()).map_err(|_| Error::Worker)?;
        let mut stage = Stage::open(&self.binary, &self.lock.opencode, exercise::LISTENERS)
            .await
            .map_err(|error| failed(error.into()))?;
        let listener = stage.take_listener().ok_or(Error::Worker)?;
        let views = BTreeMap::from([(base.clone(), self.view(name, exercise))]);
        let registry = ReplayRegistry::serve(listener, views)
            .map_err(|source| failed(exercise::Error::Listen { source }))?;
        let url = registry.url(&base);
        let outlet = Outlet::replay(&mut stage, &self.lock, &self.vendor)
            .map_err(|reason| failed(stage::Error::from(reason).into()))?;
        let outcome = exercise::perform(&mut stage, &exercise.kind, &url, &outlet, self.system).await;
        // What was asked in vain explains a failure better than OpenCode's own words.
        let others = downloads::without_catalogue(outlet.close().await, &self.lock.opencode);
        for refused in &others.refused {
            let note = format!("{name}: {} {} was not sent", refused.method, refused.url);
            self.progress.event(Event::Note(&note));
        }
        judge(name, registry.shutdown().await, others)?;
        outcome.map_err(failed)?;
        let Some(directory) = exercise::directory(&stage, &exercise.kind) else {
            let (capture, name, output) = (self.clone(), name.clone(), output.to_path_buf());
            let settled =
                tokio::task::spawn_blocking(move || capture.settle_fills(&name, &stage, &output, url));
            return settled.await.map_err(|_| Error::Worker)?;
        };
        let (name, exercise, output) = (name.clone(), exercise.clone(), output.to_path_buf());
        let capture = self.clone();
        let settled = tokio::task::spawn_blocking(move || {
            let raw = stage.sandbox().outside(&directory);
            capture.not_cut(&name, &raw)?;
            let home = stage.sandbox().inside(stage::HOME);
            let version = &capture.lock.opencode;
            settle_one(version, &name, &exercise, &raw, &output, &[home.display().to_string(), url])
        });
        settled.await.map_err(|_| Error::Worker)?
    }

    /// Performs the exercises that fill one tree, one after the other in one OpenCode: their registry knows what any of them resolved.
    async fn together(&self, exercises: &[(ExerciseName, Exercise)], output: &Path) -> Result<(), Error> {
        let Some((name, _)) = exercises.first().cloned() else { return Ok(()) };
        let failed = |source: exercise::Error| Error::Exercise { name: name.clone(), source };
        let base = BasePath::escaped(layout::SHARED).map_err(|_| Error::Worker)?;
        let mut stage = Stage::open(&self.binary, &self.lock.opencode, exercise::LISTENERS)
            .await
            .map_err(|error| failed(error.into()))?;
        let listener = stage.take_listener().ok_or(Error::Worker)?;
        let mut view = RegistryView::default();
        for (name, exercise) in exercises {
            let RegistryView { packages, absent } = self.view(name, exercise);
            view.absent.extend(absent);
            for (package, packument) in packages {
                let known = view.packages.entry(package).or_default();
                known.tags.extend(packument.tags);
                known.versions.extend(packument.versions);
            }
        }
        let registry = ReplayRegistry::serve(listener, BTreeMap::from([(base.clone(), view)]))
            .map_err(|source| failed(exercise::Error::Listen { source }))?;
        let url = registry.url(&base);
        let outlet = Outlet::replay(&mut stage, &self.lock, &self.vendor)
            .map_err(|reason| failed(stage::Error::from(reason).into()))?;
        let kinds: Vec<ExerciseKind> = exercises.iter().map(|(_, exercise)| exercise.kind.clone()).collect();
        let outcome = shared::perform(&mut stage, &kinds, &url, &outlet, self.system, &self.lent).await;
        let others = downloads::without_catalogue(outlet.close().await, &self.lock.opencode);
        judge(&name, registry.shutdown().await, others)?;
        outcome.map_err(failed)?;
        let (capture, exercises) = (self.clone(), exercises.to_vec());
        let (version, output) = (self.lock.opencode.clone(), output.to_path_buf());
        let settled = tokio::task::spawn_blocking(move || {
            let raw = stage.sandbox().outside(stage::CACHE_DIR);
            capture.not_cut(&name, &raw)?;
            let home = stage.sandbox().inside(stage::HOME).display().to_string();
            settle_together(&version, &exercises, &raw, &output.join(layout::SHARED), &[home, url])
        });
        settled.await.map_err(|_| Error::Worker)?
    }

    /// Copies what an exercise left beside its kind's own tree, and compares it with the lock.
    fn settle_fills(
        &self,
        name: &ExerciseName,
        stage: &Stage,
        output: &Path,
        registry: String,
    ) -> Result<(), Error> {
        let Some(exercise) = self.lock.exercises.get(name) else { return Ok(()) };
        let settle = |source: settle::Error| Error::Settle { name: name.clone(), source };
        let files = self.lock.downloads.values().filter_map(|download| match download {
            Download::File { integrity, .. } => Some(integrity),
            _ => None,
        });
        let left = fills::left(stage, &files.collect::<Vec<_>>()).map_err(settle)?;
        compare(name, &exercise.fills, &left.fills)?;
        compare(name, &exercise.packages, &left.resolved)?;
        let needles = [stage.sandbox().inside(stage::HOME).display().to_string(), registry];
        let placed: Vec<_> = fills::placed(&self.lock)
            .into_iter()
            .filter(|(owner, _)| *owner == name)
            .map(|(_, fill)| fill)
            .collect();
        for tree in placed.iter().filter(|fill| fills::is_tree(fill)) {
            self.not_cut(name, &fills::raw(stage, tree))?;
        }
        for fill in placed {
            let to = output.join(fill.to_string());
            fills::make_parent(&to).map_err(|source| Error::Io { path: to.clone(), source })?;
            fills::settle(&fills::raw(stage, fill), &to, fill).map_err(settle)?;
            nothing_of_this_machine(name, &to, &needles)?;
        }
        Ok(())
    }

    /// What an exercise left at `raw` has all files of its packages.
    fn not_cut(&self, name: &ExerciseName, raw: &Path) -> Result<(), Error> {
        let found = cut::find(raw, &self.lock, &self.vendor)
            .map_err(|source| Error::Settle { name: name.clone(), source })?;
        match found {
            None => Ok(()),
            Some(cut::Cut { package, path }) => Err(Error::Cut { name: name.clone(), package, path }),
        }
    }

    /// What this exercise's registry answers: its own packages and nothing else.
    fn view(&self, name: &ExerciseName, exercise: &Exercise) -> RegistryView {
        let mut view = RegistryView { absent: exercise.absent.clone(), ..RegistryView::default() };
        for (id, pin) in self.lock.exercise_packages(name) {
            let packument = view.packages.entry(id.name.clone()).or_insert_with(|| PackumentView {
                tags: exercise.tags.get(&id.name).cloned().unwrap_or_default(),
                ..PackumentView::default()
            });
            let version = match pin {
                Pin::Pinned(package) => VersionView {
                    manifest: Value::Object(package.manifest.to_json()),
                    integrity: Some(package.integrity.clone()),
                    tarball: self
                        .vendor
                        .get(&package.integrity)
                        .map(|path| TarballFile { path, size: package.size }),
                },
                Pin::Known(known) => VersionView {
                    manifest: Value::Object(known.manifest.to_json()),
                    integrity: known.integrity.clone(),
                    tarball: None,
                },
            };
            packument.versions.insert(id.version.clone(), version);
        }
        view
    }
}

fn judge(name: &ExerciseName, facts: ReplayFacts, others: ProxyFacts) -> Result<(), Error> {
    if let Some((path, reason)) = facts.unreadable.into_iter().chain(others.unreadable).next() {
        return Err(Error::Unreadable { name: name.clone(), path, reason });
    }
    let packages = facts.unrecorded.iter().map(|question| format!("{} {}", question.method, question.path));
    let downloads = others.unrecorded.iter().map(|attempt| format!("{} {}", attempt.method, attempt.url));
    let questions: Vec<String> = packages.chain(downloads).take(8).collect();
    if questions.is_empty() {
        return Ok(());
    }
    Err(Error::Unrecorded { name: name.clone(), questions })
}

/// Settles the tree that all share, and compares what each exercise has in it with the lock.
fn settle_together(
    version: &Version,
    exercises: &[(ExerciseName, Exercise)],
    raw: &Path,
    to: &Path,
    needles: &[String],
) -> Result<(), Error> {
    let Some((first, _)) = exercises.first() else { return Ok(()) };
    let failed = |name: &ExerciseName, source| Error::Settle { name: name.clone(), source };
    let kinds: Vec<&ExerciseKind> = exercises.iter().map(|(_, exercise)| &exercise.kind).collect();
    let registry = needles.last().map(String::as_str).unwrap_or_default();
    let change = |name: &str, text: &str| shared::changed(version, &kinds, registry, name, text);
    settle::settle_changed(raw, to, TreeKind::Shared, &change).map_err(|error| failed(first, error))?;
    for (name, exercise) in exercises {
        let found = settle::needed(to, &exercise.kind).map_err(|error| failed(name, error))?;
        compare(name, &exercise.packages, &found)?;
    }
    nothing_of_this_machine(first, to, needles)
}

fn settle_one(
    version: &Version,
    name: &ExerciseName,
    exercise: &Exercise,
    raw: &Path,
    output: &Path,
    needles: &[String],
) -> Result<(), Error> {
    let Some(place) = emit::tree_of(version, name, exercise) else { return Ok(()) };
    let to = output.join(place);
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(|source| Error::Io { path: parent.into(), source })?;
    }
    let settle = |source: settle::Error| Error::Settle { name: name.clone(), source };
    let kind = match exercise.kind {
        ExerciseKind::ConfigDir { .. } => TreeKind::ConfigDir,
        _ => TreeKind::Package,
    };
    let registry = needles.last().map(String::as_str).unwrap_or_default();
    let change = |name: &str, text: &str| shared::changed(version, &[], registry, name, text);
    settle::settle_changed(raw, &to, kind, &change).map_err(settle)?;
    compare(name, &exercise.packages, &settle::resolved(&to).map_err(settle)?)?;
    nothing_of_this_machine(name, &to, needles)
}

/// No file may hold what differs between machines.
fn nothing_of_this_machine(name: &ExerciseName, tree: &Path, needles: &[String]) -> Result<(), Error> {
    let settle = |error: tree::Error| Error::Settle { name: name.clone(), source: error.into() };
    // The sandbox's HOME is the same on every machine only where there are namespaces.
    let bytes: Vec<&[u8]> =
        needles.iter().map(String::as_bytes).filter(|needle| *needle != stage::HOME.as_bytes()).collect();
    match tree::contains_bytes(tree, &bytes).map_err(settle)? {
        None => Ok(()),
        Some(found) => Err(Error::HostSpecific {
            name: name.clone(),
            path: found.path,
            what: String::from_utf8_lossy(bytes[found.needle]).into_owned(),
        }),
    }
}

fn compare<T: Ord + Display>(
    name: &ExerciseName,
    locked: &BTreeSet<T>,
    resolved: &BTreeSet<T>,
) -> Result<(), Error> {
    let more = resolved.difference(locked).map(|one| format!("+{one}"));
    let less = locked.difference(resolved).map(|one| format!("-{one}"));
    let difference: Vec<String> = more.chain(less).collect();
    if difference.is_empty() { Ok(()) } else { Err(Error::Resolved { name: name.clone(), difference }) }
}
