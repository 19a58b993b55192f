//! The wrapper as it is shipped: the freestanding program, whatever profile the rest is built with. The
//! builder's outputs carry these bytes, and the wrapper's own tests and benchmarks run them.

/// The program: statically linked, without a C library, for the target that this crate is built for.
pub const WRAPPER: &[u8] = include_bytes!(env!("OPENCODE_CACHE_WRAPPER"));

/// Where the build left it, for tests on this machine.
pub const PATH: &str = env!("OPENCODE_CACHE_WRAPPER");
