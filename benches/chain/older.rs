//! What a stock OpenCode before 1.14 needs to be measured: a registry of which it sees the lock's versions only, since it installs whatever
//! is "latest", and SDKs of another generation do not work with it; and what its cache has after a first start.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use builder::opencode;
use builder::registry::Sought;
use lock::{Lock, PackageName, Version};
use replay::registry::{BasePath, Origin, RecordRegistry, Sight};
use replay::vendor::Vendor;
use testkit::cli::Place;

/// The variable that names a registry to its bun.
pub const REGISTRY: &str = "BUN_CONFIG_REGISTRY";

/// By what is seen that a package is installed.
pub fn place(package: &str) -> PathBuf {
    Path::new(".cache/opencode/node_modules").join(package).join("package.json")
}

/// The mirror's path.
pub fn base() -> BasePath {
    BasePath::escaped("mirror").unwrap_or_else(|_| unreachable!("a word is a path"))
}

/// The machine's own registry behind a mirror on loopback, which asks it once for each package.
pub async fn mirror() -> Result<RecordRegistry, Box<dyn Error>> {
    let place = Place::get();
    let lock = Lock::parse(&fs::read_to_string(place.repository.join("opencode.lock.json"))?)?;
    let mut among: BTreeMap<PackageName, BTreeSet<Version>> = BTreeMap::new();
    for id in lock.packages.keys() {
        among.entry(id.name.clone()).or_default().insert(id.version.clone());
    }
    let registry = Sought::here(None, place.repository.clone()).find().await?;
    let origin = Origin::new(registry.upstream, Vendor::at(place.scratch.join("mirrored")));
    let bases = BTreeMap::from([(base(), Sight { among, ..Sight::default() })]);
    Ok(RecordRegistry::serve(TcpListener::bind("127.0.0.1:0")?, origin, bases)?)
}

/// Lays what a version would ask the host of catalogues for before it does anything, where it cannot use its own.
pub fn furnish(home: &Path, binary: &Path, version: &Version) -> Result<(), Box<dyn Error>> {
    let Some(catalogue) = builder::catalogue::own(binary, version)? else { return Ok(()) };
    let cache = home.join(".cache/opencode");
    fs::create_dir_all(&cache)?;
    fs::write(cache.join(opencode::CATALOGUE_NAME), catalogue)?;
    let text = opencode::cache_version(version).unwrap_or_default();
    Ok(fs::write(cache.join(opencode::VERSION_FILE), text)?)
}
