//! The `[exercises.NAME]` tables of a manifest: commands of the user's own. Owns their keys.

use std::collections::BTreeMap;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    command::{Command, Reply, is_variable},
    manifest::{
        Problem,
        read::{Outcome, Value, fault, known_keys, string, strings, wrong_type},
    },
    rel_path::RelPath,
};

pub(super) fn exercises(value: &Value<'_>) -> Outcome<BTreeMap<String, Command>> {
    let DeValue::Table(table) = value.get_ref() else { return wrong_type(value, "exercises", "a table") };
    table.iter().map(|(name, value)| Ok((exercise_name(name)?, exercise(name.get_ref(), value)?))).collect()
}

fn exercise_name(name: &Spanned<std::borrow::Cow<'_, str>>) -> Outcome<String> {
    let text = name.get_ref();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return fault(name.span().start, Problem::ExerciseName { name: text.to_string() });
    }
    Ok(text.to_string())
}

fn exercise(name: &str, value: &Value<'_>) -> Outcome<Command> {
    let within = format!("exercises.{name}");
    let DeValue::Table(table) = value.get_ref() else {
        return wrong_type(value, &within, "a table with `run`");
    };
    known_keys(table, &within, &["run", "env", "replies", "files"])?;
    let Some(run) = table.get("run") else {
        return fault(value.span().start, Problem::MissingKey { key: "run", within });
    };
    let key = format!("{within}.run");
    let arguments = strings(run, &key)?;
    if arguments.is_empty() {
        return fault(run.span().start, Problem::Empty { key });
    }
    if let Some((at, _)) = arguments.iter().find(|(_, argument)| argument.contains('\0')) {
        return fault(*at, Problem::Argument { key });
    }
    Ok(Command {
        run: arguments.into_iter().map(|(_, argument)| argument.to_owned()).collect(),
        env: variables(table, format!("{within}.env"))?,
        replies: replies(table, &format!("{within}.replies"))?,
        files: project_files(table, format!("{within}.files"))?,
    })
}

fn variables(table: &DeTable<'_>, key: String) -> Outcome<BTreeMap<String, String>> {
    let Some(value) = table.get("env") else { return Ok(BTreeMap::new()) };
    let DeValue::Table(table) = value.get_ref() else { return wrong_type(value, &key, "a table of strings") };
    let mut variables = BTreeMap::new();
    for (name, value) in table.iter() {
        if !is_variable(name.get_ref()) {
            return fault(name.span().start, Problem::Variable { key, name: name.get_ref().to_string() });
        }
        let text = string(value, &key)?;
        if text.contains('\0') {
            return fault(value.span().start, Problem::Argument { key });
        }
        variables.insert(name.get_ref().to_string(), text.to_owned());
    }
    Ok(variables)
}

fn replies(table: &DeTable<'_>, key: &str) -> Outcome<Vec<Reply>> {
    let Some(value) = table.get("replies") else { return Ok(Vec::new()) };
    const EXPECTED: &str = "a list of texts and of { tool, arguments }";
    let DeValue::Array(items) = value.get_ref() else { return wrong_type(value, key, EXPECTED) };
    let reply = |item: &Value<'_>| match item.get_ref() {
        DeValue::String(text) => Ok(Reply::Text(text.to_string())),
        DeValue::Table(call) => {
            known_keys(call, key, &["tool", "arguments"])?;
            let missing = |word| Problem::MissingKey { key: word, within: key.to_owned() };
            let Some(tool) = call.get("tool") else { return fault(item.span().start, missing("tool")) };
            let Some(arguments) = call.get("arguments") else {
                return fault(item.span().start, missing("arguments"));
            };
            if !matches!(arguments.get_ref(), DeValue::Table(_)) {
                return wrong_type(arguments, key, "a table");
            }
            Ok(Reply::Call { tool: string(tool, key)?.to_owned(), arguments: json(arguments, key)? })
        }
        _ => wrong_type(item, key, EXPECTED),
    };
    items.iter().map(reply).collect()
}

/// A TOML value as JSON, whose keys are sorted because TOML's table is.
fn json(value: &Value<'_>, key: &str) -> Outcome<serde_json::Value> {
    use serde_json::Value as Json;
    Ok(match value.get_ref() {
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Boolean(value) => Json::Bool(*value),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => number.into(),
            Err(_) => return wrong_type(value, key, "a number of 64 bits"),
        },
        DeValue::Float(number) => {
            match number.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
                Some(number) => Json::Number(number),
                None => return wrong_type(value, key, "a number that JSON has"),
            }
        }
        DeValue::Datetime(date) => Json::String(date.to_string()),
        DeValue::Array(items) => {
            Json::Array(items.iter().map(|item| json(item, key)).collect::<Outcome<_>>()?)
        }
        DeValue::Table(table) => {
            let member = |(name, value): (&Spanned<std::borrow::Cow<'_, str>>, &Value<'_>)| {
                Ok((name.get_ref().to_string(), json(value, key)?))
            };
            Json::Object(table.iter().map(member).collect::<Outcome<_>>()?)
        }
    })
}

fn project_files(table: &DeTable<'_>, key: String) -> Outcome<BTreeMap<RelPath, String>> {
    let Some(value) = table.get("files") else { return Ok(BTreeMap::new()) };
    let DeValue::Table(table) = value.get_ref() else { return wrong_type(value, &key, "a table of strings") };
    let mut files = BTreeMap::new();
    for (path, value) in table.iter() {
        let parsed = path.get_ref().parse();
        let parsed =
            parsed.or_else(|source| fault(path.span().start, Problem::File { key: key.clone(), source }))?;
        files.insert(parsed, string(value, &key)?.to_owned());
    }
    Ok(files)
}
