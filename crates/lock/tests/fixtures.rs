//! Property: every folder of `fixtures/lock` and `fixtures/manifest` is a case, and means what it says: refused with
//! exactly the text of `error.txt`, or accepted (a lock then renders as `canonical.json`, or as itself).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

fn fixtures(area: &str) -> Vec<PathBuf> {
    let area = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(area);
    let mut cases: Vec<PathBuf> = fs::read_dir(area).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// The file's text, where there is such a file.
fn text(case: &Path, name: &str) -> Option<String> {
    let path = case.join(name);
    path.exists().then(|| fs::read_to_string(path).unwrap())
}

/// An error as a person meets it: the message, its causes, code and hint.
fn told(error: &dyn Error, code: &str, hint: Option<String>) -> String {
    let mut told = format!("{error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        told += &format!("cause: {error}\n");
        cause = error.source();
    }
    told += &format!("code: {code}\n");
    told + &hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default()
}

/// Every case has its input, a one-line origin, and nothing that no test looks at.
fn assert_whole(case: &Path, files: &[&str]) {
    let origin = text(case, "origin.md").unwrap_or_else(|| panic!("{}: no origin.md", case.display()));
    assert_eq!(origin.lines().count(), 1, "{}: origin.md has one line", case.display());
    for entry in fs::read_dir(case).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(files.contains(&name.as_str()), "{}: nothing looks at {name}", case.display());
    }
}

#[test]
fn every_lock_case_means_what_it_says() {
    for case in fixtures("lock") {
        assert_whole(&case, &["origin.md", "lock.json", "error.txt", "canonical.json"]);
        let input = text(&case, "lock.json").unwrap();
        match (lock::Lock::parse(&input), text(&case, "error.txt")) {
            (Err(error), Some(expected)) => {
                assert_eq!(told(&error, error.code(), error.hint()), expected, "{}", case.display());
            }
            (Ok(lock), None) => {
                let canonical = text(&case, "canonical.json").unwrap_or(input);
                assert_eq!(lock.render(), canonical, "{}", case.display());
                assert_eq!(lock::Lock::parse(&canonical), Ok(lock), "{}", case.display());
            }
            (Ok(_), Some(_)) => panic!("{}: accepted, error.txt says otherwise", case.display()),
            (Err(error), None) => panic!("{}: {error}, and there is no error.txt", case.display()),
        }
    }
}

#[test]
fn every_manifest_case_means_what_it_says() {
    for case in fixtures("manifest") {
        assert_whole(&case, &["origin.md", "opencode-cache.toml", "error.txt"]);
        let input = text(&case, "opencode-cache.toml").unwrap();
        let found = lock::Manifest::parse(&input).err().map(|error| told(&error, error.code(), error.hint()));
        assert_eq!(found, text(&case, "error.txt"), "{}", case.display());
    }
}
