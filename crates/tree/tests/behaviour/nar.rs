//! Our NAR is Nix's NAR, byte for byte, and as long as predicted; our digest is Nix's store path.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use opencode_cache_tree::{Digest, Error, canonicalise, nar, nar_hash, scan};
use proptest::prelude::*;
use sha2::Digest as _;

use crate::support::{fill, program, sample};

fn dump(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    nar::write(path, &mut bytes).unwrap();
    bytes
}

/// Names whose order differs between bytes, characters and locales; sizes around padding and buffer.
fn awkward(root: &Path) {
    sample(root);
    for name in ["a", "a-b", "a.b", "A", "ä", "a b", "~", "a\nb"] {
        fill(root, &[(name, name)]);
    }
    fs::create_dir(root.join("a0")).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"not-utf8-\xff")), "x").unwrap();
    for size in [1, 7, 8, 9, 131_071, 131_072, 131_073, 400_000] {
        fs::write(root.join(format!("size-{size}")), vec![b'x'; size]).unwrap();
    }
    for mode in [0o644, 0o744, 0o655, 0o4755, 0o400] {
        let path = root.join(format!("mode-{mode:o}"));
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("/nowhere/at all", root.join("dangling")).unwrap();
}

#[test]
fn nar_of_a_file_is_the_one_of_the_format() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), &[("f", "hello\n")]);
    let mut wanted = Vec::new();
    for string in ["nix-archive-1", "(", "type", "regular", "contents", "hello\n", ")"] {
        wanted.extend((string.len() as u64).to_le_bytes());
        wanted.extend(string.as_bytes());
        wanted.resize(wanted.len().next_multiple_of(8), 0);
    }
    assert_eq!(dump(&dir.path().join("f")), wanted);
    let hash = nar_hash(&dir.path().join("f")).unwrap();
    assert_eq!(hash.size, wanted.len() as u64);
    assert_eq!(hash.sha256, <[u8; 32]>::from(sha2::Sha256::digest(&wanted)));
}

#[test]
fn nar_is_what_nix_store_dumps() {
    let Some(nix_store) = program("nix-store") else { return };
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("tree");
    awkward(&root);
    for path in [root.clone(), root.join("dangling"), root.join("bin/tool"), root.join("lib/none")] {
        let theirs = Command::new(&nix_store).arg("--dump").arg(&path).output().unwrap();
        assert!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stderr));
        assert!(dump(&path) == theirs.stdout, "{} differs", path.display());
    }
}

#[test]
fn digest_is_the_store_path_that_nix_gives() {
    let Some(nix_store) = program("nix-store") else { return };
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("opencode-cache");
    sample(&root);
    let added = Command::new(nix_store)
        .env("HOME", dir.path())
        .arg("--store")
        .arg(dir.path().join("nix"))
        .arg("--add")
        .arg(&root)
        .output()
        .unwrap();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let ours = Digest::of(&nar_hash(&root).unwrap()).file_name();
    assert_eq!(String::from_utf8(added.stdout).unwrap().trim(), format!("/nix/store/{ours}"));
    opencode_cache_tree::remove_tree(dir.path()).unwrap();
}

#[test]
fn a_pipe_a_socket_and_a_file_that_shrank_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), &[("f", "12345678")]);
    let listed = scan(dir.path()).unwrap();
    fs::write(dir.path().join("f"), "1234").unwrap();
    let shrank = nar::hash_tree(&listed).unwrap_err();
    assert!(matches!(shrank, Error::Changed { path } if path.ends_with("f")));
    fs::write(dir.path().join("f"), "123456789").unwrap();
    let grew = nar::hash_tree(&listed).unwrap_err();
    assert!(matches!(grew, Error::Changed { path } if path.ends_with("f")));

    let socket = dir.path().join("s");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = nar_hash(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Special { path, kind: "socket" } if path == socket));
}

#[test]
fn a_link_in_the_place_of_a_listed_file_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), &[("tree/f", "12345678"), ("secret", "87654321")]);
    let listed = scan(&dir.path().join("tree")).unwrap();
    fs::remove_file(dir.path().join("tree/f")).unwrap();
    symlink("../secret", dir.path().join("tree/f")).unwrap();
    let error = nar::hash_tree(&listed).unwrap_err();
    assert!(matches!(error, Error::Io { verb: "open", path, .. } if path.ends_with("tree/f")));
}

#[test]
fn canonicalising_changes_no_byte_of_the_nar() {
    let dir = tempfile::tempdir().unwrap();
    awkward(dir.path());
    let before = nar_hash(dir.path()).unwrap();
    canonicalise(&scan(dir.path()).unwrap()).unwrap();
    assert_eq!(nar_hash(dir.path()).unwrap(), before);
    opencode_cache_tree::remove_tree(dir.path()).unwrap();
}

/// What a generated tree has under a name.
#[derive(Debug, Clone)]
enum Thing {
    File(Vec<u8>, bool),
    Link(String),
    Directory(Vec<(String, Thing)>),
}

fn thing() -> impl Strategy<Value = Thing> {
    let leaf = prop_oneof![
        (proptest::collection::vec(any::<u8>(), 0..40), any::<bool>()).prop_map(|(b, x)| Thing::File(b, x)),
        "[a-z/.]{1,20}".prop_map(Thing::Link),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let names = proptest::collection::btree_map("[a-zA-Z0-9._ -]{1,12}", inner, 0..6);
        names.prop_map(|names| Thing::Directory(names.into_iter().collect()))
    })
}

fn make(path: &Path, thing: &Thing) {
    match thing {
        Thing::File(bytes, executable) => {
            fs::write(path, bytes).unwrap();
            let mode = if *executable { 0o755 } else { 0o644 };
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        Thing::Link(target) => symlink(target, path).unwrap(),
        Thing::Directory(names) => {
            fs::create_dir(path).unwrap();
            for (name, thing) in names.iter().filter(|(name, _)| name != "." && name != "..") {
                make(&path.join(name), thing);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn length_is_predicted_from_the_listing(thing in thing()) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("tree");
        make(&root, &thing);
        let bytes = dump(&root);
        prop_assert_eq!(nar::length(&scan(&root).unwrap()), bytes.len() as u64);
        prop_assert_eq!(nar_hash(&root).unwrap().size, bytes.len() as u64);
    }
}
