//! `kill -9` at any moment: what is there afterwards is whole or has no final name, and the next
//! run completes.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lock::{Lock, System};
use replay::vendor::Vendor;
use testkit::output::Output;
use testkit::site::{self, Running, Site, pinned};
use testkit::tarballs::{Fault, Tarballs, path_of};

use crate::damage::{assert_same_vendor, files_in};
use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("fetch_goes_on_where_it_was_killed", fetch_goes_on),
    case("build_at_any_moment", build_at_any_moment),
];

/// How often each is killed.
const TIMES: u64 = 5;

/// The longest that the first processes of sandboxes may outlive the CLI.
const ORPHANS: Duration = Duration::from_secs(20);

/// Killed while a large file is at one fifth, two fifths, … of its way; each run goes on where
/// the one before was.
fn fetch_goes_on() {
    let site = Site::empty();
    let lock = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap();
    let artifact = &lock.systems[&System::host().unwrap()];
    let lock::ArtifactSource::Npm { package, version } = &artifact.source else { unreachable!() };
    let path = path_of(&package.at(version.clone()));
    let (step, round) = (artifact.size / (TIMES + 1), Arc::new(AtomicU64::new(0)));
    let (large, of_server) = (path.clone(), round.clone());
    let registry = Tarballs::serve(&lock, &Vendor::at(pinned()), move |asked| {
        let round = of_server.load(Ordering::SeqCst);
        if asked.path != large || round == TIMES {
            return Fault::None;
        }
        Fault::Stall(((round + 1) * step).saturating_sub(asked.offset))
    })
    .unwrap();
    let finished = Vendor::at(site.vendor()).path_of(&artifact.integrity);
    for _ in 0..TIMES {
        let mut command = site.command(&["fetch"]);
        command.env("npm_config_registry", registry.url());
        let running = Running::start(command).unwrap();
        let stalled = registry.next_stall();
        assert_eq!(stalled.path, path);
        assert_eq!(running.kill().unwrap().signal, Some(9));
        assert!(!finished.exists(), "a file without its hash has a name");
        let names = files_in(&site.vendor());
        assert!(names.iter().all(|name| pinned_as(&lock, name)), "{names:?}");
        round.fetch_add(1, Ordering::SeqCst);
    }
    let mut command = site.command(&["fetch"]);
    command.env("npm_config_registry", registry.url());
    site::run(command).unwrap().succeeds();
    assert_same_vendor(&site);
    let offsets: Vec<u64> =
        registry.asked().into_iter().filter(|asked| asked.path == path).map(|asked| asked.offset).collect();
    assert!(offsets.is_sorted() && offsets.last() > Some(&0), "it starts again each time: {offsets:?}");
}

fn pinned_as(lock: &Lock, hex: &str) -> bool {
    let packages = lock.packages.values().map(|package| package.integrity.hex());
    let artifacts = lock.systems.values().chain(lock.programs.values().flat_map(BTreeMap::values));
    let mut all = packages.chain(artifacts.map(|artifact| artifact.integrity.hex()));
    all.any(|pinned| pinned == hex)
}

/// A file of what tells of an output.
const PAPERS: &str = "share/doc/opencode-cache/licences/INDEX.tsv";

fn build_at_any_moment() {
    let site = Site::provided();
    // Unpacking is one of the things to be killed in.
    fs::remove_dir_all(site.vendor().join("unpacked")).unwrap();
    let random = RandomState::new();
    let wanted = Output::shared().path().file_name().unwrap().to_str().unwrap();
    for round in 0..TIMES {
        let moment = Duration::from_millis(200 + random.hash_one(round) % 4800);
        let mut running = Running::start(site.command(&["build", "--offline"])).unwrap();
        if running.ends_within(moment).unwrap() {
            running.end(moment).unwrap().succeeds();
        } else {
            running.kill().unwrap();
        }
        let left = site.processes_after(ORPHANS).unwrap();
        assert_eq!(left, [0; 0], "killed after {moment:?}, the sandboxes live on");
        // Either nothing or the whole thing.
        let names = site.stored();
        let mut finished = names.iter().filter(|name| !name.starts_with(".staging-"));
        let tells = |name: &String| site.store().join(name).join(PAPERS).is_file();
        assert!(finished.all(|name| name == wanted || tells(name)), "killed after {moment:?}: {names:?}");
        if let Ok(target) = fs::read_link(site.path("result")) {
            tree::StorePath::resolve(&target).unwrap().verify().unwrap();
        }
    }
    site.run(&["build", "--offline"]).unwrap().succeeds();
    let output = fs::canonicalize(site.path("result")).unwrap();
    assert_eq!(output.file_name().unwrap(), wanted);
    tree::StorePath::resolve(&output).unwrap().verify().unwrap();
    // It, and what tells of it.
    let papers = fs::canonicalize(site.path("result-papers")).unwrap();
    tree::StorePath::resolve(&papers).unwrap().verify().unwrap();
    assert!(papers.join(PAPERS).is_file());
    let mut all = [wanted, papers.file_name().unwrap().to_str().unwrap()];
    all.sort_unstable();
    assert_eq!(site.stored(), all, "something of the killed ones is left");
    let unpacked = walkdir::WalkDir::new(site.vendor().join("unpacked")).min_depth(2);
    let unpacked: Vec<_> = unpacked.into_iter().map(|entry| entry.unwrap().into_path()).collect();
    // OpenCode itself, and each program that comes along.
    let programs = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap().programs.len();
    assert_eq!(unpacked.len(), 1 + programs, "something of the killed ones is left: {unpacked:?}");
    let temporary: Vec<_> =
        fs::read_dir(site.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(temporary.len(), 0, "{temporary:?}");
}
