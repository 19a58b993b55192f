//! Takes away what is ours, and nothing else: links in every prefix that a generation names, generations, trees. OpenCode's own
//! directories, and what is in them, are the user's.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::error::{At as _, Result};
use crate::gc::{Collected, sweep};
use crate::homes::{self, User};
use crate::place::Place;
use crate::running::running;
use crate::state::State;
use crate::{generation, links};

/// What was done.
#[derive(Debug)]
pub struct Uninstalled {
    /// The links that are gone.
    pub links: Vec<PathBuf>,
    /// What the user's own directories keep though it leads nowhere now, and why.
    pub kept: BTreeSet<String>,
    /// Whether other users may have such things too.
    pub is_shared: bool,
    /// Generations and trees.
    pub collected: Collected,
}

/// Uninstalls, `user`'s own directories included: what starts have laid there leads into the trees. Killed, it is finished by calling it again; trees that run stay until then too.
///
/// # Errors
/// [`Error::NotInstalled`](crate::Error::NotInstalled), [`Error::Processes`](crate::Error::Processes) before anything is removed; [`Error::Io`](crate::Error::Io).
pub fn uninstall(place: &Place, user: &User) -> Result<Uninstalled> {
    let state = State::of_installed(place)?;
    let running = running(&state.store)?;
    let all = generation::all(place)?;
    let kept = homes::leave(place, &all, user);
    let mut prefixes: BTreeSet<PathBuf> =
        all.iter().map(|generation| PathBuf::from(&generation.record.prefix)).collect();
    prefixes.insert(place.prefix.clone());
    let mut removed = Vec::new();
    for prefix in prefixes {
        removed.extend(links::remove_all(&Place { prefix, ..place.clone() })?);
    }
    gone(fs::remove_file(place.current())).at("remove", &place.current())?;
    let mut collected = Collected::default();
    for generation in &all {
        generation::remove(&state, generation)?;
        collected.generations.push(generation.number);
    }
    sweep(&state, &BTreeSet::new(), &running, &mut collected)?;
    // What runs was loaded by then.
    tree::remove_tree(&place.loaders())?;
    // Whatever is not empty has something that runs, or is not ours.
    if fs::remove_dir(place.store()).is_ok() {
        let _kept = fs::remove_dir(place.generations());
        gone(fs::remove_file(state.lock_path())).at("remove", &state.lock_path())?;
    }
    let _kept = fs::remove_dir(&place.state);
    Ok(Uninstalled { links: removed, kept, is_shared: place.is_shared, collected })
}

fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
