//! What a resolver needs to know of a package version. Owns the whitelist of fields that a lock may hold, and their
//! canonical form; never resolves anything.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

use crate::{nearest::nearest, system::System};

/// A field of a package's manifest that a lock may hold: what npm's and bun's resolvers read, and what they copy into
/// their own lock files (`license`, `funding`, `bin` …; `docs/LOCK.md` has the reason for each). Ordered by spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `_hasShrinkwrap`: only ever `true`.
    HasShrinkwrap,
    /// `bin`: a string or an object, verbatim also in order, since bun copies it.
    Bin,
    /// `bundleDependencies`: names that the tarball brings along, or `true` for all.
    BundleDependencies,
    /// `cpu`
    Cpu,
    /// `dependencies`
    Dependencies,
    /// `deprecated`: a text, or `true`.
    Deprecated,
    /// `engines`
    Engines,
    /// `funding`
    Funding,
    /// `hasInstallScript`: only ever `true`.
    HasInstallScript,
    /// `libc`
    Libc,
    /// `license`
    License,
    /// `optionalDependencies`
    OptionalDependencies,
    /// `os`
    Os,
    /// `peerDependencies`
    PeerDependencies,
    /// `peerDependenciesMeta`
    PeerDependenciesMeta,
}

/// The whitelisted fields of one package version, in canonical form: objects sorted (but `bin`), nothing empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PackageManifest(BTreeMap<Field, Value>);

/// Why a value cannot be a field's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The value has a form that the field never has.
    #[error("`{field}` is not {expected}")]
    Form {
        /// The field.
        field: Field,
        /// The form that it has to have.
        expected: &'static str,
    },
    /// The value holds an address. Addresses do not belong in a registry-neutral lock, and what a dependency fetches
    /// by address no pin covers.
    #[error("`{field}` holds the address `{address}`")]
    Address {
        /// The field.
        field: Field,
        /// The address, as it stands there.
        address: String,
    },
}

impl Field {
    /// Every field, in order of spelling (which is also their `Ord`).
    pub const ALL: [Field; 15] = [
        Field::HasShrinkwrap,
        Field::Bin,
        Field::BundleDependencies,
        Field::Cpu,
        Field::Dependencies,
        Field::Deprecated,
        Field::Engines,
        Field::Funding,
        Field::HasInstallScript,
        Field::Libc,
        Field::License,
        Field::OptionalDependencies,
        Field::Os,
        Field::PeerDependencies,
        Field::PeerDependenciesMeta,
    ];

    /// The field's key in a package's manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Field::HasShrinkwrap => "_hasShrinkwrap",
            Field::Bin => "bin",
            Field::BundleDependencies => "bundleDependencies",
            Field::Cpu => "cpu",
            Field::Dependencies => "dependencies",
            Field::Deprecated => "deprecated",
            Field::Engines => "engines",
            Field::Funding => "funding",
            Field::HasInstallScript => "hasInstallScript",
            Field::Libc => "libc",
            Field::License => "license",
            Field::OptionalDependencies => "optionalDependencies",
            Field::Os => "os",
            Field::PeerDependencies => "peerDependencies",
            Field::PeerDependenciesMeta => "peerDependenciesMeta",
        }
    }

    pub(super) fn from_key(key: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|field| field.as_str() == key)
    }

    pub(super) fn nearest_to(key: &str) -> Option<&'static str> {
        nearest(key, &Field::ALL.map(Field::as_str))
    }

    /// Texts that people write and that no installer fetches may hold addresses.
    fn may_hold_addresses(self) -> bool {
        matches!(self, Field::License | Field::Funding | Field::Deprecated)
    }

    fn expected(self) -> &'static str {
        match self {
            Field::HasShrinkwrap | Field::HasInstallScript => "a boolean",
            Field::Bin => "a string or an object of strings",
            Field::BundleDependencies => "a list of names or a boolean",
            Field::Cpu | Field::Libc | Field::Os => "a string or a list of strings",
            Field::Dependencies | Field::OptionalDependencies | Field::PeerDependencies => {
                "an object of strings"
            }
            Field::Deprecated => "a string or a boolean",
            Field::Engines | Field::Funding | Field::License => "a string, a list or an object",
            Field::PeerDependenciesMeta => "an object of objects",
        }
    }

    fn has_form(self, value: &Value) -> bool {
        let strings =
            |values: &Value| values.as_array().is_some_and(|list| list.iter().all(Value::is_string));
        let object_of =
            |test: fn(&Value) -> bool| value.as_object().is_some_and(|object| object.values().all(test));
        match self {
            Field::HasShrinkwrap | Field::HasInstallScript => value.is_boolean(),
            Field::Bin => value.is_string() || object_of(Value::is_string),
            Field::BundleDependencies => value.is_boolean() || strings(value),
            Field::Cpu | Field::Libc | Field::Os => value.is_string() || strings(value),
            Field::Dependencies | Field::OptionalDependencies | Field::PeerDependencies => {
                object_of(Value::is_string)
            }
            Field::Deprecated => value.is_string() || value.is_boolean(),
            Field::Engines | Field::Funding | Field::License => {
                value.is_string() || value.is_array() || value.is_object()
            }
            Field::PeerDependenciesMeta => object_of(Value::is_object),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PackageManifest {
    /// A manifest that says nothing: a package without dependencies that fits every system.
    pub fn new() -> Self {
        PackageManifest::default()
    }

    /// Sets a field, in canonical form; an empty value (`{}`, `[]`, `""`, `false`, `null`) removes it.
    ///
    /// # Errors
    /// The value has a form that the field never has, or holds an address where none may stand.
    pub fn set(&mut self, field: Field, value: Value) -> Result<(), FieldError> {
        if is_empty(&value) {
            self.0.remove(&field);
            return Ok(());
        }
        if !field.has_form(&value) {
            return Err(FieldError::Form { field, expected: field.expected() });
        }
        let value = if field == Field::Bin { value } else { sorted(value) };
        let address = if field.may_hold_addresses() { None } else { address_in(&value).map(str::to_owned) };
        match address {
            Some(address) => Err(FieldError::Address { field, address }),
            None => {
                self.0.insert(field, value);
                Ok(())
            }
        }
    }

    /// A field's value, as the registry gave it.
    pub fn get(&self, field: Field) -> Option<&Value> {
        self.0.get(&field)
    }

    /// The fields that are there, in order of spelling.
    pub fn fields(&self) -> impl Iterator<Item = (Field, &Value)> {
        self.0.iter().map(|(field, value)| (*field, value))
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries of a field that maps names to texts (`dependencies`, `optionalDependencies`, `peerDependencies`);
    /// nothing for other fields. Names and specs are the registry's, unchecked.
    pub fn entries(&self, field: Field) -> impl Iterator<Item = (&str, &str)> {
        let object = self.0.get(&field).and_then(Value::as_object);
        object.into_iter().flatten().filter_map(|(name, spec)| Some((name.as_str(), spec.as_str()?)))
    }

    /// The entries of a field that lists words (`os`, `cpu`, `libc`, `bundleDependencies`), also where it is one
    /// string; nothing for other fields.
    pub fn words(&self, field: Field) -> Vec<&str> {
        match self.0.get(&field) {
            Some(Value::String(word)) => vec![word],
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether npm would install the package on a system, by its `os`, `cpu` and `libc`.
    pub fn allows(&self, system: System) -> bool {
        system.allows(&self.words(Field::Os), &self.words(Field::Cpu), &self.words(Field::Libc))
    }

    /// The fields as a JSON object: the part of a registry's version object that a lock keeps.
    pub fn to_json(&self) -> Map<String, Value> {
        self.fields().map(|(field, value)| (field.as_str().to_owned(), value.clone())).collect()
    }
}

/// What a lock keeps of a registry's version object: the whitelisted fields, in canonical form.
///
/// `bundledDependencies`, the other spelling, counts as `bundleDependencies`. A full version object says
/// `scripts` where an abbreviated one says `hasInstallScript`; both end as the latter. A value of a form that the
/// field never has is dropped, as npm drops it.
///
/// # Errors
/// A field holds an address where none may stand: a dependency that would be fetched from an address, which no lock
/// can pin.
pub fn manifest_fields(packument_version: &Value) -> Result<PackageManifest, FieldError> {
    let mut manifest = PackageManifest::new();
    let found = |field: Field| match (field, packument_version.get(field.as_str())) {
        (Field::BundleDependencies, None) => packument_version.get("bundledDependencies").cloned(),
        (Field::HasInstallScript, None) => Some(Value::Bool(has_install_script(packument_version))),
        (_, value) => value.cloned(),
    };
    for field in Field::ALL {
        match found(field).map(|value| manifest.set(field, value)) {
            None | Some(Ok(()) | Err(FieldError::Form { .. })) => {}
            Some(Err(error)) => return Err(error),
        }
    }
    Ok(manifest)
}

fn has_install_script(packument_version: &Value) -> bool {
    let scripts = packument_version.get("scripts");
    ["preinstall", "install", "postinstall"].iter().any(|name| {
        scripts
            .and_then(|scripts| scripts.get(name))
            .and_then(Value::as_str)
            .is_some_and(|script| !script.is_empty())
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(members) => {
            let members: BTreeMap<String, Value> =
                members.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(members.into_iter().collect())
        }
        scalar => scalar,
    }
}

/// The first text with a scheme (`https://…`), git's apart: those name no registry, and whoever resolves them has to
/// refuse them anyway.
fn address_in(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => is_address(text).then_some(text),
        Value::Array(items) => items.iter().find_map(address_in),
        Value::Object(members) => members
            .iter()
            .find_map(|(key, value)| if is_address(key) { Some(key.as_str()) } else { address_in(value) }),
        _ => None,
    }
}

fn is_address(text: &str) -> bool {
    let text = text.trim_start();
    let git = text.get(..3).is_some_and(|scheme| scheme.eq_ignore_ascii_case("git"));
    text.contains("://") && !git
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_what_a_resolver_needs_and_nothing_else() {
        let version = json!({
            "name": "a", "version": "1.0.0", "description": "x", "dist": {"tarball": "https://any.example/a.tgz"},
            "dependencies": {"z": "1", "b": "^2"}, "optionalDependencies": {}, "devDependencies": {"c": "1"},
            "bundledDependencies": ["b"], "bin": {"z": "z.js", "a": "a.js"}, "os": ["!win32"], "cpu": "x64",
            "license": "MIT", "funding": {"url": "https://fund.example", "type": "x"}, "deprecated": false,
            "scripts": {"postinstall": "node x"}, "engines": {"node": ">=18"}, "_hasShrinkwrap": false,
        });
        let manifest = manifest_fields(&version).unwrap();
        assert_eq!(
            serde_json::to_string(&manifest.to_json()).unwrap(),
            r#"{"bin":{"z":"z.js","a":"a.js"},"bundleDependencies":["b"],"cpu":"x64","dependencies":{"b":"^2","z":"1"},"engines":{"node":">=18"},"funding":{"type":"x","url":"https://fund.example"},"hasInstallScript":true,"license":"MIT","os":["!win32"]}"#
        );
        assert_eq!(manifest.entries(Field::Dependencies).collect::<Vec<_>>(), [("b", "^2"), ("z", "1")]);
        assert_eq!(manifest.words(Field::Cpu), ["x64"]);
        assert!(manifest.allows(System::X86_64Linux));
        assert!(!manifest.allows(System::Aarch64Linux));
    }

    #[test]
    fn drops_malformed_fields_and_refuses_addresses() {
        let manifest =
            manifest_fields(&json!({"bin": ["a"], "dependencies": {"a": 1}, "os": 5, "license": 1})).unwrap();
        assert!(manifest.is_empty());
        let error =
            manifest_fields(&json!({"dependencies": {"a": "https://any.example/a.tgz"}})).unwrap_err();
        assert_eq!(error.to_string(), "`dependencies` holds the address `https://any.example/a.tgz`");
        assert!(manifest_fields(&json!({"dependencies": {"a": "git+https://any.example/a.git"}})).is_ok());
        assert!(manifest_fields(&json!({"engines": {"http://any.example": "1"}})).is_err());
        assert!(manifest_fields(&json!({"deprecated": "see https://any.example"})).is_ok());
    }

    #[test]
    fn fields_are_sorted_by_their_keys() {
        assert!(Field::ALL.windows(2).all(|pair| pair[0] < pair[1] && pair[0].as_str() < pair[1].as_str()));
        assert!(Field::ALL.iter().all(|field| Field::from_key(field.as_str()) == Some(*field)));
    }
}
