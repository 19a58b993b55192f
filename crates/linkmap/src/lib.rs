//! The link map: the text contract of builder and wrapper (`docs/LINKMAP.md` describes it key by key).
//!
//! It owns the format: its words, its order, its limits, what makes a map hostile. It never touches a
//! file system and knows no environment variable's meaning; what the entries do to a user's
//! directories is the wrapper's to decide. No dependencies, no `std`; reading allocates nothing.
//!
//! ```
//! let text = b"opencode-cache linkmap 1\n\
//!     exec\tlib/opencode/bin/opencode\n\
//!     root\topencode\n\
//!     keep\tcache\tbin\n\
//!     link\tcache\tpackages/x\tcache/packages/x\n";
//! # use opencode_cache_linkmap as linkmap;
//! let map = linkmap::Map::parse(text)?;
//! assert_eq!(map.exec(), "lib/opencode/bin/opencode");
//! assert_eq!(map.entries().count(), 2);
//! # Ok::<(), linkmap::Fault>(())
//! ```
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;

mod fault;
mod map;
#[cfg(feature = "alloc")]
mod owned;
mod path;
mod sum;
mod word;

pub use fault::{Fault, Reason};
pub use map::{Item, Map};
#[cfg(feature = "alloc")]
pub use owned::LinkMap;
pub use path::{is_digest, names_output, path_order};
pub use sum::Sum;
pub use word::{Action, Entry, EnvDefault, EnvValue, Root};

/// First line of every map of this version. The wrapper refuses another one.
pub const HEADER: &str = "opencode-cache linkmap 1";

/// Largest map in bytes. A real one has about two thousand; the wrapper reads it at every start.
pub const MAX_BYTES: usize = 1 << 20;

/// Most entries (`link`, `copy`, `force`, `keep`) in one map. A real one has at most 16.
pub const MAX_ENTRIES: usize = 4096;

/// Longest path or environment value in bytes: Linux's `PATH_MAX`.
pub const MAX_PATH: usize = 4096;

/// What the name of an output directory ends in, after 32 characters of digest and a dash.
/// A link is ours if and only if its target has such a component.
pub const OUTPUT_SUFFIX: &str = "opencode-cache";

/// Prefix of every file name that the wrapper keeps for itself in a user's directory (its record and
/// its temporary files). No destination in a map may have a component that begins so.
pub const OWN_PREFIX: &str = ".opencode-cache-";
