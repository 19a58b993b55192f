//! What somebody named, in the manifest or in a configuration, and the version that a lock has of it: plugins, provider SDKs, packages
//! of commands and of config directories, ripgrep. Owns which version each would move to, as far as metadata tells.

use std::collections::{BTreeMap, BTreeSet};

use lock::{
    ArtifactSource, Date, Exercise, ExerciseKind, Lock, PackageName, Proof, Range, Spec, System, Version,
    Want,
};
use replay::registry::{Packument, Upstream};
use serde::Serialize;

use super::published::packuments;
use crate::frozen::Frozen;
use crate::plan::Wishes;
use crate::{generation, opencode, resolve};

/// Something that was named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Direct {
    /// What it is.
    pub kind: Kind,
    /// As it was named.
    pub spec: String,
    /// The package.
    pub package: PackageName,
    /// The version that the old lock has; nothing where it is new.
    pub from: Option<Version>,
    /// The version that the new lock has, or would have; nothing where it is gone.
    pub to: Option<Version>,
    /// How far an SDK was seen to work.
    #[serde(serialize_with = "word")]
    pub proof: Option<Proof>,
}

/// What was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A plugin.
    Plugin,
    /// A provider's SDK.
    Sdk,
    /// A package whose program is started by command.
    Command,
    /// What a config directory's `package.json` names.
    ConfigDir,
    /// A program that OpenCode starts.
    Program,
}

impl Kind {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Sdk => "SDK",
            Self::Command => "command",
            Self::ConfigDir => "config directory",
            Self::Program => "program",
        }
    }
}

fn word<S: serde::Serializer>(proof: &Option<Proof>, serializer: S) -> Result<S::Ok, S::Error> {
    proof.map(Proof::as_str).serialize(serializer)
}

impl Direct {
    /// Whether it has another version.
    pub fn moves(&self) -> bool {
        self.from != self.to
    }
}

/// One that a lock has.
struct Named {
    kind: Kind,
    spec: String,
    package: PackageName,
    want: Want,
    version: Version,
    proof: Option<Proof>,
}

/// What was named in what a lock was made of. SDKs that are built in have no package.
fn named(lock: &Lock) -> Vec<Named> {
    let mut named = Vec::new();
    for exercise in lock.exercises.values() {
        match &exercise.kind {
            ExerciseKind::Plugin { spec } => named.extend(one(Kind::Plugin, spec, exercise)),
            ExerciseKind::Provider { spec } => named.extend(one(Kind::Sdk, spec, exercise)),
            ExerciseKind::Executable { spec } => named.extend(one(Kind::Command, spec, exercise)),
            ExerciseKind::ConfigDir { dependencies } => {
                for (name, want) in dependencies {
                    let released_with = opencode::RELEASED_WITH.contains(&name.as_str());
                    if let (Ok(spec), false) = (format!("{name}@{want}").parse(), released_with) {
                        named.extend(one(Kind::ConfigDir, &spec, exercise));
                    }
                }
            }
            _ => {}
        }
    }
    for (program, systems) in &lock.programs {
        let first = systems.values().find_map(|artifact| match &artifact.source {
            ArtifactSource::Npm { package, version } => Some((package.clone(), version.clone())),
            _ => None,
        });
        named.extend(first.map(|(package, version)| Named {
            kind: Kind::Program,
            spec: program.clone(),
            package,
            want: Want::Unsaid,
            version,
            proof: None,
        }));
    }
    named
}

fn one(kind: Kind, spec: &Spec, exercise: &Exercise) -> Option<Named> {
    let (package, want) = (spec.name()?.clone(), spec.want()?.clone());
    let tag = match &want {
        Want::Unsaid => Some("latest"),
        Want::Tag(tag) => Some(tag.as_str()),
        _ => None,
    };
    let tagged = tag.and_then(|tag| exercise.tags.get(&package)?.get(tag).cloned());
    let newest =
        || exercise.packages.iter().filter(|id| id.name == package).map(|id| id.version.clone()).max();
    let version = match &want {
        Want::Exact(version) => Some(version.clone()),
        _ => tagged.or_else(newest),
    }?;
    // One that is built in, and has no package.
    let is_there = exercise.packages.iter().any(|id| id.name == package);
    is_there.then(|| Named { kind, spec: spec.to_string(), package, want, version, proof: exercise.proof })
}

/// What was named of two locks, with the version of each.
pub(super) fn between(old: &Lock, new: &Lock) -> Vec<Direct> {
    let mut all: BTreeMap<(Kind, String), Direct> = BTreeMap::new();
    for (is_new, named) in
        named(old).into_iter().map(|one| (false, one)).chain(named(new).into_iter().map(|one| (true, one)))
    {
        let Named { kind, spec, package, version, proof, .. } = named;
        let key = (kind, spec.clone());
        let direct =
            all.entry(key).or_insert(Direct { kind, spec, package, from: None, to: None, proof: None });
        match is_new {
            false => direct.from = Some(version),
            true => (direct.to, direct.proof) = (Some(version), proof),
        }
    }
    all.into_values().collect()
}

/// What is asked of the registry.
pub(super) struct Asking<'a> {
    pub(super) wishes: &'a Wishes,
    pub(super) lock: &'a Lock,
    pub(super) upstream: &'a Upstream,
    pub(super) systems: &'a BTreeSet<System>,
    pub(super) before: Option<Date>,
    pub(super) frozen: &'a Frozen,
}

impl Asking<'_> {
    /// Everything that was named in what the lock was made of, and the version that it would move to.
    pub(super) async fn ask(&self) -> Result<Vec<Direct>, resolve::Error> {
        let named = named(self.lock);
        let mut names: BTreeSet<PackageName> =
            named.iter().filter(|one| self.may_move(one)).map(|one| one.package.clone()).collect();
        for one in named.iter().filter(|one| one.kind == Kind::Program && self.may_move(one)) {
            names.extend(self.platform_packages(one));
        }
        let packuments = packuments(self.upstream, names).await?;
        let of_the_day = |name: &PackageName| {
            let packument = packuments.get(name)?.as_ref()?;
            Some(self.before.map_or_else(|| packument.clone(), |day| packument.as_of(day, |_| false)))
        };
        let direct = |one: Named| {
            let to = match self.wishes.manifest.packages.get(&one.package) {
                Some(pinned) => Some(pinned.clone()),
                None if !self.may_move(&one) => None,
                None if one.kind == Kind::Program => self.common(&one, of_the_day),
                None => of_the_day(&one.package).and_then(|packument| {
                    let release = packuments.get(&one.package)?.as_ref()?.versions.get(&one.version);
                    pick(&one, &packument, release.map(generation::of).unwrap_or_default().first().copied())
                }),
            };
            // What a day puts back is nothing newer.
            let to = to
                .filter(|to| self.before.is_none() || *to > one.version)
                .unwrap_or_else(|| one.version.clone());
            let Named { kind, spec, package, version, proof, .. } = one;
            Direct { kind, spec, package, from: Some(version), to: Some(to), proof }
        };
        Ok(named.into_iter().map(direct).collect())
    }

    fn may_move(&self, one: &Named) -> bool {
        !matches!(one.want, Want::Exact(_))
            && !self.wishes.manifest.packages.contains_key(&one.package)
            && !self.frozen.has(&one.package)
    }

    fn platform_packages(&self, one: &Named) -> Vec<PackageName> {
        let is_ripgrep = one.spec == opencode::RIPGREP;
        let systems = self.systems.iter().filter(|_| is_ripgrep);
        systems.filter_map(|system| opencode::ripgrep_package(*system).0.parse().ok()).collect()
    }

    /// The newest version that a program has for every system.
    fn common(&self, one: &Named, of_the_day: impl Fn(&PackageName) -> Option<Packument>) -> Option<Version> {
        let mut common: Option<BTreeSet<Version>> = None;
        for name in self.platform_packages(one) {
            let versions = of_the_day(&name)?.versions.into_keys().filter(|version| !version.is_prerelease());
            let versions: BTreeSet<Version> = versions.collect();
            common = Some(match common {
                None => versions,
                Some(common) => common.intersection(&versions).cloned().collect(),
            });
        }
        common?.pop_last()
    }
}

/// The version that npm would take, and of an SDK the likeliest of its generation: a trial may choose another one.
fn pick(one: &Named, packument: &Packument, generation: Option<generation::Generation>) -> Option<Version> {
    let tag = match &one.want {
        Want::Exact(version) => return Some(version.clone()),
        Want::Range(text) => {
            let range = Range::parse(text)?;
            let latest = packument.tags.get("latest").filter(|version| range.has(version));
            let newest = || packument.versions.keys().rev().find(|version| range.has(version));
            return latest.or_else(newest).cloned();
        }
        Want::Unsaid => "latest",
        Want::Tag(tag) => tag,
    };
    match one.kind {
        Kind::Sdk => generation::candidates(packument, tag, generation).into_iter().next(),
        _ => packument.tags.get(tag).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_lock_says_of_what_was_named() {
        let lock = Lock::parse(include_str!("../../../../opencode.lock.json")).unwrap();
        let found: Vec<String> = named(&lock)
            .iter()
            .map(|one| format!("{} {} {}", one.kind.as_str(), one.spec, one.package))
            .collect();
        assert_eq!(
            found[..2],
            ["plugin opencode-pty opencode-pty", "SDK @ai-sdk/fireworks @ai-sdk/fireworks"]
        );
        let same = between(&lock, &lock);
        assert_eq!(same.len(), found.len());
        assert!(same.iter().all(|direct| !direct.moves()));
        let mut none = lock.clone();
        none.exercises.clear();
        assert!(between(&lock, &none).iter().any(|direct| direct.to.is_none() && direct.from.is_some()));
    }
}
