//! What `update` finds newer, by metadata alone, and that it leaves everything as it is where it cannot move. The whole move, with the
//! real OpenCode, is that of `versions`.
//!
//! A registry of three packages on loopback, as a registry answers: what is published of each, and when.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};
use testkit::site::{Ran, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("what_is_newer_and_what_that_lacks", what_is_newer_and_what_that_lacks),
    case("what_is_too_young_or_frozen", what_is_too_young_or_frozen),
    case("a_move_that_fails_leaves_all", a_move_that_fails_leaves_all),
];

/// A package, and its versions with their times.
type Published = BTreeMap<String, Vec<(String, &'static str)>>;

const LONG_AGO: &str = "2026-01-01T00:00:00.000Z";
const FAR_AHEAD: &str = "2999-01-01T00:00:00+00:00";
/// A plugin that the repository's manifest names without a version.
const PLUGIN: &str = "opencode-pty";

/// What the repository's lock has, and what is newer.
struct World {
    current: String,
    newer: String,
    newest: String,
    plugin: String,
    published: Published,
}

/// Of the newest OpenCode its plugin package is missing; the one below it is there as a whole.
fn world() -> World {
    let lock = lock::Lock::parse(&Site::empty().read("opencode.lock.json").unwrap()).unwrap();
    let (major, minor, patch) = lock.opencode.numbers();
    let [current, newer, newest] = [0, 1, 2].map(|more| format!("{major}.{minor}.{}", patch + more));
    let mut published = Published::new();
    for id in lock.packages.keys() {
        published.entry(id.name.to_string()).or_default().push((id.version.to_string(), LONG_AGO));
    }
    for artifact in lock.programs.values().flat_map(BTreeMap::values) {
        if let lock::ArtifactSource::Npm { package, version } = &artifact.source {
            published.insert(package.to_string(), vec![(version.to_string(), LONG_AGO)]);
        }
    }
    let versions =
        |last: String| [current.clone(), newer.clone(), last].map(|version| (version, LONG_AGO)).to_vec();
    for (name, last) in [
        ("opencode-linux-x64", newest.clone()),
        ("opencode-linux-arm64", newest.clone()),
        ("@opencode-ai/plugin", format!("{newest}-beta.1")),
    ] {
        published.insert(name.into(), versions(last));
    }
    let plugin = published[PLUGIN][0].0.clone();
    World { current, newer, newest, plugin, published }
}

/// Serves documents until the test ends; no tarball.
fn registry(published: Published) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let published = published.clone();
            thread::spawn(move || {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
                let found = document(
                    &published,
                    &path.trim_start_matches('/').replace("%2f", "/").replace("%2F", "/"),
                );
                let (status, body) = match found {
                    Some(document) => (200, document.to_string()),
                    None => (404, "{}".to_owned()),
                };
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                let _gone = (&stream).write_all((head + &body).as_bytes());
            });
        }
    });
    url
}

/// The document of a package, or of one of its versions.
fn document(published: &Published, path: &str) -> Option<Value> {
    let version = |name: &str, version: &str| {
        let integrity =
            lock::Sri::of(lock::Algorithm::Sha512, format!("{name}@{version}").as_bytes()).to_string();
        json!({ "name": name, "version": version, "dist": { "integrity": integrity } })
    };
    let newest = |versions: &[(String, &str)]| {
        versions.iter().map(|(version, _)| version.clone()).rfind(|version| !version.contains('-'))
    };
    if let Some(versions) = published.get(path) {
        let documents: BTreeMap<&str, Value> =
            versions.iter().map(|(it, _)| (it.as_str(), version(path, it))).collect();
        let times: BTreeMap<&str, &str> =
            versions.iter().map(|(version, time)| (version.as_str(), *time)).collect();
        return Some(
            json!({ "name": path, "dist-tags": { "latest": newest(versions)? }, "versions": documents, "time": times }),
        );
    }
    let (name, wanted) = path.rsplit_once('/')?;
    let versions = published.get(name)?;
    let wanted = if wanted == "latest" { newest(versions)? } else { wanted.to_owned() };
    versions.iter().any(|(it, _)| *it == wanted).then(|| version(name, &wanted))
}

fn update(site: &Site, registry: &str, arguments: &[&str]) -> Ran {
    site.run(&[&["--registry", registry, "update"], arguments].concat()).unwrap()
}

fn facts(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
}

fn texts(site: &Site) -> [String; 2] {
    ["opencode-cache.toml", "opencode.lock.json"].map(|name| site.read(name).unwrap())
}

fn what_is_newer_and_what_that_lacks() {
    let World { current, newer, newest, plugin, published } = world();
    let site = Site::empty();
    let before = texts(&site);
    let url = registry(published.clone());
    let check = update(&site, &url, &["--check", "--json"]);
    let told = facts(&check);
    assert_eq!(
        (check.code, &told["opencode"]),
        (Some(1), &json!({ "from": current, "to": newer })),
        "{check:?}"
    );
    assert_eq!(told["passed_over"][0]["version"], json!(newest));
    assert_eq!(told["passed_over"][0]["missing"], json!(["@opencode-ai/plugin"]));
    assert_eq!((&told["moves"], &told["written"], &told["locked"]), (&json!(true), &json!([]), &json!(null)));

    let dry = update(&site, &url, &["--dry-run", "--format", "md", "--summary", "pr.md"]);
    assert_eq!((dry.code, &dry.stdout), (Some(0), &site.read("pr.md").unwrap()), "{dry:?}");
    assert!(dry.stdout.starts_with(&format!("## OpenCode {current} → {newer}\n")), "{}", dry.stdout);
    assert!(
        dry.stdout.contains(&format!("- {newest}: `@opencode-ai/plugin` not published\n")),
        "{}",
        dry.stdout
    );

    let wanted = update(&site, &url, &["--to", &newest, "--dry-run"]);
    wanted.fails_with_next_step(3, "opencode-incomplete");
    assert!(wanted.stderr.contains("@opencode-ai/plugin"), "{}", wanted.stderr);
    assert_eq!(update(&site, &url, &["--to", &current, "--check"]).code, Some(0));
    assert_eq!(texts(&site), before);

    // A plugin that was named without a version is newer, and OpenCode is not.
    let mut published = published;
    published.insert(PLUGIN.into(), vec![(plugin.clone(), LONG_AGO), ("99.0.0".into(), LONG_AGO)]);
    let check = update(&site, &registry(published), &["--to", &current, "--check"]);
    assert_eq!(check.code, Some(1), "{check:?}");
    assert!(check.stdout.contains(&format!("{plugin} -> 99.0.0")), "{}", check.stdout);
}

fn what_is_too_young_or_frozen() {
    let World { current, newer, plugin, mut published, .. } = world();
    let site = Site::empty();
    let before = texts(&site);
    published.insert("@opencode-ai/plugin".into(), vec![(current, LONG_AGO), (newer, FAR_AHEAD)]);
    published.insert(PLUGIN.into(), vec![(plugin, LONG_AGO), ("99.0.0".into(), FAR_AHEAD)]);
    let url = registry(published);
    let aged = update(&site, &url, &["--check", "--json", "--min-age", "3d"]);
    assert_eq!((aged.code, &facts(&aged)["moves"]), (Some(0), &json!(false)), "{aged:?}");
    assert_eq!(facts(&aged)["passed_over"][1]["is_young"], true, "{aged:?}");
    assert_eq!(update(&site, &url, &["--check"]).code, Some(1));
    let frozen = ["--check", "--freeze", "opencode", "--freeze", PLUGIN];
    assert_eq!(update(&site, &url, &frozen).code, Some(0));
    update(&site, &url, &["--check", "--freeze", "opencode-ptty"]).fails_with_next_step(3, "freeze-unknown");
    update(&site, &url, &["--check", "--freeze", "@opencode-ai/sdk"])
        .fails_with_next_step(3, "freeze-with-opencode");
    assert_eq!(update(&site, &url, &["--check", "--min-age", "3"]).code, Some(2));

    // The manifest says it as well; and where nothing is newer nothing is run, and nothing written.
    let manifest = format!("freeze = [\"opencode\", \"{PLUGIN}\"]\n{}", before[0]);
    site.write("opencode-cache.toml", &manifest).unwrap();
    let still = update(&site, &url, &["--json"]);
    assert_eq!((still.code, &facts(&still)["written"]), (Some(0), &json!([])), "{still:?}");
    assert_eq!(texts(&site), [manifest, before[1].clone()]);
}

/// This registry does not have the bytes of what it lists.
fn a_move_that_fails_leaves_all() {
    let site = Site::empty();
    let before = texts(&site);
    let ran = update(&site, &registry(world().published), &["--summary", "pr.md"]);
    ran.fails(3, "package-absent");
    assert_eq!(texts(&site), before);
    assert!(!site.path("pr.md").exists() && !site.path("opencode.catalogue.json.zst").exists());
}
