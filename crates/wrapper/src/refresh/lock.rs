//! One writer at a time in a cache root. Only a start that has something to write takes the lock.

use rustix::fd::BorrowedFd;
use rustix::fs::{FlockOperation, Timespec, flock};
use rustix::io::Errno;

/// How often the lock is asked for, and how long between: 2 s in all. Whoever holds it needs some
/// milliseconds; one that was stopped (SIGSTOP) must not keep OpenCode from starting.
const ATTEMPTS: u32 = 400;
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Takes the lock of a directory until its descriptor is closed. `false` where there is none to be had
/// (storage without locks, or held too long): every single step is atomic without it as well.
pub fn take(directory: BorrowedFd<'_>) -> bool {
    for _ in 0..ATTEMPTS {
        match flock(directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return true,
            Err(Errno::WOULDBLOCK | Errno::INTR) => {
                let _ = rustix::thread::nanosleep(&PAUSE);
            }
            Err(_) => return false,
        }
    }
    false
}
