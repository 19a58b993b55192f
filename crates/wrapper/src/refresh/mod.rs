//! The refresh: the user's directories are compared with the link map at every start, without a lock
//! and without a write where they agree; where not, they are brought in line under a lock.
//!
//! `docs/LINKMAP.md` has the table of states that this module follows. It never replaces, follows or
//! removes what is not ours: a link into an output, or a copy that still carries our stamp.

mod directory;
mod group;
mod lay;
mod lock;
pub mod observe;
mod record;
mod stamp;
mod sweep;
mod write;

use crate::bytes::join;
use crate::failure::{Advice, Failure};
use crate::output::Output;
use crate::roots::{Missing, Roots};
use alloc::vec::Vec;
use linkmap::{Entry, Map, Root};
use observe::State;
use rustix::fs::CWD;

/// What a refresh works with.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// Where the sources are.
    pub output: &'a Output,
    /// What is wanted.
    pub map: &'a Map<'a>,
    /// Where it is wanted.
    pub roots: &'a Roots,
}

impl<'a> Plan<'a> {
    /// The entries of a root, with the root's directory.
    fn entries_of(self, root: Root) -> impl Iterator<Item = (&'a [u8], Entry<'a>)> {
        let directory = self.roots.of(root);
        let entries = self.map.entries();
        let entries = entries.filter(move |entry| entry.root == root);
        entries.filter_map(move |entry| directory.map(|directory| (directory, entry)))
    }

    /// The state of an entry's place, seen from the root directory of the file system.
    fn observe(self, directory: &[u8], entry: &Entry<'_>) -> Result<State, Failure> {
        let path = join(directory, entry.dest.as_bytes());
        observe::observe(self.output, CWD, &path, entry)
            .map_err(|error| Failure::new("look at", &path, error, Advice::MakeWritable))
    }

    /// Every entry that has a place, with that place and what is there.
    pub fn survey(self) -> Vec<(Entry<'a>, Vec<u8>, Result<State, Failure>)> {
        let entries = Root::ALL.into_iter().flat_map(|root| self.entries_of(root));
        let look = |(directory, entry): (&[u8], Entry<'a>)| {
            (entry, join(directory, entry.dest.as_bytes()), self.observe(directory, &entry))
        };
        entries.map(look).collect()
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
        if !record::is_current(self)? {
            return Ok(false);
        }
        for root in [Root::Cache, Root::Data] {
            for (directory, entry) in self.entries_of(root) {
                if !self.observe(directory, &entry)?.is_settled(&entry) {
                    return Ok(false);
                }
            }
        }
        group::is_in_line(self)
    }
}

/// Brings the user's directories in line with the map.
///
/// # Errors
/// The first thing that could not be done; everything else was done all the same.
pub fn refresh(output: &Output, map: &Map<'_>, roots: &Roots) -> Result<(), Failure> {
    match roots.missing {
        Some(Missing::Home) => {
            let cause = "HOME is not an absolute path";
            return Err(Failure::because("find", b"the home directory", cause, Advice::SetHome));
        }
        Some(Missing::Carrier) => {
            let cause = "it could not be given back to tools";
            return Err(Failure::because("set", b"XDG_CACHE_HOME", cause, Advice::UnsetCarrier));
        }
        None => {}
    }
    if !output.is_named_by_digest() {
        let cause = "not named <digest>-opencode-cache, so that links to it would not be known as ours";
        return Err(Failure::because("link to", output.root(), cause, Advice::BuildAgain));
    }
    let plan = Plan { output, map, roots };
    match plan.is_in_line() {
        Ok(true) => Ok(()),
        // What cannot be looked at may yet be made: the slow path says what is wrong with it.
        Ok(false) | Err(_) => lay::lay(plan),
    }
}
