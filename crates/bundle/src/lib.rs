//! Bundles: trees, and whatever is needed to use them, as one file for a machine without a network.
//!
//! A bundle is a program (or none), then a `tar.zst` that any tar can unpack, then signatures (or none). What the tar holds follows
//! from an index at its beginning: names, sizes and hashes of everything. The text before it names the hash of every compressed
//! frame; its own hash is the digest of the whole. Key by key: `docs/BUNDLE.md`.
//!
//! | module | owns |
//! |---|---|
//! | [`header`] | the first text: the hash of each frame, and the digest of the whole |
//! | [`index`] | which trees there are, for which systems, and what for |
//! | [`listing`] | what one tree holds, as a text that is the tree's alone |
//! | `tape`, `stream` | the tar, of which every byte follows from index and listings; the tar as it is unpacked |
//! | [`frame`] | compressing a piece so that the same bytes always come out |
//! | [`patch`] | a file as what differs from another |
//! | [`marks`] | whether a file is still what was listed |
//! | [`draft`] | what is to be written: in full, or as what differs from trees that the target has |
//! | [`mod@write`], [`read`] | a whole bundle |
//! | [`restore`] | its trees as directories: a [`Sink`] |
//! | [`joined`], [`file`](mod@file) | a bundle that was cut into several files; where they lie |
//! | [`minisign`], [`signatures`], [`believed`] | keys and signatures: minisign's; those and Nix's; whose are believed |
//!
//! Invariants: no network, no async, nothing printed, no knowledge of OpenCode, no clock, no randomness. Nothing is handed out before
//! the hash of what it was compressed to was checked; nothing that is read says how much memory is used.

pub mod believed;
pub mod draft;
mod error;
pub mod file;
pub mod frame;
mod hash;
pub mod header;
pub mod index;
pub mod joined;
pub mod listing;
pub mod marks;
pub mod minisign;
pub mod patch;
pub mod read;
pub mod restore;
pub mod signatures;
mod sink;
mod stream;
mod tape;
#[cfg(test)]
mod tests;
pub mod write;

pub use draft::Draft;
pub use error::{Error, Result};
pub use file::open;
pub use hash::{Hasher, Sha256};
pub use header::Header;
pub use index::{Base, Index, Part, Patch, Role};
pub use joined::Joined;
pub use listing::{Entry, Kind, Listing};
pub use marks::Marks;
pub use read::{Bundle, Front};
pub use restore::Restoring;
pub use sink::{Bases, NoBases, Place, Sink};
pub use write::{Contents, Packing, sign, write};
