//! The mark on files that we wrote: a modification time in the early 1980s that tells the content.
//!
//! It is set before the file appears under its name, it needs no file beside it that could get lost, be
//! shared or be written by two at once, one `stat` reads it, and whoever changes the file removes it.

use linkmap::Sum;
use rustix::fs::{Stat, Timespec};

/// First second of the range: after 1980-01-01, which archive tools give to files without a date (and before
/// which they refuse them), here 1980-01-06.
const FIRST: u64 = 316_000_000;

/// Seconds in the range, a power of two: it ends in April 1984, before npm's constant date of
/// 1985-10-26. So no date in it comes about by itself. 27 bits of the sum fit.
const SECONDS: u64 = 1 << 27;

/// The modification time of a file that we wrote with content of this sum. Whole seconds, because
/// some file systems keep nothing finer.
pub fn of(sum: Sum) -> Timespec {
    Timespec {
        // Below 2^29: fits any `time_t`.
        tv_sec: (FIRST + sum.to_u64() % SECONDS) as _,
        tv_nsec: 0,
    }
}

/// Whether a file carries the stamp of this sum.
pub fn is_of(stat: &Stat, sum: Sum) -> bool {
    stat.st_mtime as u64 == of(sum).tv_sec as u64
}

/// Whether a file carries the stamp of any sum.
pub fn is_any(stat: &Stat) -> bool {
    (FIRST..FIRST + SECONDS).contains(&(stat.st_mtime as u64))
}
