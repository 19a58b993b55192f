//! The directories that OpenCode must be able to write to, and whose they are.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::case::Case;
use crate::finding::{Finding, shown};
use crate::start::{Missing, Start};

/// Looks at HOME and OpenCode's four directories.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let said = case.surroundings.filled("HOME").is_some();
    match case.surroundings.home() {
        Some(home) if said => findings.extend(foreign(&home)),
        Some(home) => {
            let text = format!("is not set: the system's list of users says {}", home.display());
            findings.push(Finding::note("home-unset", "HOME", text).next("set HOME"));
        }
        None => {
            let text = "says no absolute path, and neither does the system's list of users";
            findings.push(Finding::problem("home-unknown", "HOME", text).next("set HOME"));
        }
    }
    findings.extend(missing(case.start));
    let start = case.start;
    for (name, directory) in
        [("cache", &start.cache), ("config", &start.config), ("data", &start.data), ("state", &start.state)]
    {
        if let Some(directory) = directory {
            findings.push(judge(case.start, name, directory));
        }
    }
    findings
}

fn missing(start: &Start) -> Option<Finding> {
    let finding = match start.missing? {
        Missing::Home => {
            let text =
                format!("a start lays nothing: nobody says where OpenCode's cache is; {}", instead(start));
            Finding::problem("no-cache-home", "cache", text)
                .next("set HOME, or XDG_CACHE_HOME and the other XDG variables")
        }
        Missing::Carrier => {
            let text = "a start lays nothing: OpenCode needs another XDG_CACHE_HOME, and every variable by which it would be given back to tools is in use";
            Finding::problem("no-carrier", "cache", text)
                .next("unset one of OPENCODE_CONFIG_CONTENT, OPENCODE_CONFIG, OPENCODE_CONFIG_DIR")
        }
    };
    Some(finding)
}

fn judge(start: &Start, name: &str, directory: &Path) -> Finding {
    let subject = shown(directory);
    if let Some(finding) = foreign(directory) {
        return finding;
    }
    let Some(above) = nearest(directory) else {
        let text = format!("OpenCode's {name} directory cannot be made there");
        return Finding::problem("directory-impossible", subject, text)
            .next("look at the directories above it");
    };
    if !above.is_dir() {
        let text = format!(
            "OpenCode's {name} directory cannot be made there: {} is not a directory",
            above.display()
        );
        return Finding::problem("directory-impossible", subject, text).next("move that away");
    }
    if let Err(error) = accessat(CWD, &above, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        let error = std::io::Error::from(error);
        let next =
            format!("make {} writable for you, or set XDG_{}_HOME", above.display(), name.to_uppercase());
        if name == "cache" && is_replaced(start) {
            let text =
                format!("nothing can be laid in OpenCode's cache directory ({error}): {}", instead(start));
            return Finding::note("cache-from-output", subject, text).next(next);
        }
        let text = format!("OpenCode cannot write to its {name} directory: {error}");
        return Finding::problem("directory-not-writable", subject, text).next(next);
    }
    let text = if directory.is_dir() { "is there and writable" } else { "is made at the first start" };
    Finding::ok("directory", subject, format!("OpenCode's {name} directory {text}"))
}

/// Whether OpenCode can read its packages where nothing can be laid.
fn is_replaced(start: &Start) -> bool {
    start.fallback.is_some() && start.can_lend
}

fn instead(start: &Start) -> &'static str {
    if is_replaced(start) {
        "OpenCode reads its packages from the output"
    } else {
        "OpenCode may need the network"
    }
}

/// A start as somebody else (`sudo` that kept HOME) leaves files that their owner cannot replace. What belongs
/// to the administrator is for its permissions to decide.
fn foreign(directory: &Path) -> Option<Finding> {
    let above = nearest(directory)?;
    let (owner, user) = (above.metadata().ok()?.uid(), rustix::process::geteuid().as_raw());
    if owner == user || owner == 0 {
        return None;
    }
    let text = format!("{} belongs to user {owner}, and you are user {user}", above.display());
    Some(
        Finding::problem("directory-of-another-user", shown(directory), text)
            .next("start OpenCode as its owner, or with a HOME of your own (`sudo -H`)"),
    )
}

/// The directory itself, or what is there of those above it. Links are followed.
fn nearest(directory: &Path) -> Option<PathBuf> {
    directory
        .ancestors()
        .find(|path| path.symlink_metadata().is_ok())
        .and_then(|path| path.canonicalize().ok())
}
