//! Property: pins of a release on GitHub are those of the real one, cost next to nothing where their hashes are stated, and whatever
//! GitHub does in between is told for what it is: nothing half-done is kept, and no token goes where it is not for.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use builder::Vendor;
use builder::github::credentials;
use builder::registry::Registry;
use builder::releases::{Parts, Releases};
use lock::{Archive, ArtifactSource, Lock, Manifest, Sri, System};
use replay::registry::Upstream;
use replay::registry::npmrc::Settings;
use replay::registry::upstream::{Bounds, Retry};
use serde_json::json;
use testkit::cli::Place;
use testkit::github::{API, Asset, FILES, Fault, GitHub, Release, WEB};
use testkit::internet::{Internet, Reply};
use testkit::releases::tar_gz;
use testkit::site::{self, Ran, Site};

use super::{Case, case};

pub const CASES: &[Case] = &[
    case("pins_are_those_of_the_real_release_and_cost_next_to_nothing", pins_of_the_real_release),
    case("what_has_no_stated_hash_is_downloaded_once_and_whole", hashed_where_nobody_states_it),
    case("the_newest_that_has_all_parts_is_found_on_later_pages", the_newest_complete),
    case("limits_failures_and_changed_bytes_are_told_for_what_they_are", told_for_what_it_is),
    case("a_token_goes_to_the_api_and_nowhere_else", a_token_is_for_the_api),
    case("what_a_release_holds_is_locked_and_built_unless_it_is_hostile", locked_and_built),
];

const REPOSITORY: &str = "anomalyco/opencode";
const FORMER: &str = "sst/opencode";
const TOKEN: &str = "ghp_only-for-the-api";
const REGISTRY: &str = "npm.example";
/// What a refresh may cost where hashes are stated, in bytes: the issue's.
const MOST: u64 = 64 * 1024;

/// A world in which GitHub has `releases`, and a registry the plugin of each but those in `without`.
struct World {
    github: Arc<GitHub>,
    internet: Internet,
    place: tempfile::TempDir,
}

impl World {
    fn of(releases: Vec<Release>, without: &'static [&'static str]) -> Self {
        let github = Arc::new(GitHub::new(REPOSITORY, releases).renamed_from(FORMER));
        let answering = Arc::clone(&github);
        let internet = Internet::start(
            "",
            &[],
            Arc::new(move |asked| {
                let github = Arc::clone(&answering);
                Box::pin(async move {
                    if asked.host != REGISTRY {
                        return github.answer(&asked).await;
                    }
                    let version = asked.path.rsplit('/').next().unwrap_or_default().to_owned();
                    let has = github
                        .releases
                        .lock()
                        .unwrap()
                        .iter()
                        .any(|release| release.tag == format!("v{version}"));
                    match has && !without.contains(&version.as_str()) {
                        true => Reply::new(200, json!({ "version": version, "dist": {} }).to_string()),
                        false => Reply::new(404, "{}"),
                    }
                })
            }),
        );
        Self { github, internet, place: tempfile::tempdir().unwrap() }
    }

    fn vendor(&self) -> Vendor {
        Vendor::at(self.place.path().join("vendor"))
    }

    fn releases(&self, manifest: &str, token: &str) -> Releases {
        let certificate = self.place.path().join("authority.pem");
        self.internet.write_certificate(&certificate);
        let mut settings = Settings::layered(&[], &BTreeMap::new()).unwrap();
        settings.registry = Some(format!("https://{REGISTRY}/").parse().unwrap());
        settings.certificates = vec![std::fs::read_to_string(certificate).unwrap()];
        let hosts = [API, WEB, FILES, REGISTRY, "git.example", "evil.example"];
        let there = self.internet.hosts();
        settings.connect_to = hosts.map(|host| (host.to_owned(), there)).into();
        let second = Duration::from_secs(1);
        let bounds = Bounds { connect: 5 * second, idle: second, total: 10 * second };
        let env = BTreeMap::from([("GITHUB_TOKEN".to_owned(), token.to_owned())]);
        let upstream = Upstream::bounded(&settings, bounds)
            .unwrap()
            .with_retry(Retry { tries: 3, wait: Duration::from_millis(20) })
            .with_api_credentials(credentials(&env));
        let manifest = Manifest::parse(&format!("source = \"github\"\n{manifest}")).unwrap();
        Releases::of(&manifest, &Registry { upstream, settings }, &self.vendor())
    }

    /// How often the host of files was asked.
    fn downloads(&self) -> usize {
        self.internet.asked().iter().filter(|asked| asked.host == FILES).count()
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work)
}

fn all_parts() -> Parts {
    let variants = ["baseline", "baseline-musl", "musl"].map(str::to_owned).into();
    Parts { systems: System::ALL.into(), variants }
}

/// The real release, as `fixtures/releases` has it; of its assets nothing but what is told.
fn real() -> Release {
    let path = Place::get().repository.join("fixtures/releases/opencode-1.18.8/assets.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let mut assets: Vec<Asset> = text
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let sha256 = Some(words[3].to_owned());
            Asset {
                name: words[0].into(),
                size: words[2].parse().unwrap(),
                sha256,
                bytes: Default::default(),
            }
        })
        .collect();
    // The desktop application's thirty-odd files are in the same document.
    assets.extend(
        (0..34).map(|number| Asset::of(&format!("opencode-desktop-{number}.AppImage"), vec![number])),
    );
    release("v1.18.8", assets)
}

fn release(tag: &str, assets: Vec<Asset>) -> Release {
    Release { tag: tag.into(), at: "2026-07-26T12:00:00Z".into(), assets, ..Release::default() }
}

/// A release of a version for x86_64-linux, with these bytes.
fn small(tag: &str, bytes: &[u8]) -> Release {
    release(tag, vec![Asset::of("opencode-linux-x64.tar.gz", bytes.to_vec())])
}

fn linux() -> BTreeSet<System> {
    BTreeSet::from([System::X86_64Linux])
}

fn pins_of_the_real_release() {
    run(async {
        let world = World::of(vec![real()], &[]);
        let path = Place::get().repository.join("fixtures/lock/github/lock.json");
        let expected = Lock::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        for former in [false, true] {
            let named = if former { format!("repository = \"{FORMER}\"") } else { String::new() };
            let before = world.github.sent();
            let releases = world.releases(&named, "");
            let usable = releases.usable(&all_parts(), None).await.unwrap();
            let newest = usable.newest.unwrap();
            assert_eq!((newest.version.to_string(), usable.passed.len()), ("1.18.8".into(), 0));
            let mut systems = releases.artifacts(&newest.version, &System::ALL.into()).await.unwrap();
            let mut variants = releases.variants(&newest.version, &all_parts()).await.unwrap();
            let sent = world.github.sent() - before;
            assert!(sent <= MOST, "{sent} bytes");
            for artifact in systems.values_mut().chain(variants.values_mut().flat_map(BTreeMap::values_mut)) {
                if let ArtifactSource::Github { repository, .. } = &mut artifact.source {
                    assert_eq!(repository.to_string(), if former { FORMER } else { REPOSITORY });
                    *repository = REPOSITORY.parse().unwrap();
                }
            }
            assert_eq!((systems, variants), (expected.systems.clone(), expected.variants.clone()));
        }
        // Asked again it is nothing but heads: 304.
        let before = world.github.sent();
        world.releases("", "").usable(&all_parts(), None).await.unwrap();
        let again = world.github.sent() - before;
        assert!(again < 1024, "{again} bytes for what has not changed");
        assert_eq!(world.downloads(), 0, "no asset is downloaded");
    });
}

fn hashed_where_nobody_states_it() {
    run(async {
        let mut old = release("v1.14.0", Vec::new());
        let names = ["opencode-linux-x64.tar.gz", "opencode-linux-arm64.zip", "opencode-darwin-x64.zip"];
        for (number, name) in names.iter().enumerate() {
            let bytes = vec![u8::try_from(number).unwrap(); 300_000 + number];
            old.assets.push(Asset { sha256: None, ..Asset::of(name, bytes) });
        }
        let expected: Vec<Sri> =
            old.assets.iter().map(|asset| Sri::of(lock::Algorithm::Sha512, &asset.bytes)).collect();
        let world = World::of(vec![old], &[]);
        world.github.fail("linux-x64.tar.gz?", [Fault::Cut(100_000), Fault::Refuse(502, Vec::new())]);
        let systems = [System::X86_64Linux, System::Aarch64Linux, System::X86_64Darwin];
        let found =
            world.releases("", "").artifacts(&"1.14.0".parse().unwrap(), &systems.into()).await.unwrap();
        let pins = systems.map(|system| found[&system].integrity.clone());
        assert_eq!(pins.to_vec(), expected);
        assert_eq!(found[&System::Aarch64Linux].archive, Archive::Zip, "what is there decides");
        assert_eq!(world.downloads(), 5, "two broken ones, and each once");
        for pin in &pins {
            assert!(world.vendor().verify(pin).await.is_ok(), "{pin} is at hand for the build");
        }
        assert_eq!(strays(&world.place.path().join("vendor")), [""; 0]);

        // One that never comes whole is not kept.
        world.github.fail("linux-x64.tar.gz?", vec![Fault::Cut(299_999); 3]);
        std::fs::remove_dir_all(world.place.path().join("vendor")).unwrap();
        let error = world.releases("", "").artifacts(&"1.14.0".parse().unwrap(), &linux()).await.unwrap_err();
        assert_eq!(error.code(), "fetch-truncated");
        assert!(!world.place.path().join("vendor/sha512").exists());
        assert_eq!(strays(&world.place.path().join("vendor")), [""; 0]);
    });
}

/// What is half-done below a vendor directory.
fn strays(vendor: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(vendor.join("incoming")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn the_newest_complete() {
    run(async {
        let mut all: Vec<Release> =
            (0..13).map(|patch| release(&format!("v1.18.{}", 40 - patch), Vec::new())).collect();
        all[0].is_draft = true;
        all[1].is_prerelease = true;
        all.insert(2, release("vscode-v0.0.13", Vec::new()));
        all.push(small("v1.18.20", b"it"));
        all.push(small("v1.18.19", b"older"));
        let world = World::of(all, &["1.18.20"]);
        let parts = Parts { systems: linux(), variants: BTreeSet::new() };
        let releases = world.releases("", "");
        let usable = releases.usable(&parts, None).await.unwrap();
        assert_eq!(usable.newest.unwrap().version.to_string(), "1.18.19");
        assert_eq!(usable.passed.len(), 12, "no draft, no prerelease, nothing else's tag");
        assert_eq!(usable.passed[0].version.to_string(), "1.18.38");
        assert_eq!(usable.passed[0].missing, ["opencode-linux-x64.tar.gz"]);
        assert_eq!(usable.passed[11].missing, ["@opencode-ai/plugin"]);
        let early = "2026-07-26T11:59:59Z".parse().unwrap();
        assert_eq!(releases.usable(&parts, Some(early)).await.unwrap().newest, None);
        let error = releases.artifacts(&"1.18.38".parse().unwrap(), &linux()).await.unwrap_err();
        assert_eq!(error.code(), "github-no-asset");
        assert!(error.is_input() && error.to_string().contains("opencode-linux-x64.tar.gz"), "{error}");
    });
}

fn told_for_what_it_is() {
    run(async {
        let world = World::of(vec![small("v1.18.8", b"bytes")], &[]);
        let (version, parts) =
            ("1.18.8".parse().unwrap(), Parts { systems: linux(), variants: BTreeSet::new() });
        let limited = |fields: &[(&'static str, &str)]| {
            Fault::Refuse(403, fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
        };
        let used_up = limited(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4102444800")]);
        let code = async |faults: Vec<Fault>| {
            world.github.fail(API, faults);
            let failed = world.releases("", "").usable(&parts, None).await;
            failed.map_or_else(
                |error| format!("{}: {error}\n{}", error.code(), error.hint().unwrap_or_default()),
                |_| "found".into(),
            )
        };
        let told = code(vec![used_up]).await;
        assert!(told.starts_with("github-rate-limit: ") && told.contains("2100-01-01T00:00:00Z"), "{told}");
        assert!(told.contains("GITHUB_TOKEN"), "{told}");
        assert_eq!(code(vec![limited(&[("retry-after", "0")])]).await, "found", "a short wait is waited");
        assert!(code(vec![limited(&[])]).await.starts_with("github-forbidden: "));
        assert!(code(vec![Fault::Refuse(404, Vec::new()); 2]).await.starts_with("github-absent: "));
        assert_eq!(
            code(vec![Fault::Refuse(500, Vec::new()), Fault::Cut(40)]).await,
            "found",
            "failures pass"
        );
        assert!(code(vec![Fault::Refuse(503, Vec::new()); 3]).await.starts_with("upstream-status: "));
        assert_eq!(code(vec![Fault::Slow(Duration::from_millis(300))]).await, "found");
        assert!(code(vec![Fault::Slow(Duration::from_secs(2)); 3]).await.starts_with("upstream-timeout: "));
        let away = Fault::Refuse(302, vec![("location", "http://github.com/".into())]);
        assert!(code(vec![away]).await.starts_with("upstream-redirect: "), "never from https to http");
        let absent = world.releases("", "").artifacts(&"9.9.9".parse().unwrap(), &linux()).await.unwrap_err();
        assert!(
            absent.code() == "github-absent" && absent.to_string().contains("v9.9.9 of anomalyco/opencode"),
            "{absent}"
        );

        // The same version with other bytes.
        let path = Place::get().repository.join("fixtures/lock/github/lock.json");
        let mut locked = Lock::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        let found = world.releases("", "").artifacts(&version, &linux()).await.unwrap();
        let changed = world.releases("", "").against(Some(&locked)).artifacts(&version, &linux()).await;
        let changed = changed.unwrap_err();
        assert_eq!((changed.code(), changed.is_input()), ("pin-changed-upstream", false));
        locked.systems.extend(found);
        assert!(world.releases("", "").against(Some(&locked)).artifacts(&version, &linux()).await.is_ok());
    });
}

fn a_token_is_for_the_api() {
    run(async {
        let mut release = small("v1.18.8", b"bytes");
        release.assets[0].sha256 = None;
        let world = World::of(vec![release], &[]);
        let away = Fault::Refuse(302, vec![("location", "https://evil.example/releases".into())]);
        world.github.fail("api.github.com/repos/sst", [away]);
        let parts = Parts { systems: linux(), variants: BTreeSet::new() };
        let lost = world.releases(&format!("repository = \"{FORMER}\""), TOKEN).usable(&parts, None).await;
        let releases = world.releases("", TOKEN);
        let newest = releases.usable(&parts, None).await.unwrap().newest.unwrap();
        releases.artifacts(&newest.version, &linux()).await.unwrap();
        world.github.fail(API, [Fault::Refuse(401, Vec::new())]);
        let refused = world.releases("", TOKEN).usable(&parts, None).await.unwrap_err();
        assert_eq!(refused.code(), "github-forbidden");
        let told = format!("{lost:?} {refused:?} {releases:?}");
        assert!(!told.contains(TOKEN), "{told}");
        let bearer = format!("Bearer {TOKEN}");
        let asked = world.internet.asked();
        for host in [API, WEB, FILES, REGISTRY, "evil.example"] {
            let mut about = asked.iter().filter(|asked| asked.host == host).peekable();
            assert!(about.peek().is_some(), "{host} was asked");
            for one in about {
                let wanted = (host == API).then_some(&bearer);
                assert_eq!(one.authorization.as_ref(), wanted, "{host}{}", one.path);
            }
        }
    });
}

/// The committed lock's OpenCode as an archive of GitHub's.
fn opencode_as_released(site: &Site) -> (String, Vec<u8>) {
    let lock = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap();
    let artifact = &lock.systems[&System::host().unwrap()];
    let archive = std::fs::File::open(Vendor::at(site.vendor()).path_of(&artifact.integrity)).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let mut entries = archive.entries().unwrap().map(Result::unwrap);
    let mut binary = entries.find(|entry| entry.path().unwrap().ends_with("bin/opencode")).unwrap();
    let mut bytes = Vec::new();
    binary.read_to_end(&mut bytes).unwrap();
    (lock.opencode.to_string(), tar_gz(&[("opencode", &bytes)]))
}

/// With GitHub on loopback, and whatever registry the machine has for the rest.
fn verb(site: &Site, world: &World, verb: &[&str]) -> Ran {
    let hosts = [API, WEB, FILES, "models.opencode.ai"];
    let elsewhere = hosts.map(|host| format!("{host}={}", world.internet.hosts()));
    let options = elsewhere.iter().flat_map(|one| ["--connect-to", one]);
    let mut command = site.command_online(&verb.iter().copied().chain(options).collect::<Vec<_>>());
    command.env("NODE_EXTRA_CA_CERTS", site.path("ca.pem"));
    site::run(command).unwrap()
}

fn locked_and_built() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let site = Site::provided();
    let (version, released) = opencode_as_released(&site);
    let host = System::host().unwrap();
    let asset =
        format!("opencode-{}.tar.gz", if host == System::X86_64Linux { "linux-x64" } else { "linux-arm64" });
    let tag = format!("v{version}");
    let world = World::of(vec![release(&tag, vec![Asset::of(&asset, released)])], &[]);
    world.internet.write_certificate(&site.path("ca.pem"));
    let manifest = format!("opencode = \"{version}\"\nsystems = [\"{host}\"]\nsource = \"github\"\n");
    site.write("opencode-cache.toml", &manifest).unwrap();

    verb(&site, &world, &["lock"]).succeeds();
    let lock = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap();
    let artifact = &lock.systems[&host];
    assert!(matches!(&artifact.source, ArtifactSource::Github { .. }), "{artifact:?}");
    assert_eq!(artifact.binary.to_string(), "opencode");
    // Whoever has the lock alone gets the same bytes from the same place.
    std::fs::remove_file(Vendor::at(site.vendor()).path_of(&artifact.integrity)).unwrap();
    let before = world.downloads();
    verb(&site, &world, &["fetch"]).succeeds();
    assert_eq!(world.downloads() - before, 1);
    site.run(&["build", "--offline"]).unwrap().succeeds();
    let mut opencode = std::process::Command::new(site.path("result/bin/opencode"));
    let said = testkit::cli::succeed(opencode.arg("--version").env("HOME", site.path("home")));
    assert_eq!(said, version);

    // Bytes with the hash that the release states, and a file in them that does not stay where it is unpacked.
    let kept = site.read("opencode.lock.json").unwrap();
    let hostile = tar_gz(&[("opencode", b"#!"), ("../escaped", b"out")]);
    let integrity = Sri::of(lock::Algorithm::Sha256, &hostile);
    let size = hostile.len().to_string();
    let pinned = kept
        .replace(&artifact.integrity.to_string(), &integrity.to_string())
        .replace(&artifact.size.to_string(), &size);
    *world.github.releases.lock().unwrap() = vec![release(&tag, vec![Asset::of(&asset, hostile)])];
    let stored = site.stored();
    for (what, lock) in [("build", Some(&pinned)), ("lock", None)] {
        match lock {
            Some(lock) => site.write("opencode.lock.json", lock).unwrap(),
            None => std::fs::remove_file(site.path("opencode.lock.json")).unwrap(),
        }
        let refused = verb(&site, &world, &[what]);
        assert_eq!(refused.code, Some(4), "{what}: {refused:?}");
        assert!(refused.stderr.contains("[archive-"), "{what}: {refused:?}");
        assert_eq!(site.stored(), stored, "{what}");
        let escaped = walkdir::WalkDir::new(site.path("")).into_iter().map(Result::unwrap);
        let escaped: Vec<_> = escaped.filter(|entry| entry.file_name() == "escaped").collect();
        assert!(escaped.is_empty(), "{what}: {escaped:?}");
    }
    assert!(!site.path("opencode.lock.json").exists(), "a refused lock leaves none");
}
