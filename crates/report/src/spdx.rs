//! SPDX 2.3, as JSON. The form wants a date of making: it is the time that all files of an output have, so that two runs give one text.

use std::collections::BTreeMap;

use lock::{Algorithm, Licence};
use serde_json::{Map, Value, json};

use crate::inventory::{Component, Inventory, Kind};

/// Which form, as the text says it.
pub const VERSION: &str = "SPDX-2.3";

/// What every file of an output says that it is of.
const CREATED: &str = "1970-01-01T00:00:01Z";

/// What the document is of.
const ROOT: &str = "SPDXRef-Output";

/// The kind of reference that says where a component lies.
pub(crate) const PLACE: &str = "opencode-cache-place";

/// The text.
pub fn render(inventory: &Inventory) -> String {
    let mut terms = Terms::default();
    let mut packages = vec![root(inventory)];
    packages.extend(inventory.components.iter().map(|one| package(one, &mut terms)));
    let mut document = json!({
        "spdxVersion": VERSION,
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("opencode-{}-{}", inventory.opencode, inventory.system),
        "documentNamespace": "",
        "creationInfo": {
            "created": CREATED,
            "creators": [format!("Tool: opencode-cache-{}", env!("CARGO_PKG_VERSION"))],
        },
        "documentDescribes": [ROOT],
        "packages": packages,
        "hasExtractedLicensingInfos": terms.infos(),
        "relationships": relationships(inventory),
    });
    let hash = bundle::Sha256::of(document.to_string().as_bytes());
    document["documentNamespace"] = format!("urn:opencode-cache:spdx:{}:{hash}", inventory.digest).into();
    format!("{document:#}\n")
}

fn root(inventory: &Inventory) -> Value {
    json!({
        "SPDXID": ROOT,
        "name": "opencode-cache-output",
        "versionInfo": inventory.opencode,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "APPLICATION",
        "summary": format!("OpenCode {} for {} with what it needs without a network", inventory.opencode, inventory.system),
        "sourceInfo": format!("output {}, lock {}, profile {}", inventory.digest, inventory.lock, inventory.profile),
    })
}

fn package(component: &Component, terms: &mut Terms) -> Value {
    let mut object = Map::new();
    let mut set = |key: &str, value: Value| object.insert(key.into(), value);
    set("SPDXID", id(component).into());
    set("name", component.name.clone().into());
    if let Some(version) = &component.version {
        set("versionInfo", version.clone().into());
    }
    // A registry's address is the user's, and in no lock.
    set("downloadLocation", "NOASSERTION".into());
    set("filesAnalyzed", false.into());
    set("licenseConcluded", "NOASSERTION".into());
    set("licenseDeclared", terms.declared(&component.licence).into());
    set("copyrightText", "NOASSERTION".into());
    let purpose = match component.kind {
        Kind::Opencode | Kind::Launcher | Kind::Program => "APPLICATION",
        Kind::Library | Kind::Package => "LIBRARY",
        Kind::Catalogue | Kind::Files => "FILE",
    };
    set("primaryPackagePurpose", purpose.into());
    if let Some(archive) = &component.archive {
        let algorithm = match archive.algorithm() {
            Algorithm::Sha256 => "SHA256",
            Algorithm::Sha384 => "SHA384",
            Algorithm::Sha512 => "SHA512",
        };
        set("checksums", json!([{"algorithm": algorithm, "checksumValue": archive.hex()}]));
    }
    set("sourceInfo", told(component).into());
    let purl = component.purl.iter().map(|purl| {
        json!({"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl})
    });
    let places = component.places.iter().map(|place| {
        let locator = format!("{}#sha256:{}", encode(&place.path), place.content);
        json!({"referenceCategory": "OTHER", "referenceType": PLACE, "referenceLocator": locator})
    });
    set("externalRefs", purl.chain(places).collect::<Vec<_>>().into());
    object.into()
}

/// What the form has no word for.
fn told(component: &Component) -> String {
    let mut told = vec![format!("{} bytes", component.bytes())];
    told.extend(component.exercises.iter().map(|name| format!("brought by {name}")));
    told.extend(component.from.iter().map(|from| format!("from: {from}")));
    told.extend(component.signature.iter().map(|state| format!("signature: {state}")));
    told.extend(component.attested.iter().map(|by| format!("attested: {by}")));
    told.join("; ")
}

/// An id of letters, digits, `.` and `-`; the hash keeps apart what would look the same.
fn id(component: &Component) -> String {
    let plain = |text: &str| -> String {
        text.chars()
            .map(|one| if one.is_ascii_alphanumeric() || one == '.' { one } else { '-' })
            .take(80)
            .collect()
    };
    let hash = bundle::Sha256::of(component.id.as_bytes()).to_string();
    format!("SPDXRef-{}-{}", plain(&component.label()), &hash[..12])
}

/// A path without blanks, `#` and what is no ASCII.
fn encode(path: &str) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-@+~=,".contains(&byte);
    path.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The path that [`encode`] was given.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (pair, after) = after.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn relationships(inventory: &Inventory) -> Vec<Value> {
    let ids: BTreeMap<&str, String> =
        inventory.components.iter().map(|one| (one.id.as_str(), id(one))).collect();
    let relation = |from: &str, how: &str, to: &str| json!({"spdxElementId": from, "relationshipType": how, "relatedSpdxElement": to});
    let mut all = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", ROOT)];
    all.extend(
        inventory
            .components
            .iter()
            .filter_map(|one| Some(relation(ROOT, "CONTAINS", ids.get(one.id.as_str())?))),
    );
    for one in &inventory.components {
        let Some(from) = ids.get(one.id.as_str()) else { continue };
        let needs = one.needs.iter().filter_map(|id| ids.get(id.as_str()));
        all.extend(needs.map(|to| relation(from, "DEPENDS_ON", to)));
    }
    all
}

/// Terms that have no id of SPDX's, each with one of our own.
#[derive(Default)]
struct Terms(BTreeMap<String, String>);

impl Terms {
    fn declared(&mut self, licence: &Licence) -> String {
        match licence {
            Licence::Missing => "NOASSERTION".into(),
            Licence::Spdx(expression) => expression.clone(),
            other => {
                let text = other.to_string();
                let id = format!("LicenseRef-{}", &bundle::Sha256::of(text.as_bytes()).to_string()[..12]);
                self.0.insert(id.clone(), text);
                id
            }
        }
    }

    fn infos(&self) -> Vec<Value> {
        let info = |(id, text): (&String, &String)| json!({"licenseId": id, "name": text, "extractedText": format!("The package declares: {text}")});
        self.0.iter().map(info).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back() {
        for path in ["a/b", "cache/packages/a@>=1 <2/node_modules/é#%", "@s/x"] {
            assert_eq!(decode(&encode(path)).as_deref(), Some(path));
            assert!(encode(path).is_ascii() && !encode(path).contains(['#', ' ']));
        }
        assert_eq!(decode("%4"), None);
        assert_eq!(decode("%zz"), None);
    }
}
