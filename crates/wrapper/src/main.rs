//! The launcher as a program: on Linux no C library and no Rust runtime below it.
//!
//! Either would cost system calls and page faults at every start, and the Rust one would change what
//! becomes of SIGPIPE, which OpenCode inherits. So this is what they would have done: the entry point,
//! four memory functions, memory to allocate from, two system calls. Everything else is the library.
//!
//! It takes a build that aborts on panic (profile `wrapper`, as `crates/shipped` runs it). In all other
//! builds cargo wants a program of this name too; that one only says so.
//!
//! macOS promises no system calls, only its library: there it is an ordinary program (`start/darwin.rs`).
#![cfg_attr(all(panic = "abort", target_os = "linux"), no_std, no_main)]
#![cfg_attr(
    all(panic = "abort", target_os = "linux"),
    allow(unsafe_code, reason = "this is what lies below safe Rust")
)]

#[cfg(all(panic = "abort", target_os = "linux"))]
extern crate alloc;

#[cfg(all(panic = "abort", target_os = "linux"))]
mod start {
    mod arena;
    mod call;
    mod entry;
    mod memory;
}

#[cfg(not(target_os = "linux"))]
mod start {
    pub mod darwin;
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    start::darwin::main()
}

#[cfg(all(not(panic = "abort"), target_os = "linux"))]
fn main() -> std::process::ExitCode {
    // The library must be linked, or cargo warns that it is not used.
    let _ = opencode_cache_wrapper::launch;
    std::process::ExitCode::from(70)
}
