//! The crate as its users see it: what is told of real bytes, what validators and a browser make of it.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stderr, reason = "what is not run is told")]

mod page;
mod support;
mod told;
mod validators;
