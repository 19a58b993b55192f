//! Locking again after one plugin was added, none of whose packages is at hand.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lock::Lock;
use testkit::cli::{Place, succeed};

use crate::Measured;
use crate::figures;
use crate::stock::Wanted;

/// A real plugin that the committed lock does not have, with dependencies of its own.
const ADDED: &str = "opencode-gemini-auth";
/// How often it is done.
const ROUNDS: usize = 3;
/// What is wanted.
const GOAL: Duration = Duration::from_secs(15);

/// Measures and prints.
pub fn measure() -> Measured {
    let vendor = vendor()?;
    let before = files_below(&vendor)?;
    let mut times = Vec::new();
    let mut added = 0;
    for _ in 0..ROUNDS {
        let (time, packages) = relock()?;
        times.push(time);
        added = packages;
        for file in files_below(&vendor)?.difference(&before) {
            fs::remove_file(file)?;
        }
    }
    figures::tell(&format!("relock with {ADDED} added ({added} packages more)"), &times, GOAL);
    Ok(())
}

/// Locks in a directory of its own that starts with the committed lock.
fn relock() -> Result<(Duration, usize), Box<dyn Error>> {
    let place = Place::get();
    let directory = place.directory("relock-");
    let (manifest, path) = (directory.path().join("opencode-cache.toml"), directory.path().join("lock.json"));
    let old = Lock::parse(&fs::read_to_string(place.repository.join("opencode.lock.json"))?)?;
    fs::write(&manifest, manifest_of(&old)?)?;
    fs::write(&path, old.render())?;
    let mut command = place.command(["lock", "--manifest"]);
    command.arg(&manifest).arg("--lock").arg(&path);
    let start = Instant::now();
    succeed(&mut command);
    let elapsed = start.elapsed();
    let new = Lock::parse(&fs::read_to_string(&path)?)?;
    Ok((elapsed, new.packages.len() - old.packages.len()))
}

/// What the committed lock answers, and one plugin more.
fn manifest_of(lock: &Lock) -> Result<String, Box<dyn Error>> {
    let wanted = Wanted::read()?;
    let systems: Vec<String> = lock.systems.keys().map(ToString::to_string).collect();
    let plugins: Vec<&str> = wanted.plugins.iter().map(String::as_str).chain([ADDED]).collect();
    let mut text = format!("opencode = \"{}\"\n", lock.opencode);
    writeln!(text, "systems = {systems:?}\nproviders = {:?}\nplugins = {plugins:?}", wanted.sdks)?;
    Ok(text)
}

/// The vendor directory that the command line uses.
fn vendor() -> Result<PathBuf, Box<dyn Error>> {
    let told = succeed(&mut Place::get().command(["fetch", "--json"]));
    let told: serde_json::Value = serde_json::from_str(&told)?;
    Ok(told["vendor"].as_str().ok_or("fetch --json names no vendor directory")?.into())
}

/// Every downloaded file, to know later which ones a round brought.
fn files_below(vendor: &Path) -> Result<BTreeSet<PathBuf>, Box<dyn Error>> {
    let mut files = BTreeSet::new();
    let mut open = vec![vendor.join("sha512")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => open.push(entry.path()),
                false => drop(files.insert(entry.path())),
            }
        }
    }
    Ok(files)
}
