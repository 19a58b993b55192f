//! Builds the wrapper and hands its bytes to the CLI, so that one `cargo build` yields both.
//!
//! The wrapper has laws of its own (static, tiny, no panics): it is compiled by a second cargo
//! with the profile `wrapper`, for the musl target where that is installed and with `+crt-static`
//! where it is not, into a target directory of its own (a nested build in the same one would
//! wait for this build's lock for ever). Paths are remapped, so that its bytes, and with them
//! the digest of every result, do not depend on where the sources and the registry lie.
//!
//! It also hashes the sources that decide what a build yields, so that a finished build of another
//! version of this program is not taken for this one's.

use std::env;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    for path in ["build.rs", "Cargo.toml", "Cargo.lock", "crates/wrapper", "crates/linkmap"] {
        println!("cargo::rerun-if-changed={path}");
    }
    println!("cargo::rustc-env=OPENCODE_CACHE_SOURCES={:016x}", hash_sources()?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let wrapper = build_wrapper(&root, &out)?;
    println!("cargo::rustc-env=OPENCODE_CACHE_WRAPPER={}", wrapper.display());
    Ok(())
}

/// The sources that decide what a build yields. (The wrapper's own bytes are looked at as such.)
const DECIDING: [&str; 5] =
    ["crates/builder/src", "crates/linkmap/src", "crates/lock/src", "crates/replay/src", "crates/tree/src"];

fn hash_sources() -> Result<u64, Box<dyn Error>> {
    let mut hasher = DefaultHasher::new();
    for directory in DECIDING {
        println!("cargo::rerun-if-changed={directory}");
        hash_directory(Path::new(directory), &mut hasher)?;
    }
    Ok(hasher.finish())
}

fn hash_directory(directory: &Path, hasher: &mut DefaultHasher) -> Result<(), Box<dyn Error>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    paths.sort();
    for path in paths {
        path.hash(hasher);
        if path.is_dir() { hash_directory(&path, hasher)? } else { fs::read(&path)?.hash(hasher) }
    }
    Ok(())
}

fn build_wrapper(root: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target = env::var("TARGET")?;
    let musl = target.replace("-gnu", "-musl");
    let (target, crt) = if musl != target && is_installed(&musl)? {
        (musl, None)
    } else if target.contains("linux") {
        (target, Some("-Ctarget-feature=+crt-static"))
    } else {
        (target, None)
    };
    let target_dir = out.join("wrapper");
    let status = Command::new(env::var("CARGO")?)
        .current_dir(root)
        .args(["build", "--package", "opencode-cache-wrapper", "--profile", "wrapper", "--locked"])
        .arg("--target")
        .arg(&target)
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(root, crt)?)
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

/// Whether rustc has a standard library for the target.
fn is_installed(target: &str) -> Result<bool, Box<dyn Error>> {
    let output =
        Command::new(env::var("RUSTC")?).args(["--print", "target-libdir", "--target", target]).output()?;
    Ok(output.status.success() && Path::new(String::from_utf8(output.stdout)?.trim()).is_dir())
}

/// Flags are separated by 0x1f in `CARGO_ENCODED_RUSTFLAGS`, so that a path may hold blanks.
fn flags(root: &Path, crt: Option<&str>) -> Result<String, Box<dyn Error>> {
    let cargo_home = match env::var_os("CARGO_HOME") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env::var("HOME").unwrap_or_default()).join(".cargo"),
    };
    let mut flags = vec![
        format!("--remap-path-prefix={}=/source", root.display()),
        format!("--remap-path-prefix={}=/cargo", cargo_home.display()),
    ];
    flags.extend(crt.map(str::to_owned));
    Ok(flags.join("\u{1f}"))
}
