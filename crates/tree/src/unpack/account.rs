//! What an archive has cost so far, and where in it the reader is: bounds that are passed and names
//! for what is refused. Knows no format.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::rc::Rc;

use super::{Limits, Refusal};
use crate::error::{Error, Result};

/// Tells after an I/O error whether it was a refusal, and which.
pub(super) type Tripped = Rc<RefCell<Option<Refusal>>>;

/// Passes a refusal through a reader, which can give an I/O error only.
pub(super) fn trip(tripped: &Tripped, refusal: Refusal) -> io::Error {
    let error = io::Error::other(refusal.to_string());
    tripped.replace(Some(refusal));
    error
}

/// The bounds of an archive, and how much of them is used.
pub(super) struct Account {
    pub(super) limits: Limits,
    seen: u64,
    last: PathBuf,
    tripped: Tripped,
}

impl Account {
    pub(super) fn new(limits: &Limits, tripped: Tripped) -> Self {
        Self { limits: *limits, seen: 0, last: PathBuf::new(), tripped }
    }

    /// From here on the talk is of the entry of this name.
    pub(super) fn at(&mut self, name: Vec<u8>) {
        self.last = PathBuf::from(OsString::from_vec(name));
    }

    /// Counts one thing against the bound on entries.
    pub(super) fn count(&mut self) -> Result<()> {
        self.seen += 1;
        if self.seen > self.limits.entries {
            return Err(self.refuse(Refusal::TooManyEntries { limit: self.limits.entries }));
        }
        Ok(())
    }

    /// Refuses the archive because of the entry that was read last.
    pub(super) fn refuse(&self, refusal: Refusal) -> Error {
        Error::Archive { entry: self.last.clone(), refusal }
    }

    /// Refuses a header of the entry that was read last.
    pub(super) fn malformed(&self, what: &'static str) -> Error {
        self.refuse(Refusal::Malformed { what })
    }

    /// What a failed read of the archive means.
    pub(super) fn broken(&self, source: io::Error) -> Error {
        match self.tripped.take() {
            Some(refusal) => self.refuse(refusal),
            None => Error::BrokenArchive { after: self.last.clone(), source },
        }
    }
}
