//! What whole-program tests stand on: one real output per test run, and an ordinary user's machine to run it on.
//!
//! For tests only: whatever goes wrong here is a panic with the thing, the verb and the cause, because nothing could be tested then.
//! It never decides what is right: that is the tests'. Whole programs are tested on Linux, where there is a sandbox.
#![cfg(target_os = "linux")]
#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise, and says what it is doing"
)]

pub mod attesting;
pub mod cli;
pub mod desk;
pub mod github;
pub mod http;
pub mod internet;
pub mod output;
pub mod releases;
pub mod signing;
pub mod site;
pub mod tarballs;
