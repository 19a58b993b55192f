//! Where OpenCode's release is had from: an npm registry's platform packages, or the assets of a release on GitHub. Owns which
//! versions there are, which of their parts are missing, and what a lock pins of one; downloads an artifact only where nobody states its hash.

mod npm;
mod published;

use std::collections::{BTreeMap, BTreeSet};

use lock::{Artifact, Date, Instant, Lock, Manifest, System, Version, Wanted};
use replay::registry::Upstream;
use replay::vendor::Vendor;

pub use published::{Parts, Published, Usable};

use crate::opencode;
use crate::registry::Registry;
use crate::resolve::Error;

/// Versions that are looked at for one that has all parts. A release a day is missing some of them for a few hours, not for months.
const MOST: usize = 100;

/// Who has OpenCode's releases, as a manifest wants it.
#[derive(Debug, Clone)]
pub struct Releases {
    upstream: Upstream,
    locked: Option<Lock>,
}

impl Releases {
    /// Those of a manifest's source.
    pub fn of(manifest: &Manifest, registry: &Registry, vendor: &Vendor) -> Self {
        let _ = (manifest, vendor);
        Self { upstream: registry.upstream.clone(), locked: None }
    }

    /// The same with a lock that is there: what of it has other bytes now is an error.
    #[must_use]
    pub fn against(mut self, lock: Option<&Lock>) -> Self {
        self.locked = lock.cloned();
        self
    }

    /// The version that is wanted: the one that is named, or the newest that has all parts, and had them at the end of a day.
    ///
    /// # Errors
    /// Where there is none, or OpenCode of then is not supported.
    pub async fn version(
        &self,
        wanted: &Wanted,
        parts: &Parts,
        before: Option<Date>,
    ) -> Result<Version, Error> {
        let version = match wanted {
            Wanted::Exact(version) => version.clone(),
            Wanted::Latest => {
                let usable = self.usable(parts, before.map(Instant::end_of)).await?;
                let none = || Error::NoCommonVersion { parts: npm::names(parts), before };
                usable.newest.ok_or_else(none)?.version
            }
        };
        opencode::Era::of(&version)?;
        Ok(version)
    }

    /// The newest version of which all parts are there, published at `until` or before, and the newer ones that lack some. Cheap
    /// where that is simply the latest: one document for each part.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn usable(&self, parts: &Parts, until: Option<Instant>) -> Result<Usable, Error> {
        if until.is_none()
            && let Some(latest) = npm::latest(&self.upstream, parts).await?
        {
            return Ok(Usable { newest: Some(latest), passed: Vec::new() });
        }
        let mut passed = Vec::new();
        for published in self.versions(parts, MOST).await? {
            if until.is_some_and(|until| published.at.is_none_or(|at| at > until)) {
                continue;
            }
            if published.missing.is_empty() {
                return Ok(Usable { newest: Some(published), passed });
            }
            passed.push(published);
        }
        Ok(Usable { newest: None, passed })
    }

    /// The versions that there are, newest first, at most `most` of them; no prereleases.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn versions(&self, parts: &Parts, most: usize) -> Result<Vec<Published>, Error> {
        npm::versions(&self.upstream, parts, most).await
    }

    /// The parts of one version that are not there.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn missing(&self, version: &Version, parts: &Parts) -> Result<Vec<String>, Error> {
        npm::missing(&self.upstream, version, parts).await
    }

    /// The artifact of every system.
    ///
    /// # Errors
    /// Where one is not there, or its bytes are others than the lock's.
    pub async fn artifacts(
        &self,
        version: &Version,
        systems: &BTreeSet<System>,
    ) -> Result<BTreeMap<System, Artifact>, Error> {
        let parts = Parts { systems: systems.clone(), variants: BTreeSet::new() };
        Ok(self.all(version, &parts).await?.remove("").unwrap_or_default())
    }

    /// The artifact of every variant for every system that it is published for.
    ///
    /// # Errors
    /// As [`Self::artifacts`].
    pub async fn variants(
        &self,
        version: &Version,
        parts: &Parts,
    ) -> Result<BTreeMap<String, BTreeMap<System, Artifact>>, Error> {
        let mut found = self.all(version, parts).await?;
        found.remove("");
        Ok(found)
    }

    /// By variant; the release's own build has no name.
    async fn all(
        &self,
        version: &Version,
        parts: &Parts,
    ) -> Result<BTreeMap<String, BTreeMap<System, Artifact>>, Error> {
        let found = npm::artifacts(&self.upstream, version, parts).await?;
        for (variant, artifacts) in &found {
            for (system, artifact) in artifacts {
                self.unchanged(variant, *system, artifact)?;
            }
        }
        Ok(found)
    }

    /// Refuses what has other bytes than the lock that is there.
    fn unchanged(&self, variant: &str, system: System, found: &Artifact) -> Result<(), Error> {
        let Some(lock) = &self.locked else { return Ok(()) };
        let artifacts = if variant.is_empty() { Some(&lock.systems) } else { lock.variants.get(variant) };
        let locked = artifacts.and_then(|artifacts| artifacts.get(&system));
        let Some(locked) = locked.filter(|locked| locked.source == found.source) else { return Ok(()) };
        let is_comparable = locked.integrity.algorithm() == found.integrity.algorithm();
        if (is_comparable && locked.integrity != found.integrity) || locked.size != found.size {
            return Err(Error::Changed {
                what: found.source.to_string(),
                locked: locked.integrity.clone(),
                stated: found.integrity.clone(),
            });
        }
        Ok(())
    }
}
