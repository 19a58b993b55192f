//! Which captured tree has what a config directory's tools and plugins import: the index that the output's
//! `modules.mjs` looks things up in, and where the trees lie. Knows nothing of how they were captured.

use std::collections::BTreeMap;

use lock::{ExerciseKind, ExerciseName, Lock, PackageName};
use serde_json::{Value, json};

use crate::{emit, layout, opencode};

/// Where the tree of a config directory's exercise lies: the global one's has no qualifier.
pub fn tree(name: &ExerciseName) -> String {
    match name.qualifier() {
        None => layout::CONFIG_DIR.to_owned(),
        Some(which) => format!("{}/{}", layout::CONFIG_DIRS, directory(which)),
    }
}

/// The index of a lock's trees. The global config directory's comes last: what nobody's `package.json` names is looked up there.
pub fn index(lock: &Lock) -> String {
    let mut trees: Vec<Value> = Vec::new();
    for (name, exercise) in lock.exercises.iter().rev() {
        if let ExerciseKind::ConfigDir { dependencies } = &exercise.kind
            && let Some(path) = emit::tree_of(&lock.opencode, name, exercise)
        {
            trees.push(json!({ "path": path, "dependencies": own(dependencies) }));
        }
    }
    format!("{:#}\n", json!({ "trees": trees }))
}

/// What a directory's own `package.json` asks for, without what OpenCode adds.
fn own(dependencies: &BTreeMap<PackageName, String>) -> BTreeMap<&str, &str> {
    let all = dependencies.iter().map(|(name, range)| (name.as_str(), range.as_str()));
    all.filter(|(name, _)| *name != opencode::CONFIG_DIR_PACKAGE).collect()
}

/// One component of a path, another for every text.
fn directory(which: &str) -> String {
    let only_dots = which.bytes().all(|byte| byte == b'.');
    let mut escaped = String::new();
    for byte in which.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => escaped.push(byte.into()),
            b'.' if !only_dots => escaped.push('.'),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_has_a_tree_of_its_own_and_none_is_elsewhere() {
        let tree = |name: &str| tree(&name.parse().unwrap());
        assert_eq!(tree("config-dir"), "config");
        assert_eq!(tree("config-dir:.opencode"), "config-dirs/.opencode");
        assert_eq!(tree("config-dir:apps/web/.opencode"), "config-dirs/apps%2Fweb%2F.opencode");
        assert_eq!(tree("config-dir:apps%2Fweb"), "config-dirs/apps%252Fweb");
        assert_eq!(tree("config-dir:.."), "config-dirs/%2E%2E");
        assert_eq!(tree("config-dir:../x"), "config-dirs/..%2Fx");
    }
}
