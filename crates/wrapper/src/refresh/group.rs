//! The entries of the configuration directory, which are one thing: the link `node_modules` and the
//! files that describe it. `node_modules` decides: where the user has one of their own, nothing is laid,
//! and what is ours goes. Files that the user has already (a `package.json` with dependencies of their
//! own, which was captured with them) stay as they are beside the link.

use super::observe::State;
use super::{Failure, Plan};
use linkmap::{Action, Entry, Root};

/// What is to become of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The place of every link is free or ours.
    Lay,
    /// That of at least one is the user's.
    Withdraw,
}

/// Whether the place of a link is the user's.
pub fn judge(plan: Plan<'_>) -> Result<Verdict, Failure> {
    for (directory, entry) in members(plan).filter(|(_, entry)| is_link(entry)) {
        if plan.observe(directory, &entry)? == State::Users {
            return Ok(Verdict::Withdraw);
        }
    }
    Ok(Verdict::Lay)
}

/// Whether the group is whole, or withdrawn whole.
pub fn is_in_line(plan: Plan<'_>) -> Result<bool, Failure> {
    let (mut users, mut files, mut ours, mut current, mut all) = (0, 0, 0, 0, 0);
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
            State::Users if is_link(&entry) => users += 1,
            State::Users => files += 1,
            State::Ours | State::Damaged => ours += 1,
            State::Absent => {}
        }
    }
    Ok(if users == 0 { current + files == all } else { current + ours == 0 })
}

fn is_link(entry: &Entry<'_>) -> bool {
    matches!(entry.action, Action::Link { .. })
}

/// The entries that belong together.
pub fn members<'a>(plan: Plan<'a>) -> impl Iterator<Item = (&'a [u8], Entry<'a>)> {
    let entries = plan.entries_of(Root::Config);
    entries.filter(|(_, entry)| entry.action != Action::Keep)
}
