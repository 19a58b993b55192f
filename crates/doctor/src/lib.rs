//! What OpenCode's next start will meet on a user's machine, and why: one finding for everything that was
//! looked at, each with a next step where there is one.
//!
//! It changes nothing, starts no program and asks no network. What stands at the places of a link map it does
//! not judge by itself: it looks through the wrapper's own code. It never prints, and tells no secret: values
//! of variables are shown only where they are paths, addresses without their user, or switches.

mod case;
mod catalogue;
mod checks;
mod finding;
pub mod reach;
mod start;
mod subject;
mod surroundings;

pub use case::{Report, Request, examine};
pub use finding::{Check, Finding, Severity};
pub use subject::Error;
pub use surroundings::Surroundings;
