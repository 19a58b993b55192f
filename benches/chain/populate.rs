//! A hermetic build against OpenCode's own online population of the same packages.

use std::time::{Duration, Instant};

use testkit::cli::{Place, succeed};

use crate::Measured;
use crate::figures::{Goal, Rounds};
use crate::stock::Stock;

/// How often each is done.
const ROUNDS: usize = 5;

/// Measures and prints.
pub fn measure() -> Measured {
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        let other = Stock::new(&Place::get().scratch)?.populate()?;
        rounds.say("build", build()?, other);
    }
    rounds.tell("hermetic build against online population", Goal::Ratio(0.8));
    Ok(())
}

/// A build from the lock with an empty store: everything but the downloads.
fn build() -> Result<Duration, std::io::Error> {
    let state = Place::get().directory("state-");
    let link = state.path().join("result");
    let mut command = Place::get().command(["build", "--offline", "--out"]);
    command.arg(&link).env("XDG_STATE_HOME", state.path());
    let start = Instant::now();
    succeed(&mut command);
    let elapsed = start.elapsed();
    // The store is read-only to its owner too; a TempDir cannot take it away by itself.
    tree::remove_tree(&state.path().join("opencode-cache")).map_err(std::io::Error::other)?;
    Ok(elapsed)
}
