//! Custom tools and plugins of the user's configuration directories that import `@opencode-ai/plugin`: where it
//! is not really there, OpenCode fails as a whole (1.18.18: every message ends in an error).

use std::fs;
use std::path::{Path, PathBuf};

use builder::opencode::{CONFIG_DIR_PACKAGE, reads};
use memchr::memmem;

use super::asked_for::modules;
use super::configs;
use crate::case::Case;
use crate::finding::{Finding, shown};

/// Files that are looked at in each directory; people have a handful.
const MOST_FILES: usize = 1000;

/// The largest file that is read, in bytes.
const MOST: u64 = 1 << 20;

/// Looks at every configuration directory.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut files = 0;
    let mut findings = Vec::new();
    for directory in configs::directories(case.start, case.surroundings) {
        for file in code(&directory) {
            files += 1;
            if calls_for_package(&file) && !is_found(case, &directory) {
                findings.push(problem(case, &file));
            }
        }
    }
    if findings.is_empty() {
        let text = match files {
            0 => "there are none".to_owned(),
            _ => format!("what they need is there ({files} files)"),
        };
        findings.push(Finding::ok("tools", "custom tools and plugins", text));
    }
    findings
}

fn problem(case: &Case<'_>, file: &Path) -> Finding {
    let text =
        format!("imports {CONFIG_DIR_PACKAGE}, which is not there: OpenCode does not answer with this tool");
    let next = match &case.start.config {
        Some(config) => {
            format!("install it there while there is a network, or keep the file in {}", config.display())
        }
        None => "install it there while there is a network".to_owned(),
    };
    Finding::problem("tool-without-package", shown(file), text).next(next)
}

fn code(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for name in reads::CODE_DIRECTORIES {
        let entries = fs::read_dir(directory.join(name)).into_iter().flatten().flatten().take(MOST_FILES);
        let is_code = |path: &PathBuf| {
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            reads::CODE_ENDINGS.contains(&ending)
        };
        files.extend(entries.map(|entry| entry.path()).filter(is_code));
    }
    files.sort();
    files
}

/// Whether a file uses the package when it runs. An import of types only is gone by then.
fn calls_for_package(file: &Path) -> bool {
    let Ok(text) = builder::files::read_bounded(file, MOST) else { return false };
    let has = |needle: &str| memmem::find(&text, needle.as_bytes()).is_some();
    let imports = ['"', '\''].iter().any(|quote| has(&format!("{quote}{CONFIG_DIR_PACKAGE}")));
    imports && (has("tool(") || has("tool.schema"))
}

/// Whether the package is found from a configuration directory: in it, or in one above it.
fn is_found(case: &Case<'_>, directory: &Path) -> bool {
    let above = directory.ancestors().skip(1).map(|above| above.join("node_modules"));
    let mut places = modules(case, directory).into_iter().chain(above);
    places.any(|modules| modules.join(CONFIG_DIR_PACKAGE).is_dir())
}
