//! The record: a verbatim copy of the map that was laid last, in the cache root, and behind it older ones
//! of which something is left. It tells a later generation what to take away. Owns the file's name and its
//! rules; takes nothing away itself.
//!
//! It is written after what the new map lacks was removed and before what it adds is laid. So whatever
//! of ours is there is named by the record, after a kill at any instant too.

use super::{Base, Plan, write};
use crate::bytes::join;
use crate::failure::{Advice, Failure};
use crate::output::{read_bounded, read_leaving_open};
use alloc::vec::Vec;
use linkmap::{HEADER, MAX_BYTES, Root};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

/// Its name in the cache root.
pub const NAME: &[u8] = b".opencode-cache-state";

/// Most maps in one record. Each older one is of a generation that still runs.
const MOST_MAPS: usize = 8;

/// Whether the record is this very map and no other.
pub fn is_current(plan: Plan<'_>, cache: &Base<'_>) -> Result<bool, Failure> {
    let map = plan.map.text().as_bytes();
    Ok(read(cache, map.len() + 1)?.is_some_and(|record| record == map))
}

/// The texts of the recorded maps, the last one first; none where there is no record.
pub fn maps(plan: Plan<'_>) -> Result<Vec<Vec<u8>>, Failure> {
    let Some(cache) = plan.roots.of(Root::Cache) else { return Ok(Vec::new()) };
    let text = read(&Base::at(cache), MAX_BYTES * MOST_MAPS + 1)?.unwrap_or_default();
    let mut maps: Vec<Vec<u8>> = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        // No other line of a map begins like its header.
        match maps.last_mut() {
            Some(map) if !line.starts_with(HEADER.as_bytes()) => map.extend_from_slice(line),
            _ => maps.push(line.to_vec()),
        }
    }
    maps.truncate(MOST_MAPS);
    Ok(maps)
}

fn read(cache: &Base<'_>, most: usize) -> Result<Option<Vec<u8>>, Failure> {
    let text = match &cache.open {
        Some(open) => read_leaving_open(open.as_fd(), NAME, most.min(64 * 1024), most),
        None => read_bounded(&join(cache.path, NAME), most.min(64 * 1024), most),
    };
    match text {
        Ok(text) => Ok(Some(text)),
        // A link or directory there is not our record.
        Err(Errno::NOENT | Errno::LOOP | Errno::ISDIR | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(Failure::new("read", &join(cache.path, NAME), error, Advice::MakeWritable)),
    }
}

/// Makes this map the record, and behind it older ones of which something must stay for now.
pub fn set(plan: Plan<'_>, root: BorrowedFd<'_>, older: &[Vec<u8>]) -> Result<(), Errno> {
    let mut text = plan.map.text().as_bytes().to_vec();
    older.iter().take(MOST_MAPS - 1).for_each(|map| text.extend_from_slice(map));
    write::replace(root, NAME, &text, None)
}
