//! The entries of the configuration directory, which are one thing: `node_modules` without the lock file
//! that describes it (or the other way round) is worse than neither. All are laid, or none.
//!
//! A directory of which one of them is the user's own gets none, and loses those that are ours.

use super::observe::State;
use super::{Failure, Plan};
use linkmap::{Action, Entry, Root};

/// What is to become of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every place is free or ours.
    Lay,
    /// At least one is the user's.
    Withdraw,
}

/// Whether anything is the user's. Directories to keep are nobody's.
pub fn judge(plan: Plan<'_>) -> Result<Verdict, Failure> {
    for (directory, entry) in members(plan) {
        if plan.observe(directory, &entry)? == State::Users {
            return Ok(Verdict::Withdraw);
        }
    }
    Ok(Verdict::Lay)
}

/// Whether the group is whole, or withdrawn whole.
pub fn is_in_line(plan: Plan<'_>) -> Result<bool, Failure> {
    let (mut users, mut ours, mut current, mut all) = (0, 0, 0, 0);
    for (directory, entry) in plan.entries_of(Root::Config) {
        let state = plan.observe(directory, &entry)?;
        if entry.action == Action::Keep {
            if !state.is_settled(&entry) {
                return Ok(false);
            }
            continue;
        }
        all += 1;
        match state {
            State::Current => current += 1,
            State::Users => users += 1,
            State::Ours | State::Damaged => ours += 1,
            State::Absent => {}
        }
    }
    Ok(if users == 0 { current == all } else { current + ours == 0 })
}

/// The entries that belong together.
pub fn members<'a>(plan: Plan<'a>) -> impl Iterator<Item = (&'a [u8], Entry<'a>)> {
    let entries = plan.entries_of(Root::Config);
    entries.filter(|(_, entry)| entry.action != Action::Keep)
}
