//! One file per verb: its arguments, and `run`, which calls one function of the builder.

pub mod build;
pub mod bundle;
pub mod completions;
pub mod diff;
pub mod doctor;
pub mod export;
pub mod fetch;
pub mod gc;
pub mod in_derivation;
pub mod inspect;
mod inspect_plan;
pub mod install;
pub mod key;
pub mod list;
pub mod lock;
pub mod manual;
mod papers;
pub mod rollback;
pub mod sbom;
pub mod uninstall;
pub mod update;
mod update_told;
pub mod verify;
mod verify_installed;
pub mod versions;
