//! A string that is in a tree is found, wherever it is; one that is not, is not.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use opencode_cache_tree::contains_bytes;
use opencode_cache_tree::search::{Found, Place};

use crate::support::{fill, sample};

const HOME: &[u8] = b"x7Jq2mWc9LpTz4Rv";

fn found(root: &Path) -> Option<Found> {
    contains_bytes(root, &[b"never there", HOME]).unwrap()
}

fn at(path: &str, place: Place) -> Option<Found> {
    Some(Found { path: PathBuf::from(path), needle: 1, place })
}

#[test]
fn names_targets_and_contents_are_searched() {
    let home = std::str::from_utf8(HOME).unwrap();
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    assert_eq!(found(dir.path()), None);

    fill(dir.path(), &[("z/log", &format!("at /tmp/{home}/.cache"))]);
    assert_eq!(found(dir.path()), at("z/log", Place::Content));
    symlink(format!("../{home}"), dir.path().join("lib/link")).unwrap();
    assert_eq!(found(dir.path()), at("lib/link", Place::Target));
    fill(dir.path(), &[(&format!("a/{home}.json"), "")]);
    assert_eq!(found(dir.path()), at(&format!("a/{home}.json"), Place::Name), "the first in order");
}

#[test]
fn a_string_across_any_read_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let read = 256 * 1024;
    for offset in (read - HOME.len() - 1..=read + 1).chain([0, 2 * read - 5, 3 * read]) {
        let mut bytes = vec![b'.'; offset];
        bytes.extend(HOME);
        fs::write(dir.path().join("f"), &bytes).unwrap();
        assert_eq!(found(dir.path()), at("f", Place::Content), "at {offset}");
        bytes.pop();
        fs::write(dir.path().join("f"), &bytes).unwrap();
        assert_eq!(found(dir.path()), None, "cut off at {offset}");
    }
}
