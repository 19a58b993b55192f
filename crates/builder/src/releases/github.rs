//! Releases as assets of a repository's releases on GitHub.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lock::{Artifact, ArtifactSource, Instant, RelPath, Repository, Sri, System, Version};
use replay::registry::Upstream;
use replay::vendor::Vendor;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use url::Url;

use super::{Builds, Parts, Published, Usable, npm};
use crate::github::{self, Asset, GitHub, Release};
use crate::opencode::{self, Packed};
use crate::resolve::Error;

/// Assets that are downloaded at once, where their hashes are not stated. Each is some 60 MB.
const PARALLEL: usize = 4;

/// Where OpenCode's releases are, and what is known of them so far. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Assets {
    upstream: Upstream,
    vendor: Vendor,
    /// The one that is named; else OpenCode's own, under the names that it has had.
    repositories: Vec<Repository>,
    known: Arc<Mutex<BTreeMap<Version, (Repository, Release)>>>,
}

/// The version of a release's tag. Tags of other things stand in the same repository (`vscode-v0.0.13`).
fn version(release: &Release) -> Option<Version> {
    let version: Version = release.tag.strip_prefix('v')?.parse().ok()?;
    (!release.is_preliminary && !version.is_prerelease()).then_some(version)
}

/// The asset of a build, and how it is packed.
fn asset(release: &Release, system: System, variant: &str) -> Option<(Asset, Packed)> {
    opencode::release_assets(system, variant).into_iter().find_map(|packed| {
        let asset = release.assets.iter().find(|asset| asset.name == packed.name)?;
        Some((asset.clone(), packed))
    })
}

fn missing(release: &Release, builds: &Builds<'_>) -> Vec<String> {
    let builds = builds.iter();
    let all = builds.flat_map(|(variant, systems)| systems.iter().map(move |system| (*system, *variant)));
    let gone = all.filter(|(system, variant)| asset(release, *system, variant).is_none());
    gone.filter_map(|(system, variant)| {
        Some(opencode::release_assets(system, variant).into_iter().next()?.name)
    })
    .collect()
}

impl Assets {
    pub(super) fn new(upstream: Upstream, vendor: Vendor, repository: Option<&Repository>) -> Self {
        let own = || opencode::REPOSITORIES.iter().filter_map(|name| name.parse().ok()).collect();
        let repositories = repository.map_or_else(own, |named| vec![named.clone()]);
        Self { upstream, vendor, repositories, known: Arc::default() }
    }

    /// The newest version that has all parts: the latest release, or one of those before.
    pub(super) async fn usable(&self, parts: &Parts, until: Option<Instant>) -> Result<Usable, Error> {
        let (github, latest) = self.first(async |github| github.latest().await).await?;
        if let Some(published) = self.told(&github, latest, parts, until)
            && self.completed(published.clone()).await?.missing.is_empty()
        {
            return Ok(Usable { newest: Some(published), passed: Vec::new() });
        }
        let mut passed = Vec::new();
        let mut pages = github.pages();
        while let Some(page) = pages.next().await? {
            let mut told: Vec<_> =
                page.into_iter().filter_map(|release| self.told(&github, release, parts, until)).collect();
            // A page is sorted by when releases were made, and fixes of older versions are among them.
            told.sort_by(|one, other| other.version.cmp(&one.version));
            for published in told {
                let published = self.completed(published).await?;
                if published.missing.is_empty() {
                    return Ok(Usable { newest: Some(published), passed });
                }
                passed.push(published);
            }
        }
        Ok(Usable { newest: None, passed })
    }

    /// The newest versions that there are.
    pub(super) async fn versions(&self, parts: &Parts, most: usize) -> Result<Vec<Published>, Error> {
        let (github, latest) = self.first(async |github| github.latest().await).await?;
        let mut told: Vec<Published> = self.told(&github, latest, parts, None).into_iter().collect();
        let mut pages = github.pages();
        while told.len() <= most
            && let Some(page) = pages.next().await?
        {
            told.extend(page.into_iter().filter_map(|release| self.told(&github, release, parts, None)));
        }
        told.sort_by(|one, other| other.version.cmp(&one.version));
        told.dedup_by(|one, other| one.version == other.version);
        told.truncate(most);
        let has = npm::times_of(&self.upstream, opencode::CONFIG_DIR_PACKAGE).await?;
        for published in told.iter_mut().filter(|published| !has.contains_key(&published.version)) {
            published.missing.push(opencode::CONFIG_DIR_PACKAGE.to_owned());
        }
        Ok(told)
    }

    /// The parts of a version that are not there.
    pub(super) async fn missing(&self, version: &Version, parts: &Parts) -> Result<Vec<String>, Error> {
        let mut gone = match self.release(version).await {
            Ok((_, release)) => missing(&release, &parts.builds()),
            Err(Error::GitHub(github::Error::Absent { .. })) => vec![format!("the release v{version}")],
            Err(error) => return Err(error),
        };
        if !npm::has_plugin(&self.upstream, version).await? {
            gone.push(opencode::CONFIG_DIR_PACKAGE.to_owned());
        }
        Ok(gone)
    }

    /// The artifacts of a version, by variant. What has no stated hash is downloaded into the vendor directory, where a build wants it.
    pub(super) async fn artifacts(
        &self,
        version: &Version,
        builds: Builds<'_>,
    ) -> Result<BTreeMap<String, BTreeMap<System, Artifact>>, Error> {
        let (repository, release) = self.release(version).await?;
        let missing = missing(&release, &builds);
        if !missing.is_empty() {
            return Err(Error::NoAsset { repository, version: version.clone(), missing });
        }
        let permits = Arc::new(Semaphore::new(PARALLEL));
        let mut resolving = JoinSet::new();
        for (variant, systems) in builds {
            for system in systems {
                let Some((asset, packed)) = asset(&release, system, variant) else { continue };
                let one = One {
                    source: ArtifactSource::Github {
                        repository: repository.clone(),
                        asset: asset.name.clone(),
                        version: version.clone(),
                    },
                    asset,
                    packed,
                };
                let (assets, permits, variant) = (self.clone(), permits.clone(), variant.to_owned());
                resolving.spawn(async move {
                    let _permit = permits.acquire_owned().await;
                    Ok::<_, Error>((variant, system, one.resolve(&assets.upstream, &assets.vendor).await?))
                });
            }
        }
        let mut found: BTreeMap<String, BTreeMap<System, Artifact>> = BTreeMap::new();
        while let Some(done) = resolving.join_next().await {
            let (variant, system, artifact) = done.map_err(|_| Error::Worker)??;
            found.entry(variant).or_default().insert(system, artifact);
        }
        Ok(found)
    }

    /// The release of a version; asked for once.
    async fn release(&self, version: &Version) -> Result<(Repository, Release), Error> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(version).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let tag = format!("v{version}");
        let (github, release) = self.first(async |github| github.tagged(&tag).await).await?;
        self.remember(version, github.repository(), &release);
        Ok((github.repository().clone(), release))
    }

    /// The first of the repositories that has it, and what it has.
    async fn first<T>(
        &self,
        ask: impl AsyncFn(&GitHub) -> Result<T, github::Error>,
    ) -> Result<(GitHub, T), Error> {
        let mut absent = None;
        for repository in &self.repositories {
            let github = GitHub::new(self.upstream.clone(), repository.clone());
            match ask(&github).await {
                Ok(found) => return Ok((github, found)),
                Err(error @ github::Error::Absent { .. }) => absent = absent.or(Some(error)),
                Err(error) => return Err(error.into()),
            }
        }
        Err(absent.map_or_else(|| Error::Name { what: opencode::REPOSITORIES.join(", ") }, Error::GitHub))
    }

    /// What a release says of the parts; nothing where it is none of a version, or too young.
    fn told(
        &self,
        github: &GitHub,
        release: Release,
        parts: &Parts,
        until: Option<Instant>,
    ) -> Option<Published> {
        let version = version(&release)?;
        if until.is_some_and(|until| release.at.is_none_or(|at| at > until)) {
            return None;
        }
        self.remember(&version, github.repository(), &release);
        Some(Published { version, at: release.at, missing: missing(&release, &parts.builds()) })
    }

    /// The same with what the registry has to have, where nothing else is missing.
    async fn completed(&self, mut published: Published) -> Result<Published, Error> {
        if published.missing.is_empty() && !npm::has_plugin(&self.upstream, &published.version).await? {
            published.missing.push(opencode::CONFIG_DIR_PACKAGE.to_owned());
        }
        Ok(published)
    }

    fn remember(&self, version: &Version, repository: &Repository, release: &Release) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(version.clone(), (repository.clone(), release.clone()));
    }
}

/// An asset on its way to becoming an artifact.
struct One {
    source: ArtifactSource,
    asset: Asset,
    packed: Packed,
}

impl One {
    async fn resolve(self, upstream: &Upstream, vendor: &Vendor) -> Result<Artifact, Error> {
        let binary: RelPath =
            self.packed.binary.parse().map_err(|_| Error::Name { what: self.packed.binary.into() })?;
        let (integrity, size) = match self.asset.digest.clone() {
            Some(digest) => (digest, self.asset.size),
            None => self.hash(upstream, vendor).await?,
        };
        Ok(Artifact { source: self.source, integrity, size, archive: self.packed.archive, binary })
    }

    /// Downloads what nobody states a hash of. What came once is not fetched again: it lies in the vendor directory by its hash.
    async fn hash(&self, upstream: &Upstream, vendor: &Vendor) -> Result<(Sri, u64), Error> {
        let what = self.source.to_string();
        let address = self.source.url().and_then(|url| Url::parse(url.as_str()).ok());
        let url = address.ok_or_else(|| Error::Name { what: what.clone() })?;
        let stored = vendor.put_whole(upstream, &what, &url, self.asset.size).await;
        let stored = stored.map_err(|source| Error::Download { what, source: Box::new(source) })?;
        Ok((stored.integrity, stored.size))
    }
}
