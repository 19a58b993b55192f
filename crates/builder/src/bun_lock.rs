//! What bun says of a tree that it installed: its lock file, `bun.lock`. Owns reading it, and taking out of it where a registry was;
//! installs nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use lock::{PackageId, PackageName, Version};
use serde_json::Value;

use crate::settle::Installed;

/// The file, at the top of a tree.
pub const NAME: &str = "bun.lock";

/// The packages of a tree, by their keys: `a`, or `a/b` for the `b` that only `a` finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BunLock(BTreeMap<String, Entry>);

/// One package.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    id: PackageId,
    /// What it wants, of any kind; what of it is not there was not wanted badly.
    wants: BTreeSet<String>,
    /// Whether it is for some systems only.
    particular: bool,
}

impl BunLock {
    /// Reads the text of a lock file (version 1: bun 1.3.3 in OpenCode 1.0.152, 1.3.10 in 1.2.27).
    pub fn parse(text: &str) -> Result<Self, String> {
        let lock: Value =
            serde_json::from_str(&without_last_commas(text)).map_err(|error| error.to_string())?;
        let packages = lock.get("packages").and_then(Value::as_object).ok_or("no packages")?;
        let entry =
            |(key, value): (&String, &Value)| Ok((key.clone(), Entry::read(value).ok_or(key.clone())?));
        let entries: Result<_, String> = packages.iter().map(entry).collect();
        Ok(Self(entries.map_err(|key| format!("{key:?} is no package of a registry"))?))
    }

    /// Every package, of every system.
    pub fn all(&self) -> Vec<Installed> {
        self.0.iter().map(|(key, entry)| Installed { path: place(key), id: entry.id.clone() }).collect()
    }

    /// What lies in the tree at `root`.
    pub fn installed(&self, root: &Path) -> Vec<Installed> {
        self.all().into_iter().filter(|one| root.join(&one.path).join("package.json").is_file()).collect()
    }

    /// Whether all of it lies at `root` but what is for some systems only.
    pub fn is_whole(&self, root: &Path) -> bool {
        let there = |key: &str| root.join(place(key)).join("package.json").is_file();
        !self.0.is_empty() && self.0.iter().all(|(key, entry)| entry.particular || there(key))
    }

    /// The keys of a package at the top of the tree and of everything that it wants, directly or not.
    pub fn closure(&self, name: &PackageName) -> BTreeSet<&str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let mut open: VecDeque<&str> =
            self.0.get_key_value(name.as_str()).map(|(key, _)| key.as_str()).into_iter().collect();
        while let Some(key) = open.pop_front() {
            if !found.insert(key) {
                continue;
            }
            let wants = self.0.get(key).into_iter().flat_map(|entry| &entry.wants);
            open.extend(wants.filter_map(|wanted| self.seen_from(key, wanted)));
        }
        found
    }

    /// The packages of [`closure`](Self::closure).
    pub fn needed_by(&self, name: &PackageName) -> BTreeSet<PackageId> {
        self.closure(name).into_iter().filter_map(|key| Some(self.0.get(key)?.id.clone())).collect()
    }

    /// The places of [`closure`](Self::closure) in the tree.
    pub fn places(&self, name: &PackageName) -> BTreeSet<String> {
        self.closure(name).into_iter().map(place).collect()
    }

    /// The key of the package `wanted` that the one at `key` finds, as Node looks for it: from the inside to the outside.
    fn seen_from(&self, key: &str, wanted: &str) -> Option<&str> {
        let mut above = components(key);
        loop {
            let candidate = above.iter().copied().chain([wanted]).collect::<Vec<_>>().join("/");
            if let Some((key, _)) = self.0.get_key_value(&candidate) {
                return Some(key);
            }
            above.pop()?;
        }
    }
}

impl Entry {
    fn read(value: &Value) -> Option<Self> {
        let (name, version) = value.get(0)?.as_str()?.rsplit_once('@')?;
        let (name, version): (PackageName, Version) = (name.parse().ok()?, version.parse().ok()?);
        let about = value.as_array()?.iter().find(|part| part.is_object())?;
        let kinds = ["dependencies", "optionalDependencies", "peerDependencies"];
        let wants = kinds.iter().filter_map(|kind| about.get(kind)?.as_object());
        let wants = wants.flat_map(|wanted| wanted.keys().cloned()).collect();
        let particular = ["os", "cpu", "libc"].iter().any(|limit| about.get(limit).is_some());
        Some(Self { id: name.at(version), wants, particular })
    }
}

/// The packages that a key names, the outermost first.
fn components(key: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = key;
    while !rest.is_empty() {
        let from = if rest.starts_with('@') { rest.find('/').map_or(rest.len(), |at| at + 1) } else { 0 };
        let end = rest[from..].find('/').map_or(rest.len(), |at| from + at);
        parts.push(&rest[..end]);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    parts
}

/// Where the package of a key lies, relative to the tree.
fn place(key: &str) -> String {
    components(key).iter().map(|name| format!("node_modules/{name}")).collect::<Vec<_>>().join("/")
}

/// The text without the commas that bun puts behind the last of several things, and JSON does not know.
fn without_last_commas(text: &str) -> String {
    let mut json = String::with_capacity(text.len());
    let (mut quoted, mut escaped, mut comma) = (false, false, false);
    for c in text.chars() {
        if quoted {
            (quoted, escaped) = (escaped || c != '"', c == '\\' && !escaped);
            json.push(c);
            continue;
        }
        if comma && !c.is_whitespace() {
            comma = false;
            if !matches!(c, '}' | ']') {
                json.push(',');
            }
        }
        match c {
            ',' => comma = true,
            _ => json.push(c),
        }
        quoted = c == '"';
    }
    json
}

/// A lock file without the addresses below `registry`, which bun writes where it is not the usual one, and leaves empty where it is.
pub fn without_addresses(text: &str, registry: &str) -> String {
    let opening = format!("\"{registry}");
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(&opening) {
        clean.push_str(before);
        clean.push_str("\"\"");
        rest = behind.split_once('"').map_or("", |(_, behind)| behind);
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"{
  "lockfileVersion": 1,
  "workspaces": { "": { "dependencies": { "a": "1.0.0", }, }, },
  "packages": {
    "a": ["a@1.0.0", "http://127.0.0.1:5/x/a/-/a-1.0.0.tgz", { "dependencies": { "@s/b": "^1" }, "peerDependencies": { "c": "*" } }, "sha512-x,]"],

    "@s/b": ["@s/b@1.1.0", "", { "dependencies": { "d": "2" }, "optionalDependencies": { "e": "1" } }, "sha512-y"],

    "@s/b/d": ["d@2.0.0", "", {}, "sha512-z"],

    "d": ["d@1.0.0", "", {}, "sha512-z"],

    "e": ["e@1.0.0", "", { "os": "darwin" }, "sha512-z"],
  }
}
"#;

    #[test]
    fn what_a_package_needs_is_found_as_node_finds_it() {
        let lock = BunLock::parse(LOCK).unwrap();
        let needed = |name: &str| -> Vec<String> {
            lock.needed_by(&name.parse().unwrap()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(needed("a"), ["@s/b@1.1.0", "a@1.0.0", "d@2.0.0", "e@1.0.0"]);
        assert_eq!(needed("d"), ["d@1.0.0"]);
        assert!(needed("nothing").is_empty());
        let places: Vec<String> = lock.all().into_iter().map(|one| one.path).collect();
        assert!(places.contains(&"node_modules/@s/b/node_modules/d".to_owned()), "{places:?}");
    }

    #[test]
    fn a_tree_is_whole_without_what_is_for_other_systems() {
        let lock = BunLock::parse(LOCK).unwrap();
        let tree = tempfile::tempdir().unwrap();
        for one in lock.all().iter().filter(|one| one.id.name.as_str() != "e") {
            assert!(!lock.is_whole(tree.path()));
            let place = tree.path().join(&one.path);
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join("package.json"), "{}").unwrap();
        }
        assert!(lock.is_whole(tree.path()));
        assert_eq!(lock.installed(tree.path()).len(), 4);
    }

    #[test]
    fn no_address_stays() {
        let clean = without_addresses(LOCK, "http://127.0.0.1:5/x/");
        assert!(clean.contains("\"a\": [\"a@1.0.0\", \"\", {"), "{clean}");
        assert!(!clean.contains("127.0.0.1"));
        assert_eq!(without_addresses("x", "http://127.0.0.1:5/x/"), "x");
    }

    #[test]
    fn what_is_no_lock_file_is_an_error() {
        for text in ["", "[]", "{}", r#"{"packages":{"a":["a@file:x"]}}"#, r#"{"packages":{"a":[]}}"#] {
            assert!(BunLock::parse(text).is_err(), "{text}");
        }
        assert_eq!(components("@a/b/c/@d/e"), ["@a/b", "c", "@d/e"]);
    }
}
