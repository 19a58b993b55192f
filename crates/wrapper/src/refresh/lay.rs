//! The slow path: what differs from the map is laid, what only an older map had is taken away. Under
//! the lock, each step atomic, in an order that a kill at any instant leaves repairable.

use super::group::{self, Verdict};
use super::observe::{State, exists, observe};
use super::running::Running;
use super::write::{self, Place};
use super::{Plan, directory, lock, outdated, owner, record, sweep};
use crate::bytes::{join, split};
use crate::failure::{Advice, Failure, trace};
use linkmap::{Action, Entry, Root};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

/// Brings everything in line. Goes on after a failure of one entry; tells the first.
pub fn lay(plan: Plan<'_>) -> Result<(), Failure> {
    let Some(path) = plan.roots.of(Root::Cache) else {
        return Ok(());
    };
    owner::check(path)?;
    let create = |error| Failure::new("create", path, error, Advice::MakeWritable);
    let cache = directory::open_root(path).map_err(create)?;
    let locked = lock::take(cache.as_fd());
    // Another wrapper may have done it while this one waited.
    if plan.is_in_line().unwrap_or(false) {
        return Ok(());
    }

    let (mut first, running) = (First::default(), Running::default());
    let older = outdated::remove(plan, &running, &mut first);
    let write = |error| Failure::new("write", &join(path, record::NAME), error, Advice::MakeWritable);
    record::set(plan, cache.as_fd(), &older).map_err(write)?;

    let tidy = locked.then_some(&running);
    for root in [Root::Cache, Root::Data] {
        lay_all(plan, plan.entries_of(root), tidy, &mut first);
    }
    let kept = plan.entries_of(Root::Config);
    let kept = kept.filter(|(_, entry)| entry.action == Action::Keep);
    lay_all(plan, kept, tidy, &mut first);
    match group::judge(plan) {
        Ok(Verdict::Lay) => lay_group(plan, tidy, &mut first),
        Ok(Verdict::Withdraw) => withdraw_group(plan, &mut first),
        Err(failure) => first.note(Err(failure)),
    }
    first.result()
}

/// The first failure of several.
#[derive(Default)]
pub struct First(Option<Failure>);

impl First {
    /// Keeps it, if it is the first.
    pub fn note(&mut self, result: Result<(), Failure>) {
        if let (None, Err(failure)) = (&self.0, result) {
            self.0 = Some(failure);
        }
    }

    /// What it came to.
    pub fn result(self) -> Result<(), Failure> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Lays entries of one root, each directory that they stand in tidied once.
fn lay_all<'a>(
    plan: Plan<'a>,
    entries: impl Iterator<Item = (&'a [u8], Entry<'a>)>,
    tidy: Option<&Running>,
    first: &mut First,
) {
    let (mut swept, mut owner) = (None, None);
    for (path, entry) in entries {
        if owner.is_none() {
            let checked = owner::check(path);
            owner = Some(checked.is_ok());
            first.note(checked);
        }
        if owner == Some(false) {
            return;
        }
        let full = join(path, entry.dest.as_bytes());
        let opened =
            directory::open_root(path).and_then(|root| directory::open_parent(root.as_fd(), entry.dest));
        let (directory, name) = match opened {
            Ok(opened) => opened,
            // A file of the user's stands where a directory would have to be.
            Err(Errno::NOTDIR) if !matches!(entry.action, Action::Force { .. }) => continue,
            Err(error) => {
                first.note(Err(Failure::new("create", &full, error, Advice::MakeWritable)));
                continue;
            }
        };
        let above = split(entry.dest.as_bytes()).0;
        if let Some(running) = tidy.filter(|_| swept != Some(above)) {
            sweep_directory(plan, entry.root, above, directory.as_fd(), running);
            swept = Some(above);
        }
        first.note(lay_entry(plan, &entry, directory.as_fd(), name, &full));
    }
}

/// Tidies a directory that entries stand in. What cannot be tidied does no harm.
fn sweep_directory(
    plan: Plan<'_>,
    root: Root,
    above: Option<&[u8]>,
    directory: BorrowedFd<'_>,
    running: &Running,
) {
    let _ = sweep::temporary_files(directory);
    if root == Root::Cache {
        let _ = sweep::stray_links(directory, running, |name| {
            let path = above.map_or_else(|| name.to_vec(), |above| join(above, name));
            let mut wanted = plan.entries.iter().filter(|entry| entry.root == root);
            wanted.any(|entry| is_at_or_above(&path, entry.dest.as_bytes()))
        });
    }
}

fn is_at_or_above(path: &[u8], dest: &[u8]) -> bool {
    let rest = dest.strip_prefix(path);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Does what the table of states says for one entry.
fn lay_entry(
    plan: Plan<'_>,
    entry: &Entry<'_>,
    directory: BorrowedFd<'_>,
    name: &[u8],
    full: &[u8],
) -> Result<(), Failure> {
    let failed = |verb, error| Failure::new(verb, full, error, Advice::MakeWritable);
    let mut state = observe(plan.output, directory, name, entry).map_err(|e| failed("look at", e))?;
    if state == State::Users && is_left_empty(entry, directory, name) {
        state = State::Absent;
    }
    if let (State::Absent | State::Ours | State::Damaged, Some(source)) = (state, entry.action.source()) {
        let source = plan.output.path(source);
        let missing = |error| Failure::new("find", &source, error, Advice::BuildAgain);
        exists(&source).map_err(missing)?;
    }
    if let (State::Users, Action::Force { .. }) = (state, entry.action) {
        // What OpenCode compares byte for byte is not right, and it is not ours to replace.
        let cause = b"not a file of ours";
        return Err(Failure::because("replace", full, cause, Advice::MoveAway));
    }
    match put(plan, entry, directory, name, state) {
        Ok(done) => {
            if let Some(done) = done {
                trace(&[done.as_bytes(), b" ", full]);
            }
            Ok(())
        }
        // Something appeared where nothing was: the user's, or the same from another wrapper.
        Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(failed("write", error)),
    }
}

fn put(
    plan: Plan<'_>,
    entry: &Entry<'_>,
    directory: BorrowedFd<'_>,
    name: &[u8],
    state: State,
) -> Result<Option<&'static str>, Errno> {
    let source = entry.action.source().map(|source| plan.output.path(source));
    let source = source.unwrap_or_default();
    let done = match (entry.action, state) {
        // The user's stays; `damaged` is a state of `force` alone.
        (_, State::Current) | (Action::Link { .. } | Action::Copy { .. }, State::Damaged) => return Ok(None),
        (_, State::Users) | (Action::Keep, State::Damaged) => return Ok(None),
        (Action::Link { .. }, State::Absent) => {
            write::new_link(directory, name, &source)?;
            "link"
        }
        (Action::Link { .. }, State::Ours) => {
            write::replace_by_link(directory, name, &source)?;
            "link again"
        }
        (Action::Copy { .. }, State::Absent) => {
            write::copy(directory, name, &source, Place::Empty)?;
            "copy"
        }
        (Action::Copy { .. }, State::Ours) | (Action::Force { .. }, _) => {
            write::copy(directory, name, &source, Place::Taken)?;
            "copy again"
        }
        (Action::Keep, State::Absent) => {
            directory::make(directory, name)?;
            "make"
        }
        (Action::Keep, State::Ours) => {
            unlinkat(directory, name, AtFlags::empty())?;
            directory::make(directory, name)?;
            "make"
        }
    };
    Ok(Some(done))
}

/// OpenCode makes an empty directory for a package that it cannot find, and then never looks again.
/// In the cache, where a link is wanted, it gives way; anything in it makes that fail.
fn is_left_empty(entry: &Entry<'_>, directory: BorrowedFd<'_>, name: &[u8]) -> bool {
    entry.root == Root::Cache
        && matches!(entry.action, Action::Link { .. })
        && unlinkat(directory, name, AtFlags::REMOVEDIR).is_ok()
}

fn lay_group(plan: Plan<'_>, tidy: Option<&Running>, first: &mut First) {
    let failed_before = first.0.is_some();
    lay_all(plan, group::members(plan), tidy, first);
    // Half of it is worse than none.
    if !failed_before && first.0.is_some() {
        withdraw_group(plan, first);
    }
}

fn withdraw_group(plan: Plan<'_>, first: &mut First) {
    for (directory, entry) in group::members(plan) {
        first.note(outdated::remove_ours(&join(directory, entry.dest.as_bytes())));
    }
}
