//! The `[trust]` table of a manifest: what is wanted of registries' signatures, and keys of registries of one's own. Owns its keys.

use toml::de::{DeTable, DeValue};

use crate::{
    Date,
    manifest::{
        Problem,
        read::{Outcome, Value, fault, known_keys, string, strings, wrong_type},
    },
    signature::{
        AttestationPolicy, Error, KeyId, PackagePattern, PublicKey, SignaturePolicy, Trust, TrustedKey,
    },
};

pub(super) fn trust(value: &Value<'_>) -> Outcome<Trust> {
    let DeValue::Table(table) = value.get_ref() else { return wrong_type(value, "trust", "a table") };
    known_keys(table, "trust", &["signatures", "unsigned", "attestations", "unattested", "keys"])?;
    let mut trust = Trust::default();
    if let Some(value) = table.get("signatures") {
        trust.signatures = policy(value)?;
    }
    if let Some(value) = table.get("unsigned") {
        trust.unsigned = patterns(value, "trust.unsigned")?;
    }
    if let Some(value) = table.get("attestations") {
        trust.attestations = attestations(value)?;
    }
    if let Some(value) = table.get("unattested") {
        trust.unattested = patterns(value, "trust.unattested")?;
    }
    if let Some(value) = table.get("keys") {
        let DeValue::Array(items) = value.get_ref() else {
            return wrong_type(value, "trust.keys", "a list of tables");
        };
        trust.keys = items.iter().map(key).collect::<Outcome<_>>()?;
    }
    Ok(trust)
}

fn policy(value: &Value<'_>) -> Outcome<SignaturePolicy> {
    match string(value, "trust.signatures")? {
        "prefer" => Ok(SignaturePolicy::Prefer),
        "require" => Ok(SignaturePolicy::Require),
        other => fault(
            value.span().start,
            Problem::Unknown { key: "trust.signatures", found: other.to_owned(), known: "prefer, require" },
        ),
    }
}

fn attestations(value: &Value<'_>) -> Outcome<AttestationPolicy> {
    match string(value, "trust.attestations")? {
        "prefer" => Ok(AttestationPolicy::Prefer),
        "ignore" => Ok(AttestationPolicy::Ignore),
        other => fault(
            value.span().start,
            Problem::Unknown { key: "trust.attestations", found: other.to_owned(), known: "prefer, ignore" },
        ),
    }
}

pub(super) fn patterns(value: &Value<'_>, key: &'static str) -> Outcome<Vec<PackagePattern>> {
    let mut patterns = Vec::new();
    for (at, text) in strings(value, key)? {
        let pattern: PackagePattern = text.parse().or_else(malformed(at, key))?;
        if patterns.contains(&pattern) {
            return fault(at, Problem::Repeated { key, item: text.to_owned() });
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}

fn malformed<T>(at: usize, key: &str) -> impl Fn(Error) -> Outcome<T> {
    move |source| fault(at, Problem::Trust { key: key.to_owned(), source })
}

fn key(value: &Value<'_>) -> Outcome<TrustedKey> {
    const WITHIN: &str = "trust.keys";
    let DeValue::Table(table) = value.get_ref() else { return wrong_type(value, WITHIN, "a list of tables") };
    known_keys(table, WITHIN, &["id", "key", "packages", "until"])?;
    let text = required(table, value, "key")?;
    let key: PublicKey =
        string(text, "trust.keys.key")?.parse().or_else(malformed(text.span().start, "trust.keys.key"))?;
    let packages = required(table, value, "packages")?;
    let until = match table.get("until") {
        None => None,
        Some(day) => {
            let text = match day.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Datetime(date) => date.to_string(),
                _ => return wrong_type(day, "trust.keys.until", "a day"),
            };
            let parsed: Result<Date, _> = text.parse();
            Some(parsed.or_else(|source| {
                fault(day.span().start, Problem::Date { key: "trust.keys.until", source })
            })?)
        }
    };
    let patterns = patterns(packages, "trust.keys.packages")?;
    if patterns.is_empty() {
        return fault(packages.span().start, Problem::Empty { key: "trust.keys.packages".to_owned() });
    }
    Ok(TrustedKey { id: id(table, &key)?, key, packages: patterns, until })
}

/// What the registry calls the key; its fingerprint where nothing is said, as npm's own does. A name that looks like one has to be it.
fn id(table: &DeTable<'_>, key: &PublicKey) -> Outcome<KeyId> {
    let found = key.fingerprint();
    let Some(value) = table.get("id") else { return Ok(found) };
    let at = value.span().start;
    let named: KeyId = string(value, "trust.keys.id")?.parse().or_else(malformed(at, "trust.keys.id"))?;
    if named.as_str().starts_with("SHA256:") && named != found {
        let (named, found) = (named.to_string(), found.to_string());
        return fault(at, Problem::OtherKey { key: "trust.keys.id".to_owned(), named, found });
    }
    Ok(named)
}

fn required<'v>(table: &'v DeTable<'v>, value: &Value<'_>, key: &'static str) -> Outcome<&'v Value<'v>> {
    match table.get(key) {
        Some(found) => Ok(found),
        None => fault(value.span().start, Problem::MissingKey { key, within: "trust.keys".to_owned() }),
    }
}
