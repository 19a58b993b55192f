//! What `doctor` says of machines in known states: a module per check.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod asked_for;
mod commands;
mod entries;
mod machine;
mod network;
mod output;
mod stage;
