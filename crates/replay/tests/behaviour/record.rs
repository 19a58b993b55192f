//! Property: a recording knows what was asked and answered, shows an exercise what it may see, and says what the world failed at.

use std::collections::BTreeMap;

use lock::Sri;
use replay::registry::{Answer, Bases, Hidden, Origin, RecordRegistry, Sight};
use replay::vendor::Vendor;
use serde_json::{Value, json};

use crate::support::{Fake, Reply, base, id, listener, sri, upstream};

/// A recorder in front of a fake upstream.
struct World {
    fake: Fake,
    registry: RecordRegistry,
    client: reqwest::Client,
    vendor: Vendor,
    _directory: tempfile::TempDir,
}

impl World {
    fn new(bases: Bases, answer: impl Fn(&str, usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        let socket = listener();
        let url = format!("http://{}/", socket.local_addr().unwrap());
        let fake = Fake::on(socket, move |seen, before| answer(&seen.path, before, &url));
        let directory = tempfile::tempdir().unwrap();
        let vendor = Vendor::at(directory.path());
        let origin = Origin::new(upstream(&format!("registry={}", fake.url())), vendor.clone());
        let registry = RecordRegistry::serve(listener(), origin, bases).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { fake, registry, client, vendor, _directory: directory }
    }

    async fn get(&self, path: &str) -> (u16, bytes::Bytes) {
        let answer =
            self.client.get(format!("http://{}{path}", self.registry.address())).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap())
    }

    async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}");
        serde_json::from_slice(&body).unwrap()
    }
}

fn one_base() -> Bases {
    BTreeMap::from([(base("b"), Sight::default())])
}

fn document(versions: &[&str], integrity: Option<&Sri>, tarball: &str) -> Reply {
    let mut all = json!({});
    for version in versions {
        all[version] = json!({"name": "a", "version": version, "dist": {"tarball": tarball}, "scripts": {"install": "x"}, "os": ["linux"]});
        if let Some(integrity) = integrity {
            all[version]["dist"]["integrity"] = json!(integrity.to_string());
        }
    }
    let latest = versions.last().unwrap();
    Reply::new(
        200,
        json!({"name": "a", "dist-tags": {"latest": latest, "old": versions[0]}, "versions": all})
            .to_string(),
    )
}

const BYTES: &[u8] = b"the tarball";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_reduced_and_what_is_fetched_is_kept() {
    let world = World::new(one_base(), |path, _, url| match path {
        "/a" => document(&["1.0.0"], Some(&sri(BYTES)), &format!("{url}odd/place.tgz")),
        "/odd/place.tgz" => Reply::new(200, BYTES),
        _ => Reply::new(404, ""),
    });
    let shown = world.json("/b/a").await;
    let tarball = format!("http://{}/b/a/-/a-1.0.0.tgz", world.registry.address());
    let version = json!({"name": "a", "version": "1.0.0", "hasInstallScript": true, "os": ["linux"],
        "dist": {"tarball": tarball, "integrity": sri(BYTES).to_string()}});
    assert_eq!(shown["versions"], json!({"1.0.0": version}));
    assert_eq!(world.json("/b/a/old").await, version);
    assert_eq!(world.get("/b/a/-/a-1.0.0.tgz").await, (200, BYTES.into()));
    assert_eq!(world.get("/b/gone").await.0, 404);
    assert_eq!(world.get("/b/-/whoami").await.0, 404);
    let facts = world.registry.shutdown().await;
    let record = &facts.bases[&base("b")];
    assert_eq!(record.tarballs[&id("a", "1.0.0")].integrity, sri(BYTES));
    assert_eq!(record.tarballs[&id("a", "1.0.0")].size, BYTES.len() as u64);
    assert_eq!(record.packuments[&"gone".parse().unwrap()], Answer::Absent { status: 404 });
    assert!(
        matches!(&record.packuments[&"a".parse().unwrap()], Answer::Found(found) if found.versions.len() == 1)
    );
    assert_eq!(facts.unknown[0].path, "/-/whoami");
    assert!(facts.failures.is_empty());
    assert_eq!(world.vendor.verify(&sri(BYTES)).await.unwrap(), BYTES.len() as u64);
    assert_eq!(world.fake.count("/a"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tarball_with_the_wrong_hash_never_reaches_the_client() {
    let world = World::new(one_base(), |path, _, url| match path {
        "/a" => document(&["1.0.0"], Some(&sri(b"what was published")), &format!("{url}a.tgz")),
        _ => Reply::new(200, BYTES),
    });
    assert_eq!(world.get("/b/a/-/a-1.0.0.tgz").await.0, 502);
    world.registry.failed().await;
    let facts = world.registry.shutdown().await;
    assert!(facts.bases[&base("b")].tarballs.is_empty());
    let failure = &facts.failures[0];
    assert_eq!(
        (failure.error.code(), failure.error.host()),
        ("fetch-wrong-hash", Some(world.fake.authority.as_str()))
    );
    assert_eq!(
        (failure.package.as_str(), failure.version.as_ref().unwrap().to_string().as_str()),
        ("a", "1.0.0")
    );
    assert_eq!(world.vendor.get(&sri(BYTES)), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tarball_without_a_stated_hash_is_pinned_by_what_came() {
    let world = World::new(one_base(), |path, before, url| match (path, before) {
        ("/a", _) => document(&["1.0.0"], None, &format!("{url}a.tgz")),
        // Breaks off once: asked again.
        (_, 0) => Reply::new(200, BYTES).cut(3),
        _ => Reply::new(200, BYTES),
    });
    assert_eq!(world.get("/b/a/-/a-1.0.0.tgz").await, (200, BYTES.into()));
    let facts = world.registry.shutdown().await;
    assert_eq!(facts.bases[&base("b")].tarballs[&id("a", "1.0.0")].integrity, sri(BYTES));
    assert!(facts.failures.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pinned_versions_are_all_that_is_shown() {
    let pinned = |version: &str| Sight {
        only: BTreeMap::from([("a".parse().unwrap(), version.parse().unwrap())]),
        ..Sight::default()
    };
    let bases = BTreeMap::from([
        (base("pinned"), pinned("1.0.0")),
        (base("gone"), pinned("7.0.0")),
        (base("dated"), Sight { before: Some("2026-01-31".parse().unwrap()), ..Sight::default() }),
        (base("free"), Sight::default()),
    ]);
    let world = World::new(bases, |_, _, url| document(&["1.0.0", "2.0.0"], None, url));
    let seen = async |base: &str| {
        let shown = world.json(&format!("/{base}/a")).await;
        (shown["dist-tags"].clone(), shown["versions"].as_object().unwrap().len())
    };
    assert_eq!(seen("pinned").await, (json!({"latest": "1.0.0", "old": "1.0.0"}), 1));
    assert_eq!(seen("free").await, (json!({"latest": "2.0.0", "old": "1.0.0"}), 2));
    assert_eq!(world.json("/pinned/a/latest").await["version"], "1.0.0");
    assert_eq!(world.get("/pinned/a/2.0.0").await.0, 404);
    assert_eq!(world.get("/other/a").await.0, 404);
    assert_eq!(world.get("/gone/a").await.0, 404);
    // Where nothing is left to be shown the recording is lost, and waiting for its end is of no use.
    world.registry.failed().await;
    assert_eq!(world.get("/dated/a").await.0, 404);
    assert_eq!(world.fake.count("/a"), 1);
    let facts = world.registry.shutdown().await;
    let hidden = |base_name: &str| facts.bases[&base(base_name)].hidden.values().cloned().collect::<Vec<_>>();
    assert_eq!(hidden("gone"), [Hidden::NoSuchVersion("7.0.0".parse().unwrap())]);
    assert_eq!(hidden("dated"), [Hidden::NoTimes]);
    assert_eq!(hidden("pinned"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_passed_on_and_failures_are_facts() {
    let world = World::new(one_base(), |path, _, _| match path {
        "/denied" => Reply::new(403, ""),
        "/secret" => Reply::new(401, ""),
        _ => Reply::new(500, ""),
    });
    assert_eq!(world.get("/b/denied").await.0, 403);
    assert_eq!(world.get("/b/secret").await.0, 401);
    assert!(world.registry.facts().failures.is_empty());
    assert_eq!(world.get("/b/broken").await.0, 502);
    world.registry.failed().await;
    let facts = world.registry.shutdown().await;
    let record = &facts.bases[&base("b")];
    assert_eq!(record.packuments[&"secret".parse().unwrap()], Answer::Absent { status: 401 });
    assert_eq!(facts.failures.len(), 1);
    assert_eq!(facts.failures[0].error.code(), "upstream-status");
    assert_eq!(facts.failures[0].error.host(), Some(world.fake.authority.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_the_same_at_once_ask_upstream_once() {
    let world = World::new(one_base(), |path, _, url| match path {
        "/a" => document(&["1.0.0"], Some(&sri(BYTES)), &format!("{url}a.tgz")),
        _ => Reply::new(200, BYTES),
    });
    let asks = (0..16).flat_map(|_| [world.get("/b/a"), world.get("/b/a/-/a-1.0.0.tgz")]);
    let answers = futures_util::future::join_all(asks).await;
    assert!(answers.iter().all(|(status, _)| *status == 200));
    assert_eq!((world.fake.count("/a"), world.fake.count("/a.tgz")), (1, 1));
    assert!(world.registry.quiet() < std::time::Duration::from_secs(60));
}
