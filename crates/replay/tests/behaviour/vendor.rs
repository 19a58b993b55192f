//! Property: what lies in the vendor directory under a hash has that hash, whatever the network does; and no byte is fetched twice.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lock::{Algorithm, Sri};
use replay::vendor::{Error, Pinned, Source, Vendor};

use crate::support::{Fake, Reply, id, sri, upstream};

/// Bytes larger than every buffer on the way.
fn content() -> Bytes {
    (0..3_000_000_u32).map(|position| u8::try_from(position % 241).unwrap()).collect::<Vec<_>>().into()
}

/// The answer to a request with or without a range.
fn ranged(range: Option<&str>, content: &Bytes) -> Reply {
    let start =
        range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match start {
        None => Reply::new(200, content.clone()),
        Some(start) if start >= content.len() => Reply::new(416, ""),
        Some(start) => Reply::new(206, content.slice(start..))
            .header("content-range", &format!("bytes {start}-{}/{}", content.len() - 1, content.len())),
    }
}

async fn fetch(vendor: &Vendor, fake: &Fake, integrity: &Sri, size: u64) -> Result<u64, Error> {
    let upstream = upstream(&format!("registry={}", fake.url()));
    let arrived = AtomicU64::new(0);
    let progress = |bytes| {
        arrived.fetch_add(bytes, Ordering::Relaxed);
    };
    let path = vendor
        .fetch(&upstream, &Source::Package(id("a", "1.0.0")), Pinned { integrity, size }, &progress)
        .await?;
    assert_eq!(path, vendor.get(integrity).unwrap());
    assert_eq!(vendor.verify(integrity).await.unwrap(), size);
    Ok(arrived.into_inner())
}

fn files(root: &Path) -> Vec<String> {
    crate::support::contents(root).into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetched_file_is_read_only_named_by_its_hash_and_not_fetched_again() {
    let directory = tempfile::tempdir().unwrap();
    let vendor = Vendor::at(directory.path());
    for algorithm in [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512] {
        let integrity = Sri::of(algorithm, &content());
        assert_eq!(vendor.get(&integrity), None);
        let fake = Fake::start(|seen, _| ranged(seen.range.as_deref(), &content()));
        assert_eq!(fetch(&vendor, &fake, &integrity, 3_000_000).await.unwrap(), 3_000_000);
        assert_eq!(fetch(&vendor, &fake, &integrity, 3_000_000).await.unwrap(), 0);
        assert_eq!(fake.seen.lock().unwrap().len(), 1);
        let path = vendor.get(&integrity).unwrap();
        assert!(path.ends_with(format!("{algorithm}/{}/{}", &integrity.hex()[..2], integrity.hex())));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o444);
    }
    assert_eq!(files(directory.path()).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_off_is_taken_up_where_it_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let vendor = Vendor::at(directory.path());
    let integrity = sri(&content());
    let fake = Fake::start(|seen, before| {
        let reply = ranged(seen.range.as_deref(), &content());
        if before == 0 { reply.cut(1_000_000) } else { reply }
    });
    assert_eq!(fetch(&vendor, &fake, &integrity, 3_000_000).await.unwrap(), 3_000_000);
    let ranges: Vec<_> = fake.seen.lock().unwrap().iter().map(|seen| seen.range.clone()).collect();
    assert_eq!(ranges, [None, Some("bytes=1000000-".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_an_earlier_run_is_used_if_it_is_right_and_thrown_away_if_not() {
    let integrity = sri(&content());
    for (earlier, arrived) in [
        (content().slice(..1_234_567), 1_765_433),
        (Bytes::from(vec![7; 1_234_567]), 4_765_433),
        (Bytes::from(vec![7; 3_000_001]), 3_000_000),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let vendor = Vendor::at(directory.path());
        let part = vendor.path_of(&integrity).with_extension("part");
        std::fs::create_dir_all(part.parent().unwrap()).unwrap();
        std::fs::write(&part, earlier).unwrap();
        let fake = Fake::start(|seen, _| ranged(seen.range.as_deref(), &content()));
        assert_eq!(fetch(&vendor, &fake, &integrity, 3_000_000).await.unwrap(), arrived);
        assert!(!part.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_knows_no_ranges_still_gives_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let vendor = Vendor::at(directory.path());
    let integrity = sri(&content());
    let fake = Fake::start(|_, before| {
        let reply = Reply::new(200, content());
        if before == 0 { reply.cut(500_000) } else { reply }
    });
    assert_eq!(fetch(&vendor, &fake, &integrity, 3_000_000).await.unwrap(), 3_500_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_are_an_error_and_leave_nothing() {
    let integrity = sri(&content());
    let mut flipped = content().to_vec();
    flipped[2_000_000] ^= 1;
    let flipped = Bytes::from(flipped);
    let long = [content(), Bytes::from_static(b"x")].concat();
    let unannounced = Reply::new(200, long.clone()).header("content-length", "3000000");
    let cases = [
        (Reply::new(200, flipped), "fetch-wrong-hash"),
        (Reply::new(200, long), "fetch-wrong-size"),
        (Reply::new(200, content().slice(1..)), "fetch-wrong-size"),
        (Reply::new(404, ""), "fetch-absent"),
        (Reply::new(403, ""), "fetch-forbidden"),
    ];
    for (reply, code) in cases {
        let directory = tempfile::tempdir().unwrap();
        let vendor = Vendor::at(directory.path());
        let fake = Fake::start(move |_, _| reply.clone());
        let error = fetch(&vendor, &fake, &integrity, 3_000_000).await.unwrap_err();
        assert_eq!((error.code(), error.host()), (code, Some(fake.authority.as_str())), "{error}");
        assert!(error.to_string().contains("a@1.0.0"), "{error}");
        assert!(error.hint().is_some());
        assert_eq!(vendor.get(&integrity), None);
        let left: u64 =
            crate::support::contents(directory.path()).values().map(|bytes| bytes.len() as u64).sum();
        assert_eq!(left, 0, "{code}");
    }
    // One byte more than announced is beyond the announced end: it is never read.
    let directory = tempfile::tempdir().unwrap();
    let fake = Fake::start(move |_, _| unannounced.clone());
    fetch(&Vendor::at(directory.path()), &fake, &integrity, 3_000_000).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_is_cut_off_at_the_pinned_size() {
    let directory = tempfile::tempdir().unwrap();
    let vendor = Vendor::at(directory.path());
    let mut body = b"2dc6c1\r\n".to_vec();
    body.extend([content(), Bytes::from_static(b"x")].concat());
    body.extend(b"\r\n0\r\n\r\n");
    let fake = Fake::start(move |_, _| Reply::new(200, body.clone()).header("transfer-encoding", "chunked"));
    let error = fetch(&vendor, &fake, &sri(&content()), 3_000_000).await.unwrap_err();
    assert!(matches!(error, Error::WrongSize { wanted: 3_000_000, got, .. } if got > 3_000_000), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_fetches_of_one_file_at_once_download_it_once() {
    let directory = tempfile::tempdir().unwrap();
    let integrity = sri(&content());
    let fake = std::sync::Arc::new(Fake::start(|seen, _| ranged(seen.range.as_deref(), &content())));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (vendor, fake, integrity) =
            (Vendor::at(directory.path()), std::sync::Arc::clone(&fake), integrity.clone());
        all.spawn(async move { fetch(&vendor, &fake, &integrity, 3_000_000).await.unwrap() });
    }
    let arrived: u64 = all.join_all().await.into_iter().sum();
    assert_eq!(arrived, 3_000_000);
    assert_eq!(files(directory.path()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_and_can_be_removed() {
    let directory = tempfile::tempdir().unwrap();
    let vendor = Vendor::at(directory.path());
    let stored = vendor.put(content()).await.unwrap();
    assert_eq!((stored.integrity.clone(), stored.size), (sri(&content()), 3_000_000));
    assert_eq!(vendor.put(content()).await.unwrap(), stored);
    std::fs::set_permissions(&stored.path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&stored.path, b"damaged").unwrap();
    let error = vendor.verify(&stored.integrity).await.unwrap_err();
    assert_eq!(error.code(), "vendor-corrupt");
    assert!(error.hint().unwrap().contains(&stored.integrity.hex()));
    vendor.remove(&stored.integrity).unwrap();
    assert_eq!(vendor.get(&stored.integrity), None);
    assert_eq!(files(directory.path()), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_or_is_too_long_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let vendor = Vendor::at(directory.path());
    let chunks = || futures_util::stream::iter([Ok(content()), Ok(content())]);
    let error = vendor.put_stream("it", chunks(), None, 5_000_000).await.unwrap_err();
    assert_eq!(error.code(), "fetch-too-large");
    for wanted in [sri(b"other"), Sri::of(Algorithm::Sha256, b"other")] {
        let error = vendor.put_stream("it", chunks(), Some(&wanted), 6_000_000).await.unwrap_err();
        assert_eq!(error.code(), "fetch-wrong-hash");
    }
    let failing =
        futures_util::stream::iter([Ok(content()), Err(Error::TooLarge { what: "it".to_owned(), limit: 0 })]);
    assert!(vendor.put_stream("it", failing, None, 6_000_000).await.is_err());
    assert_eq!(files(directory.path()), [] as [&str; 0]);
    let both = [content(), content()].concat();
    let right = Sri::of(Algorithm::Sha256, &both);
    let stored = vendor.put_stream("it", chunks(), Some(&right), 6_000_000).await.unwrap();
    assert_eq!(stored.integrity, sri(&both));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_where_the_part_is_to_be_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let vendor = Vendor::at(directory.path());
    let integrity = sri(&content());
    let part = vendor.path_of(&integrity).with_extension("part");
    std::fs::create_dir_all(part.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(directory.path().join("elsewhere"), &part).unwrap();
    let fake = Fake::start(|seen, _| ranged(seen.range.as_deref(), &content()));
    let error = fetch(&vendor, &fake, &integrity, 3_000_000).await.unwrap_err();
    assert_eq!(error.code(), "vendor-io");
    assert_eq!(error.to_string(), format!("cannot open {}", part.display()));
    assert!(fake.seen.lock().unwrap().is_empty());
    assert!(!directory.path().join("elsewhere").exists());
}

/// A mirror that has a package at the address that it states, and in its conventional place answers `instead`.
fn misplaced(instead: impl Fn() -> Reply + Send + Sync + 'static) -> Fake {
    let listener = crate::support::listener();
    let stated = format!("http://{}/files/1", listener.local_addr().unwrap());
    Fake::on(listener, move |seen, _| match seen.path.as_str() {
        "/files/1" => ranged(seen.range.as_deref(), &content()),
        path if path.contains("/-/") => instead(),
        _ => {
            let version = serde_json::json!({ "name": "a", "version": "1.0.0", "dist": {
                "tarball": stated, "integrity": sri(&content()).to_string() } });
            let whole = serde_json::json!({ "name": "a", "versions": { "1.0.0": version } });
            Reply::new(200, if seen.path.ends_with("/1.0.0") { version } else { whole }.to_string())
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn where_something_else_stands_in_the_usual_place_the_stated_one_is_asked() {
    let page = || Reply::new(200, "<p>not here").header("content-type", "text/html; charset=utf-8");
    let other = || Reply::new(200, content().iter().map(|byte| !byte).collect::<Vec<_>>());
    let less = || Reply::new(200, content().slice(..9)).header("transfer-encoding", "identity");
    let more = || Reply::new(200, [content(), content()].concat());
    for instead in [page as fn() -> Reply, other, less, more] {
        let directory = tempfile::tempdir().unwrap();
        let vendor = Vendor::at(directory.path());
        let fake = misplaced(instead);
        fetch(&vendor, &fake, &sri(&content()), 3_000_000).await.unwrap();
        assert_eq!(files(directory.path()).len(), 1);

        // The same while recording, and for the size of what is never downloaded.
        let recording = Vendor::at(directory.path().join("recording"));
        let upstream = upstream(&format!("registry={}", fake.url()));
        let origin = replay::registry::Origin::new(upstream.clone(), recording);
        let stored = origin.tarball(&id("a", "1.0.0")).await.unwrap().found().unwrap();
        assert_eq!((stored.integrity, stored.size), (sri(&content()), 3_000_000));
    }
    let upstream = upstream(&format!("registry={}", misplaced(page).url()));
    let size = upstream.tarball_size(&id("a", "1.0.0"), None).await.unwrap();
    assert_eq!(size.found().flatten(), Some(3_000_000));
}
