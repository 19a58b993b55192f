//! Looking for a text in a release binary: one pass, bounded, and it ends where the text is found. Knows no text of its own.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use memchr::memmem::Finder;

/// Bytes that are read at once.
const BUFFER: usize = 1 << 20;
/// The most that is read of a binary, in bytes: five times a real one.
const MOST: u64 = 1 << 30;
/// How far before and behind a needle can be looked, in bytes: what a buffer's end would cut in two is looked at twice.
pub const AROUND: usize = 1024;

/// What `read` makes of the first place where one of `needles` stands and it makes anything of. It is given bytes, and the
/// place's beginning and end among them.
pub fn find<T>(
    path: &Path,
    needles: &[&str],
    read: impl Fn(&[u8], usize, usize) -> Option<T>,
) -> io::Result<Option<T>> {
    let finders: Vec<Finder<'_>> = needles.iter().map(|needle| Finder::new(*needle)).collect();
    let mut file = File::open(path)?.take(MOST);
    let mut buffer = vec![0; BUFFER];
    let mut kept = 0;
    loop {
        let arrived = file.read(buffer.get_mut(kept..).unwrap_or_default())?;
        let filled = kept + arrived;
        let bytes = buffer.get(..filled).unwrap_or_default();
        let places = |finder: &Finder<'_>| {
            finder.find_iter(bytes).find_map(|at| read(bytes, at, at + finder.needle().len()))
        };
        if let Some(found) = finders.iter().find_map(places) {
            return Ok(Some(found));
        }
        if arrived == 0 {
            return Ok(None);
        }
        let rest = filled.saturating_sub(2 * AROUND);
        buffer.copy_within(rest..filled, 0);
        kept = filled - rest;
    }
}
