//! Steps 2 to 4: a bundle's trees, into the store. What is there already and whole is taken as it is.

use std::io::{Read, Seek};

use bundle::{Bundle, Role};
use tree::{Digest, Staging, StorePath};

use crate::bases::Stored;
use crate::error::{Error, Result};
use crate::fitting;
use crate::generation::{self, Fitted};
use crate::look::Plan;
use crate::sorting::Sorting;
use crate::state::State;

/// Puts the wanted trees into the store. What the output became, where it had to be fitted to this machine.
///
/// # Errors
/// [`Error::Bundle`], [`Error::Tree`], [`Error::OtherTree`], [`Error::Fit`], [`Error::Unfit`].
pub(crate) fn stage<R: Read + Seek>(
    bundle: &mut Bundle<R>,
    plan: &Plan,
    state: &State,
) -> Result<Option<Fitted>> {
    let mut stagings: Vec<(usize, Staging)> = Vec::new();
    let mut roots = vec![None; plan.front.index.parts.len()];
    let mut fitted = None;
    for number in &plan.wanted {
        let part = &plan.front.index.parts[*number];
        let is_output = part.role == Role::Output;
        match (there(part.digest, state)?, is_output) {
            (Some(stored), true) if !fitting::runs(stored.path())? => {
                fitted = Some(fitting::commit_copy(state, &stored)?);
            }
            (Some(_), _) => {}
            (None, true) if there_fitted(part.digest, state, &mut fitted)? => {}
            (None, _) => {
                let staging = state.store.staging()?;
                roots[*number] = Some(staging.path().to_path_buf());
                stagings.push((*number, staging));
            }
        }
    }
    if stagings.is_empty() {
        return Ok(fitted);
    }
    let pool = state.store.staging()?;
    let mut sorting = Sorting::new(&plan.front, roots, pool.path());
    bundle.unpack(&plan.front, &Stored::of(&state.place)?, &mut sorting)?;
    drop(pool);
    for (number, staging) in stagings {
        let part = &plan.front.index.parts[number];
        if part.role == Role::Output && !fitting::runs(staging.path())? {
            let found = digest_of(&staging)?;
            if found != part.digest {
                return Err(Error::OtherTree { named: part.digest, found });
            }
            fitted = Some(fitting::commit(state, staging, part.digest)?);
            continue;
        }
        let stored = staging.commit()?;
        if stored.digest() != part.digest {
            state.store.remove(&stored)?;
            return Err(Error::OtherTree { named: part.digest, found: stored.digest() });
        }
    }
    Ok(fitted)
}

/// The digest that a staged tree would have.
fn digest_of(staging: &Staging) -> Result<Digest> {
    // Whether a file may be executed counts; the rest of a mode does not.
    Ok(Digest::of(&tree::nar_hash(staging.path())?))
}

/// A tree of the store, as it should be. A damaged one loses its name, and is unpacked again.
fn there(digest: Digest, state: &State) -> Result<Option<StorePath>> {
    let Some(stored) = state.store.get(digest) else { return Ok(None) };
    match stored.verify() {
        Ok(_) => Ok(Some(stored)),
        Err(tree::Error::Damaged { .. }) => {
            state.store.remove(&stored)?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a generation has this output fitted, and it still runs so.
fn there_fitted(digest: Digest, state: &State, fitted: &mut Option<Fitted>) -> Result<bool> {
    for generation in generation::all(&state.place)?.iter().rev() {
        let mut trees = generation.record.trees.values().filter(|tree| tree.digest == digest);
        let Some(known) = trees.find_map(|tree| tree.fitted.clone()) else { continue };
        let Some(stored) = there(known.digest, state)? else { continue };
        fitting::lay_again(state, &stored, digest)?;
        if fitting::runs(stored.path())? {
            *fitted = Some(known);
            return Ok(true);
        }
    }
    Ok(false)
}
