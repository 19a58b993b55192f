//! Whether an SBOM says what the bytes say: each component, where it lies, what lies there, under which terms. Either form is read;
//! what it says beside that (signatures, who needs whom) is not compared, since bytes do not tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use builder::files;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::inventory::Inventory;
use crate::{cyclonedx, spdx};

/// The largest SBOM that is read, in bytes: 5,000 packages have some 8 MB.
const MAX_BYTES: u64 = 256 << 20;

/// One thing that is not as the SBOM says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What happened to it.
    pub what: Change,
    /// `name@version`.
    pub component: String,
    /// Where; empty where all of the component is meant.
    pub path: String,
    /// What the SBOM says, and what there is, where that is for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub told: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The SBOM has it, and it is not there.
    Missing,
    /// It is there, and the SBOM does not have it.
    Added,
    /// Other bytes lie there.
    Altered,
    /// It declares other terms.
    Licence,
}

/// A component in an SBOM, as far as it is compared.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    licence: String,
    /// Path → hash.
    places: BTreeMap<String, String>,
}

type All = BTreeMap<String, Told>;

/// Compares the SBOM at `path` with what there is.
pub fn check(path: &Path, inventory: &Inventory) -> Result<BTreeSet<Finding>, Error> {
    let bytes = files::read_bounded(path, MAX_BYTES)
        .map_err(|error| Error::Io { path: path.into(), source: std::io::Error::other(error) })?;
    let wrong = |reason: String| Error::Sbom { path: path.into(), reason };
    let document: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let said = read(&document).map_err(|reason| wrong(reason.to_owned()))?;
    let form = if document.get("bomFormat").is_some() { cyclonedx::render } else { spdx::render };
    let is = serde_json::from_str(&form(inventory)).map_err(|error| wrong(error.to_string()))?;
    let is = read(&is).map_err(|reason| wrong(reason.to_owned()))?;
    Ok(compare(&said, &is))
}

fn compare(said: &All, is: &All) -> BTreeSet<Finding> {
    let mut findings = BTreeSet::new();
    let mut found = |what, component: &str, path: &str, told: String| {
        findings.insert(Finding { what, component: component.to_owned(), path: path.to_owned(), told });
    };
    let names: BTreeSet<&String> = said.keys().chain(is.keys()).collect();
    let none = Told::default();
    for name in names {
        let (before, after) = (said.get(name), is.get(name));
        if let (Some(before), Some(after)) = (before, after)
            && before.licence != after.licence
        {
            found(
                Change::Licence,
                name,
                "",
                format!("{} instead of {}", or_none(&after.licence), or_none(&before.licence)),
            );
        }
        // What lies nowhere by itself is there or not.
        match (before, after) {
            (Some(told), None) if told.places.is_empty() => found(Change::Missing, name, "", String::new()),
            (None, Some(told)) if told.places.is_empty() => found(Change::Added, name, "", String::new()),
            _ => {}
        }
        let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
        for (path, hash) in &before.places {
            match after.places.get(path) {
                None => found(Change::Missing, name, path, String::new()),
                Some(other) if other != hash => found(Change::Altered, name, path, String::new()),
                Some(_) => {}
            }
        }
        for path in after.places.keys().filter(|path| !before.places.contains_key(*path)) {
            found(Change::Added, name, path, String::new());
        }
    }
    findings
}

fn or_none(licence: &str) -> &str {
    if licence.is_empty() { "nothing" } else { licence }
}

fn read(document: &Value) -> Result<All, &'static str> {
    if text(document, "bomFormat") == Some("CycloneDX") {
        read_cyclonedx(document)
    } else if text(document, "spdxVersion").is_some() {
        read_spdx(document)
    } else {
        Err("neither CycloneDX nor SPDX as JSON")
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn label(name: &str, version: Option<&str>) -> String {
    version.map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"))
}

fn read_cyclonedx(document: &Value) -> Result<All, &'static str> {
    let mut all = All::new();
    for component in list(document, "components") {
        let name = text(component, "name").ok_or("a component without a name")?;
        let name =
            text(component, "group").map_or_else(|| name.to_owned(), |group| format!("{group}/{name}"));
        let told = all.entry(label(&name, text(component, "version"))).or_default();
        let licences = list(component, "licenses").filter_map(|one| {
            let licence = one.get("license");
            text(one, "expression").or_else(|| text(licence?, "id")).or_else(|| text(licence?, "name"))
        });
        told.licence = licences.collect::<Vec<_>>().join(", ");
        let places = list(component.get("evidence").unwrap_or(&Value::Null), "occurrences");
        for place in places {
            let hash = text(place, "additionalContext").and_then(|text| text.strip_prefix("sha256:"));
            let path = text(place, "location").zip(hash).ok_or("an occurrence without its place and hash")?;
            told.places.insert(path.0.to_owned(), path.1.to_owned());
        }
    }
    anything(all)
}

fn read_spdx(document: &Value) -> Result<All, &'static str> {
    let terms: BTreeMap<&str, &str> = list(document, "hasExtractedLicensingInfos")
        .filter_map(|info| text(info, "licenseId").zip(text(info, "name")))
        .collect();
    let mut all = All::new();
    for package in list(document, "packages") {
        let places =
            list(package, "externalRefs").filter(|one| text(one, "referenceType") == Some(spdx::PLACE));
        let mut places = places.peekable();
        if places.peek().is_none() {
            continue;
        }
        let name = text(package, "name").ok_or("a package without a name")?;
        let told = all.entry(label(name, text(package, "versionInfo"))).or_default();
        let licence =
            text(package, "licenseDeclared").filter(|word| *word != "NOASSERTION").unwrap_or_default();
        told.licence = terms.get(licence).copied().unwrap_or(licence).to_owned();
        for place in places {
            let locator = text(place, "referenceLocator").and_then(|text| text.rsplit_once("#sha256:"));
            let (path, hash) = locator.ok_or("a place without its hash")?;
            told.places.insert(spdx::decode(path).ok_or("a place that is none")?, hash.to_owned());
        }
    }
    anything(all)
}

fn anything(all: All) -> Result<All, &'static str> {
    if all.values().any(|told| !told.places.is_empty()) {
        Ok(all)
    } else {
        Err("it does not say where anything lies")
    }
}

impl Change {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Added => "added",
            Self::Altered => "altered",
            Self::Licence => "other licence",
        }
    }
}
