//! Whether what is installed is what was installed: every tree by its hash, fitted ones as what they were too, and every link.

use std::path::PathBuf;

use bundle::{Role, Sha256};
use tree::StorePath;

use crate::bases;
use crate::error::{Error, Result};
use crate::generation::{self, Generation, Tree, Word};
use crate::links;
use crate::place::Place;

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// The active generation.
    pub generation: Generation,
    /// Where the active output lies.
    pub output: Option<PathBuf>,
    /// What is wrong, in words; empty where nothing is.
    pub problems: Vec<String>,
}

/// Looks at the active generation and at `PREFIX`. Changes nothing.
///
/// # Errors
/// [`Error::NotInstalled`]; [`Error::Record`], [`Error::Io`].
pub fn verify(place: &Place) -> Result<Report> {
    let active = generation::all(place)?.into_iter().find(|generation| generation.is_active);
    let generation = active.ok_or_else(|| Error::NotInstalled { path: place.current() })?;
    let mut problems = Vec::new();
    for (Word(role), tree) in &generation.record.trees {
        if let Some(problem) = wrong(&generation, *role, tree) {
            problems.push(format!("{}: {problem}", Generation::word(*role)));
        }
    }
    if let Ok(links) = links::of_generation(&generation) {
        let wrong = links::wrong(place, &links)?;
        problems.extend(
            wrong.iter().map(|path| format!("{} does not lead to what is installed", path.display())),
        );
    }
    let output = generation.tree(Role::Output).and_then(|path| path.canonicalize().ok());
    Ok(Report { generation, output, problems })
}

/// What is wrong with a tree.
fn wrong(generation: &Generation, role: Role, tree: &Tree) -> Option<String> {
    let told = |error: &dyn std::error::Error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let path = generation.tree(role)?;
    let stored = match StorePath::resolve(&path) {
        Ok(stored) if stored.digest() == tree.stored() => stored,
        Ok(stored) => return Some(format!("{} is another tree", stored.path().display())),
        Err(error) => return Some(told(&error)),
    };
    if let Err(error) = stored.verify() {
        return Some(told(&error));
    }
    let edits = &tree.fitted.as_ref()?.edits;
    match bases::listing(stored.path(), edits) {
        Ok(listing) if Sha256::of(listing.to_text().as_bytes()) == tree.listing => None,
        Ok(_) => {
            Some("what it was before it was fitted to this machine is not what the bundle had".to_owned())
        }
        Err(error) => Some(told(&error)),
    }
}
