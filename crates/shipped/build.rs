//! Builds the wrapper as it is shipped.
//!
//! It has laws of its own (no C library, no panics, tiny), so it is compiled by a second cargo with the
//! profile `wrapper`, into a target directory of its own: a nested build in the same one would wait for
//! this build's lock for ever. Paths are remapped, so that its bytes, and with them the digest of every
//! result, do not depend on where the sources and the registry lie.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    for path in [
        "Cargo.toml",
        "Cargo.lock",
        "crates/wrapper/Cargo.toml",
        "crates/wrapper/link.ld",
        "crates/wrapper/src",
        "crates/linkmap",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    let wrapper = build_wrapper(&root, &PathBuf::from(env::var("OUT_DIR")?))?;
    println!("cargo::rustc-env=OPENCODE_CACHE_WRAPPER={}", wrapper.display());
    Ok(())
}

fn build_wrapper(root: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target = env::var("TARGET")?;
    let target_dir = out.join("wrapper");
    let status = Command::new(env::var("CARGO")?)
        .current_dir(root)
        .args(["build", "--package", "opencode-cache-wrapper", "--profile", "wrapper", "--locked"])
        .arg("--target")
        .arg(&target)
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(root))
        // Variables of the outer build that would change the inner one.
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_BUILD_TARGET")
        .status()?;
    if !status.success() {
        return Err(format!("cargo build of the wrapper for {target}: {status}").into());
    }
    Ok(target_dir.join(target).join("wrapper").join("opencode-wrapper"))
}

/// Flags are separated by 0x1f in `CARGO_ENCODED_RUSTFLAGS`, so that a path may hold blanks.
fn flags(root: &Path) -> String {
    let cargo_home = match env::var_os("CARGO_HOME") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env::var("HOME").unwrap_or_default()).join(".cargo"),
    };
    [
        format!("--remap-path-prefix={}=/source", root.display()),
        format!("--remap-path-prefix={}=/cargo", cargo_home.display()),
        // Nothing below it, nothing to relocate: no C library, no start files, no dynamic section.
        "-Crelocation-model=static".to_owned(),
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Clink-arg=-nostartfiles".to_owned(),
        "-Clink-arg=-nostdlib".to_owned(),
        "-Clink-arg=-static".to_owned(),
        // Nothing that only one linker knows: GNU's is what Rust uses on most machines.
        "-Clink-arg=-Wl,--build-id=none,--no-eh-frame-hdr,-z,norelro".to_owned(),
        format!("-Clink-arg=-Wl,-T,{}", root.join("crates/wrapper/link.ld").display()),
    ]
    .join("\u{1f}")
}
