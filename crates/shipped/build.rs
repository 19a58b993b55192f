//! Builds the wrapper as it is shipped.
//!
//! It has laws of its own (no C library, no panics, tiny), so it is compiled by a second cargo with the
//! profile `wrapper`, into a target directory of its own: a nested build in the same one would wait for
//! this build's lock for ever. That directory is shared by all profiles and targets of the outer build. Paths are remapped, so that its bytes, and with them the digest of every
//! result, do not depend on where the sources and the registry lie.
//!
//! It is built for both Linux systems, so that either can put together an output for the other, where rustup
//! has added the other's target. There is no C in it, and Rust's own linker does; a toolchain without one has
//! the C compiler link. Where this is compiled for macOS, that system's wrapper is built too: an ordinary program.

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
    let (out, host) = (PathBuf::from(env::var("OUT_DIR")?), env::var("TARGET")?);
    let rust = Toolchain::find()?;
    // Changes when a target is added or removed.
    println!("cargo::rerun-if-changed={}", rust.targets.join("components").display());
    // Cargo marks the directories that it makes: the outermost is the one that all builds share.
    let shared = out.ancestors().filter(|above| above.join("CACHEDIR.TAG").is_file()).last().unwrap_or(&out);
    let target_dir = shared.join("wrapper");
    let has = |target: &str| rust.targets.join(target).join("lib").is_dir();
    for (variable, target) in TARGETS {
        // A copy, because another build may replace the original at any time.
        let wrapper = out.join(target);
        if target == host || has(target) && !target.ends_with("-darwin") {
            std::fs::copy(build_wrapper(&root, &target_dir, target, &rust)?, &wrapper)?;
        } else {
            std::fs::write(&wrapper, "")?;
        }
        println!("cargo::rustc-env={variable}={}", wrapper.display());
    }
    Ok(())
}

/// Where the crate is handed the program of each target.
const TARGETS: [(&str, &str); 4] = [
    ("OPENCODE_CACHE_WRAPPER_AARCH64", "aarch64-unknown-linux-gnu"),
    ("OPENCODE_CACHE_WRAPPER_AARCH64_DARWIN", "aarch64-apple-darwin"),
    ("OPENCODE_CACHE_WRAPPER_X86_64", "x86_64-unknown-linux-gnu"),
    ("OPENCODE_CACHE_WRAPPER_X86_64_DARWIN", "x86_64-apple-darwin"),
];

/// What of the compiler's own directory is needed.
struct Toolchain {
    /// `lib/rustlib`: a directory for each target.
    targets: PathBuf,
    /// Rust's own linker, where it comes with one.
    linker: Option<PathBuf>,
}

impl Toolchain {
    fn find() -> Result<Self, Box<dyn Error>> {
        let said = Command::new(env::var("RUSTC")?).args(["--print", "sysroot"]).output()?;
        let targets = PathBuf::from(String::from_utf8(said.stdout)?.trim()).join("lib/rustlib");
        let linker = targets.join(env::var("HOST")?).join("bin/rust-lld");
        Ok(Self { linker: linker.is_file().then_some(linker), targets })
    }
}

fn build_wrapper(
    root: &Path,
    target_dir: &Path,
    target: &str,
    rust: &Toolchain,
) -> Result<PathBuf, Box<dyn Error>> {
    let status = Command::new(env::var("CARGO")?)
        .current_dir(root)
        .args(["build", "--package", "opencode-cache-wrapper", "--profile", "wrapper", "--locked"])
        .arg("--target")
        .arg(target)
        .arg("--target-dir")
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(root, target, rust))
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
fn flags(root: &Path, target: &str, rust: &Toolchain) -> String {
    let cargo_home = match env::var_os("CARGO_HOME") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env::var("HOME").unwrap_or_default()).join(".cargo"),
    };
    let script = root.join("crates/wrapper/link.ld").display().to_string();
    let mut flags = vec![
        format!("--remap-path-prefix={}=/source", root.display()),
        format!("--remap-path-prefix={}=/cargo", cargo_home.display()),
    ];
    if target.ends_with("-darwin") {
        return flags.join("\u{1f}");
    }
    flags.extend([
        // Nothing below it, nothing to relocate: no C library, no start files, no dynamic section.
        "-Crelocation-model=static".to_owned(),
        "-Ctarget-feature=+crt-static".to_owned(),
    ]);
    match &rust.linker {
        // The same program on every machine, whatever linker that has.
        Some(linker) => flags.extend([
            format!("-Clinker={}", linker.display()),
            "-Clinker-flavor=ld.lld".to_owned(),
            "-Clink-args=-nostdlib -static --build-id=none --no-eh-frame-hdr -znorelro".to_owned(),
            format!("-Clink-arg=-T{script}"),
        ]),
        None => flags.extend([
            "-Clink-arg=-nostartfiles".to_owned(),
            "-Clink-arg=-nostdlib".to_owned(),
            "-Clink-arg=-static".to_owned(),
            // Nothing that only one linker knows: GNU's is what Rust uses on most machines.
            "-Clink-arg=-Wl,--build-id=none,--no-eh-frame-hdr,-z,norelro".to_owned(),
            format!("-Clink-arg=-Wl,-T,{script}"),
        ]),
    }
    flags.join("\u{1f}")
}
