//! Makes room: generations that are not kept, then the trees that none names. What runs stays.

use std::collections::BTreeSet;
use std::fs;

use tree::{Digest, StorePath};

use crate::error::{At as _, Result};
use crate::fitting;
use crate::generation::{self, Generation};
use crate::place::Place;
use crate::running::running;
use crate::state::State;

/// Generations that are kept beside the active one where nobody says how many: one to go back to.
pub const KEPT: usize = 1;

/// What was done.
#[derive(Debug, Default)]
pub struct Collected {
    /// The numbers of generations that are gone.
    pub generations: Vec<u64>,
    /// The names of trees that are gone.
    pub trees: Vec<String>,
    /// The names of trees that would be, and run.
    pub running: Vec<String>,
    /// Bytes of the files that are gone.
    pub bytes: u64,
}

/// Removes all generations but the active one and the `keep` newest others, and what they alone had.
///
/// # Errors
/// [`Error::NotInstalled`](crate::Error::NotInstalled), [`Error::Processes`](crate::Error::Processes) before anything is removed; [`Error::Io`](crate::Error::Io).
pub fn gc(place: &Place, keep: usize) -> Result<Collected> {
    let state = State::of_installed(place)?;
    let running = running(&state.store)?;
    let all = generation::all(place)?;
    let (active, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|generation| generation.is_active);
    let (gone, kept) = others.split_at(others.len().saturating_sub(keep));
    let mut collected = Collected::default();
    for generation in gone {
        generation::remove(&state, generation)?;
        collected.generations.push(generation.number);
    }
    sweep(&state, &named(active.iter().chain(kept)), &running, &mut collected)?;
    fitting::sweep(place)?;
    Ok(collected)
}

/// The trees that generations name.
fn named<'a>(generations: impl Iterator<Item = &'a Generation>) -> BTreeSet<Digest> {
    generations
        .flat_map(|generation| generation.record.trees.values().map(crate::generation::Tree::stored))
        .collect()
}

/// Removes the trees that are neither named nor running.
pub(crate) fn sweep(
    state: &State,
    named: &BTreeSet<Digest>,
    running: &BTreeSet<Digest>,
    collected: &mut Collected,
) -> Result<()> {
    for stored in stored(state)? {
        let (digest, name) = (stored.digest(), stored.digest().file_name());
        if named.contains(&digest) {
            continue;
        }
        if running.contains(&digest) {
            collected.running.push(name);
            continue;
        }
        let bytes = tree::scan(stored.path())?.bytes();
        state.store.remove(&stored)?;
        collected.bytes += bytes;
        collected.trees.push(name);
    }
    Ok(())
}

/// The trees of the store, by name.
fn stored(state: &State) -> Result<Vec<StorePath>> {
    let root = state.store.root();
    let mut found = Vec::new();
    for entry in fs::read_dir(root).at("list", root)? {
        let name = entry.at("list", root)?.file_name();
        let digest = name.to_str().and_then(Digest::from_file_name);
        found.extend(digest.and_then(|digest| state.store.get(digest)));
    }
    found.sort_by_key(StorePath::digest);
    Ok(found)
}
