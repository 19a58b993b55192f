//! What OpenCode's wrapper has laid in a user's own directories. It leads into the trees; were they to go alone, a plain OpenCode would find
//! a `node_modules` that leads nowhere, and not start. The wrapper's own code takes it back.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use bundle::Role;
use linkmap::Map;
use wrapper::carrier::Carrier;
use wrapper::environment::Environment;
use wrapper::output::Output;
use wrapper::refresh::{Plan, withdraw::withdraw};
use wrapper::roots::Roots;

use crate::generation::Generation;
use crate::place::Place;

/// Whose directories: an environment, which says where they are.
#[derive(Debug, Clone, Default)]
pub struct User(Vec<CString>);

impl User {
    /// Whoever has started this process.
    pub fn of_process() -> Self {
        Self::new(std::env::vars_os())
    }

    /// Whoever has these variables.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let string = |(name, value): (OsString, OsString)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
        };
        let given: Vec<CString> = variables.into_iter().filter_map(string).collect();
        // An OpenCode that has not taken back yet what its wrapper lent it may have started us.
        let mut environment = Environment::new(given.iter().map(CString::as_c_str));
        environment.undo_outer_wrapper();
        Self(environment.variables().map(CStr::to_owned).collect())
    }
}

/// Takes back what leads into these generations' trees. Gives what could not be done, as text.
pub(crate) fn leave(place: &Place, generations: &[Generation], user: &User) -> BTreeSet<String> {
    let mut failures = BTreeSet::new();
    let Ok(store) = place.store().canonicalize() else { return failures };
    for generation in generations {
        let Some(output) = generation.tree(Role::Output) else { continue };
        failures.extend(leave_one(&output, &store, user));
    }
    failures
}

/// An output without a readable link map has laid nothing.
fn leave_one(output: &Path, store: &Path, user: &User) -> Option<String> {
    let output = Output::at(output.as_os_str().as_bytes());
    let text = output.read_map().ok()?;
    let map = Map::parse(&text).ok()?;
    let environment = Environment::new(user.0.iter().map(CString::as_c_str));
    let roots = Roots::choose(&environment, &map, Carrier::available(&environment, &map).is_some());
    let plan = Plan { output: &output, map: &map, entries: &[], roots: &roots };
    let failure = withdraw(plan, store.as_os_str().as_bytes()).err()?;
    Some(String::from_utf8_lossy(&failure.text()).into_owned())
}
