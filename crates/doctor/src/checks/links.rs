//! Links that lead nowhere, beside the places of the link map. The wrapper takes away what is ours; what is the
//! user's stays, and OpenCode stumbles over it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::entries::is_dangling;
use crate::case::Case;
use crate::finding::{Finding, shown};

/// Names that are looked at in all: a cache has dozens.
const MOST: usize = 10_000;

/// Looks at OpenCode's cache directory, at its packages and at its configuration directory.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let known: BTreeSet<&Path> = case.start.entries.iter().map(|seen| seen.place.as_path()).collect();
    let mut looked = 0;
    let mut findings = Vec::new();
    for directory in directories(case) {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            looked += 1;
            if looked > MOST {
                let text = format!("has more than {MOST} names: the rest was not looked at");
                findings.push(Finding::note("links-unseen", shown(&directory), text));
                return findings;
            }
            let path = entry.path();
            if !known.contains(path.as_path()) && is_dangling(&path) {
                findings.push(judge(&path));
            }
        }
    }
    if findings.is_empty() {
        let text = format!("none of {looked} names leads nowhere");
        findings.push(Finding::ok("links", "links", text));
    }
    findings.sort_by(|a, b| a.subject.cmp(&b.subject));
    findings
}

fn judge(path: &Path) -> Finding {
    let target = fs::read_link(path).unwrap_or_default();
    let subject = shown(path);
    if linkmap::names_output(target.as_os_str().as_bytes()) {
        let text = format!("is ours and leads nowhere ({}): a generation that is gone", target.display());
        return Finding::note("link-older", subject, text)
            .next("nothing: a start takes it away when it next lays something");
    }
    let text = format!("is a link of yours that leads nowhere ({})", target.display());
    Finding::problem("link-dangling", subject, text).next("remove it, or bring back what it leads to")
}

/// The cache, `packages` in it and the scopes in that; the configuration directory.
fn directories(case: &Case<'_>) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = case.start.config.iter().cloned().collect();
    let Some(cache) = &case.start.cache else { return directories };
    let packages = cache.join("packages");
    let scopes = fs::read_dir(&packages).into_iter().flatten().flatten().take(MOST);
    let scopes = scopes.filter(|entry| entry.file_name().as_bytes().starts_with(b"@"));
    let scopes: Vec<PathBuf> = scopes.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    directories.extend([cache.clone(), packages]);
    directories.extend(scopes);
    directories
}
