//! The OpenCodes on PATH: which one the user gets by typing its name, and what the others are.

use std::path::Path;

use serde_json::Value;

use crate::case::Case;
use crate::finding::{Finding, shown};
use crate::subject::{Subject, on_path};

/// The largest `package.json` that is read, in bytes.
const MOST: u64 = 1 << 20;

/// Directories above a program that are looked at for its npm package.
const ABOVE: usize = 4;

/// Looks at PATH.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let found = on_path(case.surroundings);
    let is_ours = |path: &Path| Subject::at(path).is_some_and(|other| other.root == case.subject.root);
    let ours = found.iter().position(|path| is_ours(path));
    let mut findings = Vec::new();
    for (at, path) in found.iter().enumerate() {
        let what = describe(path);
        findings.push(match ours {
            Some(place) if at == place => Finding::ok("on-path", shown(path), "is this output's"),
            Some(place) if at < place => {
                let text = format!("is {what}, and stands before this output's on PATH");
                let next = "put this output's bin directory first on PATH, or remove the other";
                Finding::problem("shadowed", shown(path), text).next(next)
            }
            Some(_) if is_ours(path) => {
                Finding::ok("on-path-again", shown(path), "is this output's once more")
            }
            Some(_) => {
                Finding::note("other-behind", shown(path), format!("is {what}, behind this output's on PATH"))
            }
            None => Finding::note("other", shown(path), format!("is {what}")),
        });
    }
    if ours.is_none() {
        let text = "this output's OpenCode is not on PATH";
        let next = format!("put {} first on PATH", case.subject.root.join("bin").display());
        findings.push(Finding::note("not-on-path", "PATH", text).next(next));
    }
    findings
}

/// What a program is, as far as files beside it say so. It is not started: that may take seconds and writes to HOME.
fn describe(path: &Path) -> String {
    if let Some(other) = Subject::at(path) {
        let version = other.contents.map(|contents| contents.opencode.to_string());
        return format!(
            "OpenCode {} of another output",
            version.unwrap_or_else(|_| "of unknown version".into())
        );
    }
    match path.canonicalize().ok().and_then(|program| package(&program)) {
        Some(version) => format!("OpenCode {version} as npm installed it"),
        None => "another OpenCode, of unknown version".into(),
    }
}

/// The version in the `package.json` of the npm package that a program lies in.
fn package(program: &Path) -> Option<String> {
    program.ancestors().skip(1).take(ABOVE).find_map(|directory| {
        let bytes = builder::files::read_bounded(&directory.join("package.json"), MOST).ok()?;
        let package: Value = serde_json::from_slice(&bytes).ok()?;
        let name = package.get("name")?.as_str()?;
        let version = package.get("version")?.as_str()?;
        name.starts_with("opencode").then(|| version.to_owned())
    })
}
