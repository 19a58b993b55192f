//! What the manifest says about versions beside naming them: `[packages]`, which pins by hand, and `before`, the day. Owns what
//! follows from both for an exercise, and for a lock that is there; asks nobody.

use std::collections::BTreeSet;

use lock::{Exercise, ExerciseKind, Lock, Manifest, PackageId, PackageName, Spec, Version, Want};
use replay::registry::Sight;

use crate::opencode;

/// An exact version that an exercise wants of a package that is pinned to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub package: PackageName,
    pub pinned: Version,
    pub wanted: Version,
}

/// What an exercise may see of the registry: the pins, and the day, whatever is wanted exactly.
pub fn sight(manifest: &Manifest, kind: &ExerciseKind, opencode: &Version) -> Sight {
    let mut always = exact(kind);
    let released = opencode::RELEASED_WITH.iter().filter_map(|name| name.parse::<PackageName>().ok());
    always.extend(released.map(|name| name.at(opencode.clone())));
    Sight { only: manifest.packages.clone(), before: manifest.before, always, ..Sight::default() }
}

/// Where a pin contradicts what an exercise wants exactly.
pub fn conflict(manifest: &Manifest, kind: &ExerciseKind) -> Option<Conflict> {
    exact(kind).into_iter().find_map(|PackageId { name: package, version: wanted }| {
        let pinned = manifest.packages.get(&package).filter(|pinned| **pinned != wanted)?.clone();
        Some(Conflict { package, pinned, wanted })
    })
}

/// What an exercise wants exactly.
fn exact(kind: &ExerciseKind) -> BTreeSet<PackageId> {
    let id = |spec: &Spec| match spec.want()? {
        Want::Exact(version) => Some(spec.name()?.at(version.clone())),
        _ => None,
    };
    match kind {
        ExerciseKind::Plugin { spec }
        | ExerciseKind::Provider { spec }
        | ExerciseKind::Executable { spec } => id(spec).into_iter().collect(),
        ExerciseKind::ConfigDir { dependencies } => {
            let dependency = |(name, range): (&PackageName, &String)| Some(name.at(range.parse().ok()?));
            dependencies.iter().filter_map(dependency).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// Whether what a lock says of an exercise does not hold any more, though the exercise is the same: a package of it is pinned to
/// another version than it has, or is not pinned any more.
pub fn outdated(manifest: &Manifest, lock: &Lock, exercise: &Exercise) -> bool {
    exercise.packages.iter().any(|id| match manifest.packages.get(&id.name) {
        Some(pinned) => *pinned != id.version,
        None => lock.pins.contains_key(&id.name),
    })
}

/// The pins that the manifest has and a lock does not, or the other way round.
pub fn other_pins(manifest: &Manifest, lock: &Lock) -> Vec<String> {
    let wanted = manifest.packages.iter().filter(|(name, version)| lock.pins.get(*name) != Some(*version));
    let gone = lock.pins.keys().filter(|name| !manifest.packages.contains_key(*name));
    wanted
        .map(|(name, version)| format!("{name} is pinned to {version}, and the lock was made without that"))
        .chain(gone.map(|name| format!("{name} is not pinned any more, and the lock was made so")))
        .collect()
}

/// Why nothing that a lock says of packages holds any more: the manifest names another day. One that names none takes whatever day
/// the lock has, as "latest" takes its OpenCode.
pub fn other_day(manifest: &Manifest, lock: &Lock) -> Option<String> {
    let day = manifest.before.filter(|day| Some(*day) != lock.before)?;
    Some(match lock.before {
        Some(before) => format!("packages are wanted as of {day}, the lock has them as of {before}"),
        None => format!("packages are wanted as of {day}, the lock has them as of no day"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Manifest {
        Manifest::parse(text).unwrap()
    }

    #[test]
    fn a_pin_contradicts_another_exact_version() {
        let pins = manifest("[packages]\na = \"1.0.0\"\n");
        let plugin = |spec: &str| ExerciseKind::Plugin { spec: spec.parse().unwrap() };
        assert_eq!(conflict(&pins, &plugin("a")), None);
        assert_eq!(conflict(&pins, &plugin("a@1.0.0")), None);
        assert_eq!(conflict(&pins, &plugin("a@^2")), None);
        assert_eq!(conflict(&pins, &plugin("a@2.0.0")).unwrap().wanted.to_string(), "2.0.0");
        let dependencies =
            [("a".parse().unwrap(), "2.0.0".to_owned()), ("b".parse().unwrap(), "^1".to_owned())];
        let directory = ExerciseKind::ConfigDir { dependencies: dependencies.into() };
        assert!(conflict(&pins, &directory).is_some());
    }

    #[test]
    fn what_is_wanted_exactly_is_there_on_any_day() {
        let wishes = manifest("before = \"2020-01-01\"\n[packages]\na = \"1.0.0\"\n");
        let kind = ExerciseKind::Provider { spec: "b@2.0.0".parse().unwrap() };
        let sight = sight(&wishes, &kind, &"1.18.18".parse().unwrap());
        assert_eq!(sight.only.len(), 1);
        let always: Vec<String> = sight.always.iter().map(ToString::to_string).collect();
        assert_eq!(always, ["@opencode-ai/plugin@1.18.18", "@opencode-ai/sdk@1.18.18", "b@2.0.0"]);
    }
}
