//! An output on a machine without a C library: OpenCode's release binary made to use the libraries that the output itself holds.
//!
//! The binary names its loader by an absolute path, and the loader looks for libraries in a distribution's directories. Both are
//! changed in place, in a copy, without moving a byte: what bun finds by its place in the file stays there. See `docs/BUNDLE.md`.
//!
//! | module | owns |
//! |---|---|
//! | `elf` | which bytes of a binary become which others |
//! | `edit` | such a change, as a text, and undone |
//! | `answer` | whether a binary runs here |
//! | `output` | a whole output, fitted |
//!
//! Invariants: no network, no async, nothing printed; never changes a file that it did not make; a binary of another shape than the
//! known one is refused, and nothing is guessed.

mod answer;
mod edit;
mod elf;
mod error;
mod output;

pub use answer::{Answer, answer};
pub use edit::{Edit, Undone};
pub use elf::{Machine, edits, machine};
pub use error::{Error, Result};
pub use output::output;

/// Where OpenCode's binary lies in an output.
pub const BINARY: &str = "lib/opencode/bin/opencode";

/// Where the C library lies in an output that has one.
pub const LIBRARIES: &str = "lib/opencode/libc";

/// The same, from the binary, as its loader expands it: it holds wherever the output lies.
const SEARCHED: &str = "$ORIGIN/../libc";
