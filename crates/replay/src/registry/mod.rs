//! The npm registry protocol on loopback: replaying recorded answers, recording new ones, and asking the upstream registry.
//!
//! Each exercise of OpenCode has a base path of its own, under which it sees its own versions only: one shared set of answers would
//! resolve wrongly as soon as pins differ between the trees.

mod asked;
mod base_path;
mod origin;
mod record;
mod render;
mod replay;
mod route;
mod sight;
mod view;

pub mod npmrc;
pub mod packument;
pub mod upstream;

pub use base_path::{BasePath, BasePathError};
pub use origin::Origin;
pub use packument::{Packument, Release};
pub use record::{Answer, BaseRecord, Bases, Failure, RecordFacts, RecordRegistry, RecordedTarball};
pub use replay::{BaseFacts, Question, ReplayFacts, ReplayRegistry};
pub use sight::{Hidden, Sight};
pub use upstream::{Lookup, Upstream};
pub use view::{PackumentView, RegistryView, TarballFile, VersionView};
