//! What an exercise leaves in OpenCode's own directories beside the one tree that its kind implies: found, copied to its
//! canonical form, and told apart from what is OpenCode's business alone (logs, databases, its catalogue).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lock::{ExerciseKind, ExerciseName, Fill, FillRoot, Lock, PackageId, RelPath, Sri};
use tree::settle::Verdict;

use crate::settle::{self, TreeKind};
use crate::{emit, files, opencode, stage};

/// The largest file that is hashed to find out whether it is a download, in bytes.
const MAX_FILE: u64 = 512 << 20;
/// How many files are looked at, and how deep: a cache that an exercise filled has some dozens.
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 8;

/// What an exercise left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Where.
    pub fills: BTreeSet<Fill>,
    /// Packages that were resolved for it.
    pub resolved: BTreeSet<PackageId>,
}

/// Whether an exercise of this kind is asked what it left.
pub fn are_left(kind: &ExerciseKind) -> bool {
    matches!(kind, ExerciseKind::Command(_) | ExerciseKind::LanguageServer { .. })
}

/// Where a root lies inside a stage.
fn inside(root: FillRoot) -> &'static str {
    match root {
        FillRoot::Cache => stage::CACHE_DIR,
        FillRoot::Data => stage::DATA_DIR,
    }
}

/// The raw form of a fill, on this side of `stage`.
pub fn raw(stage: &stage::Stage, fill: &Fill) -> PathBuf {
    stage.sandbox().outside(inside(fill.root)).join(fill.path.as_str())
}

/// What an exercise left on `stage`, where a file counts that is one of `downloads`.
pub fn left(stage: &stage::Stage, downloads: &[&Sri]) -> Result<Left, settle::Error> {
    let mut left = Left::default();
    let cache = stage.sandbox().outside(stage::CACHE_DIR);
    for path in package_directories(&cache.join("packages")) {
        // A tree that is not whole is never repaired, and never captured.
        if settle::is_whole(&cache.join(&path)) {
            left.resolved.extend(settle::resolved(&cache.join(&path))?);
            left.fills.extend(fill(FillRoot::Cache, &path));
        }
    }
    for name in names(&cache.join("bin")) {
        let path = Path::new("bin").join(&name);
        // A link there leads to what lies beside it, by an absolute path.
        let is_link = cache.join(&path).symlink_metadata().is_ok_and(|found| found.is_symlink());
        if name != opencode::RIPGREP_BINARY && !is_link {
            left.fills.extend(fill(FillRoot::Cache, &path));
        }
    }
    let mut looked = 0;
    for root in [FillRoot::Cache, FillRoot::Data] {
        let top = stage.sandbox().outside(inside(root));
        let mut open = vec![PathBuf::new()];
        while let Some(directory) = open.pop() {
            for name in names(&top.join(&directory)) {
                let path = directory.join(name);
                let own = opencode::NOT_CAPTURED.iter().any(|own| path == Path::new(own));
                let Ok(found) = top.join(&path).symlink_metadata() else { continue };
                looked += 1;
                if own || looked > MAX_FILES {
                    continue;
                }
                if found.is_dir() && path.components().count() < MAX_DEPTH {
                    open.push(path);
                } else if found.is_file() && is_one_of(&top.join(&path), found.len(), downloads) {
                    left.fills.extend(fill(root, &path));
                }
            }
        }
    }
    Ok(left)
}

fn fill(root: FillRoot, path: &Path) -> Option<Fill> {
    let path: RelPath = path.to_str()?.parse().ok()?;
    Some(Fill { root, path })
}

/// The names in a directory, in order; nothing where there is none.
fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The directories below `packages`, relative to what holds it: one for each spec.
fn package_directories(packages: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names(packages) {
        let path = Path::new("packages").join(&name);
        match name.starts_with('@') {
            true => found.extend(names(&packages.join(&name)).into_iter().map(|name| path.join(name))),
            false => found.push(path),
        }
    }
    found
}

/// Whether a file's bytes are those of one of `downloads`.
fn is_one_of(path: &Path, size: u64, downloads: &[&Sri]) -> bool {
    if size == 0 || downloads.is_empty() {
        return false;
    }
    files::read_bounded(path, MAX_FILE)
        .is_ok_and(|bytes| downloads.iter().any(|sri| Sri::of(sri.algorithm(), &bytes) == **sri))
}

/// Whose each place of an output is: the exercise that fills it by its kind, else the first that says so.
pub fn owners(lock: &Lock) -> BTreeMap<String, &ExerciseName> {
    let mut owners = BTreeMap::new();
    for (name, exercise) in &lock.exercises {
        if let Some(place) = emit::tree_of(&lock.opencode, name, exercise) {
            owners.insert(place, name);
        }
    }
    for (name, exercise) in &lock.exercises {
        for fill in &exercise.fills {
            owners.entry(fill.to_string()).or_insert(name);
        }
    }
    owners
}

/// The fills that an output has, each once, with the exercise that it is from.
pub fn placed(lock: &Lock) -> Vec<(&ExerciseName, &Fill)> {
    let owners = owners(lock);
    let all = lock
        .exercises
        .iter()
        .flat_map(|(name, exercise)| exercise.fills.iter().map(move |fill| (name, fill)));
    all.filter(|(name, fill)| owners.get(&fill.to_string()) == Some(name)).collect()
}

/// Copies what lies at `raw` to its canonical form at `to`.
pub fn settle(raw: &Path, to: &Path, fill: &Fill) -> Result<(), settle::Error> {
    let unreadable = |source| settle::Error::Unreadable { path: raw.into(), source };
    let found = raw.symlink_metadata().map_err(unreadable)?;
    if found.is_dir() {
        if is_tree(fill) {
            settle::settle(raw, to, TreeKind::Package)?;
        } else {
            tree::settle::copy_canonical(raw, to, &|_| Ok(Verdict::Keep))?;
        }
        return Ok(());
    }
    let mode = if found.permissions().mode() & 0o111 == 0 { 0o444 } else { 0o555 };
    let copied = fs::copy(raw, to).and_then(|_| fs::set_permissions(to, fs::Permissions::from_mode(mode)));
    copied.map_err(unreadable)
}

/// Whether a fill is a tree that npm installed.
pub fn is_tree(fill: &Fill) -> bool {
    fill.root == FillRoot::Cache && fill.path.as_str().starts_with("packages/")
}

/// Makes the directory above a place.
pub fn make_parent(place: &Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), fs::create_dir_all)
}
