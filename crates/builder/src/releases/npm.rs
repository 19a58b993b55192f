//! Releases as packages of a registry.

use std::collections::{BTreeMap, BTreeSet};

use lock::{Artifact, Instant, PackageName, System, Version};
use replay::registry::{Lookup, Packument, Upstream};
use tokio::task::JoinSet;

use super::{Builds, Parts, Published};
use crate::opencode;
use crate::resolve::{self, Error};

/// The names of the packages that a version consists of.
pub(super) fn names(parts: &Parts) -> Vec<String> {
    let builds = parts.builds().into_iter();
    let builds =
        builds.flat_map(|(variant, systems)| systems.into_iter().map(move |system| package(system, variant)));
    builds.chain([opencode::CONFIG_DIR_PACKAGE.to_owned()]).collect()
}

fn packages(parts: &Parts) -> Result<Vec<PackageName>, Error> {
    names(parts).iter().map(|text| resolve::name(text)).collect()
}

fn package(system: System, variant: &str) -> String {
    let own = || opencode::platform_package(system).0;
    opencode::variant_package(system, variant).filter(|_| !variant.is_empty()).unwrap_or_else(own)
}

/// The version that is tagged as the latest, where all parts have it: a small document for each.
pub(super) async fn latest(upstream: &Upstream, parts: &Parts) -> Result<Option<Published>, Error> {
    let mut packages = packages(parts)?.into_iter();
    let Some(first) = packages.next() else { return Ok(None) };
    let Some(version) = exact(upstream, &first, "latest").await? else { return Ok(None) };
    if version.is_prerelease() {
        return Ok(None);
    }
    let mut asking = JoinSet::new();
    for name in packages {
        let (upstream, version) = (upstream.clone(), version.to_string());
        asking.spawn(async move { exact(&upstream, &name, &version).await });
    }
    let mut is_complete = true;
    while let Some(done) = asking.join_next().await {
        is_complete &= done.map_err(|_| Error::Worker)?? == Some(version.clone());
    }
    Ok(is_complete.then_some(Published { version, at: None, missing: Vec::new() }))
}

/// The packages that do not have a version: a small document for each.
pub(super) async fn missing(
    upstream: &Upstream,
    version: &Version,
    parts: &Parts,
) -> Result<Vec<String>, Error> {
    let mut asking = JoinSet::new();
    for name in packages(parts)? {
        let (upstream, version) = (upstream.clone(), version.to_string());
        asking.spawn(async move {
            let answer = upstream.version(&name, &version).await;
            (resolve::found(&upstream, &name, &format!("{name}@{version}"), answer), name)
        });
    }
    let mut missing = BTreeSet::new();
    while let Some(done) = asking.join_next().await {
        match done.map_err(|_| Error::Worker)? {
            (Ok(_), _) => {}
            (Err(Error::Absent { .. }), name) => _ = missing.insert(name.to_string()),
            (Err(error), _) => return Err(error),
        }
    }
    Ok(missing.into_iter().collect())
}

/// The version that a version or tag names, where it is there and the registry answers such questions.
async fn exact(upstream: &Upstream, name: &PackageName, wanted: &str) -> Result<Option<Version>, Error> {
    let answer = match upstream.exact(name, wanted).await {
        Ok(Lookup::Absent { status: 404 | 405 }) => return Ok(None),
        answer => resolve::found(upstream, name, name.as_str(), answer)?,
    };
    Ok(answer.map(|release| release.version))
}

/// All versions of the release's packages, newest first.
pub(super) async fn versions(
    upstream: &Upstream,
    parts: &Parts,
    most: usize,
) -> Result<Vec<Published>, Error> {
    let mut known: BTreeMap<String, BTreeMap<Version, Option<Instant>>> = BTreeMap::new();
    for name in packages(parts)? {
        known.insert(name.to_string(), times_of(upstream, name.as_str()).await?);
    }
    let all: BTreeSet<&Version> = known.values().flat_map(BTreeMap::keys).collect();
    let describe = |version: &Version| Published {
        version: version.clone(),
        at: known.values().filter_map(|versions| *versions.get(version)?).max(),
        missing: known
            .iter()
            .filter(|(_, has)| !has.contains_key(version))
            .map(|(name, _)| name.clone())
            .collect(),
    };
    Ok(all.into_iter().rev().take(most).map(describe).collect())
}

/// The versions of a package, and when they were published; none where there is no such package.
pub(super) async fn times_of(
    upstream: &Upstream,
    name: &str,
) -> Result<BTreeMap<Version, Option<Instant>>, Error> {
    let name = resolve::name(name)?;
    Ok(match upstream.packument(&name).await {
        Ok(Lookup::Absent { status: 404 }) => BTreeMap::new(),
        answer => times(resolve::found(upstream, &name, name.as_str(), answer)?),
    })
}

/// Whether the config directory's package has a version.
pub(super) async fn has_plugin(upstream: &Upstream, version: &Version) -> Result<bool, Error> {
    let name = resolve::name(opencode::CONFIG_DIR_PACKAGE)?;
    if exact(upstream, &name, &version.to_string()).await?.as_ref() == Some(version) {
        return Ok(true);
    }
    // Not every registry answers about one version.
    Ok(times_of(upstream, name.as_str()).await?.contains_key(version))
}

fn times(packument: Packument) -> BTreeMap<Version, Option<Instant>> {
    let Packument { versions, times, .. } = packument;
    let versions = versions.into_keys().filter(|version| !version.is_prerelease());
    versions
        .map(|version| {
            let at = times.get(&version).and_then(|text| text.parse().ok());
            (version, at)
        })
        .collect()
}

/// The artifacts of a version, by variant; all asked for at once.
pub(super) async fn artifacts(
    upstream: &Upstream,
    version: &Version,
    builds: Builds<'_>,
) -> Result<BTreeMap<String, BTreeMap<System, Artifact>>, Error> {
    let mut asking = JoinSet::new();
    for (variant, systems) in builds {
        for system in systems {
            let (upstream, version, variant) = (upstream.clone(), version.clone(), variant.to_owned());
            asking.spawn(async move {
                let package = package(system, &variant);
                let artifact = resolve::release(&upstream, &version, system, &package).await?;
                Ok::<_, Error>((variant, system, artifact))
            });
        }
    }
    let mut found: BTreeMap<String, BTreeMap<System, Artifact>> = BTreeMap::new();
    while let Some(done) = asking.join_next().await {
        let (variant, system, artifact) = done.map_err(|_| Error::Worker)??;
        found.entry(variant).or_default().insert(system, artifact);
    }
    Ok(found)
}
