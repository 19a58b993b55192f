//! What has to agree between the parts of a lock. Owns these rules; walks the text's tree beside the lock, so that
//! every fault has the place of the offending key.

use std::collections::BTreeSet;

use crate::{
    json::Node,
    lockfile::{
        Download, Lock, Problem, Reach,
        record::{Outcome, fault, items, key_word, members, word},
    },
    package::PackageId,
};

pub(super) fn check(root: &Node, lock: &Lock) -> Outcome<()> {
    artifacts(root, lock)?;
    exercises(root, lock)?;
    packages(root, lock)?;
    programs(root, lock, "programs")?;
    programs(root, lock, "variants")?;
    libraries(root, lock)?;
    downloads(root, lock)
}

/// A program, or another build of the release, is for systems of the lock's, and an archive's address is no registry's.
fn programs(root: &Node, lock: &Lock, part: &'static str) -> Outcome<()> {
    let Some(programs) = root.member(part) else { return Ok(()) };
    for (_, artifacts) in members(programs, part)? {
        for (key, node) in members(artifacts, "the systems")? {
            let system = key_word(key, "the system")?;
            if !lock.systems.contains_key(&system) {
                return fault(key.at, Problem::ForeignSystem { system });
            }
            if let Some(node) = node.member("url") {
                no_registry(&word(node, "the artifact's address")?, node.at)?;
            }
        }
    }
    Ok(())
}

/// Libraries are for systems of the lock's.
fn libraries(root: &Node, lock: &Lock) -> Outcome<()> {
    let Some(libraries) = root.member("libraries") else { return Ok(()) };
    for (key, _) in members(libraries, "`libraries`")? {
        let system = key_word(key, "the system")?;
        if !lock.systems.contains_key(&system) {
            return fault(key.at, Problem::ForeignSystem { system });
        }
    }
    Ok(())
}

fn no_registry(url: &crate::https_url::HttpsUrl, at: usize) -> Outcome<()> {
    if url.is_npm_tarball() {
        return fault(at, Problem::RegistryAddress { url: url.to_string() });
    }
    Ok(())
}

/// A part of the lock, by its key; the reader has seen that it is there.
fn part<'n>(root: &'n Node, key: &'static str) -> &'n Node {
    root.member(key).unwrap_or(root)
}

fn artifacts(root: &Node, lock: &Lock) -> Outcome<()> {
    let systems = part(root, "systems");
    if lock.systems.is_empty() {
        return fault(systems.at, Problem::Empty { what: "`systems`" });
    }
    for (key, node) in members(systems, "`systems`")? {
        let system = key_word(key, "the system")?;
        let Some(artifact) = lock.systems.get(&system) else { continue };
        if let Some(found) = artifact.source.version()
            && *found != lock.opencode
        {
            let (found, wanted) = (found.clone(), lock.opencode.clone());
            return fault(part(node, "version").at, Problem::ArtifactVersion { system, found, wanted });
        }
    }
    Ok(())
}

fn exercises(root: &Node, lock: &Lock) -> Outcome<()> {
    for (_, exercise) in members(part(root, "exercises"), "`exercises`")? {
        for item in items(part(exercise, "packages"), "`packages`")? {
            let id: PackageId = word(item, "the package's id")?;
            if lock.pin(&id).is_none() {
                return fault(item.at, Problem::Unpinned { id });
            }
        }
    }
    Ok(())
}

fn packages(root: &Node, lock: &Lock) -> Outcome<()> {
    let named: BTreeSet<&PackageId> =
        lock.exercises.values().flat_map(|exercise| &exercise.packages).collect();
    for section in ["packages", "known"] {
        for (key, node) in members(part(root, section), "`packages` or `known`")? {
            let id: PackageId = key_word(key, "the package's id")?;
            if section == "known" && lock.packages.contains_key(&id) {
                return fault(key.at, Problem::PinnedAndKnown { id });
            }
            if !named.contains(&id) {
                return fault(key.at, Problem::Unreferenced { id });
            }
            if let Some(systems) = node.member("systems") {
                reach(systems, lock, &id)?;
            }
        }
    }
    Ok(())
}

fn reach(systems: &Node, lock: &Lock, id: &PackageId) -> Outcome<()> {
    if lock.packages.get(id).is_some_and(|package| package.reach == Reach::Only(BTreeSet::new())) {
        return fault(systems.at, Problem::Empty { what: "`systems`" });
    }
    for item in items(systems, "`systems`")? {
        let system = word(item, "the system")?;
        if !lock.systems.contains_key(&system) {
            return fault(item.at, Problem::ForeignSystem { system });
        }
    }
    Ok(())
}

fn downloads(root: &Node, lock: &Lock) -> Outcome<()> {
    for (key, node) in members(part(root, "downloads"), "`downloads`")? {
        let url: crate::https_url::HttpsUrl = key_word(key, "the download's address")?;
        no_registry(&url, key.at)?;
        if let Some(Download::Redirect { location, .. }) = lock.downloads.get(&url)
            && !lock.downloads.contains_key(location)
        {
            return fault(
                part(node, "location").at,
                Problem::DanglingRedirect { location: location.to_string() },
            );
        }
    }
    Ok(())
}
