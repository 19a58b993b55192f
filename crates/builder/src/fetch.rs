//! Lock → vendor directory: every pinned byte, downloaded in parallel, resumable, each verified
//! while it streams. What is there already costs a look at its name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lock::{Artifact, ArtifactSource, Catalogue, Download, HttpsUrl, Lock, PackageId, PoolPath, Sri, System};
use replay::registry::Upstream;
use replay::vendor::{self, Pinned, Source, Vendor};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use url::Url;

use crate::progress::{Event, Progress};
use crate::{debian, downloads};

/// Downloads at once. A registry over HTTP/2 gives no more with more, and a proxy dislikes it.
const PARALLEL: usize = 16;

/// Who has a pinned thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A registry, or an address.
    Upstream(Source),
    /// Any mirror of Debian.
    Debian(PoolPath),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Upstream(source) => source.fmt(f),
            Self::Debian(path) => path.fmt(f),
        }
    }
}

/// One thing that the lock pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Where it comes from.
    pub source: Origin,
    /// Its hash.
    pub integrity: Sri,
    /// Its size in bytes.
    pub size: u64,
}

/// Why the vendor directory is not complete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be downloaded, verified or written.
    #[error("fetch {what}")]
    Vendor {
        /// The package or address.
        what: String,
        /// The cause.
        source: vendor::Error,
    },
    /// Debian's C library cannot be had.
    #[error(transparent)]
    Debian(#[from] debian::Error),
    /// Files are missing, and the network may not be used.
    #[error("build offline: {} of the pinned files are not in {}, the first is {}", missing.len(), vendor.display(), missing.first().map(String::as_str).unwrap_or_default())]
    Missing {
        /// The vendor directory.
        vendor: PathBuf,
        /// What is missing.
        missing: Vec<String>,
    },
    /// The lock has no artifact for a system.
    #[error("fetch for {system}: the lock does not have it")]
    System {
        /// The system.
        system: System,
    },
    /// A worker ended abnormally.
    #[error("fetch: a worker ended abnormally")]
    Worker,
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Vendor { source, .. } => source.code(),
            Self::Debian(error) => error.code(),
            Self::Missing { .. } => "vendor-incomplete",
            Self::System { .. } => "lock-system",
            Self::Worker => "bug-worker",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Vendor { source, .. } => source.hint(),
            Self::Debian(error) => error.hint(),
            Self::Missing { .. } => Some("run `opencode-cache fetch` where there is a network".into()),
            Self::System { .. } => {
                Some("add it to `systems` in the manifest and run `opencode-cache lock`".into())
            }
            Self::Worker => None,
        }
    }
}

/// Everything that `systems` need of a lock, each hash once, in a fixed order.
pub fn pins(lock: &Lock, systems: &BTreeSet<System>) -> Result<Vec<Pin>, Error> {
    let mut pins: BTreeMap<String, Pin> = BTreeMap::new();
    for system in systems {
        let artifact = lock.systems.get(system).ok_or(Error::System { system: *system })?;
        for pin in artifact_pins(artifact) {
            pins.insert(pin.integrity.to_string(), pin);
        }
        for program in lock.programs.values().filter_map(|systems| systems.get(system)) {
            for pin in artifact_pins(program) {
                pins.insert(pin.integrity.to_string(), pin);
            }
        }
        for package in lock.libraries.get(system).into_iter().flat_map(BTreeMap::values) {
            let source = Origin::Debian(package.path.clone());
            let pin = Pin { source, integrity: package.integrity.clone(), size: package.size };
            pins.insert(pin.integrity.to_string(), pin);
        }
        for (id, package) in lock.pinned_for(*system) {
            add(&mut pins, id.clone(), &package.integrity, package.size);
        }
    }
    for (url, download) in &lock.downloads {
        if let (Download::File { integrity, size, .. }, Ok(url)) = (download, Url::parse(url.as_str())) {
            let source = Origin::Upstream(Source::Url(url));
            let pin = Pin { source, integrity: integrity.clone(), size: *size };
            pins.entry(integrity.to_string()).or_insert(pin);
        }
    }
    if let Some(pin) = lock.catalogue.as_ref().and_then(catalogue_pin) {
        pins.entry(pin.integrity.to_string()).or_insert(pin);
    }
    // Where a file was found by a redirect, the first address is asked again: the last one may have been made for that day.
    let targets: BTreeSet<&HttpsUrl> = lock.downloads.values().filter_map(location).collect();
    for (url, download) in &lock.downloads {
        let first = location(download).filter(|_| !targets.contains(url));
        let pin = first.and_then(|_| pins.get_mut(&downloads::pinned(lock, url)?.to_string()));
        if let (Some(pin), Ok(url)) = (pin, Url::parse(url.as_str())) {
            pin.source = Origin::Upstream(Source::Url(url));
        }
    }
    Ok(pins.into_values().collect())
}

fn location(download: &Download) -> Option<&HttpsUrl> {
    match download {
        Download::Redirect { location, .. } => Some(location),
        _ => None,
    }
}

/// The pin of a catalogue.
pub fn catalogue_pin(catalogue: &Catalogue) -> Option<Pin> {
    let source = Origin::Upstream(Source::Url(Url::parse(catalogue.url.as_str()).ok()?));
    Some(Pin { source, integrity: catalogue.integrity.clone(), size: catalogue.size })
}

/// The pin of an artifact.
pub fn artifact_pins(artifact: &Artifact) -> Vec<Pin> {
    let source = match &artifact.source {
        ArtifactSource::Npm { package, version } => Source::Package(package.at(version.clone())),
        // What was parsed as a lock's word is an address.
        other => match other.url().and_then(|url| Url::parse(url.as_str()).ok()) {
            Some(url) => Source::Url(url),
            None => return Vec::new(),
        },
    };
    vec![Pin { source: Origin::Upstream(source), integrity: artifact.integrity.clone(), size: artifact.size }]
}

fn add(pins: &mut BTreeMap<String, Pin>, id: PackageId, integrity: &Sri, size: u64) {
    let pin = Pin { source: Origin::Upstream(Source::Package(id)), integrity: integrity.clone(), size };
    pins.entry(integrity.to_string()).or_insert(pin);
}

/// The pins whose files are not there yet.
pub fn missing(vendor: &Vendor, pins: &[Pin]) -> Vec<Pin> {
    pins.iter().filter(|pin| vendor.get(&pin.integrity).is_none()).cloned().collect()
}

/// Downloads what is missing. Returns how many files and bytes that were.
pub async fn fetch(
    vendor: &Vendor,
    upstream: &Upstream,
    pins: &[Pin],
    progress: &Arc<dyn Progress>,
) -> Result<(usize, u64), Error> {
    let missing = missing(vendor, pins);
    if missing.is_empty() {
        return Ok((0, 0));
    }
    let bytes = missing.iter().map(|pin| pin.size).sum();
    let files = missing.len();
    progress.event(Event::Fetching { files, bytes });
    let result = fetch_all(vendor, upstream, missing, progress).await;
    progress.event(Event::FetchEnded);
    result.map(|()| (files, bytes))
}

async fn fetch_all(
    vendor: &Vendor,
    upstream: &Upstream,
    missing: Vec<Pin>,
    progress: &Arc<dyn Progress>,
) -> Result<(), Error> {
    let of_debian = missing.iter().any(|pin| matches!(pin.source, Origin::Debian(_)));
    let mirrors =
        if of_debian { debian::mirrors(debian::Place::of(upstream).as_ref()).await? } else { Vec::new() };
    let mirrors = Arc::new(mirrors);
    let permits = Arc::new(Semaphore::new(PARALLEL));
    let mut workers = JoinSet::new();
    for pin in missing {
        let (vendor, upstream) = (vendor.clone(), upstream.clone());
        let (permits, progress, mirrors) = (permits.clone(), progress.clone(), mirrors.clone());
        workers.spawn(async move {
            let _permit = permits.acquire_owned().await;
            let arrived = AtomicU64::new(0);
            let tell = |bytes: u64| {
                arrived.fetch_add(bytes, Ordering::Relaxed);
                progress.event(Event::Fetched { bytes });
            };
            let pinned = Pinned { integrity: &pin.integrity, size: pin.size };
            match &pin.source {
                Origin::Debian(path) => {
                    debian::bring(&vendor, &upstream, &mirrors, path, pinned, &tell).await
                }
                Origin::Upstream(source) => {
                    let fetched = vendor.fetch(&upstream, source, pinned, &tell).await;
                    fetched
                        .map(drop)
                        .map_err(|error| Error::Vendor { what: source.to_string(), source: error })
                }
            }
        });
    }
    // The first failure ends the rest: what has arrived stays and is taken up by the next run.
    while let Some(done) = workers.join_next().await {
        done.map_err(|_| Error::Worker)??;
    }
    Ok(())
}

/// Refuses where something is missing: for builds that may not use the network.
pub fn require(vendor: &Vendor, pins: &[Pin]) -> Result<(), Error> {
    let missing = missing(vendor, pins);
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.iter().map(|pin| pin.source.to_string()).collect();
    Err(Error::Missing { vendor: vendor.root().into(), missing })
}
