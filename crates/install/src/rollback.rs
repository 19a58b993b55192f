//! Back to a generation that was installed before: activation, and nothing else.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::generation::{self, Generation};
use crate::install::use_generation;
use crate::place::Place;
use crate::state::State;

/// What was done.
#[derive(Debug)]
pub struct RolledBack {
    /// The generation that is active now.
    pub generation: Generation,
    /// The one that was before.
    pub before: Option<u64>,
    /// Files of others that stand where a completion or a man page would be.
    pub left_out: Vec<PathBuf>,
}

/// Activates a generation: the one of this number, else the last before the active one.
///
/// # Errors
/// [`Error::NotInstalled`], [`Error::NoGeneration`], [`Error::Incomplete`]; what was active stays so.
pub fn rollback(place: &Place, to: Option<u64>) -> Result<RolledBack> {
    let state = State::of_installed(place)?;
    let before = generation::active(place);
    let mut all = generation::all(place)?;
    let found = match (to, before) {
        (Some(number), _) => all.iter().position(|generation| generation.number == number),
        (None, Some(active)) => all.iter().rposition(|generation| generation.number < active),
        (None, None) => return Err(Error::NotInstalled { path: place.current() }),
    };
    let Some(found) = found else {
        let wanted = to.map_or_else(|| "before the active one".to_owned(), |number| number.to_string());
        return Err(Error::NoGeneration { wanted });
    };
    let generation = all.swap_remove(found);
    let left_out = use_generation(&state, &generation)?;
    Ok(RolledBack { generation, before, left_out })
}
