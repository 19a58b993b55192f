//! What an upstream registry says about a package, reduced to what a resolver needs. Owns the parsing of foreign packuments.
//!
//! A full packument may be 100 MB of text, nearly all of it read-mes, scripts and signatures; each version is reduced while it is
//! parsed, so that never more than one is held whole.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use url::Url;

use super::view::{PackumentView, VersionView};
use lock::{Field, PackageName, Sri, StatedSignature, Version, manifest_fields};

/// Most values that are kept of a packument. Each takes some 150 bytes of memory; real packages with thousands of versions have a
/// tenth of them. (Tests of this crate have no time for so many.)
const MAX_KEPT: usize = if cfg!(test) { 10_000 } else { 1_000_000 };

/// Most signatures of one version that are kept; npm's registry states one.
const MAX_SIGNATURES: usize = 8;
/// Longest key's name or signature that is kept, in bytes. A signature of P-256 has 96, a key's name at npm's 50.
const MAX_SIGNATURE: usize = 256;

/// Longest address of attestations that is kept, in bytes; npm's have a hundred and the package's name.
const MAX_ADDRESS: usize = 2048;

/// Everything a registry says about a package, as far as it matters for resolving.
#[derive(Debug, Clone, PartialEq)]
pub struct Packument {
    /// The package.
    pub name: PackageName,
    /// The dist-tags. Those that point at no valid version are left out.
    pub tags: BTreeMap<String, Version>,
    /// The versions. Those that are no semantic version are left out, as no client could choose them.
    pub versions: BTreeMap<Version, Release>,
    /// When versions were published, as the registry writes it (ISO 8601). Not every registry's times are upstream's.
    pub times: BTreeMap<Version, String>,
}

/// One published version.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The version.
    pub version: Version,
    /// The fields that a resolver needs, as a JSON object: what `lock::manifest_fields` keeps, and gives back from this value. Where that
    /// refuses (a dependency on an address), all whitelisted fields as they were.
    pub manifest: Value,
    /// The tarball's hash, where the registry states one of sha256 or stronger.
    pub integrity: Option<Sri>,
    /// Where the registry says that the tarball is; on any host.
    pub tarball: Option<Url>,
    /// The registry's signatures over name, version and integrity, as it states them: nothing here has looked at one.
    pub signatures: Vec<StatedSignature>,
    /// Where it says that a document of the version's attestations is; on any host.
    pub attestations: Option<Url>,
}

impl Release {
    /// Reads a version's document, as it stands in a packument or is answered to `GET /name/version`.
    #[must_use]
    pub fn parse(document: &Value) -> Option<Self> {
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let version = text(document, "version")?.parse().ok()?;
        let dist = document.get("dist").unwrap_or(&Value::Null);
        let tarball = text(dist, "tarball").and_then(|url| Url::parse(&url).ok());
        Some(Self {
            version,
            manifest: manifest(document),
            integrity: text(dist, "integrity").and_then(|sri| sri.parse().ok()),
            tarball: tarball.filter(|url| matches!(url.scheme(), "http" | "https")),
            signatures: signatures(dist),
            attestations: dist.get("attestations").and_then(attestations),
        })
    }

    /// What a replay may say about this version; the tarball is the caller's to add.
    #[must_use]
    pub fn view(&self) -> VersionView {
        VersionView { manifest: self.manifest.clone(), integrity: self.integrity.clone(), tarball: None }
    }
}

/// What is longer than any signature is, or one too many, is dropped, so that it cannot fill the memory.
fn signatures(dist: &Value) -> Vec<StatedSignature> {
    let text = |signature: &Value, key: &str| {
        let text = signature.get(key)?.as_str()?;
        (text.len() <= MAX_SIGNATURE).then(|| text.to_owned())
    };
    let stated = dist.get("signatures").and_then(Value::as_array).into_iter().flatten().take(MAX_SIGNATURES);
    stated
        .filter_map(|one| Some(StatedSignature { key: text(one, "keyid")?, text: text(one, "sig")? }))
        .collect()
}

/// Of what says that there is provenance, as npm's registry does; addresses that are longer than any are dropped.
fn attestations(stated: &Value) -> Option<Url> {
    let short = |url: &str| url.len() <= MAX_ADDRESS;
    let url = stated.get("url")?.as_str().filter(|url| short(url))?;
    // As it is written down it may be longer than it was.
    Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && short(url.as_str()))
}

fn manifest(document: &Value) -> Value {
    let fields = match manifest_fields(document) {
        Ok(fields) => fields.to_json(),
        // A dependency that no lock can pin. The version stays visible, so that clients resolve as they do online; it is an error only
        // where it is resolved, and then the lock's.
        Err(_) => {
            let verbatim =
                |field: Field| Some((field.as_str().to_owned(), document.get(field.as_str())?.clone()));
            Field::ALL.into_iter().filter_map(verbatim).collect()
        }
    };
    Value::Object(fields)
}

impl Packument {
    /// Parses a registry's answer about `name`.
    ///
    /// # Errors
    /// Where it is no JSON object of that shape, or about another package.
    pub fn parse(name: &PackageName, text: impl Read) -> Result<Self, serde_json::Error> {
        let foreign: Foreign = serde_json::from_reader(text)?;
        if foreign.name.as_deref().is_some_and(|found| found != name.as_str()) {
            return Err(serde_json::Error::custom("the answer is about another package"));
        }
        let versions = foreign.versions.0;
        let keyed = |map: BTreeMap<String, Value>| {
            map.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
        };
        let tags =
            keyed(foreign.tags).filter_map(|(tag, version)| Some((tag, version.parse::<Version>().ok()?)));
        let times =
            keyed(foreign.time).filter_map(|(version, time)| Some((version.parse::<Version>().ok()?, time)));
        Ok(Self {
            name: name.clone(),
            tags: tags.filter(|(_, version)| versions.contains_key(version)).collect(),
            times: times.filter(|(version, _)| versions.contains_key(version)).collect(),
            versions,
        })
    }

    /// The version that a tag or an exact version names.
    #[must_use]
    pub fn pick(&self, version_or_tag: &str) -> Option<&Release> {
        let version = self.tags.get(version_or_tag).cloned().or_else(|| version_or_tag.parse().ok())?;
        self.versions.get(&version)
    }

    /// What a replay may say about this package, all versions of it; the tarballs are the caller's to add.
    #[must_use]
    pub fn view(&self) -> PackumentView {
        let versions = self.versions.iter().map(|(version, release)| (version.clone(), release.view()));
        PackumentView { tags: self.tags.clone(), versions: versions.collect() }
    }
}

#[derive(Deserialize)]
struct Foreign {
    name: Option<String>,
    #[serde(rename = "dist-tags", default)]
    tags: BTreeMap<String, Value>,
    #[serde(default)]
    versions: Versions,
    #[serde(default, deserialize_with = "lenient")]
    time: BTreeMap<String, Value>,
}

/// Anything but an object counts as empty: some mirrors write `null`.
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Value>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Object(map) => Map::into_iter(map).collect(),
        _ => BTreeMap::new(),
    })
}

/// How many values there are in a document.
fn values(document: &Value) -> usize {
    match document {
        Value::Object(map) => 1 + map.values().map(values).sum::<usize>(),
        Value::Array(list) => 1 + list.iter().map(values).sum::<usize>(),
        _ => 1,
    }
}

#[derive(Default)]
struct Versions(BTreeMap<Version, Release>);

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneByOne;
        impl<'de> Visitor<'de> for OneByOne {
            type Value = Versions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of versions")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Versions, A::Error> {
                let mut versions = BTreeMap::new();
                let mut kept = 0_usize;
                while let Some((key, document)) = map.next_entry::<String, Value>()? {
                    // The key is what clients ask for; a document that states another version is not believed.
                    if let Some(release) =
                        Release::parse(&document).filter(|release| release.version.to_string() == key)
                    {
                        kept += values(&release.manifest)
                            + release.signatures.len()
                            + usize::from(release.attestations.is_some());
                        if kept > MAX_KEPT {
                            return Err(A::Error::custom(format!(
                                "all versions together have more than {MAX_KEPT} dependencies"
                            )));
                        }
                        versions.insert(release.version.clone(), release);
                    }
                }
                Ok(Versions(versions))
            }
        }
        deserializer.deserialize_map(OneByOne)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: &Value) -> Result<Packument, serde_json::Error> {
        Packument::parse(&"a".parse().unwrap(), value.to_string().as_bytes())
    }

    #[test]
    fn what_no_client_could_use_is_left_out() {
        let packument = parse(&json!({
            "name": "a", "readme": "long",
            "dist-tags": {"latest": "1.0.0", "gone": "3.0.0", "odd": 5},
            "time": null,
            "versions": {
                "1.0.0": {"name": "a", "version": "1.0.0", "scripts": {"postinstall": "x"}, "devDependencies": {"b": "1"},
                    "dependencies": {"c": "^1"}, "dist": {"tarball": "https://elsewhere.invalid/a.tgz", "shasum": "00"}},
                "1.0.1": {"version": "9.9.9"},
                "one": {"version": "one"},
                "1.0.2": "not an object",
            },
        }))
        .unwrap();
        assert_eq!(packument.tags.keys().collect::<Vec<_>>(), ["latest"]);
        assert_eq!(packument.versions.len(), 1);
        let release = packument.pick("latest").unwrap();
        assert_eq!(release.manifest, json!({"dependencies": {"c": "^1"}, "hasInstallScript": true}));
        assert_eq!(release.integrity, None);
        assert_eq!(release.tarball.as_ref().unwrap().as_str(), "https://elsewhere.invalid/a.tgz");
    }

    #[test]
    fn signatures_are_kept_as_they_are_stated_within_bounds() {
        let of = |signatures: Value| {
            let dist = json!({"signatures": signatures});
            Release::parse(&json!({"version": "1.0.0", "dist": dist})).unwrap().signatures
        };
        let good = json!({"keyid": "SHA256:a", "sig": "MEUC"});
        let stated = StatedSignature { key: "SHA256:a".into(), text: "MEUC".into() };
        assert_eq!(of(json!([good, {"keyid": 1, "sig": "x"}, "x", {"sig": "x"}])), [stated]);
        assert_eq!(of(json!(vec![good.clone(); 100])).len(), MAX_SIGNATURES);
        assert_eq!(of(json!([{"keyid": "a", "sig": "x".repeat(MAX_SIGNATURE + 1)}])), []);
        assert_eq!(of(json!({"0": good})), []);
    }

    #[test]
    fn attestations_are_at_an_address_of_the_web() {
        let of = |attestations: Value| {
            let dist = json!({"attestations": attestations});
            let release = Release::parse(&json!({"version": "1.0.0", "dist": dist})).unwrap();
            release.attestations.map(String::from)
        };
        let good = "https://npm.example/-/npm/v1/attestations/a@1.0.0";
        assert_eq!(of(json!({"url": good, "provenance": {}})).as_deref(), Some(good));
        let long = format!("{good}{}", "x".repeat(MAX_ADDRESS));
        for bad in [
            json!(null),
            json!([]),
            json!({}),
            json!({"url": 1}),
            json!({"url": "file:///a"}),
            json!({"url": long}),
        ] {
            assert_eq!(of(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn what_would_fill_the_memory_is_an_error() {
        let many: Map<String, Value> = (0..100).map(|number| (format!("d{number}"), json!("1"))).collect();
        let versions: Map<String, Value> = (0..101)
            .map(|number| format!("1.0.{number}"))
            .map(|version| (version.clone(), json!({"version": version, "dependencies": many})))
            .collect();
        let error = parse(&json!({ "versions": versions })).unwrap_err();
        assert!(error.to_string().contains("dependencies"), "{error}");
    }

    #[test]
    fn foreign_shapes_are_errors() {
        for value in [json!([]), json!("x"), json!({"versions": []}), json!({"name": "b", "versions": {}})] {
            assert!(parse(&value).is_err(), "{value}");
        }
        assert!(Packument::parse(&"a".parse().unwrap(), &b"{\"versions\":{"[..]).is_err());
    }
}
