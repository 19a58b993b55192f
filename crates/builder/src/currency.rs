//! One version of OpenCode through the whole chain: locked, built, verified, in a private directory that goes again. Owns what a version's
//! row says; which versions there are to try is the caller's, and so is printing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use lock::{ExerciseKind, Lock, Profile, System, Version, Wanted};
use replay::vendor::Vendor;
use serde::{Deserialize, Serialize};

use crate::error::chain;
use crate::frozen::Frozen;
use crate::opencode::{self, Era};
use crate::plan::Wishes;
use crate::progress::Progress;
use crate::registry::Registry;
use crate::release::Release;
use crate::releases::{Parts, Releases};
use crate::verify::{self, Outside, Report};
use crate::{Build, Error, Recording, Restore, binary, emit, files};

/// The longest reason of a row, in characters: a log is not one.
const LONGEST: usize = 600;

/// What all versions are tried with.
pub struct Trials<'a> {
    /// What is wanted; its version and its systems are not looked at.
    pub wishes: &'a Wishes,
    /// Who has releases and packages.
    pub registry: Registry,
    /// Where downloads go. What was there before stays; the release of a version goes with its row.
    pub vendor: Vendor,
    /// This machine's system.
    pub system: System,
    /// The kinds of network that OpenCode is run with.
    pub networks: Vec<Outside>,
    /// Hosts that may be asked.
    pub allowed: Vec<String>,
    /// As for [`Build::rules`].
    pub rules: &'static str,
    /// As for [`Build::wrapper`].
    pub wrapper: &'static [u8],
    /// As for [`Build::restore`].
    pub restore: Restore,
    /// Who is told.
    pub progress: Arc<dyn Progress>,
}

/// What came of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The version.
    pub version: Version,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, where it is not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The stable code of what went wrong, where an error did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How long it took to lock, in seconds, to a tenth; nothing where that was not come to.
    pub lock: Option<f64>,
    /// The same for building.
    pub build: Option<f64>,
    /// The same for verifying.
    pub verify: Option<f64>,
    /// How many packages are pinned.
    pub packages: Option<usize>,
    /// How large the output is, in bytes.
    pub bytes: Option<u64>,
}

/// What came of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It answers offline, and nothing tried to leave.
    Good,
    /// It could not be locked.
    LockFailed,
    /// It could not be built.
    BuildFailed,
    /// It was built, and is not as it has to be.
    VerifyFailed,
    /// A part of it was never published: nobody can have it.
    NotPublished,
    /// It is of a kind that this program does not do.
    NotSupported,
}

impl Verdict {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::LockFailed => "lock failed",
            Self::BuildFailed => "build failed",
            Self::VerifyFailed => "verify failed",
            Self::NotPublished => "not published",
            Self::NotSupported => "not supported",
        }
    }

    /// Whether something is wrong that somebody could put right.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::LockFailed | Self::BuildFailed | Self::VerifyFailed)
    }
}

impl Trials<'_> {
    /// Takes a version through the chain. Whatever goes wrong is a row.
    pub async fn row(&self, version: &Version) -> Row {
        let mut row = Row {
            version: version.clone(),
            verdict: Verdict::Good,
            reason: None,
            code: None,
            lock: None,
            build: None,
            verify: None,
            packages: None,
            bytes: None,
        };
        if let Err(error) = Era::of(version) {
            return Row { verdict: Verdict::NotSupported, reason: Some(error.to_string()), ..row };
        }
        let verdict = self.chain(version, &mut row).await;
        if let Err((verdict, reason, code)) = verdict {
            row.verdict = verdict;
            row.reason = Some(reason.chars().take(LONGEST).collect());
            row.code = code;
        }
        row
    }

    async fn chain(&self, version: &Version, row: &mut Row) -> Result<(), Failed> {
        let releases = Releases::of(&self.wishes.manifest, &self.registry, &self.vendor);
        let parts = Parts { systems: [self.system].into(), variants: Default::default() };
        let missing = releases.missing(version, &parts).await;
        let missing = missing.map_err(crate::record::Error::from).map_err(failed(Verdict::LockFailed))?;
        if !missing.is_empty() {
            let reason = format!("{} is not published in this version", missing.join(", "));
            return Err((Verdict::NotPublished, reason, None));
        }
        let private = tempfile::Builder::new().prefix("opencode-cache-version-").tempdir();
        let private =
            private.map_err(|source| emit::Error::Io { verb: "create", path: std::env::temp_dir(), source });
        let private = private.map_err(failed(Verdict::BuildFailed))?;
        let mut kept = Kept::default();
        let result = self.within(version, private.path(), row, &mut kept).await;
        // A store is read-only all the way down. What cannot be removed is the temporary directory's to lose.
        let _left = tree::remove_tree(private.path());
        kept.clear();
        result
    }

    async fn within(
        &self,
        version: &Version,
        private: &Path,
        row: &mut Row,
        kept: &mut Kept,
    ) -> Result<(), Failed> {
        let mut wishes = self.wishes.clone();
        wishes.manifest.opencode = Wanted::Exact(version.clone());
        wishes.manifest.systems = Some([self.system].into());
        wishes.manifest.variants.clear();
        let before = unpacked(&self.vendor);
        let started = Instant::now();
        let recording = Recording {
            wishes: &wishes,
            old: None,
            frozen: Frozen::default(),
            locked: None,
            registry: self.registry.clone(),
            vendor: self.vendor.clone(),
            progress: self.progress.clone(),
        };
        let locked = recording.run().await;
        *kept = Kept::since(&self.vendor, &before);
        let lock = locked.map_err(failed(Verdict::LockFailed))?;
        row.lock = Some(tenths(started));
        row.packages = Some(lock.packages.len());
        kept.archives(&self.vendor, &lock);
        self.is_captured(&lock)?;

        let started = Instant::now();
        let lock_text = lock.render();
        let build = Build {
            lock,
            lock_text,
            system: self.system,
            profile: Profile::Offline,
            vendor: self.vendor.clone(),
            state: private.join("state"),
            link: private.join("result"),
            rules: self.rules,
            wrapper: self.wrapper,
            restore: self.restore,
            progress: self.progress.clone(),
        };
        let built = build.run(Some(&self.registry.upstream)).await.map_err(failed(Verdict::BuildFailed))?;
        row.build = Some(tenths(started));
        row.bytes = Some(files::size_of(&built.path));

        let started = Instant::now();
        let request = verify::Request {
            output: built.path,
            configs: Vec::new(),
            networks: self.networks.clone(),
            allowed: self.allowed.clone(),
            hashes_only: false,
            progress: self.progress.clone(),
        };
        let report = verify::run(request).await.map_err(failed(Verdict::VerifyFailed))?;
        row.verify = Some(tenths(started));
        match wrong(&report) {
            None => Ok(()),
            Some(reason) => Err((Verdict::VerifyFailed, reason, None)),
        }
    }

    /// Whether everything that was wanted left a package, but for SDKs that the binary says it has: what was installed somewhere that
    /// this program does not know would make an empty cache.
    fn is_captured(&self, lock: &Lock) -> Result<(), Failed> {
        let artifact =
            lock.systems.get(&self.system).ok_or_else(|| binary::Error::NotLocked { system: self.system });
        let path = artifact.and_then(|artifact| binary::unpacked(&self.vendor, artifact));
        let path = path.map_err(failed(Verdict::LockFailed))?;
        let release = Release::read(&path).map_err(|source| binary::Error::Open { path, source });
        let release = release.map_err(failed(Verdict::LockFailed))?;
        let own = opencode::own_plugins(&lock.opencode);
        let empty = lock.exercises.iter().filter(|(_, exercise)| {
            exercise.packages.is_empty()
                && match &exercise.kind {
                    // What was never published was told when locking.
                    ExerciseKind::Plugin { spec } => !own.contains(&spec.as_str()),
                    ExerciseKind::ConfigDir { .. } => opencode::needs_library(&lock.opencode),
                    ExerciseKind::Provider { spec } => !release.has(spec.as_str()),
                    _ => false,
                }
        });
        let names: Vec<String> = empty.map(|(name, _)| name.to_string()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let reason =
            format!("nothing was installed where OpenCode is known to install it, for {}", names.join(", "));
        Err((Verdict::VerifyFailed, reason, Some("version-nothing-captured".to_owned())))
    }
}

/// Verdict, reason, and the code of the error.
type Failed = (Verdict, String, Option<String>);

fn failed<E: Into<Error>>(verdict: Verdict) -> impl FnOnce(E) -> Failed {
    move |error| {
        let error: Error = error.into();
        (verdict, chain(&error), Some(error.code().to_owned()))
    }
}

/// What is wrong with an output; nothing where it is good.
fn wrong(report: &Report) -> Option<String> {
    if report.is_good() && report.not_run.is_none() {
        return None;
    }
    let mut reasons: Vec<String> =
        report.not_run.iter().map(|why| format!("OpenCode was not run: {why}")).collect();
    for check in &report.checks {
        reasons.extend(check.problems.iter().map(|problem| format!("{}: {problem}", check.name)));
    }
    if !report.attempts.is_empty() {
        let first = report.attempts.iter().take(3).map(ToString::to_string).collect::<Vec<_>>();
        reasons.push(format!("{} attempts to leave: {}", report.attempts.len(), first.join(", ")));
    }
    Some(reasons.join("; "))
}

fn tenths(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 10.0).round() / 10.0
}

/// What a version leaves in the vendor directory that nothing else will want: its release, packed and unpacked.
#[derive(Debug, Default)]
struct Kept(Vec<PathBuf>);

impl Kept {
    fn since(vendor: &Vendor, before: &[PathBuf]) -> Self {
        Self(unpacked(vendor).into_iter().filter(|path| !before.contains(path)).collect())
    }

    /// The archives of what was unpacked anew.
    fn archives(&mut self, vendor: &Vendor, lock: &Lock) {
        let is_new = |path: &Path| self.0.iter().any(|kept| kept == path);
        let directory = |artifact: &lock::Artifact| unpacked_root(vendor).join(artifact.integrity.hex());
        let archives = lock.systems.values().filter(|artifact| is_new(&directory(artifact)));
        let archives: Vec<PathBuf> =
            archives.filter_map(|artifact| vendor.get(&artifact.integrity)).collect();
        self.0.extend(archives);
    }

    fn clear(self) {
        for path in self.0 {
            // What stays is fetched once less.
            let _left = tree::remove_tree(&path);
        }
    }
}

fn unpacked_root(vendor: &Vendor) -> PathBuf {
    vendor.root().join("unpacked")
}

fn unpacked(vendor: &Vendor) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(unpacked_root(vendor)).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Check;

    fn check(problems: &[&str]) -> Check {
        Check {
            name: "run".into(),
            profile: None,
            network: None,
            seconds: 1.0,
            attempts: 0,
            summary: String::new(),
            problems: problems.iter().map(|problem| (*problem).to_owned()).collect(),
        }
    }

    #[test]
    fn what_verify_says_is_the_reason() {
        let report = |check: Check, not_run: Option<&str>| Report {
            path: "/nowhere".into(),
            checks: vec![check],
            attempts: Vec::new(),
            apart: Vec::new(),
            not_run: not_run.map(str::to_owned),
            hosts: Vec::new(),
        };
        assert_eq!(wrong(&report(check(&[]), None)), None);
        assert_eq!(wrong(&report(check(&["no answer"]), None)).unwrap(), "run: no answer");
        assert!(wrong(&report(check(&[]), Some("foreign"))).unwrap().contains("not run"));
    }

    #[test]
    fn a_row_is_read_back() {
        let row = Row {
            version: "1.18.33".parse().unwrap(),
            verdict: Verdict::VerifyFailed,
            reason: Some("run: no answer".into()),
            code: None,
            lock: Some(1.5),
            build: Some(2.0),
            verify: None,
            packages: Some(3),
            bytes: None,
        };
        let text = serde_json::to_string(&row).unwrap();
        assert!(text.contains("\"verdict\":\"verify-failed\""), "{text}");
        assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
    }
}
