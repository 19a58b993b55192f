//! What the loopback servers promise, seen through real HTTP clients.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world fails there")]

mod dns;
mod identity;
mod llm;
mod npm;
mod proxy;
mod record;
mod replay_http;
mod support;
mod upstream;
mod vendor;
mod ways;
