//! What any answer of a registry is to its reader: refused, or versions that a lock could keep and a replay could give.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lock::manifest_fields;
use opencode_cache_fuzz::registry::packument::{Packument, Release};
use serde_json::{Map, Value, json};

fuzz_target!(|bytes: &[u8]| {
    let name = "a".parse().expect("a name");
    if let Ok(packument) = Packument::parse(&name, bytes) {
        check(&packument);
    }
    if let Ok(document) = serde_json::from_slice::<Value>(bytes)
        && let Some(release) = Release::parse(&document)
    {
        check_release(&release);
    }
});

fn check(packument: &Packument) {
    assert!(packument.tags.values().all(|version| packument.versions.contains_key(version)));
    assert!(packument.times.keys().all(|version| packument.versions.contains_key(version)));
    for (tag, version) in &packument.tags {
        assert_eq!(packument.pick(tag).map(|release| &release.version), Some(version));
    }
    let view = packument.view();
    assert_eq!(view.tags, packument.tags);
    assert!(view.versions.keys().eq(packument.versions.keys()));
    packument.versions.values().for_each(check_release);
    // Told again, it is the same.
    let versions: Map<String, Value> = packument
        .versions
        .iter()
        .map(|(version, release)| (version.to_string(), document(release)))
        .collect();
    let tags: Map<String, Value> =
        packument.tags.iter().map(|(tag, version)| (tag.clone(), version.to_string().into())).collect();
    let times: Map<String, Value> =
        packument.times.iter().map(|(version, time)| (version.to_string(), time.clone().into())).collect();
    let told = json!({"name": "a", "dist-tags": tags, "versions": versions, "time": times}).to_string();
    assert_eq!(&Packument::parse(&packument.name, told.as_bytes()).expect("as before"), packument);
}

fn check_release(release: &Release) {
    assert!(release.manifest.is_object());
    for without in ["name", "version", "dist"] {
        assert!(release.manifest.get(without).is_none(), "{without}");
    }
    if let Some(tarball) = &release.tarball {
        assert!(matches!(tarball.scheme(), "http" | "https"));
    }
    assert_eq!(Release::parse(&document(release)).as_ref(), Some(release));
    if let Ok(fields) = manifest_fields(&release.manifest) {
        let kept = Value::Object(fields.to_json());
        assert_eq!(kept, release.manifest);
    }
}

fn document(release: &Release) -> Value {
    let mut document = release.manifest.clone();
    let mut dist = Map::new();
    if let Some(integrity) = &release.integrity {
        dist.insert("integrity".to_owned(), integrity.to_string().into());
    }
    if let Some(tarball) = &release.tarball {
        dist.insert("tarball".to_owned(), tarball.as_str().into());
    }
    let signatures =
        release.signatures.iter().map(|signature| json!({"keyid": signature.key, "sig": signature.text}));
    dist.insert("signatures".to_owned(), signatures.collect());
    if let Some(url) = &release.attestations {
        dist.insert("attestations".to_owned(), json!({"url": url.as_str()}));
    }
    document["version"] = release.version.to_string().into();
    document["dist"] = dist.into();
    document
}
