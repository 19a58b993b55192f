//! Step 1: what a bundle would do here, found out without writing anything. Every hash of it was compared when this ends, and who
//! signed it is known.

use std::io::{Read, Seek};

use bundle::{Bundle, Front, Part, Role, Sha256, believed};
use lock::System;
use tree::Digest;

use crate::bases::Stored;
use crate::error::{At as _, Error, Result};
use crate::generation;
use crate::install::Request;
use crate::links;
use crate::place::Place;

/// Bytes that a file or directory takes beside its own, at least: a block, which small ones fill in part only.
const PER_ENTRY: u64 = 4096;

/// Room for a generation, links, and what is under way, in bytes.
const MORE: u64 = 1 << 20;

/// What is to be installed.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) front: Front,
    /// Of the index's trees those that are meant, by their place in it; at most one of a role, the output first.
    pub(crate) wanted: Vec<usize>,
    pub(crate) digest: Sha256,
    /// The name of the key that signed.
    pub(crate) key: Option<String>,
}

impl Plan {
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.wanted.iter().filter_map(|number| self.front.index.parts.get(*number))
    }
}

/// Looks.
///
/// # Errors
/// Whatever is in the way of installing it, but for what only shows when it is written.
pub(crate) fn look<R: Read + Seek>(bundle: &mut Bundle<R>, request: &Request) -> Result<Plan> {
    let place = &request.place;
    let hash = bundle.check()?;
    let key = believed::judge(bundle, &request.file, &request.keys, &hash)?.map(|key| key.name());
    let front = bundle.front(&Stored::of(place)?)?;
    let wanted = choose(&front, request.system)?;
    let plan = Plan { front, wanted, digest: bundle.header().digest(), key };
    let links = plan.wanted.iter().flat_map(|number| {
        let (part, listing) = (&plan.front.index.parts[*number], &plan.front.listings[*number]);
        links::of_listing(part.role, listing)
    });
    links::check(place, &links.collect::<Vec<_>>())?;
    check_age(&plan, request)?;
    check_room(&plan, place)?;
    Ok(plan)
}

/// One tree of each role for this system: of several outputs that of the newest OpenCode.
fn choose(front: &Front, system: Option<System>) -> Result<Vec<usize>> {
    let parts = &front.index.parts;
    let best = |role: Role| {
        let fitting =
            parts.iter().enumerate().filter(|(_, part)| Some(part.system) == system && part.role == role);
        fitting.max_by_key(|(_, part)| version(part)).map(|(number, _)| number)
    };
    let Some(output) = best(Role::Output) else {
        let mut there: Vec<_> = parts.iter().map(|part| part.system).collect();
        there.dedup();
        let wanted =
            system.map_or_else(|| "none that OpenCode knows".to_owned(), |system| system.to_string());
        return Err(Error::OtherSystem { wanted, there });
    };
    let digest = parts[output].digest.to_string();
    let papers = parts.iter().position(|part| part.tells_of() == Some(digest.as_str()));
    Ok([Some(output), best(Role::Tool), best(Role::Libraries), papers].into_iter().flatten().collect())
}

fn version(part: &Part) -> Option<lock::Version> {
    part.facts.get("opencode")?.parse().ok()
}

/// Refuses what is older than what is active.
fn check_age(plan: &Plan, request: &Request) -> Result<()> {
    let generations = generation::all(&request.place)?;
    let active = generations.iter().find(|generation| generation.is_active);
    let active = active.and_then(|generation| generation.record.opencode());
    let offered = plan.parts().find(|part| part.role == Role::Output).and_then(version);
    match (active, offered) {
        (Some(active), Some(offered)) if offered < active && !request.downgrade => {
            Err(Error::Older { active: active.to_string(), offered: offered.to_string() })
        }
        _ => Ok(()),
    }
}

/// Refuses where the trees that are not there yet have no room.
fn check_room(plan: &Plan, place: &Place) -> Result<()> {
    let is_there = |digest: &Digest| place.store().join(digest.file_name()).is_dir();
    let missing = plan.wanted.iter().filter(|number| !is_there(&plan.front.index.parts[**number].digest));
    let sizes = missing.map(|number| {
        let (part, listing) = (&plan.front.index.parts[*number], &plan.front.listings[*number]);
        part.size + PER_ENTRY * listing.entries().len() as u64
    });
    let wanted = sizes.sum::<u64>() + MORE;
    let there = place.state.ancestors().find(|path| path.is_dir()).unwrap_or(&place.state);
    let disk = rustix::fs::statvfs(there).at("ask for the room of", there)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < wanted {
        return Err(Error::NoRoom { path: there.to_path_buf(), wanted, free });
    }
    Ok(())
}
