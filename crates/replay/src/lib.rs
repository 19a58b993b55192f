//! The loopback servers: npm protocol record and replay, recording HTTPS proxy, DNS responder, scripted language model; beside them the
//! client for the upstream registry and the vendor directory that holds every pinned byte.
//!
//! Every server takes a socket that the caller bound and listens on (usually in another network namespace), serves it until
//! `shutdown()`, and hands back what happened as facts. This crate knows nothing of OpenCode, prints nothing, and names no registry: the
//! address is the caller's to give.

mod answer;
mod serve;

pub mod dns;
pub mod llm;
pub mod proxy;
pub mod registry;
pub mod vendor;
