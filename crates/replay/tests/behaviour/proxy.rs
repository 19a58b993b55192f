//! Property: a proxy sees every request that passes, replays exactly what it recorded, and lets nothing else through.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use replay::proxy::{Attempt, Authority, Forward, Mode, Proxy, ProxyFacts, Recorded, RecordedBody};
use replay::vendor::Vendor;
use url::Url;

use crate::support::{Fake, Reply, listener, settings, sri};

/// A client that goes through the proxy, trusts its authority and follows no redirect.
fn client(proxy: &Proxy, authority: &Authority) -> reqwest::Client {
    reqwest::Client::builder()
        .proxy(reqwest::Proxy::all(proxy.url()).unwrap())
        .add_root_certificate(reqwest::Certificate::from_pem(authority.ca_pem().as_bytes()).unwrap())
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// The world behind a host name: an HTTPS server, made of a replaying proxy whose authority plays the public one. Its answers are what
/// the recording is compared with.
struct WorldWide {
    proxy: Proxy,
    authority: Arc<Authority>,
}

fn recorded(directory: &Path, name: &str, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Recorded {
    let path = directory.join(name);
    std::fs::write(&path, body).unwrap();
    Recorded {
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: Some(RecordedBody::File(path, body.len() as u64)),
    }
}

impl WorldWide {
    fn start(directory: &Path) -> Self {
        let pages = BTreeMap::from([
            (
                url("https://files.invalid/archive?x=1"),
                recorded(
                    directory,
                    "a",
                    200,
                    &[("content-type", "application/gzip"), ("etag", "\"e\"")],
                    &vec![5; 3_000_000],
                ),
            ),
            (
                url("https://files.invalid/latest"),
                recorded(directory, "b", 302, &[("location", "https://files.invalid/archive?x=1")], b"moved"),
            ),
            (
                url("https://files.invalid/gone"),
                recorded(directory, "c", 404, &[("content-type", "text/plain")], b"no"),
            ),
        ]);
        let authority = Arc::new(Authority::new().unwrap());
        let proxy = Proxy::serve(listener(), Arc::clone(&authority), Mode::Replay(pages)).unwrap();
        Self { proxy, authority }
    }

    /// How a recorder reaches it: through it as the user's own proxy, trusting its authority.
    fn forward(&self, vendor: Vendor, posts: &[&str]) -> Forward {
        let mut settings = settings(&format!("https-proxy={}", self.proxy.url()));
        settings.certificates.push(self.authority.ca_pem().to_owned());
        let posts = posts.iter().map(|host| (*host).to_owned()).collect();
        Forward::new(&settings, vendor, posts).unwrap()
    }
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

type Seen = (u16, Option<String>, Option<String>, bytes::Bytes);

async fn get(client: &reqwest::Client, url: &str) -> Seen {
    let answer = client.get(url).send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (kind, location) = (header("content-type"), header("location"));
    (answer.status().as_u16(), kind, location, answer.bytes().await.unwrap())
}

const PAGES: [&str; 3] =
    ["https://files.invalid/archive?x=1", "https://files.invalid/latest", "https://files.invalid/gone"];

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_answers_what_was_recorded_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let world = WorldWide::start(directory.path());
    let vendor = Vendor::at(directory.path().join("vendor"));
    let authority = Arc::new(Authority::new().unwrap());
    let mode = Mode::Record(Box::new(world.forward(vendor.clone(), &[])));
    let recorder = Proxy::serve(listener(), Arc::clone(&authority), mode).unwrap();
    let recording_client = client(&recorder, &authority);
    let mut while_recording = Vec::new();
    for page in PAGES {
        while_recording.push(get(&recording_client, page).await);
    }
    let facts = recorder.shutdown().await;
    assert!(facts.failures.is_empty() && facts.refused.is_empty(), "{facts:?}");
    assert_eq!(facts.exchanges[0].integrity, sri(&vec![5; 3_000_000]));
    assert_eq!((facts.exchanges[0].size, facts.exchanges[0].headers["etag"].as_str()), (3_000_000, "\"e\""));
    assert_eq!(facts.exchanges[1].headers["location"], PAGES[0]);

    let recording = facts.exchanges.iter().map(|exchange| {
        let body = Some(RecordedBody::File(vendor.get(&exchange.integrity).unwrap(), exchange.size));
        (exchange.url.clone(), Recorded { status: exchange.status, headers: exchange.headers.clone(), body })
    });
    let replay = Proxy::serve(listener(), Arc::clone(&authority), Mode::Replay(recording.collect())).unwrap();
    let replaying_client = client(&replay, &authority);
    for (page, before) in PAGES.iter().zip(&while_recording) {
        assert!(get(&replaying_client, page).await == *before, "{page}");
    }
    for other in ["https://files.invalid/archive", "http://files.invalid/archive?x=1"] {
        assert_eq!(get(&replaying_client, other).await.0, 502);
    }
    assert_eq!(replaying_client.post(PAGES[0]).send().await.unwrap().status(), 502);
    let facts = replay.shutdown().await;
    let attempt = |method: &str, url: &str| Attempt { method: method.to_owned(), url: url.to_owned() };
    let expected = ["https://files.invalid/archive", "http://files.invalid/archive?x=1"];
    assert_eq!(facts.unrecorded, expected.map(|url| attempt("GET", url)));
    // It could change something: answered as while recording, and no question that a recording lacks.
    assert_eq!(facts.refused, [attempt("POST", PAGES[0])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_change_something_is_refused_unless_allowed() {
    let fake = Fake::start(|seen, _| {
        Reply::new(200, seen.method.clone()).header("set-cookie", "secret").header("content-type", "text/x")
    });
    let port = fake.authority.split(':').nth(1).unwrap().to_owned();
    let directory = tempfile::tempdir().unwrap();
    let vendor = Vendor::at(directory.path().join("vendor"));
    let authority = Arc::new(Authority::new().unwrap());
    let mut settings = settings("");
    settings.connect_to = BTreeMap::from(
        [("yes.invalid", &fake), ("no.invalid", &fake)]
            .map(|(host, fake)| (host.to_owned(), fake.authority.parse().unwrap())),
    );
    let posts = BTreeSet::from(["yes.invalid".to_owned()]);
    let forward = Forward::new(&settings, vendor, posts).unwrap();
    let recorder = Proxy::serve(listener(), Arc::clone(&authority), Mode::Record(Box::new(forward))).unwrap();
    let client = client(&recorder, &authority);
    let post = async |host: &str| {
        let answer = client.post(format!("http://{host}:{port}/x")).body("b").send().await.unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("set-cookie"), answer.text().await.unwrap())
    };
    assert_eq!(post("yes.invalid").await, (200, false, "POST".to_owned()));
    assert_eq!(post("no.invalid").await.0, 502);
    assert_eq!(get(&client, &format!("http://no.invalid:{port}/x")).await.0, 200);
    let facts = recorder.shutdown().await;
    assert_eq!(
        facts.refused,
        [Attempt { method: "POST".to_owned(), url: format!("http://no.invalid:{port}/x") }]
    );
    assert_eq!(
        facts.exchanges.iter().map(|exchange| exchange.method.as_str()).collect::<Vec<_>>(),
        ["POST", "GET"]
    );
    assert_eq!(
        facts.exchanges[0].headers,
        BTreeMap::from([("content-type".to_owned(), "text/x".to_owned())])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_be_reached_is_a_failure_with_its_name() {
    let closed = listener().local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::new().unwrap());
    let mut settings = settings("");
    settings.connect_to = BTreeMap::from([("down.invalid".to_owned(), closed)]);
    let forward = Forward::new(&settings, Vendor::at(directory.path()), BTreeSet::new()).unwrap();
    let recorder = Proxy::serve(listener(), Arc::clone(&authority), Mode::Record(Box::new(forward))).unwrap();
    assert_eq!(get(&client(&recorder, &authority), "https://down.invalid/x").await.0, 502);
    let facts = recorder.shutdown().await;
    let failure = &facts.failures[0];
    assert_eq!(
        (failure.url.as_str(), failure.error.code(), failure.error.host()),
        ("https://down.invalid/x", "upstream-unreachable", Some("down.invalid"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_lets_nothing_through_and_counts_the_hosts() {
    let fake = Fake::start(|_, _| Reply::new(200, ""));
    let authority = Arc::new(Authority::new().unwrap());
    let block = Proxy::serve(listener(), Arc::clone(&authority), Mode::Block).unwrap();
    let client = client(&block, &authority);
    for _ in 0..2 {
        assert!(client.get("https://away.invalid/").send().await.is_err());
    }
    assert_eq!(get(&client, &fake.url()).await.0, 502);
    let ProxyFacts { blocked, .. } = block.shutdown().await;
    assert_eq!(blocked, BTreeMap::from([("away.invalid:443".to_owned(), 2), (fake.authority.clone(), 1)]));
    assert!(fake.seen.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_trust_the_authority_is_noted() {
    let authority = Arc::new(Authority::new().unwrap());
    let replay = Proxy::serve(listener(), authority, Mode::Replay(BTreeMap::new())).unwrap();
    let stranger = client(&replay, &Authority::new().unwrap());
    assert!(stranger.get("https://away.invalid/").send().await.is_err());
    // It ends when the tunnel's task has ended.
    let facts = replay.shutdown().await;
    assert_eq!(facts.broken.keys().collect::<Vec<_>>(), ["away.invalid:443"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_proxy_request_is_told_so() {
    let block = Proxy::serve(listener(), Arc::new(Authority::new().unwrap()), Mode::Block).unwrap();
    let direct = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(direct.get(block.url()).send().await.unwrap().status(), 400);
}
