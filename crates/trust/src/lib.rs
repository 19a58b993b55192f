//! Whether a registry vouched for a version of a package (its signature over name, version and integrity) and who built it (its
//! attestations), judged by keys that are known beforehand.
//!
//! Pure: no I/O, no clock (the instant is handed in). Keys come from [`keys`], which is source code, and from the user's manifest; never
//! from a registry, since one that is being checked would vouch for itself. What follows from a verdict is policy, and the caller's.

mod attestation;
pub mod keys;
mod verdict;

pub use attestation::{Attested, Sigstore};
pub use keys::Keys;
pub use verdict::{Claim, Verdict};
