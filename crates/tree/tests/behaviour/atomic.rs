//! A file is there as a whole or not at all.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};

use opencode_cache_tree::atomic::{Aside, write_file};

use crate::support::{assert_succeeds, names, this_test, told};

#[test]
fn the_mode_is_the_one_that_was_asked_for_whatever_the_umask() {
    const PLACE: &str = "TREE_TEST_UMASK_PLACE";
    if let Some(place) = std::env::var_os(PLACE) {
        write_file(place.as_ref(), b"old", 0o600).unwrap();
        write_file(place.as_ref(), b"new", 0o755).unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("f");
    let wrapper = ["sh", "-c", "umask 077; exec \"$0\" \"$@\""];
    let test = "atomic::the_mode_is_the_one_that_was_asked_for_whatever_the_umask";
    assert_succeeds(&mut this_test(&wrapper, test, PLACE, &place));
    assert_eq!(fs::read_to_string(&place).unwrap(), "new");
    assert_eq!(fs::metadata(&place).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(names(dir.path()), ["f"]);
}

#[test]
fn an_unfinished_file_vanishes_and_the_older_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("f");
    write_file(&place, b"old", 0o644).unwrap();
    let mut aside = Aside::beside(&place).unwrap();
    aside.write_all(b"half").unwrap();
    assert_eq!(fs::read_to_string(&place).unwrap(), "old");
    drop(aside);
    assert_eq!(names(dir.path()), ["f"]);
}

#[test]
fn a_link_is_replaced_and_not_written_through() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine"), "mine").unwrap();
    symlink("mine", dir.path().join("f")).unwrap();
    write_file(&dir.path().join("f"), b"new", 0o644).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("mine")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap(), "new");
}

#[test]
fn an_error_names_verb_and_path() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("missing/f");
    let error = write_file(&place, b"", 0o644).unwrap_err();
    let wanted = format!("[tree-io] cannot create {}: No such file or directory", place.display());
    assert!(told(&error).starts_with(&wanted), "{}", told(&error));

    fs::create_dir_all(dir.path().join("taken/x")).unwrap();
    let error = write_file(&dir.path().join("taken"), b"", 0o644).unwrap_err();
    assert!(told(&error).starts_with("[tree-io] cannot create "), "{}", told(&error));
    assert_eq!(names(dir.path()), ["taken"]);
}
