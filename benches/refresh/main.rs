//! The figures of `docs/BENCHMARKS.md` about pins: a refresh of all of a release's pins from what is stated about them, beside
//! downloading and hashing every artifact, in one run; bytes and time, for both sources.
//!
//! GitHub is the stand-in on loopback, with the sizes of a real release; the registry is the machine's own, reached through a relay that
//! counts. It needs that registry, and never fails because of a figure.
#![expect(clippy::print_stdout, reason = "a report is what it is for")]

mod relay;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use builder::registry::{Registry, Sought};
use builder::releases::{Parts, Releases};
use builder::{Upstream, Vendor};
use lock::{Artifact, ArtifactSource, Manifest, System, Version};
use relay::Relay;
use replay::registry::npmrc::Settings;
use replay::vendor::Source;
use testkit::github::{API, Asset, FILES, GitHub, Release, WEB};
use testkit::internet::Internet;

type Failed = Box<dyn Error>;

/// The real release whose sizes are served, and the version of the registry's that is compared.
const GITHUB_VERSION: &str = "1.18.8";
const NPM_VERSION: &str = "1.18.18";
/// Rounds; each does both, one after the other.
const ROUNDS: usize = 3;

/// What something cost.
#[derive(Clone, Copy)]
struct Cost {
    time: Duration,
    bytes: u64,
}

fn main() -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        println!(
            "a refresh of all pins: stated / stated, asked again / every artifact downloaded and hashed"
        );
        github().await?;
        registry().await
    })
}

async fn github() -> Result<(), Failed> {
    let variants = ["baseline", "baseline-musl", "musl"].map(str::to_owned).into();
    let parts = Parts { systems: System::ALL.into(), variants };
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (place, version) = (tempfile::tempdir()?, GITHUB_VERSION.parse()?);
        let stated = World::new(place.path(), true)?;
        let (first, _) = stated.refresh(&version, &parts).await?;
        let (again, _) = stated.refresh(&version, &parts).await?;
        let unstated = World::new(&place.path().join("unstated"), false)?;
        let (all, pins) = unstated.refresh(&version, &parts).await?;
        rounds.push((first, again, all, pins));
    }
    tell("github, 4 systems and 3 variants", &rounds);
    Ok(())
}

/// GitHub with one release of the real one's sizes.
struct World {
    github: Arc<GitHub>,
    registry: Registry,
    vendor: Vendor,
    manifest: Manifest,
    _internet: Internet,
}

impl World {
    fn new(place: &Path, is_stated: bool) -> Result<Self, Failed> {
        std::fs::create_dir_all(place)?;
        let assets = include_str!("../../fixtures/releases/opencode-1.18.8/assets.txt").lines().map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let size: usize = words.get(2).unwrap_or(&"").parse()?;
            let asset = Asset::of(words.first().unwrap_or(&""), vec![u8::try_from(size % 251)?; size]);
            Ok(Asset { sha256: asset.sha256.filter(|_| is_stated), ..asset })
        });
        let assets = assets.collect::<Result<Vec<_>, Failed>>()?;
        let at = "2026-07-26T12:00:00Z".to_owned();
        let release = Release { tag: format!("v{GITHUB_VERSION}"), at, assets, ..Release::default() };
        let github = Arc::new(GitHub::new("anomalyco/opencode", vec![release]));
        let answering = Arc::clone(&github);
        let answer = move |asked| -> futures::BoxFuture {
            let github = Arc::clone(&answering);
            Box::pin(async move { github.answer(&asked).await })
        };
        let internet = Internet::start("", &[], Arc::new(answer));
        let certificate = place.join("authority.pem");
        internet.write_certificate(&certificate);
        let mut settings = Settings::layered(&[], &BTreeMap::new())?;
        settings.registry = Some("https://npm.example/".parse()?);
        settings.certificates = vec![std::fs::read_to_string(certificate)?];
        settings.connect_to = [API, WEB, FILES].map(|host| (host.to_owned(), internet.hosts())).into();
        let registry = Registry { upstream: Upstream::new(&settings)?, settings };
        let manifest = Manifest::parse("source = \"github\"")?;
        Ok(Self { github, registry, vendor: Vendor::at(place.join("vendor")), manifest, _internet: internet })
    }

    async fn refresh(&self, version: &Version, parts: &Parts) -> Result<(Cost, usize), Failed> {
        let (before, start) = (self.github.sent(), Instant::now());
        let pins = pins(&Releases::of(&self.manifest, &self.registry, &self.vendor), version, parts).await?;
        Ok((Cost { time: start.elapsed(), bytes: self.github.sent() - before }, pins.len()))
    }
}

/// The names of an asynchronous answer's type, which this file needs once.
mod futures {
    use std::future::Future;
    use std::pin::Pin;

    pub type BoxFuture = Pin<Box<dyn Future<Output = testkit::internet::Reply> + Send>>;
}

async fn pins(releases: &Releases, version: &Version, parts: &Parts) -> Result<Vec<Artifact>, Failed> {
    let systems = releases.artifacts(version, &parts.systems).await?;
    let mut pins: Vec<Artifact> = systems.into_values().collect();
    if !parts.variants.is_empty() {
        let variants = releases.variants(version, parts).await?;
        pins.extend(variants.into_values().flat_map(BTreeMap::into_values));
    }
    Ok(pins)
}

async fn registry() -> Result<(), Failed> {
    let found = Sought::here(None, ".".into()).find().await?;
    let name = found.settings.registry.clone().ok_or("no registry")?;
    let relay = Relay::start(&name).await?;
    let mut settings = found.settings;
    settings.connect_to.insert(name.host_str().unwrap_or_default().to_owned(), relay.address());
    let manifest = Manifest::parse("")?;
    let (systems, version) =
        (BTreeSet::from([System::X86_64Linux, System::Aarch64Linux]), NPM_VERSION.parse()?);
    let parts = Parts { systems, variants: BTreeSet::new() };
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let place = tempfile::tempdir()?;
        let vendor = Vendor::at(place.path());
        let mut costs = Vec::new();
        let mut found = Vec::new();
        for _ in 0..2 {
            // As another process: nothing is remembered but what is on the disk.
            let registry = Registry { upstream: Upstream::new(&settings)?, settings: settings.clone() };
            let (before, start) = (relay.relayed(), Instant::now());
            found = pins(&Releases::of(&manifest, &registry, &vendor), &version, &parts).await?;
            costs.push(Cost { time: start.elapsed(), bytes: relay.relayed() - before });
        }
        let upstream = Upstream::new(&settings)?;
        let (before, start) = (relay.relayed(), Instant::now());
        for artifact in &found {
            download(&upstream, &vendor, artifact).await?;
        }
        let all = Cost { time: start.elapsed(), bytes: relay.relayed() - before };
        rounds.push((costs[0], costs[1], all, found.len()));
    }
    tell("npm, 2 systems", &rounds);
    Ok(())
}

/// What it takes where nobody is believed about a hash: the whole of it.
async fn download(upstream: &Upstream, vendor: &Vendor, artifact: &Artifact) -> Result<(), Failed> {
    let ArtifactSource::Npm { package, version } = &artifact.source else {
        return Err("not of a registry".into());
    };
    let source = Source::Package(package.at(version.clone()));
    let pinned = replay::vendor::Pinned { integrity: &artifact.integrity, size: artifact.size };
    vendor.fetch(upstream, &source, pinned, &|_| {}).await?;
    Ok(())
}

/// From what is stated, the same asked again, everything downloaded; how many pins.
type Round = (Cost, Cost, Cost, usize);

fn tell(what: &str, rounds: &[Round]) {
    let median = |pick: fn(&Round) -> Cost| {
        let mut costs: Vec<Cost> = rounds.iter().map(pick).collect();
        costs.sort_by_key(|cost| cost.time);
        costs[costs.len() / 2]
    };
    let show = |cost: Cost| format!("{:.2} s, {} bytes", cost.time.as_secs_f64(), cost.bytes);
    let (first, again, all) = (median(|round| round.0), median(|round| round.1), median(|round| round.2));
    let pins = rounds.first().map_or(0, |round| round.3);
    println!(
        "{what} ({pins} pins, {} rounds): {} / {} / {}",
        rounds.len(),
        show(first),
        show(again),
        show(all)
    );
}
