//! What an older or newer generation laid and this one does not want: taken away where it is ours and
//! nobody runs who may need it.

use super::lay::First;
use super::observe::{State, of_written};
use super::running::Running;
use super::{Plan, record};
use crate::bytes::join;
use crate::failure::{Advice, Failure, trace};
use crate::link::Target;
use alloc::vec::Vec;
use linkmap::{Action, Entry, Map, path_order};
use rustix::fs::{AtFlags, CWD, unlinkat};
use rustix::io::Errno;

/// Removes what recorded maps had and this one has not, where it is still ours. Gives the maps of which
/// it must stay for now, because an OpenCode of their output runs.
pub fn remove(plan: Plan<'_>, running: &Running, first: &mut First) -> Vec<Vec<u8>> {
    let recorded = match record::maps(plan) {
        Ok(maps) => maps,
        Err(failure) => {
            first.note(Err(failure));
            return Vec::new();
        }
    };
    let mut stay = Vec::new();
    for text in recorded.into_iter().filter(|text| text != plan.map.text().as_bytes()) {
        // A damaged record names nothing; stray links in the cache are found without it.
        let Ok(map) = Map::parse(&text) else { continue };
        let gone = outdated(plan, &map);
        if gone.iter().any(|path| is_in_use(path, running)) {
            trace(&[b"an older OpenCode runs: what only it has stays until it has ended"]);
            stay.push(text);
            continue;
        }
        gone.iter().for_each(|path| first.note(remove_ours(path)));
    }
    stay
}

/// The places that an older map has an entry for and this one has not.
pub fn outdated(plan: Plan<'_>, older: &Map<'_>) -> Vec<Vec<u8>> {
    let gone = older.entries().filter(|old| {
        let place = |entry: &Entry<'_>| {
            let order = entry.root.cmp(&old.root);
            order.then_with(|| path_order(entry.dest, old.dest))
        };
        plan.entries.binary_search_by(place).is_err() && old.action != Action::Keep
    });
    let place = |old: Entry<'_>| Some(join(plan.roots.of(old.root)?, old.dest.as_bytes()));
    gone.filter_map(place).collect()
}

/// Whether a link leads into an output of which a program runs.
pub fn is_in_use(path: &[u8], running: &Running) -> bool {
    Target::new().read(CWD, path).is_ok_and(|target| running.has(target))
}

/// Removes a link or a copy of ours.
pub fn remove_ours(path: &[u8]) -> Result<(), Failure> {
    let removed = match of_written(CWD, path) {
        Ok(State::Ours) => {
            trace(&[b"remove ", path]);
            unlinkat(CWD, path, AtFlags::empty())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(error) => Err(Failure::new("remove", path, error, Advice::MakeWritable)),
    }
}
