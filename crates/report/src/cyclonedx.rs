//! CycloneDX 1.6, as JSON. No clock and no chance: there is no timestamp, and the serial number follows from the text.
//!
//! What the form has no word for stands in properties whose names begin with `opencode-cache:`. `occurrences` say where each
//! component lies, with the hash of what lies there: by these an SBOM is compared with bytes (`check`).

use lock::{Algorithm, Licence, Sri};
use serde_json::{Map, Value, json};

use crate::inventory::{Component, Inventory, Kind};

/// Which form, as the text says it.
pub const VERSION: &str = "1.6";

/// How the names of our own properties begin.
pub(crate) const NAMESPACE: &str = "opencode-cache:";

/// The text.
pub fn render(inventory: &Inventory) -> String {
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": VERSION,
        "serialNumber": "",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "opencode-cache", "version": env!("CARGO_PKG_VERSION")}]},
            "component": root(inventory),
        },
        "components": inventory.components.iter().map(component).collect::<Vec<_>>(),
        "dependencies": dependencies(inventory),
    });
    document["serialNumber"] = serial(&document.to_string()).into();
    format!("{document:#}\n")
}

/// A UUID of version 8 ("as one likes") that follows from a text.
fn serial(text: &str) -> String {
    let hash = bundle::Sha256::of(text.as_bytes()).to_string();
    format!(
        "urn:uuid:{}-{}-8{}-8{}-{}",
        &hash[..8],
        &hash[8..12],
        &hash[12..15],
        &hash[15..18],
        &hash[18..30]
    )
}

fn root(inventory: &Inventory) -> Value {
    let mut properties = vec![
        property("digest", &inventory.digest),
        property("system", &inventory.system),
        property("profile", &inventory.profile),
        property("lock", &inventory.lock),
    ];
    for (host, uses) in &inventory.hosts {
        let uses: Vec<&str> = uses.iter().map(String::as_str).collect();
        properties.push(property(&format!("host:{host}"), &uses.join(", ")));
    }
    json!({
        "type": "application",
        "bom-ref": reference(&inventory.digest),
        "name": "opencode-cache-output",
        "version": inventory.opencode,
        "description": format!("OpenCode {} for {} with what it needs without a network", inventory.opencode, inventory.system),
        "properties": properties,
    })
}

/// How the output itself is called, by its digest.
pub fn reference(digest: &str) -> String {
    format!("output:{digest}")
}

fn component(component: &Component) -> Value {
    let mut object = Map::new();
    let kind = match component.kind {
        Kind::Opencode | Kind::Launcher | Kind::Program => "application",
        Kind::Library | Kind::Package => "library",
        Kind::Catalogue => "data",
        Kind::Files => "file",
    };
    object.insert("type".into(), kind.into());
    object.insert("bom-ref".into(), component.id.clone().into());
    let (group, name) = match component.name.split_once('/') {
        Some((group, name)) if component.kind == Kind::Package && group.starts_with('@') => {
            (Some(group), name)
        }
        _ => (None, component.name.as_str()),
    };
    if let Some(group) = group {
        object.insert("group".into(), group.into());
    }
    object.insert("name".into(), name.into());
    if let Some(version) = &component.version {
        object.insert("version".into(), version.clone().into());
    }
    if let Some(hash) = component.archive.as_ref().map(archive) {
        object.insert("hashes".into(), json!([hash]));
    }
    if let Some(licence) = licence(&component.licence) {
        object.insert("licenses".into(), json!([licence]));
    }
    if let Some(purl) = &component.purl {
        object.insert("purl".into(), purl.clone().into());
    }
    let occurrences = component.places.iter().map(|place| {
        // The place that is all of the rest has no path of its own.
        let location = if place.path.is_empty() { "." } else { &place.path };
        json!({"location": location, "additionalContext": format!("sha256:{}", place.content)})
    });
    object.insert("evidence".into(), json!({"occurrences": occurrences.collect::<Vec<_>>()}));
    let mut properties =
        vec![property("kind", component.kind.as_str()), property("bytes", &component.bytes().to_string())];
    properties.extend(component.from.iter().map(|from| property("from", from)));
    properties.extend(component.signature.iter().map(|state| property("signature", state)));
    properties.extend(component.attested.iter().map(|by| property("attested", by)));
    properties.extend(component.exercises.iter().map(|name| property("exercise", name)));
    object.insert("properties".into(), properties.into());
    object.into()
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": format!("{NAMESPACE}{name}"), "value": value})
}

fn archive(sri: &Sri) -> Value {
    let algorithm = match sri.algorithm() {
        Algorithm::Sha256 => "SHA-256",
        Algorithm::Sha384 => "SHA-384",
        Algorithm::Sha512 => "SHA-512",
    };
    json!({"alg": algorithm, "content": sri.hex()})
}

/// What is declared; an expression only where it is one.
fn licence(licence: &Licence) -> Option<Value> {
    match (licence, licence.id()) {
        (Licence::Missing, _) => None,
        (_, Some(id)) => Some(json!({"license": {"id": id, "acknowledgement": "declared"}})),
        (Licence::Spdx(expression), None) => {
            Some(json!({"expression": expression, "acknowledgement": "declared"}))
        }
        (other, None) => Some(json!({"license": {"name": other.to_string(), "acknowledgement": "declared"}})),
    }
}

fn dependencies(inventory: &Inventory) -> Vec<Value> {
    let root = json!({"ref": reference(&inventory.digest), "dependsOn": inventory.needs});
    let others = inventory.components.iter().map(|one| match one.needs.is_empty() {
        true => json!({"ref": one.id}),
        false => json!({"ref": one.id, "dependsOn": one.needs}),
    });
    [root].into_iter().chain(others).collect()
}
