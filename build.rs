//! Hashes the sources that decide what a build yields, so that a finished build of another version of
//! this program is not taken for this one's.

use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=OPENCODE_CACHE_SOURCES={:016x}", hash_sources()?);
    Ok(())
}

/// The sources that decide what a build yields. (The wrapper's own bytes are looked at as such.)
const DECIDING: [&str; 6] = [
    "crates/builder/assets",
    "crates/builder/src",
    "crates/linkmap/src",
    "crates/lock/src",
    "crates/replay/src",
    "crates/tree/src",
];

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
