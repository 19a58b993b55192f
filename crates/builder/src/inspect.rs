//! What is in an output, how big, and why: from its own `manifest.json` and its files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Error;
use crate::contents::Contents;

/// What an output holds.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// Where it lies.
    pub path: PathBuf,
    /// The digest in its name.
    pub digest: String,
    /// Its own description.
    pub contents: Contents,
    /// Bytes by part, the whole last, in the order of a listing.
    pub parts: Vec<(String, u64)>,
}

/// Looks at the output at `output`, which may be a link to it.
pub fn run(output: &Path) -> Result<Inspection, Error> {
    let contents = Contents::read(output)?;
    let stored = tree::StorePath::resolve(output)?;
    let listing = tree::scan(stored.path())?;
    let files = listing.entries().iter().filter_map(|entry| match entry.kind {
        tree::Kind::File { size, .. } => Some((entry.path.as_path(), size)),
        _ => None,
    });
    Ok(of_files(stored.path(), stored.digest().to_string(), contents, files))
}

/// The same of one whose files, and the bytes of each, are known: it may lie in a bundle.
pub fn of_files<'f>(
    path: &Path,
    digest: String,
    contents: Contents,
    files: impl Iterator<Item = (&'f Path, u64)>,
) -> Inspection {
    let mut parts: BTreeMap<String, u64> = BTreeMap::new();
    let mut all = 0;
    for (path, size) in files {
        *parts.entry(part(path)).or_default() += size;
        all += size;
    }
    let mut parts: Vec<(String, u64)> = parts.into_iter().collect();
    parts.push(("all".into(), all));
    Inspection { path: path.into(), digest, contents, parts }
}

/// A captured tree is a part, and so is everything else by its first two components.
fn part(path: &Path) -> String {
    let components: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    let scoped = components.get(2).is_some_and(|name| name.starts_with('@'));
    let program = components.get(1).is_some_and(|name| name == "bin");
    let length = match components.first().map(AsRef::as_ref) {
        Some("cache") if program => 3,
        Some("cache") => 3 + usize::from(scoped),
        Some("lib") => 3,
        Some("config") => 1,
        _ => 2,
    };
    components[..length.min(components.len())].join("/")
}
