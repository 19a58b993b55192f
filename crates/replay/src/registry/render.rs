//! The JSON documents of a registry, synthesised. Owns their shape; replay and recorder render through it, so that a replayed answer
//! differs from the recorded one in nothing but the address.

use std::collections::BTreeMap;
use std::fmt::Display;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::base_path::BasePath;
use super::route::tarball_path;
use lock::{PackageName, Sri, Version};

/// The content type of npm's abbreviated packument.
pub(crate) const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";

/// One version as it is rendered.
pub(crate) struct Shown<'a> {
    pub(crate) version: &'a Version,
    pub(crate) manifest: &'a Value,
    pub(crate) integrity: Option<&'a Sri>,
}

/// Where the documents say that tarballs are.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Host and port of this server as the client knows it.
    pub(crate) authority: &'a str,
    pub(crate) base: &'a BasePath,
}

/// One version's document.
pub(crate) fn version(place: Place<'_>, name: &PackageName, shown: &Shown<'_>) -> Value {
    let Place { authority, base } = place;
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(name.to_string()));
    object.insert("version".to_owned(), json!(shown.version.to_string()));
    for (key, value) in shown.manifest.as_object().into_iter().flatten() {
        object.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let mut dist = Map::new();
    dist.insert(
        "tarball".to_owned(),
        json!(format!("http://{authority}/{base}/{}", tarball_path(name, shown.version))),
    );
    if let Some(integrity) = shown.integrity {
        dist.insert("integrity".to_owned(), json!(integrity.to_string()));
    }
    object.insert("dist".to_owned(), Value::Object(dist));
    Value::Object(object)
}

/// A package's document.
pub(crate) fn packument<'a>(
    place: Place<'_>,
    name: &PackageName,
    tags: &BTreeMap<String, Version>,
    versions: impl Iterator<Item = Shown<'a>>,
) -> Bytes {
    let tags = object(tags.iter().map(|(tag, version)| (tag, json!(version.to_string()))));
    let versions = object(versions.map(|shown| (shown.version, version(place, name, &shown))));
    json!({ "name": name.to_string(), "dist-tags": tags, "versions": versions }).to_string().into()
}

fn object<K: Display>(entries: impl Iterator<Item = (K, Value)>) -> Value {
    Value::Object(entries.map(|(key, value)| (key.to_string(), value)).collect())
}

/// The content type for what a client says that it accepts.
pub(crate) fn content_type(accept: Option<&str>) -> &'static str {
    match accept {
        Some(accept) if accept.contains(ABBREVIATED) => ABBREVIATED,
        _ => crate::answer::JSON,
    }
}
