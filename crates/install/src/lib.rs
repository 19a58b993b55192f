//! Bundles, put in place on a machine that may have nothing but a kernel: generations side by side, of which one is active.
//!
//! `STATE` holds everything that is ours, `PREFIX` only links: whatever is there leads through `STATE/current`, so that one rename
//! activates a generation as a whole. Step by step, with what a `kill -9` leaves in each: `docs/BUNDLE.md`, "Installing".
//!
//! | module | owns |
//! |---|---|
//! | [`place`] | where `PREFIX` and `STATE` are |
//! | `state` | what lies in `STATE`, and the lock that whoever changes it holds |
//! | [`keys`] | which public keys are believed |
//! | `look` | what a bundle would do here: step 1, which writes nothing |
//! | `sorting`, `stage` | its trees, into the store: steps 2 to 4 |
//! | `fitting` | the output, made to run on a machine without a C library |
//! | `bases` | the trees that a delta is made against |
//! | [`generation`] | what was installed when: step 5 |
//! | `links` | `PREFIX`: step 6 |
//! | [`mod@install`] | all steps in their order, the last of which activates |
//! | [`mod@rollback`], [`mod@list`], [`mod@uninstall`], [`mod@gc`], [`mod@verify`] | the other verbs |
//! | [`told`] | what a person is told of all that, for whoever prints |
//! | [`homes`] | what starts have laid in a user's own directories |
//! | `running` | whose program lies in a tree |
//!
//! Invariants: no network, no async, nothing printed; no knowledge of OpenCode but where a tree has what users call; nothing that is
//! active is touched but by the rename; nothing that is not ours is replaced or removed.

mod bases;
mod error;
mod fitting;
pub mod gc;
pub mod generation;
pub mod homes;
pub mod install;
pub mod keys;
mod links;
pub mod list;
mod look;
pub mod place;
pub mod rollback;
mod running;
mod sorting;
mod stage;
mod state;
pub mod told;
pub mod uninstall;
pub mod verify;

pub use error::{Error, Kind, Result};
pub use gc::gc;
pub use generation::{Generation, Record};
pub use homes::User;
pub use install::{Installed, Request, install};
pub use list::list;
pub use place::{Here, Place};
pub use rollback::rollback;
pub use uninstall::uninstall;
pub use verify::verify;
