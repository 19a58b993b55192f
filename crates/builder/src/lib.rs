//! What OpenCode wants, recorded, pinned, replayed and laid out: the only crate that knows how
//! OpenCode behaves (in [`opencode`], as data).
//!
//! One arrow of the flow is one function: [`lock`](Recording::run) records wishes into a lock,
//! [`fetch()`](fetch::fetch) brings what it pins, [`Build::run`] replays, settles and emits,
//! [`verify::run`] proves the result. The crate never prints: it tells a [`Progress`], and an
//! [`Error`] says kind, code and hint.

mod ask_bun;
mod binary;
mod build;
mod bun_lock;
pub mod bundles;
pub mod by_name;
mod capture;
pub mod catalogue;
mod client;
mod commands;
pub mod config;
pub mod contents;
mod count;
pub mod currency;
mod cut;
pub mod debian;
pub mod derivation;
pub mod difference;
pub mod directories;
mod downloads;
mod emit;
mod error;
mod exercise;
pub mod export;
pub mod fates;
pub mod fetch;
pub mod files;
mod fills;
mod frozen;
pub mod generation;
pub mod github;
mod grammars;
mod in_binary;
pub mod inspect;
pub mod layout;
pub mod licences;
pub mod lockfile;
mod modules;
mod names;
pub mod opencode;
mod pins;
pub mod plan;
mod programs;
mod progress;
pub mod reach;
mod record;
pub mod registry;
pub mod release;
pub mod releases;
mod resolve;
mod scene;
pub mod screen;
mod server_install;
mod servers;
mod settle;
mod shared;
pub mod signatures;
mod stage;
pub mod started;
mod terminal;
mod tree_sitter;
mod trial;
pub mod update;
mod variants;

pub mod verify;

pub use build::{Build, Built};
pub use contents::Contents;
pub use emit::Restore;
pub use error::{Error, Kind};
pub use exercise::ANSWER;
pub use frozen::Frozen;
pub use plan::{Beside, Wishes};
pub use progress::{Event, Progress, Silent};
pub use record::Recording;
pub use replay::registry::Upstream;
pub use replay::vendor::Vendor;

/// How many OpenCodes run at once: installing is bound by one processor and the disk.
fn parallel() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(8)
}
