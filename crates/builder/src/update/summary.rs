//! What an update did, or would do, as facts: for a table, a pull request, a script. Owns which facts a maintainer needs in order to
//! merge; prints nothing. It holds no address.

use std::collections::{BTreeMap, BTreeSet};

use lock::{About, ArtifactSource, Date, Exercise, Lock, PackageName, Sri, System, Version};
use serde::Serialize;

use super::{Direct, Plan, Published, direct};

/// What an update did, or would do.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// OpenCode's version.
    pub opencode: Changed<Version>,
    /// The systems of the new lock.
    pub systems: BTreeSet<System>,
    /// Systems that the old lock had.
    pub lost_systems: BTreeSet<System>,
    /// Systems that it did not have.
    pub new_systems: BTreeSet<System>,
    /// Resolved as of the end of this day.
    pub before: Option<Date>,
    /// Whether anything moves.
    pub moves: bool,
    /// The files that were written.
    pub written: Vec<String>,
    /// Newer versions that cannot be used.
    pub passed_over: Vec<Published>,
    /// What the manifest wanted and the old lock did not have.
    pub outdated: Vec<String>,
    /// What was named, moved or not.
    pub direct: Vec<Direct>,
    /// What keeps its version because it was told to.
    pub frozen: Vec<String>,
    /// What the new lock says; nothing before it was made.
    pub locked: Option<Locked>,
}

/// What was, and what is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed<T> {
    /// Before.
    pub from: T,
    /// Now.
    pub to: T,
}

/// What two locks say that differ.
#[derive(Debug, Clone, Serialize)]
pub struct Locked {
    /// What each system has to fetch, in bytes, and how much of it is OpenCode.
    pub sizes: BTreeMap<System, Bytes>,
    /// How many packages are pinned.
    pub pinned: Changed<usize>,
    /// Packages that were there before in other versions, the named ones included.
    pub moved: Vec<Moved>,
    /// Packages that were not there before.
    pub new: Vec<Moved>,
    /// Packages that are not there any more.
    pub lost: Vec<Moved>,
    /// Packages of the same version with other bytes than before: upstream has changed what it had published.
    pub other_bytes: Vec<String>,
    /// Hosts of downloads that were not asked before.
    pub new_hosts: Vec<String>,
    /// Hosts that are not asked any more.
    pub lost_hosts: Vec<String>,
    /// How far each SDK that is not built in was seen to work; nothing: it is the user's own choice, and did not.
    pub proofs: Vec<Proven>,
    /// How many models `opencode models` lists.
    pub models: Changed<u64>,
    /// How many providers they are of.
    pub providers: Changed<usize>,
    /// Whose catalogue of models serves.
    pub catalogue: Catalogue,
    /// How many pinned packages are in which state of signature.
    pub signatures: Changed<BTreeMap<String, usize>>,
    /// Packages that were there before in another state of signature: name, and what was and is said.
    pub signatures_changed: BTreeMap<String, Changed<String>>,
    /// Of how many pinned packages it is attested who built them.
    pub attested: Changed<usize>,
    /// Packages that were there before and that others built: name, and who did and does; nobody knows where nothing is said.
    pub builders_changed: BTreeMap<String, Changed<Option<String>>>,
    /// Packages whose scripts of installation are not run, and that were not there before.
    pub new_scripts: Vec<String>,
}

/// Whose catalogue of models serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Catalogue {
    /// The one inside OpenCode: none is pinned.
    Opencode,
    /// The one that was pinned before.
    Same,
    /// Another one is pinned.
    New,
}

/// Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// Everything that is fetched; nothing before where the system is new.
    pub all: Changed<Option<u64>>,
    /// The release of OpenCode.
    pub opencode: Changed<Option<u64>>,
}

/// A package, and its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The package.
    pub name: PackageName,
    /// The versions before.
    pub from: Vec<Version>,
    /// The versions now.
    pub to: Vec<Version>,
}

/// An SDK and how far it was seen to work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// As it was named.
    pub spec: String,
    /// Before and now.
    pub proof: Changed<Option<&'static str>>,
}

impl Summary {
    /// What a plan would do.
    pub fn planned(plan: &Plan, old: &Lock) -> Self {
        Self {
            lost_systems: plan.lost_systems.clone(),
            new_systems: plan
                .systems
                .iter()
                .filter(|system| !old.systems.contains_key(system))
                .copied()
                .collect(),
            opencode: Changed { from: plan.from.clone(), to: plan.to.clone() },
            systems: plan.systems.clone(),
            before: plan.before,
            moves: plan.moves(),
            written: Vec::new(),
            passed_over: plan.passed_over.clone(),
            outdated: plan.outdated.clone(),
            direct: plan.direct.clone(),
            frozen: plan.freeze.iter().map(ToString::to_string).collect(),
            locked: None,
        }
    }

    /// What came of it.
    pub fn recorded(plan: &Plan, old: &Lock, new: &Lock) -> Self {
        let direct = direct::between(old, new);
        Self { moves: old != new, direct, locked: Some(Locked::of(old, new)), ..Self::planned(plan, old) }
    }
}

impl Locked {
    fn of(old: &Lock, new: &Lock) -> Self {
        let (was, is) = (versions(old), versions(new));
        let names: BTreeSet<&PackageName> = was.keys().chain(is.keys()).copied().collect();
        let (mut moved, mut fresh, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            let of = |versions: &BTreeMap<&PackageName, BTreeSet<&Version>>| -> Vec<Version> {
                versions.get(name).into_iter().flatten().map(|version| (*version).clone()).collect()
            };
            let (from, to) = (of(&was), of(&is));
            let list = match (from.is_empty(), to.is_empty()) {
                _ if from == to => continue,
                (true, _) => &mut fresh,
                (_, true) => &mut lost,
                _ => &mut moved,
            };
            list.push(Moved { name: name.clone(), from, to });
        }
        let (old_hosts, new_hosts) = (hosts(old), hosts(new));
        let gone =
            |from: &BTreeSet<String>, without: &BTreeSet<String>| from.difference(without).cloned().collect();
        let models = |lock: &Lock| lock.models.values().map(|number| u64::from(*number)).sum();
        Self {
            sizes: sizes(old, new),
            pinned: Changed { from: old.packages.len(), to: new.packages.len() },
            moved,
            new: fresh,
            lost,
            other_bytes: other_bytes(old, new),
            new_hosts: gone(&new_hosts, &old_hosts),
            lost_hosts: gone(&old_hosts, &new_hosts),
            proofs: proofs(old, new),
            models: Changed { from: models(old), to: models(new) },
            providers: Changed { from: old.models.len(), to: new.models.len() },
            catalogue: match &new.catalogue {
                None => Catalogue::Opencode,
                catalogue if *catalogue == old.catalogue => Catalogue::Same,
                Some(_) => Catalogue::New,
            },
            signatures: Changed { from: old.signature_counts(), to: new.signature_counts() },
            signatures_changed: signatures(old, new),
            attested: Changed { from: old.attestations.len(), to: new.attestations.len() },
            builders_changed: builders(old, new),
            new_scripts: scripts(new)
                .filter(|name| !scripts(old).any(|before| before == *name))
                .map(ToString::to_string)
                .collect(),
        }
    }

    /// Whether everything that a lock can say of its SDKs is that they work.
    pub fn are_proven(&self) -> bool {
        self.proofs.iter().all(|proven| proven.proof.to.is_some())
    }
}

fn versions(lock: &Lock) -> BTreeMap<&PackageName, BTreeSet<&Version>> {
    let mut versions: BTreeMap<&PackageName, BTreeSet<&Version>> = BTreeMap::new();
    for id in lock.packages.keys() {
        versions.entry(&id.name).or_default().insert(&id.version);
    }
    versions
}

/// Every npm pin: packages, releases, programs.
fn other_bytes(old: &Lock, new: &Lock) -> Vec<String> {
    let pins = |lock: &Lock| -> BTreeMap<String, Sri> {
        let packages = lock.packages.iter().map(|(id, package)| (id.to_string(), package.integrity.clone()));
        let others = lock.programs.values().chain(lock.variants.values()).flat_map(BTreeMap::values);
        let artifacts = lock.systems.values().chain(others).filter_map(|artifact| match &artifact.source {
            ArtifactSource::Npm { package, version } => {
                Some((package.at(version.clone()).to_string(), artifact.integrity.clone()))
            }
            _ => None,
        });
        packages.chain(artifacts).collect()
    };
    let before = pins(old);
    let other = |(id, integrity): &(String, Sri)| before.get(id).is_some_and(|before| before != integrity);
    pins(new).into_iter().filter(other).map(|(id, _)| id).collect()
}

/// The hosts of whatever is no npm package, as [`lock::diff`] tells them.
fn hosts(lock: &Lock) -> BTreeSet<String> {
    lock::facts(lock).into_iter().filter(|fact| fact.about == About::Host).map(|fact| fact.name).collect()
}

fn sizes(old: &Lock, new: &Lock) -> BTreeMap<System, Bytes> {
    let all = |lock: &Lock, system: System| -> Option<u64> {
        let facts = lock::facts(lock).into_iter();
        facts
            .filter(|fact| fact.about == About::Size && fact.name == system.as_str())
            .find_map(|fact| fact.bytes)
    };
    let opencode = |lock: &Lock, system: System| lock.systems.get(&system).map(|artifact| artifact.size);
    let bytes = |system: System| Bytes {
        all: Changed { from: all(old, system), to: all(new, system) },
        opencode: Changed { from: opencode(old, system), to: opencode(new, system) },
    };
    let systems: BTreeSet<System> = old.systems.keys().chain(new.systems.keys()).copied().collect();
    systems.into_iter().map(|system| (system, bytes(system))).collect()
}

/// Where the signature of a package that stays is not as it was.
fn signatures(old: &Lock, new: &Lock) -> BTreeMap<String, Changed<String>> {
    let rows = lock::diff(old, new).rows.into_iter().filter(|row| row.about == About::Signature);
    rows.filter_map(|row| Some((row.name, Changed { from: row.from?, to: row.to? }))).collect()
}

/// Where a package that stays is attested to be built by others, or by nobody.
fn builders(old: &Lock, new: &Lock) -> BTreeMap<String, Changed<Option<String>>> {
    let rows = lock::diff(old, new).rows.into_iter().filter(|row| row.about == About::Attestation);
    rows.map(|row| (row.name, Changed { from: row.from, to: row.to })).collect()
}

/// The SDKs of a lock that are packages, and how far they were seen to work.
fn proofs(old: &Lock, new: &Lock) -> Vec<Proven> {
    let word = |exercise: &Exercise| exercise.proof.map(lock::Proof::as_str);
    let sdk = |(name, exercise): (&lock::ExerciseName, &Exercise)| {
        let lock::ExerciseKind::Provider { spec } = &exercise.kind else { return None };
        let from = old.exercises.get(name).and_then(word);
        let proven = Proven { spec: spec.to_string(), proof: Changed { from, to: word(exercise) } };
        (!exercise.packages.is_empty()).then_some(proven)
    };
    new.exercises.iter().filter_map(sdk).collect()
}

/// Packages that have scripts of installation.
fn scripts(lock: &Lock) -> impl Iterator<Item = &PackageName> {
    let has = |package: &lock::Package| package.manifest.to_json().contains_key("hasInstallScript");
    lock.packages.iter().filter(move |(_, package)| has(package)).map(|(id, _)| &id.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_moved_new_or_lost_by_its_name() {
        let old = Lock::parse(include_str!("../../../../opencode.lock.json")).unwrap();
        let mut new = old.clone();
        let ids: Vec<_> = old.packages.keys().take(3).cloned().collect();
        let package = new.packages.remove(&ids[0]).unwrap();
        new.packages.insert(ids[0].name.at("99.0.0".parse().unwrap()), package.clone());
        new.packages.remove(&ids[1]);
        new.packages.insert("brand-new@1.0.0".parse().unwrap(), package);
        if let Some(changed) = new.packages.get_mut(&ids[2]) {
            changed.integrity = Sri::of(lock::Algorithm::Sha512, b"other");
        }
        let locked = Locked::of(&old, &new);
        let names = |list: &[Moved]| list.iter().map(|moved| moved.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&locked.moved), [ids[0].name.to_string()]);
        assert_eq!(names(&locked.lost), [ids[1].name.to_string()]);
        assert_eq!(names(&locked.new), ["brand-new"]);
        assert_eq!(locked.other_bytes, [ids[2].to_string()]);
        let nothing = Locked::of(&old, &old);
        assert!(
            nothing.moved.is_empty() && nothing.new_hosts.is_empty() && nothing.signatures_changed.is_empty()
        );
    }
}
