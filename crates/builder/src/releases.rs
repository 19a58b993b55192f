//! Where OpenCode's release is had from: an npm registry's platform packages, or the assets of a release on GitHub. Owns which
//! versions there are, which of their parts are missing, and what a lock pins of one; downloads an artifact only where nobody states its hash.

mod github;
mod npm;
mod published;

use std::collections::{BTreeMap, BTreeSet};

use lock::{Artifact, ArtifactSource, Date, Instant, Lock, Manifest, Source, System, Version, Wanted};
use replay::registry::Upstream;
use replay::vendor::Vendor;

use github::Assets;
use published::Builds;
pub use published::{Parts, Published, Usable};

use crate::opencode;
use crate::registry::Registry;
use crate::resolve::Error;

/// Where documents are kept below the vendor directory.
const DOCUMENTS: &str = "documents";
/// Versions that are looked at for one that has all parts. A release a day is missing some of them for a few hours, not for months.
const MOST: usize = 100;

/// Who has OpenCode's releases, as a manifest wants it.
#[derive(Debug, Clone)]
pub struct Releases {
    upstream: Upstream,
    /// Where they are on GitHub, if that is where they come from.
    assets: Option<Assets>,
    locked: Option<Lock>,
}

/// What is wrong with where a lock has its artifacts from, as the manifest wants it; `None` where it fits.
pub(crate) fn other_source(manifest: &Manifest, lock: &Lock) -> Option<String> {
    let wanted = match (manifest.source, &manifest.repository) {
        (Source::Github, Some(repository)) => format!("releases of {repository}"),
        (Source::Github, None) => "OpenCode's releases on GitHub".to_owned(),
        _ => "the registry".to_owned(),
    };
    let fits = |artifact: &Artifact| match (manifest.source, &artifact.source) {
        (Source::Github, ArtifactSource::Github { repository, .. }) => match &manifest.repository {
            Some(named) => named == repository,
            None => opencode::REPOSITORIES.contains(&repository.to_string().as_str()),
        },
        (Source::Npm, ArtifactSource::Npm { .. }) => true,
        _ => false,
    };
    let other = lock.systems.values().chain(lock.variants.values().flatten().map(|(_, one)| one));
    let other = other.into_iter().find(|artifact| !fits(artifact))?;
    Some(format!("OpenCode is wanted from {wanted}, the lock has {}", other.source))
}

impl Releases {
    /// Those of a manifest's source.
    pub fn of(manifest: &Manifest, registry: &Registry, vendor: &Vendor) -> Self {
        let upstream = registry.upstream.clone().with_documents(vendor.root().join(DOCUMENTS));
        let assets = (manifest.source == Source::Github)
            .then(|| Assets::new(upstream.clone(), vendor.clone(), manifest.repository.as_ref()));
        Self { upstream, assets, locked: None }
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
        if let Some(assets) = &self.assets {
            return assets.usable(parts, until).await;
        }
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
        match &self.assets {
            Some(assets) => assets.versions(parts, most).await,
            None => npm::versions(&self.upstream, parts, most).await,
        }
    }

    /// The parts of one version that are not there.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn missing(&self, version: &Version, parts: &Parts) -> Result<Vec<String>, Error> {
        let mut missing = match &self.assets {
            Some(assets) => assets.missing(version, parts).await?,
            None => npm::missing(&self.upstream, version, parts).await?,
        };
        if !opencode::needs_library(version) {
            missing.retain(|part| part != opencode::CONFIG_DIR_PACKAGE);
        }
        Ok(missing)
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
        Ok(self.all(version, parts.builds()).await?.remove("").unwrap_or_default())
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
        let mut builds = parts.builds();
        builds.remove("");
        self.all(version, builds).await
    }

    /// By variant; the release's own build has no name.
    async fn all(
        &self,
        version: &Version,
        builds: Builds<'_>,
    ) -> Result<BTreeMap<String, BTreeMap<System, Artifact>>, Error> {
        let found = match &self.assets {
            Some(assets) => assets.artifacts(version, builds).await?,
            None => npm::artifacts(&self.upstream, version, builds).await?,
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_fits_where_it_has_its_artifacts_from_the_wanted_place() {
        let lock = |name: &str| {
            let path = format!("{}/../../fixtures/lock/{name}/lock.json", env!("CARGO_MANIFEST_DIR"));
            Lock::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
        };
        let other = |text: &str, name| other_source(&Manifest::parse(text).unwrap(), &lock(name));
        assert_eq!(other("", "era-c"), None);
        assert_eq!(other("source = \"github\"", "github"), None);
        assert_eq!(other("source = \"github\"\nrepository = \"anomalyco/opencode\"", "github"), None);
        assert_eq!(
            other("source = \"github\"\nrepository = \"git.example/a/b\"", "github").unwrap(),
            "OpenCode is wanted from releases of git.example/a/b, the lock has anomalyco/opencode v1.18.8 opencode-darwin-arm64.zip"
        );
        assert!(
            other("source = \"github\"", "era-c")
                .unwrap()
                .contains("the lock has opencode-linux-arm64@1.18.18")
        );
        assert!(other("", "github").is_some());
    }
}
