//! The directories that OpenCode must be able to write to, and whose they are.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use linkmap::Root;

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
    let Some(obstacle) = obstacle(directory) else {
        let text = if directory.is_dir() { "is there and writable" } else { "is made at the first start" };
        return Finding::ok("directory", subject, format!("OpenCode's {name} directory {text}"));
    };
    let Obstacle { code, cause, next } = obstacle;
    let is_cache = name == "cache" && code == NOT_WRITABLE;
    if is_cache && start.is_laid(Root::Cache) {
        let text = format!(
            "OpenCode's cache directory cannot be written ({cause}), and everything is laid in it already"
        );
        return Finding::note("cache-read-only", subject, text).next(next);
    }
    if is_cache && is_replaced(start) {
        let text = format!("nothing can be laid in OpenCode's cache directory ({cause}): {}", instead(start));
        return Finding::note("cache-from-output", subject, text).next(next);
    }
    if ["config", "state"].contains(&name) && code == NOT_WRITABLE && directory.is_dir() {
        // Seen with 1.18.18, which insists on their being there only.
        let text = format!("OpenCode's {name} directory cannot be written ({cause}): it starts all the same");
        return Finding::note("directory-read-only", subject, text).next(next);
    }
    if name != "cache" && is_elsewhere(start) {
        let text = format!(
            "OpenCode's {name} directory cannot be used ({cause}): a start has it keep that elsewhere, until the machine is restarted"
        );
        return Finding::note("directory-elsewhere", subject, text).next(next);
    }
    let next =
        if code == NOT_WRITABLE { format!("{next}, or set XDG_{}_HOME", name.to_uppercase()) } else { next };
    Finding::problem(code, subject, format!("OpenCode cannot use its {name} directory: {cause}")).next(next)
}

/// Why nothing can be written in a directory.
pub struct Obstacle {
    code: &'static str,
    /// In words.
    pub cause: String,
    next: String,
}

const NOT_WRITABLE: &str = "directory-not-writable";

/// What keeps a start from making a directory of the user's, or from writing in it.
pub fn obstacle(directory: &Path) -> Option<Obstacle> {
    let above = nearest(directory).filter(|above| above.is_dir());
    let Some(owner) = above.as_deref().and_then(other_owner) else { return unwritable(directory) };
    let user = rustix::process::geteuid().as_raw();
    let cause =
        format!("{} belongs to user {owner}, and you are user {user}", above.unwrap_or_default().display());
    let next = "start OpenCode as its owner, or with a HOME of your own (`sudo -H`)".to_owned();
    Some(Obstacle { code: "directory-of-another-user", cause, next })
}

/// The same of a directory that may be anybody's.
pub fn unwritable(directory: &Path) -> Option<Obstacle> {
    let Some(above) = nearest(directory) else {
        let cause = "it cannot be made there".to_owned();
        let next = "look at the directories above it".to_owned();
        return Some(Obstacle { code: "directory-impossible", cause, next });
    };
    if !above.is_dir() {
        let cause = format!("{} is not a directory", above.display());
        return Some(Obstacle { code: "directory-impossible", cause, next: "move that away".to_owned() });
    }
    let error = accessat(CWD, &above, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).err()?;
    let cause = std::io::Error::from(error).to_string();
    Some(Obstacle { code: NOT_WRITABLE, cause, next: format!("make {} writable for you", above.display()) })
}

/// Whether OpenCode can read its packages where nothing can be laid.
fn is_replaced(start: &Start) -> bool {
    start.fallback.is_some() && start.can_lend
}

/// Whether a start gives OpenCode directories outside HOME: it does where it cannot lay what it should, and
/// where OpenCode could not write to its data directory.
fn is_elsewhere(start: &Start) -> bool {
    let blocked = start.root(Root::Cache).is_some_and(|cache| obstacle(cache).is_some());
    let data = start.root(Root::Data).is_some_and(|data| obstacle(data).is_some());
    start.can_lend && (data || blocked && !start.is_laid(Root::Cache))
}

fn instead(start: &Start) -> &'static str {
    if is_replaced(start) {
        "OpenCode reads its packages from the output"
    } else {
        "OpenCode may need the network"
    }
}

/// Who owns a directory, where that is neither the user nor the administrator: a start as somebody else (`sudo`
/// that kept HOME) leaves files there that their owner cannot replace.
fn other_owner(directory: &Path) -> Option<u32> {
    let owner = directory.metadata().ok()?.uid();
    (owner != rustix::process::geteuid().as_raw() && owner != 0).then_some(owner)
}

/// HOME itself, whoever's directories are used.
fn foreign(home: &Path) -> Option<Finding> {
    let Obstacle { code, cause, next } = obstacle(home).filter(|obstacle| obstacle.code != NOT_WRITABLE)?;
    Some(Finding::problem(code, shown(home), cause).next(next))
}

/// The directory itself, or what is there of those above it. Links are followed.
fn nearest(directory: &Path) -> Option<PathBuf> {
    directory
        .ancestors()
        .find(|path| path.symlink_metadata().is_ok())
        .and_then(|path| path.canonicalize().ok())
}
