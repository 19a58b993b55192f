//! The entries of the link map: what stands at each place, and what the next start does about it. The states
//! are the wrapper's; this module only finds the words.

use std::fs;
use std::path::Path;

use linkmap::Root;

use crate::case::Case;
use crate::finding::{Finding, shown};
use crate::start::{Kind, Seen, Start, State};

use super::directories::obstacle;

/// Looks at every entry.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let blocked = Root::ALL.map(|root| (root, blocked(case.start, root)));
    let of = |root: Root| blocked.iter().find(|(other, _)| *other == root)?.1.as_deref();
    let judge = |seen: &Seen| judge(seen, case.start.lays_config, of(seen.root));
    case.start.entries.iter().map(judge).collect()
}

/// Why a start can lay nothing in a directory: it needs the cache for its own record and lock.
fn blocked(start: &Start, root: Root) -> Option<String> {
    [Root::Cache, root].into_iter().find_map(|root| {
        let directory = start.root(root)?;
        Some(format!("{}: {}", directory.display(), obstacle(directory)?.cause))
    })
}

fn judge(seen: &Seen, lays_config: bool, blocked: Option<&str>) -> Finding {
    let place = shown(&seen.place);
    if let Some(source) = seen.source.as_deref().filter(|source| !source.exists()) {
        let text = format!("the output lacks what is wanted here: {}", source.display());
        return Finding::problem("entry-source-missing", place, text)
            .next("build the output again; `opencode-cache verify` says what is damaged");
    }
    let state = match &seen.state {
        Ok(state) => *state,
        Err(error) => {
            return Finding::problem("entry-unseen", place, format!("cannot be looked at: {error}"))
                .next("make the directories above it readable for you");
        }
    };
    if seen.root == Root::Config && seen.kind != Kind::Keep && !lays_config {
        return withdrawn(seen, state);
    }
    if let (State::Absent | State::Ours | State::Damaged, Some(reason)) = (state, blocked) {
        let text = format!("is not as it should be, and a start cannot change it: {reason}");
        return Finding::note("entry-blocked", place, text).next("see the directories above");
    }
    match state {
        State::Current => Finding::ok("entry-current", place, current(seen.kind)),
        State::Absent => {
            Finding::note("entry-absent", place, "is not there yet: the next start puts it there")
        }
        State::Ours => {
            let gone = if is_dangling(&seen.place) { ", which is gone" } else { "" };
            let text = format!("is of another generation of ours{gone}: the next start replaces it");
            Finding::note("entry-older", place, text)
        }
        State::Damaged => {
            let text = "has other content than OpenCode needs there: the next start replaces it";
            Finding::note("entry-damaged", place, text)
        }
        State::Users => users(seen),
    }
}

const fn current(kind: Kind) -> &'static str {
    match kind {
        Kind::Link => "in order: a link into this output",
        Kind::Copy => "in order: a copy, as it was laid",
        Kind::Force => "in order: it has the content that OpenCode needs",
        Kind::Keep => "in order: a directory",
    }
}

/// Something of the user's where the map wants something.
fn users(seen: &Seen) -> Finding {
    let place = shown(&seen.place);
    let dangling = is_dangling(&seen.place);
    match (seen.kind, seen.root) {
        (Kind::Link, _) if dangling => {
            let text = "is a link of yours that leads nowhere, which is kept: OpenCode finds nothing there";
            Finding::problem("entry-foreign-dangling", place, text).next("remove the link")
        }
        (Kind::Link, Root::Cache) if is_empty(&seen.place) => {
            let text = "is an empty directory, as OpenCode leaves one for what it could not find: the next start replaces it";
            Finding::note("entry-empty", place, text)
        }
        (Kind::Link, Root::Cache) if !seen.place.join("node_modules").is_dir() => {
            let text =
                "is your own and not whole (no node_modules), which OpenCode never repairs; it is kept";
            Finding::problem("entry-half", place, text)
                .next("move it away: the next start puts the output's there")
        }
        (Kind::Link, _) => {
            let text = "is your own and kept: OpenCode uses it, not what was captured";
            Finding::note("entry-own", place, text).next("move it away if you want what was captured")
        }
        (Kind::Copy, _) => {
            Finding::ok("entry-own-file", place, "is your own or was changed by OpenCode: it is kept")
        }
        (Kind::Keep, _) if seen.place.is_dir() => {
            Finding::ok("entry-own-directory", place, "in order: a link of yours to a directory")
        }
        (Kind::Keep | Kind::Force, _) => {
            let wanted = if seen.kind == Kind::Keep { "a directory" } else { "a file of ours" };
            let text = format!("OpenCode needs {wanted} there, and what is there is your own");
            Finding::problem("entry-in-the-way", place, text).next("move it away")
        }
    }
}

/// An entry of the configuration directory where nothing of ours is to stand.
fn withdrawn(seen: &Seen, state: State) -> Finding {
    let place = shown(&seen.place);
    match (state, seen.kind) {
        (State::Users, Kind::Link) if is_dangling(&seen.place) => users(seen),
        (State::Users, Kind::Link) => {
            let has = seen.place.join(builder::opencode::CONFIG_DIR_PACKAGE).is_dir();
            let and = if has { "" } else { "; it lacks @opencode-ai/plugin, which custom tools import" };
            let text = format!("is your own and kept, and nothing is laid beside it{and}");
            let finding = Finding::note("entry-own", place, text);
            if has {
                finding
            } else {
                finding.next("move it away: the next start puts the captured one there")
            }
        }
        (State::Users, _) => Finding::ok("entry-own-file", place, "is your own: it is kept"),
        (State::Absent, _) => {
            Finding::ok("entry-withheld", place, "is not laid: this directory's dependencies are your own")
        }
        _ => {
            let text = "is ours in a directory whose dependencies are your own: the next start takes it away";
            Finding::note("entry-withdrawn", place, text)
        }
    }
}

/// Whether a path is a link that leads nowhere.
pub fn is_dangling(path: &Path) -> bool {
    path.is_symlink() && !path.exists()
}

fn is_empty(path: &Path) -> bool {
    !path.is_symlink() && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}
