//! Runs programs in a private HOME and file system view, with no network but loopback, bounded in memory, processes and disk,
//! and counts every attempt to leave.
//!
//! Owns the concept of a *sandbox*: one set of Linux namespaces (user, mount, network, pid, ipc, uts) with a small first process
//! that starts commands on request. Works as root and as an ordinary user, in containers that allow user namespaces, and needs no
//! program from outside; Linux 5.12 or newer, x86_64 or aarch64. It never falls back silently: [`probe`] says what can be had,
//! and where no isolation can be had, [`Sandbox::start`] is an error.
//!
//! The caller's own executable is started again as the sandbox's first process, so **[`hidden_main`] must be the first call in the
//! caller's `main`**.
//!
//! The API is synchronous and thread-safe; from async code use it through `spawn_blocking`. Knows nothing of OpenCode, never
//! prints, and never reads or answers DNS itself: the sandbox's name server socket is handed to the caller.

mod command;
mod error;
mod spec;

#[cfg(target_os = "linux")]
mod inside;
#[cfg(target_os = "linux")]
mod outside;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod usage;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod outside;

pub use command::{Command, Exit, Input, Limit, Output};
pub use error::Error;
pub use outside::{Child, Sandbox, interfaces_up, probe};
pub use spec::{BLACK_HOLE_ADDRESS, Bind, Isolation, Limits, Network, Spec};

mod attempt;
pub use attempt::{Attempt, Transport};

/// The first argument that turns the caller's executable into the sandbox's first process.
#[cfg(target_os = "linux")]
const HIDDEN: &str = "__opencode-cache-sandbox";

/// Must be the first call in `main` of every program (and test binary) that uses [`Sandbox`]: where this process was started as
/// the first process of a sandbox it takes over and never returns; otherwise it returns at once.
///
/// It has to run before any thread is started and before any argument is parsed.
pub fn hidden_main() {
    outside::note_wired();
    #[cfg(target_os = "linux")]
    if std::env::args_os().nth(1).is_some_and(|argument| argument == HIDDEN) {
        inside::main();
    }
}
