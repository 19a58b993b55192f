//! Property: a replay gives exactly the recorded answers, at once, and names what was never recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};

use replay::registry::{PackumentView, RegistryView, ReplayRegistry, TarballFile, VersionView};
use serde_json::{Value, json};

use crate::support::{base, listener, sri};

const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";

/// A view of `@s/n` 1.0.0 (pinned), 1.1.0 (known) and the absent `gone`.
fn view(tarball: TarballFile, integrity: lock::Sri) -> RegistryView {
    let pinned = VersionView {
        manifest: json!({"dependencies": {"x": "1"}, "name": "not this one"}),
        integrity: Some(integrity),
        tarball: Some(tarball),
    };
    let known = VersionView { manifest: json!({}), integrity: None, tarball: None };
    let package = PackumentView {
        tags: BTreeMap::from([("latest".to_owned(), "1.1.0".parse().unwrap())]),
        versions: BTreeMap::from([("1.0.0".parse().unwrap(), pinned), ("1.1.0".parse().unwrap(), known)]),
    };
    RegistryView {
        packages: BTreeMap::from([("@s/n".parse().unwrap(), package)]),
        absent: BTreeSet::from(["gone".parse().unwrap()]),
    }
}

struct World {
    registry: ReplayRegistry,
    client: reqwest::Client,
    _directory: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl World {
    fn of_size(size: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let bytes: Vec<u8> = (0..size).map(|position| u8::try_from(position % 251).unwrap()).collect();
        std::fs::write(&path, &bytes).unwrap();
        let view = view(TarballFile { path, size: bytes.len() as u64 }, sri(&bytes));
        let registry = ReplayRegistry::serve(listener(), BTreeMap::from([(base("b"), view)])).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { registry, client, _directory: directory, bytes }
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("http://{}{path}", self.registry.address())).send().await.unwrap()
    }
}

#[tokio::test]
async fn a_packument_is_the_view_with_tarballs_at_our_address() {
    let world = World::of_size(10);
    let answer = world.get("/b/@s%2fn").await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    let document: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let at = |version: &str| format!("http://{}/b/@s/n/-/n-{version}.tgz", world.registry.address());
    let expected = json!({
        "name": "@s/n",
        "dist-tags": {"latest": "1.1.0"},
        "versions": {
            "1.0.0": {"name": "@s/n", "version": "1.0.0", "dependencies": {"x": "1"},
                "dist": {"tarball": at("1.0.0"), "integrity": sri(&world.bytes).to_string()}},
            "1.1.0": {"name": "@s/n", "version": "1.1.0", "dist": {"tarball": at("1.1.0")}},
        },
    });
    assert_eq!(document, expected);
    let request =
        world.client.get(format!("{}@s/n", world.registry.url(&base("b")))).header("accept", ABBREVIATED);
    let other = request.header("host", "other.invalid:1").send().await.unwrap();
    assert_eq!(other.headers()["content-type"], ABBREVIATED);
    let text = other.text().await.unwrap();
    assert!(text.contains("http://other.invalid:1/b/@s/n/-/n-1.0.0.tgz"), "{text}");
    for (path, version) in [("/b/@s/n/latest", "1.1.0"), ("/b/@s%2fn/1.0.0", "1.0.0")] {
        let one: Value = serde_json::from_str(&world.get(path).await.text().await.unwrap()).unwrap();
        assert_eq!(one, expected["versions"][version], "{path}");
    }
    assert_eq!(world.registry.shutdown().await.unrecorded, []);
}

#[tokio::test]
async fn tarballs_of_every_size_come_whole() {
    for size in [0, 1, 1024 * 1024, 1024 * 1024 + 1, 5_000_000] {
        let world = World::of_size(size);
        let answer = world.get("/b/@s/n/-/n-1.0.0.tgz").await;
        assert_eq!(answer.headers()["content-length"], size.to_string());
        assert!(answer.bytes().await.unwrap() == world.bytes, "{size}");
        let facts = world.registry.shutdown().await;
        assert_eq!(facts.bases[&base("b")].tarballs.len(), 1);
    }
}

#[tokio::test]
async fn absent_is_an_answer_and_unrecorded_is_a_fact() {
    let world = World::of_size(10);
    assert_eq!(world.get("/b/gone").await.status(), 404);
    assert_eq!(world.get("/b/gone/latest").await.status(), 404);
    assert_eq!(world.registry.facts().unrecorded, []);
    let unrecorded = [
        "/b/other",
        "/b/@s/n/9.9.9",
        "/b/@s/n/beta",
        "/b/@s/n/-/n-1.1.0.tgz",
        "/b/-/ping",
        "/c/other?write=true",
        "/b",
    ];
    for path in unrecorded.iter().chain(&unrecorded) {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.text().await.unwrap(), r#"{"error":"Not found"}"#);
    }
    let put = world
        .client
        .put(format!("http://{}/b/@s/n", world.registry.address()))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 404);
    let facts = world.registry.shutdown().await;
    let noted: Vec<_> =
        facts.unrecorded.iter().map(|q| format!("{} {}|{}", q.method, q.base, q.path)).collect();
    assert_eq!(
        noted,
        [
            "GET b|/other",
            "GET b|/@s/n/9.9.9",
            "GET b|/@s/n/beta",
            "GET b|/@s/n/-/n-1.1.0.tgz",
            "GET b|/-/ping",
            "GET c|/other?write=true",
            "GET |/b",
            "PUT b|/@s/n",
        ]
    );
}

#[tokio::test]
async fn audits_are_answered_and_the_connection_stays() {
    let world = World::of_size(10);
    for path in ["/b/-/npm/v1/security/advisories/bulk", "/b/-/npm/v1/security/audits/quick"] {
        let url = format!("http://{}{path}", world.registry.address());
        let answer = world.client.post(url).body(vec![b'x'; 100_000]).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "{}"));
    }
    // Two requests on one connection, spelled by hand.
    let mut stream = std::net::TcpStream::connect(world.registry.address()).unwrap();
    let two = tokio::task::spawn_blocking(move || {
        stream.write_all(b"GET /b/gone HTTP/1.1\r\nhost: h\r\n\r\nGET /b/gone HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.matches("HTTP/1.1 404").count()
    });
    assert_eq!(two.await.unwrap(), 2);
}

#[tokio::test]
async fn a_file_of_another_size_is_not_served_and_is_noted() {
    let world = World::of_size(10);
    std::fs::write(world._directory.path().join("file"), b"longer than ten bytes").unwrap();
    assert_eq!(world.get("/b/@s/n/-/n-1.0.0.tgz").await.status(), 404);
    let facts = world.registry.shutdown().await;
    assert_eq!(facts.unreadable.len(), 1);
    assert_eq!(facts.unrecorded, []);
    assert!(facts.bases[&base("b")].tarballs.is_empty());
}

#[tokio::test]
async fn after_a_shutdown_nothing_listens() {
    let world = World::of_size(10);
    let address = world.registry.address();
    assert_eq!(world.get("/b/gone").await.status(), 404);
    world.registry.shutdown().await;
    assert!(std::net::TcpStream::connect(address).is_err());
}
