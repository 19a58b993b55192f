//! The canonical tree: one shape for what a build leaves behind, whoever builds it and wherever.
//!
//! A canonical tree is a directory whose files have mode 0444 or 0555, whose directories have mode
//! 0555, whose times are all one second after the epoch, and whose links stay inside it. Two
//! canonical trees with the same names and bytes have the same [`Digest`], which names them in a
//! [`Store`].
//!
//! | module | owns |
//! |---|---|
//! | [`mod@scan`] | what a tree holds, in order |
//! | [`settle`] | raw tree → canonical tree |
//! | [`search`] | the proof that a string occurs nowhere in a tree |
//! | [`nar`] | the tree as one stream of bytes, that stream's hash, and back |
//! | [`digest`] | nix-base32 and the name that a hash gives to a tree |
//! | [`store`] | finished trees under their names; links to them |
//! | [`unpack`] | archives from outside, checked entry by entry |
//! | [`atomic`] | a file that is there as a whole, or not at all |
//!
//! Invariants: no network, no async, nothing printed, no knowledge of OpenCode; no symbolic link is
//! ever followed while a tree is read, written or removed.

pub mod atomic;
mod behind;
mod canonical;
pub mod digest;
mod error;
pub mod nar;
mod remove;
pub mod scan;
pub mod search;
pub mod settle;
pub mod store;
pub mod unpack;

pub use canonical::canonicalise;
pub use digest::Digest;
pub use error::{Error, Result};
pub use nar::{NarHash, nar_hash};
pub use remove::remove_tree;
pub use scan::{Entry, Kind, Tree, open_file, scan, stays_inside};
pub use search::contains_bytes;
pub use settle::{Verdict, copy_canonical};
pub use store::{Staging, Store, StorePath, set_link};
