//! The ini dialect of npm: lines of `key = value`, quotes, escapes, and `${NAME}`.

use std::collections::BTreeMap;

/// The entries before the first `[section]`, in order; npm reads no sections.
pub(super) fn entries(text: &str) -> impl Iterator<Item = (String, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().map(str::trim).take_while(|line| !line.starts_with('[')).filter_map(entry)
}

fn entry(line: &str) -> Option<(String, String)> {
    if line.is_empty() || line.starts_with([';', '#']) {
        return None;
    }
    Some(match line.split_once('=') {
        Some((key, value)) => (unquote(key), unquote(value)),
        None => (unquote(line), "true".to_owned()),
    })
}

/// A key or value as written, without its quotes, escapes and trailing comment.
fn unquote(text: &str) -> String {
    let text = text.trim();
    let within = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    if within('"').is_some() {
        return serde_json::from_str(text).unwrap_or_else(|_| within('"').unwrap_or(text).to_owned());
    }
    if let Some(text) = within('\'') {
        return serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ';' | '#' => break,
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ';' | '#')) => plain.push(escaped),
                Some(other) => plain.extend(['\\', other]),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain.trim().to_owned()
}

/// Replaces `${NAME}` by the variable; unset, it stays as it is, and `${NAME?}` becomes nothing. A backslash before it keeps it.
pub(super) fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        let Some(end) = from.find('}') else { break };
        let (reference, after) = from.split_at(end + 1);
        let name = &reference[2..end];
        rest = after;
        let escapes = before.len() - before.trim_end_matches('\\').len();
        // Two backslashes are one; an odd one keeps the reference as it is.
        expanded.push_str(&before[..before.len() - escapes.div_ceil(2)]);
        let optional = name.strip_suffix('?');
        match env.get(optional.unwrap_or(name)) {
            _ if escapes % 2 == 1 || name.is_empty() => expanded.push_str(reference),
            Some(value) => expanded.push_str(value),
            None if optional.is_some() => {}
            None => expanded.push_str(reference),
        }
    }
    expanded.push_str(rest);
    expanded
}
