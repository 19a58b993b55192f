//! Property: the published JSON Schema accepts what the reader accepts, refuses what the reader refuses for its form,
//! and uses no keyword that is not checked here.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use serde_json::Value;

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/opencode.lock.schema.json")).unwrap()
}

/// Whether `value` satisfies `schema`, for the keywords that our schema uses. An unknown keyword is a failure: it would
/// otherwise be a promise that nothing keeps.
fn accepts(root: &Value, schema: &Value, value: &Value) -> bool {
    let keywords = schema.as_object().unwrap();
    keywords.iter().all(|(keyword, wanted)| match keyword.as_str() {
        "$schema" | "$defs" | "title" | "description" => true,
        "$ref" => {
            accepts(root, root.pointer(wanted.as_str().unwrap().strip_prefix('#').unwrap()).unwrap(), value)
        }
        "const" => value == wanted,
        "enum" => wanted.as_array().unwrap().contains(value),
        "oneOf" => wanted.as_array().unwrap().iter().filter(|one| accepts(root, one, value)).count() == 1,
        "type" => match wanted {
            Value::Array(types) => types.iter().any(|one| is_type(one.as_str().unwrap(), value)),
            one => is_type(one.as_str().unwrap(), value),
        },
        "minimum" => value.as_i64().is_none_or(|number| number >= wanted.as_i64().unwrap()),
        "maximum" => value.as_i64().is_none_or(|number| number <= wanted.as_i64().unwrap()),
        "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
        "minProperties" => {
            value.as_object().is_none_or(|members| members.len() as u64 >= wanted.as_u64().unwrap())
        }
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| accepts(root, wanted, item))),
        "required" => value.as_object().is_none_or(|members| {
            wanted.as_array().unwrap().iter().all(|key| members.contains_key(key.as_str().unwrap()))
        }),
        "propertyNames" => value.as_object().is_none_or(|members| {
            members.keys().all(|key| accepts(root, wanted, &Value::String(key.clone())))
        }),
        "properties" => value.as_object().is_none_or(|members| {
            members.iter().all(|(key, member)| wanted.get(key).is_none_or(|one| accepts(root, one, member)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|members| {
            let named = |key: &str| {
                keywords.get("properties").is_some_and(|properties| properties.get(key).is_some())
            };
            members.iter().filter(|(key, _)| !named(key)).all(|(_, member)| match wanted {
                Value::Bool(allowed) => *allowed,
                one => accepts(root, one, member),
            })
        }),
        other => panic!("the schema uses `{other}`, which this test does not check"),
    })
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}

#[test]
fn the_schema_and_the_reader_agree_on_form() {
    let schema = schema();
    let mut cases = [0, 0];
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/lock")).unwrap() {
        let case = entry.unwrap().path();
        let text = fs::read_to_string(case.join("lock.json")).unwrap();
        let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
        let accepted = accepts(&schema, &schema, &value);
        match lock::Lock::parse(&text) {
            Ok(_) => {
                cases[0] += 1;
                assert!(accepted, "{}: the reader accepts, the schema refuses", case.display());
            }
            Err(error)
                if matches!(
                    error.code(),
                    "lock-unknown-key" | "lock-missing-key" | "lock-newer" | "lock-version"
                ) =>
            {
                cases[1] += 1;
                assert!(!accepted, "{}: {error}, the schema accepts", case.display());
            }
            Err(_) => {}
        }
    }
    assert!(cases.iter().all(|count| *count >= 3), "{cases:?}");
}

#[test]
fn the_schema_names_every_field_of_a_package() {
    let schema = schema();
    let fields = schema.pointer("/$defs/manifest/properties").unwrap().as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), lock::Field::ALL.map(lock::Field::as_str));
}

#[test]
fn the_schema_names_every_kind_of_exercise() {
    let schema = schema();
    let kind = |name: &str| schema.pointer(&format!("/$defs/{name}/properties/kind/const")).unwrap().clone();
    assert_eq!(lock::ExerciseKind::WORDS.map(kind), lock::ExerciseKind::WORDS);
    let exercises = schema.pointer("/properties/exercises/additionalProperties/oneOf").unwrap();
    assert_eq!(exercises.as_array().unwrap().len(), lock::ExerciseKind::WORDS.len());
}
