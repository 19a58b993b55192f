//! The checks: each judges one side of a case and says what it found. None of them acts.

mod asked_for;
mod catalogue;
mod commands;
pub mod configs;
mod directories;
mod entries;
mod links;
mod machine;
mod network;
mod others;
mod output;
mod tools;

use crate::case::Case;
use crate::finding::{Check, Finding};

/// A check and its name.
type Named = (&'static str, fn(&Case<'_>) -> Vec<Finding>);

/// In the order in which a person wants to know: what is wrong further up explains what is wrong below.
const ALL: [Named; 11] = [
    ("output", output::check),
    ("machine", machine::check),
    ("directories", directories::check),
    ("entries", entries::check),
    ("links", links::check),
    ("asked-for", asked_for::check),
    ("tools", tools::check),
    ("commands", commands::check),
    ("catalogue", catalogue::check),
    ("network", network::check),
    ("others", others::check),
];

/// Runs them all.
pub fn run(case: &Case<'_>) -> Vec<Check> {
    ALL.iter().map(|(name, check)| Check { name, findings: check(case) }).collect()
}
