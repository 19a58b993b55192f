//! The same parts for other versions of OpenCode: each in a place of its own, with what the committed manifest brings along, as a process
//! of its own, since a place is set once.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use testkit::cli::{Place, succeed};

/// Says which versions, like `tests/all/versions.rs`: `latest`, or exact ones.
const VERSIONS: &str = "OPENCODE_CACHE_VERSIONS";
/// Tells such a process where its manifest and lock lie.
const PLACE: &str = "OPENCODE_CACHE_BENCHMARK";

/// The place of this process.
pub fn place() -> Place {
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let cli = env!("CARGO_BIN_EXE_opencode-cache").into();
    match env::var_os(PLACE).map(PathBuf::from) {
        Some(version) => Place { cli, scratch: version.join("scratch"), repository: version },
        None => Place { cli, scratch, repository: env!("CARGO_MANIFEST_DIR").into() },
    }
}

/// The versions that are wanted instead of the committed one.
pub fn wanted() -> Vec<String> {
    let given =
        if env::var_os(PLACE).is_some() { String::new() } else { env::var(VERSIONS).unwrap_or_default() };
    given.split_whitespace().map(str::to_owned).collect()
}

/// Locks `version` and runs `parts` with it.
pub fn measure(version: &str, parts: &[String]) -> Result<(), Box<dyn Error>> {
    let place = Place::get();
    let directory = place.scratch.join("versions").join(version);
    fs::create_dir_all(&directory)?;
    let manifest = fs::read_to_string(place.repository.join("opencode-cache.toml"))?;
    fs::write(directory.join("opencode-cache.toml"), with_version(&manifest, version))?;
    succeed(place.command(["lock"]).current_dir(&directory));
    println!("\n{version}");
    let status = run(&directory, parts)?;
    if status { Ok(()) } else { Err(format!("nothing was measured for {version}").into()) }
}

/// The committed manifest with another version, for this machine's system only: some versions are published for fewer.
fn with_version(manifest: &str, version: &str) -> String {
    let other = manifest.lines().map(|line| match line.split_once(" = ") {
        Some(("opencode", _)) => format!("opencode = \"{version}\"\n"),
        Some(("systems", _)) => String::new(),
        _ => format!("{line}\n"),
    });
    other.collect()
}

fn run(directory: &Path, parts: &[String]) -> Result<bool, Box<dyn Error>> {
    Ok(Command::new(env::current_exe()?).args(parts).env(PLACE, directory).status()?.success())
}
