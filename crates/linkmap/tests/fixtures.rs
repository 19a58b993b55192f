//! Property: every map under `fixtures/linkmap/` is read and written back byte for byte, or refused
//! with the line and code that its `error` file names; and every reason to refuse has a fixture.
#![expect(clippy::unwrap_used, reason = "a test")]

use opencode_cache_linkmap::{Fault, LinkMap, Map, Reason};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn cases() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/linkmap");
    let mut cases: Vec<_> = fs::read_dir(dir).unwrap().map(|case| case.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 20, "fixtures are missing");
    cases
}

/// `line 3: linkmap-order`, as it stands in a case's `error` file.
fn told(fault: Fault) -> String {
    format!("line {}: {}\n", fault.line, fault.code())
}

#[test]
fn every_case_is_read_or_refused_as_it_says() {
    for case in cases() {
        let name = case.display();
        let text = fs::read(case.join("linkmap")).unwrap();
        let origin = fs::read_to_string(case.join("origin.md")).unwrap();
        assert_eq!(origin.lines().count(), 1, "{name}: origin.md is one line");
        match fs::read_to_string(case.join("error")) {
            Ok(error) => assert_eq!(told(Map::parse(&text).unwrap_err()), error, "{name}"),
            Err(_) => {
                let map = LinkMap::parse(&text).unwrap_or_else(|fault| panic!("{name}: {fault}"));
                assert_eq!(map.render().unwrap().as_bytes(), text, "{name}");
            }
        }
    }
}

/// Refusals that need a text too large to keep as a file; `limits.rs` makes them.
const MADE_IN_TESTS: [Reason; 3] = [Reason::TooLarge, Reason::TooManyEntries, Reason::TooLong];

#[test]
fn every_reason_has_a_case() {
    let seen: BTreeSet<String> = cases()
        .iter()
        .filter_map(|case| fs::read_to_string(case.join("error")).ok())
        .filter_map(|error| Some(error.trim().split_once(": ")?.1.to_owned()))
        .collect();
    let made = MADE_IN_TESTS.map(|reason| reason.code().to_owned());
    let expected: BTreeSet<_> = Reason::ALL.iter().map(|r| r.code().to_owned()).collect();
    assert_eq!(seen.union(&made.into()).cloned().collect::<BTreeSet<_>>(), expected);
}
