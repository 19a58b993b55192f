//! What any bytes are to the reader of link maps: refused by a line that exists, or a map that keeps every
//! promise of the format. Each promise is checked in another way than the reader does it; the words of the
//! format's head are not repeated here.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkmap::{Action, Entry, EnvValue, Fault, LinkMap, Map, Reason, Root};
use std::collections::{BTreeMap, BTreeSet};

fuzz_target!(|bytes: &[u8]| {
    match Map::parse(bytes) {
        Ok(map) => check_map(&map, bytes),
        Err(fault) => check_fault(fault, bytes),
    }
});

fn check_fault(fault: Fault, bytes: &[u8]) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    assert!((1..=lines).contains(&(fault.line as usize)), "line {} of {lines}", fault.line);
    assert!(fault.code().starts_with("linkmap-"));
    assert!(!fault.to_string().contains('\n'));
}

fn check_map(map: &Map<'_>, bytes: &[u8]) {
    assert_eq!(map.text().as_bytes(), bytes);
    let allowed = |c: char| matches!(c, '\t' | '\n') || !c.is_control();
    assert!(map.text().chars().all(allowed), "a control character");
    let head = [Some(map.exec()), map.restore(), Some(map.root()), map.fallback()];
    head.into_iter().flatten().for_each(check_path);
    assert!(map.root() == "opencode" || map.root().ends_with("/opencode"));
    check_entries(map);
    check_lines(map);
    // One map has one text.
    let owned = LinkMap::parse(bytes).expect("read before");
    assert_eq!(owned.render().expect("read before").as_bytes(), bytes);
    if bytes.len() < 4096 {
        check_neighbours(map.text());
    }
}

fn check_entries(map: &Map<'_>) {
    let mut places = BTreeMap::new();
    let mut last = None;
    for Entry { root, dest, action } in map.entries() {
        check_path(dest);
        action.source().into_iter().for_each(check_path);
        assert!(!dest.split('/').any(|part| part.starts_with(".opencode-cache-")), "{dest}");
        assert!(root == Root::Cache || !matches!(action, Action::Force { .. }), "{dest}");
        // Component by component: the same order in other words.
        let place = (root, dest.split('/').collect::<Vec<_>>());
        assert!(last.as_ref() < Some(&place), "{dest}");
        let is_keep = action == Action::Keep;
        assert!(places.insert(place.clone(), is_keep).is_none(), "{dest} twice");
        last = Some(place);
    }
    for (root, components) in places.keys() {
        for length in 1..components.len() {
            let above = (*root, components[..length].to_vec());
            assert!(places.get(&above) != Some(&false), "{components:?} lies below {above:?}");
        }
    }
    let names: Vec<_> = map.env().map(|default| default.name).collect();
    assert!(names.is_sorted());
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

/// A second reader: no checks, and fields as they stand in the text.
fn check_lines(map: &Map<'_>) {
    let named = |words: &'static [&str]| {
        let lines = map.text().lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
        lines.filter(move |fields| words.contains(&fields[0]))
    };
    let entries = map.entries().map(|Entry { root, dest, action }| {
        let word = match action {
            Action::Link { .. } => "link",
            Action::Copy { .. } => "copy",
            Action::Force { .. } => "force",
            Action::Keep => "keep",
        };
        let mut fields = vec![word.to_owned(), root.word().to_owned(), dest.to_owned()];
        fields.extend(action.source().map(str::to_owned));
        if let Action::Copy { sum, .. } = action {
            fields.push(sum.to_string());
        }
        fields
    });
    assert!(entries.eq(named(&["link", "copy", "force", "keep"])));
    let variables = map.env().map(|default| match default.value {
        EnvValue::Text(text) => vec!["env", default.name, text],
        EnvValue::OutputPath(path) => vec!["envpath", default.name, path],
    });
    assert!(variables.eq(named(&["env", "envpath"])));
}

/// Texts that differ from a map's by one line: none of them may be a map too, where only the order or the
/// number of equal lines differs.
fn check_neighbours(text: &str) {
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    for at in 1..lines.len() {
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        let fault = Map::parse(twice.concat().as_bytes()).expect_err("a line twice");
        assert_eq!((fault.reason, fault.line as usize), (Reason::Duplicate, at + 2));
        let mut swapped = lines.clone();
        swapped.swap(at - 1, at);
        Map::parse(swapped.concat().as_bytes()).expect_err("two lines in the other order");
    }
}

fn check_path(path: &str) {
    assert!(!path.is_empty() && path.len() <= 4096);
    assert!(!path.contains('\0') && !path.chars().any(char::is_control), "{path:?}");
    assert!(!path.split('/').any(|part| ["", ".", ".."].contains(&part)), "{path:?}");
}
