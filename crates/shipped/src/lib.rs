//! The wrapper as it is shipped: the freestanding program, whatever profile the rest is built with. The
//! builder's outputs carry these bytes, and the wrapper's own tests and benchmarks run them.

/// The program for aarch64: statically linked, without a C library. Empty where this was compiled without that target.
pub const AARCH64: &[u8] = include_bytes!(env!("OPENCODE_CACHE_WRAPPER_AARCH64"));

/// The same for x86_64.
pub const X86_64: &[u8] = include_bytes!(env!("OPENCODE_CACHE_WRAPPER_X86_64"));

/// The program for macOS on aarch64. Empty unless this was compiled for that.
pub const AARCH64_DARWIN: &[u8] = include_bytes!(env!("OPENCODE_CACHE_WRAPPER_AARCH64_DARWIN"));

/// The same for x86_64.
pub const X86_64_DARWIN: &[u8] = include_bytes!(env!("OPENCODE_CACHE_WRAPPER_X86_64_DARWIN"));

/// The Linux program for the architecture that this crate is built for.
pub const WRAPPER: &[u8] = if cfg!(target_arch = "aarch64") { AARCH64 } else { X86_64 };

/// Where the build left it, for tests on this machine.
pub const PATH: &str = if cfg!(target_arch = "aarch64") {
    env!("OPENCODE_CACHE_WRAPPER_AARCH64")
} else {
    env!("OPENCODE_CACHE_WRAPPER_X86_64")
};

/// Where the build left the program for aarch64, for tests in an emulator.
pub const PATH_AARCH64: &str = env!("OPENCODE_CACHE_WRAPPER_AARCH64");
