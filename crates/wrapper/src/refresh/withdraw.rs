//! Taking back what starts have laid, for whoever removes outputs: a link that leads nowhere would keep OpenCode from
//! starting. The launcher itself never does this.

use super::lay::First;
use super::outdated::{is_in_use, outdated, remove_ours};
use super::running::Running;
use super::{Plan, directory, lock, owner, record};
use crate::bytes::join;
use crate::failure::{Advice, Failure};
use crate::link::Target;
use alloc::vec::Vec;
use linkmap::{Map, Root};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, CWD, unlinkat};
use rustix::io::Errno;

/// Takes back what recorded maps have laid in the user's directories, where it is still ours and leads below `store`; what a
/// running OpenCode may need stays. What other outputs have laid there stays too. Where nobody has laid anything, nothing is made.
///
/// # Errors
/// The first thing that could not be done; everything else was done all the same.
pub fn withdraw(plan: Plan<'_>, store: &[u8]) -> Result<(), Failure> {
    let plan = Plan { entries: &[], ..plan };
    let recorded = record::maps(plan)?;
    let Some(path) = plan.roots.of(Root::Cache).filter(|_| !recorded.is_empty()) else { return Ok(()) };
    owner::check(path)?;
    let open = |error| Failure::new("open", path, error, Advice::MakeWritable);
    let cache = directory::open_root(path).map_err(open)?;
    let _locked = lock::take(cache.as_fd());
    let (mut first, running, mut stays) = (First::default(), Running::default(), false);
    for text in recorded {
        // As where something is laid: a damaged record names nothing.
        let Ok(map) = Map::parse(&text) else { continue };
        let places = outdated(plan, &map);
        let may_go = places.iter().any(|place| leads_below(place, store))
            && !places.iter().any(|place| is_in_use(place, &running));
        if may_go {
            places.iter().for_each(|place| first.note(remove_ours(place)));
        } else {
            stays = true;
        }
    }
    if !stays {
        first.note(forget(path));
    }
    first.result()
}

fn leads_below(place: &[u8], store: &[u8]) -> bool {
    let below = |target: &[u8]| target.strip_prefix(store).is_some_and(|rest| rest.starts_with(b"/"));
    Target::new().read(CWD, place).is_ok_and(below)
}

/// Removes the record.
fn forget(cache: &[u8]) -> Result<(), Failure> {
    let path: Vec<u8> = join(cache, record::NAME);
    match unlinkat(CWD, &path, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(Failure::new("remove", &path, error, Advice::MakeWritable)),
    }
}
