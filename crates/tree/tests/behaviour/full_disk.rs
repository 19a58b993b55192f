//! A full disk is an error that names what was done to what, and leaves nothing half-done.

use std::fs;
use std::path::Path;

use opencode_cache_tree::atomic::write_file;
use opencode_cache_tree::unpack::Limits;
use opencode_cache_tree::{Error, Store, copy_canonical};

use crate::archive::{FILE, Tar, tgz, tgz_member};
use crate::support::{assert_succeeds, did_not_run, fill, keep, names, this_test};

/// Pages of the small file system, in kB: room for some files, not for [`LARGE`].
const SIZE: &str = "512k";
const LARGE: usize = 2 * 1024 * 1024;

#[test]
fn a_full_disk_is_told_with_path_and_verb() {
    const DISK: &str = "TREE_TEST_FULL_DISK";
    if let Some(disk) = std::env::var_os(DISK) {
        return on_a_small_disk(Path::new(&disk));
    }
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = format!("mount -t tmpfs -o size={SIZE} tmpfs {} && exec \"$0\" \"$@\"", disk.display());
    let possible = std::process::Command::new("unshare")
        .args(["-Urm", "sh", "-c", &mount.replace("exec \"$0\" \"$@\"", "true")])
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        return did_not_run("no tmpfs can be mounted in a user namespace here");
    }
    let wrapper = ["unshare", "-Urm", "sh", "-c", &mount];
    let test = "full_disk::a_full_disk_is_told_with_path_and_verb";
    assert_succeeds(&mut this_test(&wrapper, test, DISK, &disk));
}

#[track_caller]
fn assert_full(error: &Error, wanted_verb: &str, wanted_path: &Path) {
    assert_eq!(error.code(), "disk-full", "{error:?}");
    assert!(error.hint().unwrap().contains(wanted_path.to_str().unwrap()));
    assert!(
        matches!(error, Error::Io { verb, path, .. } if *verb == wanted_verb && path == wanted_path),
        "{error:?}"
    );
}

fn on_a_small_disk(disk: &Path) {
    let elsewhere = tempfile::tempdir().unwrap();
    let raw = elsewhere.path().join("raw");
    let large = "x".repeat(LARGE);

    let file = disk.join("f");
    write_file(&file, b"old", 0o644).unwrap();
    let error = write_file(&file, large.as_bytes(), 0o644).unwrap_err();
    assert_full(&error, "write", &file);
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");

    fill(&raw, &[("a/large", &large)]);
    let error = copy_canonical(&raw, &disk.join("tree"), &keep).unwrap_err();
    assert_full(&error, "copy", &disk.join("tree/a/large"));

    let many: Vec<(String, &str)> = (0..400).map(|i| (format!("b/{i}"), &large[..4000])).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(path, content)| (path.as_str(), *content)).collect();
    fs::remove_file(raw.join("a/large")).unwrap();
    fill(&raw, &many);
    let store = Store::at(disk.join("store")).unwrap();
    let staging = store.staging().unwrap();
    let error = copy_canonical(&raw, &staging.path().join("tree"), &keep).unwrap_err();
    assert_eq!(error.code(), "disk-full", "{error:?}");
    drop(staging);

    let archive = Tar::new().member("package/bin/tool", FILE, large.as_bytes()).tgz();
    let tool = disk.join("tool");
    let error = tgz_member(&archive[..], "package/bin/tool", &tool, &Limits::PACKAGE).unwrap_err();
    assert_full(&error, "write", &tool);
    let error = tgz(&archive[..], &disk.join("unpacked"), &Limits::PACKAGE).unwrap_err();
    assert_eq!(error.code(), "disk-full", "{error:?}");

    assert_eq!(names(disk), ["f", "store"]);
    assert_eq!(names(store.root()), [] as [&str; 0]);
}
