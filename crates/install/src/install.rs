//! All steps of an installation, in their order: nothing before the last touches what is active.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bundle::Role;
use bundle::signatures::PublicKey;
use lock::System;

use crate::error::{Error, Result};
use crate::generation::{self, Fitted, Generation, Record, Tree, Word};
use crate::links;
use crate::look::{Plan, look};
use crate::place::Place;
use crate::stage::stage;
use crate::state::State;

/// What is wanted.
#[derive(Debug)]
pub struct Request {
    /// The bundle; of one that was cut, its first file or its name.
    pub file: PathBuf,
    /// Who is believed: nobody is asked for where there are none.
    pub keys: Vec<PublicKey>,
    /// Where to.
    pub place: Place,
    /// What this machine is, if it is one that is known.
    pub system: Option<System>,
    /// Whether what is older than what is active is meant.
    pub downgrade: bool,
}

/// What was done.
#[derive(Debug)]
pub struct Installed {
    /// The generation that is active now.
    pub generation: Generation,
    /// The one that was before.
    pub before: Option<u64>,
    /// Files of others that stand where a completion or a man page would be.
    pub left_out: Vec<PathBuf>,
}

/// Installs a bundle. What was killed or had no room is taken up where that is possible, and what is there already is kept.
///
/// # Errors
/// Whatever ends it; what was active stays so.
pub fn install(request: &Request) -> Result<Installed> {
    install_file(request).map_err(|error| match error {
        Error::Bundle(source) => Error::File { path: request.file.clone(), source },
        error => error,
    })
}

fn install_file(request: &Request) -> Result<Installed> {
    let mut bundle = bundle::open(&request.file)?;
    let plan = look(&mut bundle, request)?;
    let state = State::take(&request.place)?;
    let fitted = stage(&mut bundle, &plan, &state)?;
    let before = generation::active(&request.place);
    let generation = recorded(&plan, &state, fitted)?;
    let left_out = use_generation(&state, &generation)?;
    Ok(Installed { generation, before, left_out })
}

/// Steps 6 and 7: links, then the one rename.
pub(crate) fn use_generation(state: &State, generation: &Generation) -> Result<Vec<PathBuf>> {
    let links = links::of_generation(generation)?;
    let left_out = links::lay(&state.place, &links)?;
    generation::activate(state, generation)?;
    links::sweep(&state.place)?;
    Ok(left_out)
}

/// Step 5: the generation of this bundle; one that says the same already is taken.
fn recorded(plan: &Plan, state: &State, fitted: Option<Fitted>) -> Result<Generation> {
    let trees: BTreeMap<_, _> = plan
        .parts()
        .map(|part| {
            let (digest, listing, facts) = (part.digest, part.listing, part.facts.clone());
            let fitted = fitted.clone().filter(|_| part.role == Role::Output);
            (Word(part.role), Tree { digest, listing, facts, fitted })
        })
        .collect();
    let record = Record::new(plan.digest, plan.key.clone(), &state.place, trees);
    let all = generation::all(&state.place)?;
    let last = all.last().map_or(0, |last| last.number);
    match all.into_iter().rev().find(|generation| generation.record == record) {
        Some(same) => Ok(same),
        None => generation::add(state, record, last),
    }
}
