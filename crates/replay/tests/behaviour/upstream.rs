//! Property: the upstream client gets what is there, tries again what may pass, and gives a secret to nobody else.

use replay::registry::upstream::{Bounds, Error, Retry};
use replay::registry::{Lookup, Upstream};
use serde_json::json;
use url::Url;

use crate::support::{Fake, Reply, id, listener, upstream};

fn name(text: &str) -> lock::PackageName {
    text.parse().unwrap()
}

fn packument(version: &str) -> String {
    json!({"name": "a", "dist-tags": {"latest": version}, "versions": {version: {"name": "a", "version": version}}}).to_string()
}

#[tokio::test]
async fn a_fault_that_passes_is_not_seen() {
    for status in [500, 503, 429] {
        let fake = Fake::start(move |_, before| {
            if before < 2 { Reply::new(status, "") } else { Reply::new(200, packument("1.0.0")) }
        });
        let found = upstream(&format!("registry={}", fake.url())).packument(&name("a")).await.unwrap();
        assert!(matches!(found, Lookup::Found(_)), "{status}");
        assert_eq!(fake.count("/a"), 3, "{status}");
    }
    let fake = Fake::start(|_, before| {
        let whole = Reply::new(200, packument("1.0.0"));
        if before == 0 { whole.cut(20) } else { whole }
    });
    assert!(upstream(&format!("registry={}", fake.url())).packument(&name("a")).await.is_ok());
}

#[tokio::test]
async fn a_fault_that_stays_is_an_error_with_the_host() {
    let fake = Fake::start(|_, _| Reply::new(500, ""));
    let error = upstream(&format!("registry={}", fake.url())).packument(&name("a")).await.unwrap_err();
    assert_eq!((error.code(), error.host()), ("upstream-status", Some(fake.authority.as_str())));
    assert_eq!(fake.count("/a"), 3);
    let closed = listener().local_addr().unwrap().to_string();
    let error = upstream(&format!("registry=http://{closed}/")).packument(&name("a")).await.unwrap_err();
    assert_eq!((error.code(), error.host()), ("upstream-unreachable", Some(closed.as_str())));
    let fake = Fake::start(|_, _| Reply::new(200, "<html>"));
    let error = upstream(&format!("registry={}", fake.url())).packument(&name("a")).await.unwrap_err();
    assert_eq!(error.code(), "upstream-malformed");
    assert_eq!(fake.count("/a"), 1);
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_not_asked_again() {
    for status in [401, 403, 404, 410] {
        let fake = Fake::start(move |_, _| Reply::new(status, ""));
        let found = upstream(&format!("registry={}", fake.url())).packument(&name("a")).await.unwrap();
        assert_eq!(found, Lookup::Absent { status });
        assert_eq!(fake.count("/a"), 1);
    }
}

#[tokio::test]
async fn scopes_have_their_own_registry_and_names_are_escaped() {
    let (one, two) = (Fake::start(|_, _| Reply::new(404, "")), Fake::start(|_, _| Reply::new(404, "")));
    let upstream = upstream(&format!("registry={}\n@s:registry={}npm\n", one.url(), two.url()));
    for package in ["a", "@s/n", "@t/n"] {
        upstream.packument(&name(package)).await.unwrap();
    }
    let paths =
        |fake: &Fake| fake.seen.lock().unwrap().iter().map(|seen| seen.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&one), ["/a", "/@t%2Fn"]);
    assert_eq!(paths(&two), ["/npm/@s%2Fn"]);
}

#[tokio::test]
async fn a_credential_is_sent_to_its_own_registry_and_never_along_a_redirect() {
    let other = Fake::start(|_, _| Reply::new(200, packument("1.0.0")));
    let target = other.url();
    let fake = Fake::start(move |seen, _| match seen.authorization.as_deref() {
        Some("Bearer secret") => Reply::new(302, "").header("location", &format!("{target}elsewhere")),
        _ => Reply::new(401, ""),
    });
    let npmrc = format!("registry={}\n//{}/:_authToken=secret\n", fake.url(), fake.authority);
    let found = upstream(&npmrc).packument(&name("a")).await.unwrap();
    assert!(matches!(found, Lookup::Found(_)));
    let seen = other.seen.lock().unwrap().clone();
    assert_eq!(
        (seen.len(), seen[0].path.as_str(), seen[0].authorization.as_deref()),
        (1, "/elsewhere", None)
    );
    let without = upstream(&format!("registry={}", fake.url())).packument(&name("a")).await.unwrap();
    assert_eq!(without, Lookup::Absent { status: 401 });
}

#[tokio::test]
async fn attestations_are_asked_of_the_registry_itself_and_of_nobody_else() {
    let other = Fake::start(|_, _| Reply::new(200, "{}"));
    let target = other.url();
    let fake = Fake::start(move |seen, _| match (seen.path.as_str(), seen.authorization.as_deref()) {
        ("/near", Some("Bearer secret")) => Reply::new(302, "").header("location", "/there"),
        ("/there", Some("Bearer secret")) => Reply::new(200, r#"{"attestations":[]}"#),
        ("/far", _) => Reply::new(302, "").header("location", &target),
        _ => Reply::new(404, ""),
    });
    let upstream = upstream(&format!("registry={}\n//{}/:_authToken=secret\n", fake.url(), fake.authority));
    let near = |path: &str| url::Url::parse(&fake.url()).unwrap().join(path).unwrap();
    let ask = async |url: &url::Url| upstream.attestations(&name("a"), url).await.unwrap();
    assert_eq!(ask(&near("near")).await, Lookup::Found(json!({"attestations": []})));
    for absent in [near("far"), near("gone"), url::Url::parse(&other.url()).unwrap()] {
        assert_eq!(ask(&absent).await, Lookup::Absent { status: 404 }, "{absent}");
    }
    assert!(other.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn redirects_that_lead_nowhere_are_errors() {
    for location in ["/a", "file:///etc/passwd", "http://"] {
        let fake = Fake::start(move |_, _| Reply::new(302, "").header("location", location));
        let error = upstream(&format!("registry={}", fake.url())).packument(&name("a")).await.unwrap_err();
        assert_eq!(error.code(), "upstream-redirect", "{location}");
    }
}

#[tokio::test]
async fn one_version_is_had_from_mirrors_that_only_know_packuments() {
    for status in [404, 405] {
        let fake = Fake::start(move |seen, _| match seen.path.as_str() {
            "/a" => Reply::new(200, packument("1.0.0")),
            _ => Reply::new(status, ""),
        });
        let upstream = upstream(&format!("registry={}", fake.url()));
        for wanted in ["latest", "1.0.0"] {
            let release = upstream.version(&name("a"), wanted).await.unwrap().found().unwrap();
            assert_eq!(release.version.to_string(), "1.0.0");
        }
        assert_eq!(upstream.version(&name("a"), "2.0.0").await.unwrap(), Lookup::Absent { status: 404 });
    }
}

#[tokio::test]
async fn a_mirror_is_asked_before_the_host_that_its_documents_name() {
    let elsewhere = Fake::start(|_, _| Reply::new(200, "far"));
    let far = format!("{}a.tgz", elsewhere.url());
    let fake = Fake::start(move |seen, _| match seen.path.as_str() {
        "/near/-/near-1.0.0.tgz" => Reply::new(200, "near"),
        "/far/1.0.0" => Reply::new(200, json!({"version": "1.0.0", "dist": {"tarball": far}}).to_string()),
        _ => Reply::new(404, ""),
    });
    let upstream = upstream(&format!("registry={}", fake.url()));
    for (package, bytes) in [("near", "near"), ("far", "far")] {
        let mut download = upstream.tarball(&id(package, "1.0.0"), None, 0).await.unwrap().found().unwrap();
        assert_eq!(download.next().await.unwrap().unwrap(), bytes);
    }
    assert_eq!(elsewhere.seen.lock().unwrap().len(), 1);
    for (package, size) in [("near", 4), ("far", 3)] {
        assert_eq!(
            upstream.tarball_size(&id(package, "1.0.0"), None).await.unwrap(),
            Lookup::Found(Some(size))
        );
    }
    assert_eq!(elsewhere.seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn sizes_are_had_without_the_bytes() {
    let fake = Fake::start(|seen, _| match (seen.method.as_str(), seen.path.as_str()) {
        ("HEAD", "/no-head") => Reply::new(405, ""),
        ("HEAD", _) => Reply::new(200, "").header("content-length", "123456"),
        _ => Reply::new(200, "1234567"),
    });
    let upstream = upstream(&format!("registry={}", fake.url()));
    let size = async |path: &str| {
        let url = Url::parse(&format!("{}{path}", fake.url())).unwrap();
        upstream.head_size(&url).await.unwrap()
    };
    assert_eq!(size("file").await, Lookup::Found(Some(123_456)));
    assert_eq!(size("no-head").await, Lookup::Found(Some(7)));
}

#[tokio::test]
async fn without_a_registry_there_is_an_error_that_says_how_to_name_one() {
    let error = replay::registry::Upstream::new(&crate::support::settings("")).unwrap_err();
    assert!(matches!(error, Error::NoRegistry));
    assert!(error.hint().unwrap().contains("npm_config_registry"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_drips_is_cut_off_and_not_asked_for_again() {
    use std::io::{Read as _, Write as _};
    let dripping = listener();
    let authority = dripping.local_addr().unwrap().to_string();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in dripping.incoming() {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut stream = stream.unwrap();
            let _request = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"readme\":\"").unwrap();
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    });
    let total = std::time::Duration::from_millis(300);
    let settings = crate::support::settings(&format!("registry=http://{authority}/"));
    let upstream = Upstream::bounded(&settings, Bounds { total, ..Bounds::default() }).unwrap();
    let error = upstream.packument(&name("a")).await.unwrap_err();
    assert_eq!(error.code(), "upstream-timeout");
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_host_that_stays_silent_is_given_up() {
    // Connections are accepted by the kernel and never answered.
    let silent = listener();
    let authority = silent.local_addr().unwrap().to_string();
    let moment = std::time::Duration::from_millis(50);
    let bounds = Bounds { idle: moment, ..Bounds::default() };
    let settings = crate::support::settings(&format!("registry=http://{authority}/"));
    let upstream = Upstream::bounded(&settings, bounds).unwrap().with_retry(Retry { tries: 2, wait: moment });
    let error = upstream.packument(&name("a")).await.unwrap_err();
    assert_eq!((error.code(), error.host()), ("upstream-timeout", Some(authority.as_str())));
}
