//! The refresh: the user's directories are compared with the link map at every start, without a lock
//! and without a write where they agree; where not, they are brought in line under a lock.
//!
//! `docs/LINKMAP.md` has the table of states that this module follows. It never replaces, follows or
//! removes what is not ours: a link into an output, or a copy that still carries our stamp.

pub mod directory;
mod group;
mod lay;
mod lock;
pub mod observe;
mod outdated;
mod owner;
mod record;
mod running;
mod stamp;
mod sweep;
mod tracked;
pub mod withdraw;
mod write;

use crate::bytes::join;
use crate::failure::{Advice, Failure, trace, traces};
use crate::output::Output;
use crate::roots::{Missing, Roots};
use crate::system::LOOK;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;
use linkmap::{Entry, Map, Root};
use observe::State;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};

/// What a refresh works with.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// Where the sources are.
    pub output: &'a Output,
    /// What is wanted.
    pub map: &'a Map<'a>,
    /// The map's entries, read once.
    pub entries: &'a [Entry<'a>],
    /// Where it is wanted.
    pub roots: &'a Roots,
}

impl<'a> Plan<'a> {
    /// The entries of a root, with the root's directory.
    fn entries_of(self, root: Root) -> impl Iterator<Item = (&'a [u8], Entry<'a>)> {
        let directory = self.roots.of(root);
        let entries = self.entries.iter().filter(move |entry| entry.root == root);
        entries.filter_map(move |entry| directory.map(|directory| (directory, *entry)))
    }

    /// The state of an entry's place.
    fn observe(self, base: &Base<'_>, entry: &Entry<'_>) -> Result<State, Failure> {
        let dest = entry.dest.as_bytes();
        let state = match &base.open {
            Some(open) => observe::observe(self.output, open.as_fd(), dest, entry),
            None => observe::observe(self.output, CWD, &join(base.path, dest), entry),
        };
        let path = || join(base.path, dest);
        let state = state.map_err(|error| Failure::new("look at", &path(), error, Advice::MakeWritable))?;
        if traces() {
            trace(&[entry.action.word().as_bytes(), b" ", &path(), b": ", state.word().as_bytes()]);
        }
        Ok(state)
    }

    /// Every entry that has a place, with that place and what is there.
    pub fn survey(self) -> Vec<(Entry<'a>, Vec<u8>, Result<State, Failure>)> {
        let entries = Root::ALL.into_iter().flat_map(|root| self.entries_of(root));
        let look = |(directory, entry): (&[u8], Entry<'a>)| {
            (entry, join(directory, entry.dest.as_bytes()), self.observe(&Base::at(directory), &entry))
        };
        entries.map(look).collect()
    }

    /// Whether OpenCode finds in its cache what the output has for it, in spite of a failure.
    fn is_usable(self) -> bool {
        let Some(cache) = self.roots.of(Root::Cache).map(Base::at) else { return false };
        self.entries_of(Root::Cache)
            .all(|(_, entry)| self.observe(&cache, &entry).is_ok_and(|state| state.is_settled(&entry)))
    }

    /// Whether the entries of the configuration directory are to stand there.
    ///
    /// # Errors
    /// What cannot be looked at.
    pub fn lays_config(self) -> Result<bool, Failure> {
        group::judge(self).map(|verdict| verdict == group::Verdict::Lay)
    }

    /// Whether nothing at all is to be done. Takes one look at each entry.
    fn is_in_line(self) -> Result<bool, Failure> {
        let Some(cache) = self.roots.of(Root::Cache).map(Base::opened) else { return Ok(false) };
        if !record::is_current(self, &cache)? {
            return Ok(false);
        }
        for root in [Root::Cache, Root::Data] {
            for (directory, entry) in self.entries_of(root) {
                // The data directory has one entry, if any.
                let base = if root == Root::Cache { &cache } else { &Base::at(directory) };
                if !self.observe(base, &entry)?.is_settled(&entry) {
                    return Ok(false);
                }
            }
        }
        group::is_in_line(self)
    }
}

/// A root's directory, open where it can be: a place below it is then a shorter way for the kernel.
pub struct Base<'a> {
    path: &'a [u8],
    /// Never closed: becoming OpenCode does that, and it is one system call less for each.
    open: Option<ManuallyDrop<OwnedFd>>,
}

impl<'a> Base<'a> {
    /// By its path.
    pub const fn at(path: &'a [u8]) -> Base<'a> {
        Base { path, open: None }
    }

    /// Open, if it is there and a directory.
    fn opened(path: &'a [u8]) -> Base<'a> {
        let flags = LOOK | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Base { path, open: openat(CWD, path, flags, Mode::empty()).ok().map(ManuallyDrop::new) }
    }
}

/// What a refresh came to.
pub struct Outcome {
    /// The first thing that could not be done; everything else was done all the same.
    pub failure: Option<Failure>,
    /// Whether OpenCode can use the cache root.
    pub usable: bool,
}

/// Brings the user's directories in line with the map.
pub fn refresh(plan: Plan<'_>) -> Outcome {
    match plan.is_possible().and_then(|()| plan.refresh()) {
        Ok(()) => Outcome { failure: None, usable: true },
        Err(failure) => Outcome { failure: Some(failure), usable: plan.is_usable() },
    }
}

impl Plan<'_> {
    fn is_possible(self) -> Result<(), Failure> {
        match self.roots.missing {
            Some(Missing::Home) => {
                let cause = b"HOME is not an absolute path";
                Err(Failure::because("find", b"the home directory", cause, Advice::SetHome))
            }
            Some(Missing::Carrier) => {
                let cause = b"it could not be given back to tools";
                Err(Failure::because("set", b"XDG_CACHE_HOME", cause, Advice::UnsetCarrier))
            }
            None if !self.output.is_named_by_digest() => {
                let cause =
                    b"not named <digest>-opencode-cache, so that links to it would not be known as ours";
                Err(Failure::because("link to", self.output.root(), cause, Advice::BuildAgain))
            }
            None => Ok(()),
        }
    }

    fn refresh(self) -> Result<(), Failure> {
        match self.is_in_line() {
            Ok(true) => {
                trace(&[b"everything is in line"]);
                Ok(())
            }
            // What cannot be looked at may yet be made: the slow path says what is wrong with it.
            Ok(false) | Err(_) => lay::lay(self),
        }
    }
}
