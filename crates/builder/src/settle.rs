//! Raw capture → canonical tree: which files of what OpenCode installed are kept, and what an
//! installed tree says of itself (its npm lock file).
//!
//! npm's own lock files are the authority on what was resolved. A tree without one was
//! interrupted: OpenCode never repairs such a tree, so it is refused here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lock::{ExerciseKind, PackageId, PackageName, Version};
use serde_json::Value;
use tree::settle::{Settled, Verdict};

use crate::bun_lock::{self, BunLock};
use crate::files;
use crate::shared::Change;

/// The largest npm lock file that is read, in bytes. 5,000 packages come to some 3 MB.
const MAX_NPM_LOCK: u64 = 64 << 20;

/// What a captured directory is, which decides what of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeKind {
    /// `packages/<spec>` of era C: one spec and all it needs; before, what a program needs that is started by command.
    Package,
    /// The dependencies of a config directory.
    ConfigDir,
    /// The one tree of eras A and B.
    Shared,
}

impl TreeKind {
    /// The names at the top of the directory that belong to the installation. Everything else
    /// there is the exercise's own (its `opencode.json`) or scratch.
    fn kept(self) -> &'static [&'static str] {
        match self {
            Self::Package => &["node_modules", "package.json", "package-lock.json", bun_lock::NAME],
            Self::ConfigDir => {
                &["node_modules", "package.json", "package-lock.json", bun_lock::NAME, ".gitignore"]
            }
            Self::Shared => &["node_modules", "package.json", bun_lock::NAME],
        }
    }
}

/// Why an installed tree is no good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that a whole tree has is not there or not readable.
    #[error("read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// An npm lock file is not what npm writes.
    #[error("parse {}: {reason}", path.display())]
    NpmLock {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The canonical tree could not be written.
    #[error(transparent)]
    Tree(#[from] tree::Error),
}

/// One package as it lies in an installed tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Installed {
    /// Where, relative to the tree: `node_modules/a/node_modules/b`.
    pub path: String,
    /// Which.
    pub id: PackageId,
}

/// Copies a raw tree to its canonical form at `canonical`, which must not exist.
pub fn settle(raw: &Path, canonical: &Path, kind: TreeKind) -> Result<Settled, Error> {
    settle_changed(raw, canonical, kind, &|_, _| Ok(None))
}

/// The same, with other words in the files at the top that are not npm's: `change` is asked for them.
pub fn settle_changed(
    raw: &Path,
    canonical: &Path,
    kind: TreeKind,
    change: &Change<'_>,
) -> Result<Settled, Error> {
    let kept = kind.kept();
    let settled = tree::settle::copy_canonical(raw, canonical, &|entry| {
        let mut components = entry.path.components();
        let top = components.next().map(|first| first.as_os_str().to_owned());
        let is_kept = top.is_some_and(|top| kept.iter().any(|name| top == *name));
        if !is_kept {
            return Ok(Verdict::Drop);
        }
        let changeable = ["package.json", bun_lock::NAME];
        let Some(name) = changeable.into_iter().find(|name| entry.path == Path::new(name)) else {
            return Ok(Verdict::Keep);
        };
        let text = String::from_utf8(read(&raw.join(name))?)?;
        Ok(change(name, &text)?.map_or(Verdict::Keep, |changed| Verdict::Replace(changed.into())))
    })?;
    Ok(settled)
}

/// Everything that was resolved for the tree at `root`, for every platform: the packages of its
/// `package-lock.json`, or of its `bun.lock`. Optional packages that no registry had are left out (they have no version).
pub fn resolved(root: &Path) -> Result<BTreeSet<PackageId>, Error> {
    if let Some(lock) = bun(root)? {
        return Ok(lock.all().into_iter().map(|installed| installed.id).collect());
    }
    let path = root.join("package-lock.json");
    Ok(npm_lock(&path)?.into_iter().map(|installed| installed.id).collect())
}

/// What really lies in the tree at `root`: the packages of npm's hidden lock file, or those of bun's that are there.
pub fn installed(root: &Path) -> Result<Vec<Installed>, Error> {
    if let Some(lock) = bun(root)? {
        return Ok(lock.installed(root));
    }
    npm_lock(&root.join("node_modules/.package-lock.json"))
}

/// The lock file of a tree that bun installed; `None` where npm did.
pub fn bun(root: &Path) -> Result<Option<BunLock>, Error> {
    let path = root.join(bun_lock::NAME);
    if !path.exists() {
        return Ok(None);
    }
    let invalid = |reason: String| Error::NpmLock { path: path.clone(), reason };
    let bytes = read(&path)?;
    let text = String::from_utf8(bytes).map_err(|error| invalid(error.to_string()))?;
    BunLock::parse(&text).map(Some).map_err(invalid)
}

/// The places in the tree at `root` of what an exercise put there, where all share it.
pub fn places(root: &Path, kind: &ExerciseKind) -> Result<BTreeSet<String>, Error> {
    let (ExerciseKind::Plugin { spec } | ExerciseKind::Provider { spec }) = kind else {
        return Ok(BTreeSet::new());
    };
    let lock = bun(root)?.unwrap_or_default();
    Ok(spec.name().map(|name| lock.places(name)).unwrap_or_default())
}

/// What an exercise resolved of the tree at `root`, where all share it.
pub fn needed(root: &Path, kind: &ExerciseKind) -> Result<BTreeSet<PackageId>, Error> {
    let (ExerciseKind::Plugin { spec } | ExerciseKind::Provider { spec }) = kind else {
        return Ok(BTreeSet::new());
    };
    let lock = bun(root)?.unwrap_or_default();
    Ok(spec.name().map(|name| lock.needed_by(name)).unwrap_or_default())
}

/// Whether the tree at `root` is finished: npm writes both lock files last, bun its own before the last packages may be there.
pub fn is_whole(root: &Path) -> bool {
    if let Ok(Some(lock)) = bun(root) {
        return lock.is_whole(root);
    }
    resolved(root).is_ok_and(|resolved| !resolved.is_empty()) && installed(root).is_ok()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    files::read_bounded(path, MAX_NPM_LOCK).map_err(|error| match error {
        files::ReadError::Io(source) => Error::Unreadable { path: path.into(), source },
        _ => {
            let reason = format!("not a regular file of at most {MAX_NPM_LOCK} bytes");
            Error::NpmLock { path: path.into(), reason }
        }
    })
}

fn npm_lock(path: &Path) -> Result<Vec<Installed>, Error> {
    let invalid = |reason: String| Error::NpmLock { path: path.into(), reason };
    let bytes = read(path)?;
    let lock: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
    let packages = lock.get("packages").and_then(Value::as_object);
    let packages = packages.ok_or_else(|| invalid("no packages".into()))?;
    let mut found = Vec::new();
    for (place, entry) in packages {
        let Some(version) = entry.get("version").and_then(Value::as_str) else { continue };
        if place.is_empty() {
            continue;
        }
        // An alias lies under its own name and says the package's.
        let name = entry.get("name").and_then(Value::as_str);
        let name = name.unwrap_or_else(|| place.rsplit("node_modules/").next().unwrap_or(place));
        let name: PackageName =
            name.parse().map_err(|error: lock::package::Error| invalid(error.to_string()))?;
        let version: Version =
            version.parse().map_err(|error: lock::version::Error| invalid(error.to_string()))?;
        found.push(Installed { path: place.clone(), id: name.at(version) });
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree_with(lock: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("node_modules")).unwrap();
        std::fs::write(dir.path().join("package-lock.json"), lock).unwrap();
        std::fs::write(dir.path().join("node_modules/.package-lock.json"), lock).unwrap();
        dir
    }

    #[test]
    fn an_npm_lock_file_says_what_was_resolved() {
        let dir = tree_with(
            r#"{"packages": {"": {"dependencies": {"a": "1"}},
              "node_modules/a": {"version": "1.0.0"},
              "node_modules/a/node_modules/@s/b": {"version": "2.0.0-rc.1"},
              "node_modules/alias": {"name": "c", "version": "3.0.0"},
              "node_modules/missing": {"optional": true}}}"#,
        );
        let resolved = resolved(dir.path()).unwrap();
        let names: Vec<_> = resolved.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["@s/b@2.0.0-rc.1", "a@1.0.0", "c@3.0.0"]);
        assert!(is_whole(dir.path()));
    }

    #[test]
    fn a_tree_without_its_lock_file_is_not_whole() {
        let dir = tree_with(r#"{"packages": {"node_modules/a": {"version": "1.0.0"}}}"#);
        assert!(is_whole(dir.path()));
        std::fs::write(dir.path().join("package-lock.json"), r#"{"packages": {"#).unwrap();
        assert!(!is_whole(dir.path()));
        std::fs::remove_file(dir.path().join("package-lock.json")).unwrap();
        assert!(!is_whole(dir.path()));
    }

    #[test]
    fn only_the_installation_is_kept() {
        let dir = tree_with("{}");
        std::fs::write(dir.path().join("opencode.json"), "{}").unwrap();
        std::fs::write(dir.path().join(".gitignore"), "x").unwrap();
        let out = tempfile::tempdir().unwrap();
        let names = |kind| {
            let to = out.path().join(format!("{kind:?}"));
            settle(dir.path(), &to, kind).unwrap();
            let mut names: Vec<_> = std::fs::read_dir(&to)
                .unwrap()
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            tree::remove_tree(&to).unwrap();
            names
        };
        assert_eq!(names(TreeKind::Package), ["node_modules", "package-lock.json"]);
        assert_eq!(names(TreeKind::ConfigDir), [".gitignore", "node_modules", "package-lock.json"]);
    }
}
