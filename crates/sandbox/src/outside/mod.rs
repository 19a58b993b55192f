//! The caller's side: starting a sandbox, asking its first process, following its programs, counting their attempts to leave.
//! Never runs inside.

mod child;
mod dns;
mod files;
mod probe;
mod reading;
mod sandbox;
mod supervisor;
mod talk;
mod target;

use std::sync::atomic::{AtomicBool, Ordering};

pub use child::Child;
pub use probe::{interfaces_up, probe};
pub use sandbox::Sandbox;

/// Whether `hidden_main` was called: otherwise starting our own executable again would run the caller's `main` a second time.
static WIRED: AtomicBool = AtomicBool::new(false);

/// Notes that `hidden_main` was called.
pub fn note_wired() {
    WIRED.store(true, Ordering::Relaxed);
}

fn wired() -> bool {
    WIRED.load(Ordering::Relaxed)
}
