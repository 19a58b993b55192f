//! The entries of the configuration directory, which are one thing: the link `node_modules` and the
//! files that describe it. `node_modules` decides: where the user has one of their own, nothing is laid,
//! and what is ours goes. Files that the user has already (a `package.json` with dependencies of their
//! own, which was captured with them) stay as they are beside the link.

use super::observe::State;
use super::{Base, Failure, Plan, tracked};
use crate::bytes::join;
use linkmap::{Action, Entry, Root};

/// The file that npm rewrites when it installs. One that git tracks is shared with others: OpenCode must
/// not come to install beside it, and nothing of ours belongs there.
const PACKAGE: &str = "package.json";

/// What is to become of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The place of every link is free or ours.
    Lay,
    /// That of at least one is the user's.
    Withdraw,
}

/// Whether the place of a link is the user's, or that of a file one that git tracks.
pub fn judge(plan: Plan<'_>) -> Result<Verdict, Failure> {
    for (directory, entry) in members(plan) {
        if plan.observe(&Base::at(directory), &entry)? == State::Users && decides(directory, &entry) {
            return Ok(Verdict::Withdraw);
        }
    }
    Ok(Verdict::Lay)
}

/// Whether this entry's place being the user's own means that nothing is laid beside it.
fn decides(directory: &[u8], entry: &Entry<'_>) -> bool {
    is_link(entry) || entry.dest == PACKAGE && tracked::is_tracked(&join(directory, PACKAGE.as_bytes()))
}

/// Whether the group is whole, or withdrawn whole.
pub fn is_in_line(plan: Plan<'_>) -> Result<bool, Failure> {
    let (mut users, mut files, mut ours, mut current, mut all) = (0, 0, 0, 0, 0);
    let mut base = None;
    for (directory, entry) in plan.entries_of(Root::Config) {
        let base = base.get_or_insert_with(|| Base::opened(directory));
        let state = plan.observe(base, &entry)?;
        if entry.action == Action::Keep {
            if !state.is_settled(&entry) {
                return Ok(false);
            }
            continue;
        }
        all += 1;
        match state {
            State::Current => current += 1,
            State::Users if decides(directory, &entry) => users += 1,
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
