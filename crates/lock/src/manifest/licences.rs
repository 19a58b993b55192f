//! The `[licences]` table of a manifest: under which terms nothing may be brought along. Owns its keys.

use toml::de::DeValue;

use crate::{
    licence::{Denied, LicencePolicy},
    manifest::{
        Problem,
        read::{Outcome, Value, fault, known_keys, strings, wrong_type},
        trust::patterns,
    },
};

pub(super) fn licences(value: &Value<'_>) -> Outcome<LicencePolicy> {
    let DeValue::Table(table) = value.get_ref() else { return wrong_type(value, "licences", "a table") };
    known_keys(table, "licences", &["deny", "except"])?;
    let mut policy = LicencePolicy::default();
    if let Some(value) = table.get("deny") {
        const KEY: &str = "licences.deny";
        for (at, text) in strings(value, KEY)? {
            let denied: Denied = text.parse().or_else(|source| fault(at, Problem::Licence { source }))?;
            if policy.deny.contains(&denied) {
                return fault(at, Problem::Repeated { key: KEY, item: text.to_owned() });
            }
            policy.deny.push(denied);
        }
    }
    if let Some(value) = table.get("except") {
        policy.except = patterns(value, "licences.except")?;
    }
    Ok(policy)
}
