//! A store holds finished trees only, under the names that their contents give them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use opencode_cache_tree::store::digest_in;
use opencode_cache_tree::{Digest, Error, Store, StorePath, nar_hash, remove_tree, set_link};

use crate::support::{
    fill, modes_and_times, names, ready_to_be_killed, sample, start_until_ready, this_test,
};

fn put(store: &Store, files: &[(&str, &str)]) -> StorePath {
    let staging = store.staging().unwrap();
    fill(staging.path(), files);
    staging.commit().unwrap()
}

#[test]
fn a_committed_tree_has_its_contents_name_and_is_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path().join("state/store")).unwrap();
    let staging = store.staging().unwrap();
    sample(staging.path());
    let name = staging.path().file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.starts_with(&format!(".staging-{}-", std::process::id())), "{name}");
    let stored = staging.commit().unwrap();

    assert_eq!(stored.digest(), Digest::of(&nar_hash(stored.path()).unwrap()));
    assert_eq!(stored.path(), store.root().join(stored.digest().file_name()));
    assert_eq!(names(store.root()), [stored.digest().file_name()]);
    for line in modes_and_times(stored.path()) {
        assert!(["0444 1.0 ", "0555 1.0 ", "0777 1.0 "].iter().any(|seal| line.starts_with(seal)), "{line}");
    }
    assert_eq!(store.get(stored.digest()), Some(stored.clone()));
    store.verify(stored.path()).unwrap();
}

#[test]
fn the_same_content_is_kept_once_also_by_many_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path().join("store")).unwrap();
    let first = put(&store, &[("a/f", "1")]);
    let inode = |path: &Path| fs::metadata(path.join("a/f")).unwrap().ino();
    let before = inode(first.path());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let own = Store::at(dir.path().join("store")).unwrap();
                assert_eq!(put(&own, &[("a/f", "1")]), first);
                put(&own, &[("a/f", "2")]);
            });
        }
    });
    assert_eq!(inode(first.path()), before);
    assert_eq!(names(store.root()).len(), 2, "{:?}", names(store.root()));
}

#[test]
fn a_dropped_staging_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path().join("store")).unwrap();
    let staging = store.staging().unwrap();
    sample(staging.path());
    assert_eq!(names(store.root()).len(), 2);
    drop(staging);
    let staging = store.staging().unwrap();
    symlink("/etc", staging.path().join("etc")).unwrap();
    assert!(matches!(staging.commit(), Err(Error::LinkLeaves { .. })));
    assert_eq!(names(store.root()), [] as [&str; 0]);
}

#[test]
fn what_a_killed_process_left_is_removed_and_a_living_one_is_not() {
    const STORE: &str = "TREE_TEST_STORE";
    if let Some(root) = std::env::var_os(STORE) {
        let staging = Store::at(root.into()).unwrap().staging().unwrap();
        sample(staging.path());
        return ready_to_be_killed();
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let test = "store::what_a_killed_process_left_is_removed_and_a_living_one_is_not";
    let mut child = start_until_ready(&mut this_test(&[], test, STORE, &root));

    let store = Store::at(root.clone()).unwrap();
    let ours = store.staging().unwrap();
    Store::at(root.clone()).unwrap();
    assert_eq!(names(&root).len(), 4, "two living ones, each with its lock: {:?}", names(&root));

    child.kill().unwrap();
    child.wait().unwrap();
    fs::create_dir(root.join(".staging-1-without-a-lock")).unwrap();
    Store::at(root.clone()).unwrap();
    assert_eq!(names(&root).len(), 2, "{:?}", names(&root));
    assert!(ours.path().is_dir());
}

#[test]
fn a_changed_byte_is_noticed_by_verify_and_by_the_next_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path().join("store")).unwrap();
    let stored = put(&store, &[("f", "right")]);
    let other = put(&store, &[("f", "wrong")]);
    let result = dir.path().join("result");
    set_link(&result, stored.path()).unwrap();
    assert_eq!(store.verify(&result).unwrap(), nar_hash(stored.path()).unwrap());

    let file = stored.path().join("f");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "wrong").unwrap();
    let error = store.verify(&result).unwrap_err();
    assert_eq!(error.code(), "store-damaged");
    assert!(error.hint().unwrap().contains(stored.path().to_str().unwrap()));
    assert!(
        matches!(error, Error::Damaged { path, found } if path == stored.path() && found == other.digest())
    );

    let staging = store.staging().unwrap();
    fill(staging.path(), &[("f", "right")]);
    assert_eq!(staging.commit().unwrap_err().code(), "store-damaged");

    store.remove(&stored).unwrap();
    store.remove(&stored).unwrap();
    assert_eq!(store.get(stored.digest()), None);
    assert_eq!(put(&store, &[("f", "right")]), stored);
    store.verify(&result).unwrap();
}

#[test]
fn verify_refuses_what_is_no_tree_of_this_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path().join("store")).unwrap();
    let elsewhere = Store::at(dir.path().join("elsewhere")).unwrap();
    let stored = put(&store, &[("bin/f", "1")]);
    let foreign = put(&elsewhere, &[("bin/f", "1")]);
    for path in [foreign.path(), &stored.path().join("bin"), store.root()] {
        assert_eq!(store.verify(path).unwrap_err().code(), "store-foreign-path", "{}", path.display());
    }
    assert_eq!(StorePath::resolve(foreign.path()).unwrap(), foreign);
    foreign.verify().unwrap();
    let missing = store.verify(&dir.path().join("missing")).unwrap_err();
    assert!(matches!(missing, Error::Io { verb: "resolve", path, .. } if path.ends_with("missing")));
}

#[test]
fn a_path_tells_what_tree_it_lies_in() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path().join("store")).unwrap();
    let stored = put(&store, &[("bin/f", "1")]);
    let digest = Some(stored.digest());
    assert_eq!(store.find(&stored.path().join("bin/f")), Some(stored.clone()));
    assert_eq!(store.find(stored.path()), Some(stored.clone()));
    assert_eq!(store.find(&stored.path().join("../x")), None);
    assert_eq!(store.find(store.root()), None);
    assert_eq!(store.find(Path::new("/etc")), None);
    assert_eq!(digest_in(&stored.path().join("bin")), digest);
    let nix = Path::new("/nix/store").join(stored.digest().file_name());
    assert_eq!(digest_in(&nix.join("bin/opencode")), digest);
    assert_eq!(digest_in(Path::new("/home/opencode-cache/bin")), None);
}

#[test]
fn a_link_is_replaced_and_nothing_else_ever_is() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("result");
    for target in ["one", "two", "two", "one"] {
        set_link(&link, Path::new(target)).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
    }
    for taken in ["file", "directory"] {
        let place = dir.path().join(taken);
        match taken {
            "file" => fs::write(&place, "mine").unwrap(),
            _ => fs::create_dir(&place).unwrap(),
        }
        let error = set_link(&place, Path::new("one")).unwrap_err();
        assert_eq!(error.code(), "tree-not-a-link");
        assert!(matches!(error, Error::NotALink { path } if path == place));
    }
    assert_eq!(fs::read_to_string(dir.path().join("file")).unwrap(), "mine");
    assert_eq!(names(dir.path()), ["directory", "file", "result"]);
}

#[test]
fn a_file_linked_into_the_staging_keeps_its_mode_outside() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path().join("store")).unwrap();
    fill(dir.path(), &[("vendored", "bytes")]);
    let before = modes_and_times(&dir.path().join("vendored"));
    let staging = store.staging().unwrap();
    fs::hard_link(dir.path().join("vendored"), staging.path().join("f")).unwrap();
    let stored = staging.commit().unwrap();
    assert_eq!(modes_and_times(&dir.path().join("vendored")), before);
    assert_eq!(fs::read_to_string(stored.path().join("f")).unwrap(), "bytes");
    assert_eq!(modes_and_times(stored.path()), ["0555 1.0 ", "0444 1.0 f"]);
}

#[test]
fn removing_a_tree_follows_no_link_and_minds_no_absence() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), &[("mine/f", "mine"), ("tree/a/b", "")]);
    symlink("../mine", dir.path().join("tree/link")).unwrap();
    for path in ["tree/a", "tree"] {
        fs::set_permissions(dir.path().join(path), fs::Permissions::from_mode(0o555)).unwrap();
    }
    symlink("mine", dir.path().join("link")).unwrap();
    remove_tree(&dir.path().join("tree")).unwrap();
    remove_tree(&dir.path().join("tree")).unwrap();
    remove_tree(&dir.path().join("link")).unwrap();
    assert_eq!(names(dir.path()), ["mine"]);
    assert_eq!(fs::read_to_string(dir.path().join("mine/f")).unwrap(), "mine");
}
