//! The record: a verbatim copy of the map that was laid last, in the cache root. It tells a later
//! generation what to take away. Owns the file's name and its rules; takes nothing away itself.
//!
//! It is written after what the new map lacks was removed and before what it adds is laid. So whatever
//! of ours is there is named by the record, after a kill at any instant too.

use super::{Plan, write};
use crate::bytes::join;
use crate::failure::{Advice, Failure};
use crate::output::read_bounded;
use alloc::vec::Vec;
use linkmap::{MAX_BYTES, Root};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// Its name in the cache root.
pub const NAME: &[u8] = b".opencode-cache-state";

/// Whether the record is this very map.
pub fn is_current(plan: Plan<'_>) -> Result<bool, Failure> {
    let map = plan.map.text().as_bytes();
    Ok(read(plan, map.len() + 1)?.is_some_and(|record| record == map))
}

/// The recorded map's text; `None` where there is none.
pub fn text(plan: Plan<'_>) -> Result<Option<Vec<u8>>, Failure> {
    read(plan, MAX_BYTES + 1)
}

fn read(plan: Plan<'_>, most: usize) -> Result<Option<Vec<u8>>, Failure> {
    let Some(root) = plan.roots.of(Root::Cache) else {
        return Ok(None);
    };
    let path = join(root, NAME);
    match read_bounded(&path, most.min(64 * 1024), most) {
        Ok(text) => Ok(Some(text)),
        // A link or directory there is not our record.
        Err(Errno::NOENT | Errno::LOOP | Errno::ISDIR | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(Failure::new("read", &path, error, Advice::MakeWritable)),
    }
}

/// Makes this map the record.
pub fn set(plan: Plan<'_>, root: BorrowedFd<'_>) -> Result<(), Errno> {
    write::replace(root, NAME, plan.map.text().as_bytes(), None)
}
