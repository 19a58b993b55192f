//! A cache in a directory: the same bytes whoever writes it, whole at any time, and every tampering is told by name.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nixstore::cache::{Content, Item};
use nixstore::{
    Address, Algorithm, Cache, Error, Hash, Hasher, Method, NarInfo, PublicKey, SecretKey, StorePath,
};
use opencode_cache_nixstore as nixstore;

/// The key of the seed 32 times 7, as in the tests of `key`.
const SECRET: &str =
    "test-1:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwfqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLA==";

fn hash(algorithm: Algorithm, bytes: &[u8]) -> Hash {
    let mut hasher = Hasher::new(algorithm).unwrap();
    hasher.update(bytes);
    hasher.finish()
}

fn path_of(name: &str, method: Method, hash: Hash) -> StorePath {
    Address { method, hash }.path(&name.parse().unwrap(), &Default::default()).unwrap()
}

fn tree_item(path: &Path) -> Item {
    let nar = Hash::sha256(tree::nar_hash(path).unwrap().sha256);
    let store_path = path_of("some-tree", Method::Recursive, nar);
    Item { path: store_path, content: Content::Tree(path.into()) }
}

fn file_item(directory: &Path, name: &str, bytes: &[u8], algorithm: Algorithm) -> Item {
    let path = directory.join(name);
    fs::write(&path, bytes).unwrap();
    let hash = hash(algorithm, bytes);
    let content = Content::File { path, size: bytes.len() as u64, hash: hash.clone() };
    Item { path: path_of(name, Method::Flat, hash), content }
}

/// A tree with one of everything, and two files.
fn small(directory: &Path) -> Vec<Item> {
    let tree = directory.join("tree");
    fs::create_dir_all(tree.join("bin")).unwrap();
    fs::create_dir(tree.join("empty")).unwrap();
    fs::write(tree.join("bin/tool"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(tree.join("bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("bin/tool", tree.join("link")).unwrap();
    vec![
        tree_item(&tree),
        file_item(directory, "a-1.tgz", b"one", Algorithm::Sha512),
        file_item(directory, "b-1.tgz", b"two", Algorithm::Sha256),
    ]
}

/// Those, and a file of more than two of zstd's jobs.
fn items(directory: &Path) -> Vec<Item> {
    let mut state = 1u64;
    let large: Vec<u8> = (0..20 << 20)
        .map(|at: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if at % 4096 < 2048 { (state >> 56) as u8 } else { at as u8 }
        })
        .collect();
    let mut items = small(directory);
    items.push(file_item(directory, "c-1.tgz", &large, Algorithm::Sha512));
    items
}

/// Every file of a cache with its bytes.
fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let tree = tree::scan(root).unwrap();
    let files = tree.entries().iter().filter(|entry| matches!(entry.kind, tree::Kind::File { .. }));
    files.map(|entry| (entry.path.clone(), fs::read(tree.locate(entry)).unwrap())).collect()
}

fn filled(directory: &Path) -> (Cache, Vec<NarInfo>) {
    let cache = Cache::create(&directory.join("cache")).unwrap();
    let added = cache.add(&small(directory), None, 2).unwrap();
    (cache, added.into_iter().map(|added| added.info).collect())
}

fn codes(cache: &Cache, keys: &[PublicKey]) -> Vec<&'static str> {
    cache.check(keys, 2).unwrap().problems.into_iter().map(|problem| problem.code).collect()
}

/// A new directory.
fn below(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    fs::create_dir(&path).unwrap();
    path
}

/// Writes over what may not be written.
fn overwrite(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_same_bytes_on_any_number_of_threads_and_the_second_time() {
    let dir = tempfile::tempdir().unwrap();
    let items = items(dir.path());
    let write = |name: &str, threads| {
        let cache = Cache::create(&dir.path().join(name)).unwrap();
        let added = cache.add(&items, None, threads).unwrap();
        assert!(added.iter().all(|added| added.written));
        assert!(cache.add(&items, None, threads).unwrap().iter().all(|added| !added.written));
        contents(cache.root())
    };
    let one = write("one", 1);
    assert_eq!(one.len(), 1 + 2 * items.len());
    assert!(one == write("two", 2) && one == write("five", 5));
    let cache = Cache::open(&dir.path().join("two")).unwrap();
    let report = cache.check(&[], 2).unwrap();
    assert_eq!((report.right.len(), report.problems.as_slice()), (4, [].as_slice()));
}

#[test]
fn a_tree_comes_back_as_it_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, infos) = filled(dir.path());
    let back = dir.path().join("back");
    cache.restore(&infos[0], &back).unwrap();
    assert_eq!(tree::nar_hash(&back).unwrap(), tree::nar_hash(&dir.path().join("tree")).unwrap());
    assert!(cache.restore(&infos[0], &back).is_err());
}

#[test]
fn what_is_damaged_is_written_again_and_the_rest_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, infos) = filled(dir.path());
    let whole = contents(cache.root());
    overwrite(&cache.root().join(&infos[1].url), b"not zstd");
    overwrite(&cache.root().join(format!("{}.narinfo", infos[2].store_path.digest())), b"StorePath: x\n");
    fs::write(cache.root().join("nar/.half.x.aside"), "left by a killed writer").unwrap();
    fs::write(cache.root().join("README"), "of somebody else").unwrap();
    let again = cache.add(&small(&below(dir.path(), "again")), None, 2).unwrap();
    assert_eq!(again.iter().map(|added| added.written).collect::<Vec<_>>(), [false, true, true]);
    fs::remove_file(cache.root().join("README")).unwrap();
    assert!(contents(cache.root()) == whole);
}

#[test]
fn a_signature_is_added_to_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, _) = filled(dir.path());
    let key: SecretKey = SECRET.parse().unwrap();
    let signed = cache.add(&small(&below(dir.path(), "again")), Some(&key), 2).unwrap();
    assert!(signed.iter().all(|added| !added.written && added.info.signatures.len() == 1));
    assert_eq!(codes(&cache, &[key.public()]), [""; 0]);
    // Without its address a path hangs on the key alone.
    let info = &signed[0].info;
    let file = cache.root().join(format!("{}.narinfo", info.store_path.digest()));
    let bare = NarInfo { content: None, ..info.clone() };
    overwrite(&file, bare.to_string().as_bytes());
    assert_eq!(codes(&cache, &[key.public()]), [""; 0]);
    assert_eq!(codes(&cache, &[]), ["narinfo-unsigned"]);
    let longer = NarInfo { nar_size: info.nar_size + 8, ..bare };
    overwrite(&file, longer.to_string().as_bytes());
    assert_eq!(codes(&cache, &[key.public()]), ["narinfo-signature", "narinfo-unsigned", "nar-size"]);
}

#[test]
fn every_tampering_is_told_by_its_name() {
    let told = |tamper: &dyn Fn(&Path, &[NarInfo]) -> Option<NarInfo>| {
        let dir = tempfile::tempdir().unwrap();
        let (cache, infos) = filled(dir.path());
        if let Some(info) = tamper(cache.root(), &infos) {
            overwrite(
                &cache.root().join(format!("{}.narinfo", info.store_path.digest())),
                info.to_string().as_bytes(),
            );
        }
        codes(&cache, &[])
    };
    // A cache that is of one piece, but for this.
    let with = |change: &dyn Fn(&mut NarInfo, &[NarInfo])| {
        told(&|_, infos| {
            let mut info = infos[1].clone();
            change(&mut info, infos);
            Some(info)
        })
    };
    let another = |name: &str| hash(Algorithm::Sha256, name.as_bytes());
    assert_eq!(told(&|_, _| None), [""; 0]);
    assert_eq!(with(&|info, _| info.url = "../x".into()), ["narinfo-url"]);
    assert_eq!(with(&|info, _| info.url = "nar/x".into()), ["nar-missing"]);
    assert_eq!(with(&|info, _| info.url = "nar".into()), ["nar-missing"]);
    assert_eq!(with(&|info, _| info.file_size = Some(1)), ["nar-file-size"]);
    assert_eq!(with(&|info, _| info.file_hash = Some(another("x"))), ["nar-file-hash"]);
    assert_eq!(with(&|info, _| info.nar_hash = another("x")), ["nar-hash"]);
    assert_eq!(with(&|info, _| info.nar_size += 1), ["nar-size"]);
    assert_eq!(with(&|info, _| info.nar_size = 8), ["nar-hash", "nar-malformed"]);
    assert_eq!(with(&|info, _| info.nar_size = u64::MAX), ["nar-too-large"]);
    assert_eq!(with(&|info, _| info.content = None), ["narinfo-unsigned"]);
    assert_eq!(
        with(&|info, _| info.compression = nixstore::Compression::None),
        ["nar-hash", "nar-malformed"]
    );
    let xz = nixstore::Compression::Other("xz".into());
    assert_eq!(with(&|info, _| info.compression = xz.clone()), ["narinfo-unsigned", "nar-compression"]);
    // Another file's NAR, told rightly: only the content's address gives it away.
    let swapped = |info: &mut NarInfo, infos: &[NarInfo]| {
        *info = NarInfo {
            store_path: info.store_path.clone(),
            content: info.content.clone(),
            ..infos[2].clone()
        };
    };
    assert_eq!(with(&swapped), ["nar-content"]);
    assert_eq!(
        with(&|info, infos| {
            swapped(info, infos);
            info.content = infos[2].content.clone();
        }),
        ["narinfo-content-address"]
    );
    let weak = Hash::new(Algorithm::Sha1, &[0; 20]).unwrap();
    assert_eq!(
        with(&|info, _| info.content = Some(Address { method: Method::Flat, hash: weak.clone() })),
        ["narinfo-content-address", "narinfo-unsigned"]
    );
    assert_eq!(
        with(&|info, _| {
            info.references.insert("/nix/store/ib3sh3pcz10wsmavxvkdbayhqivbghlq-a".parse().unwrap());
        }),
        ["narinfo-content-address", "narinfo-reference-missing"]
    );
    // A tree's NAR that says to be another's.
    assert_eq!(
        told(&|_, infos| Some(NarInfo { nar_hash: another("x"), ..infos[0].clone() })),
        ["narinfo-content-address", "nar-hash"]
    );
    let in_file = |change: &dyn Fn(&mut Vec<u8>)| {
        told(&|root, infos| {
            let path = root.join(&infos[1].url);
            let mut bytes = fs::read(&path).unwrap();
            change(&mut bytes);
            overwrite(&path, &bytes);
            None
        })
    };
    assert_eq!(
        in_file(&|bytes| bytes.truncate(20)),
        ["nar-file-hash", "nar-file-size", "nar-hash", "nar-malformed"]
    );
    assert!(in_file(&|bytes| bytes.push(0)).contains(&"nar-file-hash"));
    assert!(in_file(&|bytes| bytes[0] ^= 1).contains(&"nar-file-hash"));
    let narinfo = |text: &'static [u8]| {
        told(&|root, infos| {
            overwrite(&root.join(format!("{}.narinfo", infos[1].store_path.digest())), text);
            None
        })
    };
    assert_eq!(narinfo(b"StorePath: /nix/store/x\n"), ["narinfo-malformed"]);
    assert_eq!(narinfo(b"\xff\n"), ["narinfo-unreadable"]);
    assert_eq!(
        told(&|root, infos| {
            let from = root.join(format!("{}.narinfo", infos[1].store_path.digest()));
            fs::rename(from, root.join("00000000000000000000000000000000.narinfo")).unwrap();
            None
        }),
        ["narinfo-misnamed"]
    );
    // A link in the place of a NAR is not followed.
    assert_eq!(
        told(&|root, infos| {
            let path = root.join(&infos[1].url);
            fs::rename(&path, root.join("elsewhere")).unwrap();
            symlink("../elsewhere", path).unwrap();
            None
        }),
        ["nar-missing"]
    );
}

#[test]
fn bytes_that_are_not_what_they_are_named_after_are_not_added() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::create(&dir.path().join("cache")).unwrap();
    let items = small(dir.path());
    fs::write(dir.path().join("a-1.tgz"), "owe").unwrap();
    fs::write(dir.path().join("tree/more"), "").unwrap();
    for item in &items[..2] {
        let error = cache.add(std::slice::from_ref(item), None, 1).unwrap_err();
        assert!(matches!(&error, Error::Content { wanted, .. } if *wanted == item.path), "{error}");
        assert_eq!(error.code(), "cache-wrong-content");
    }
    fs::write(dir.path().join("a-1.tgz"), "longer").unwrap();
    assert_eq!(cache.add(&items[1..2], None, 1).unwrap_err().code(), "tree-changed");
    assert_eq!(contents(cache.root()).len(), 1);
}

#[test]
fn a_cache_of_another_store_and_none_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Cache::open(dir.path()).unwrap_err().code(), "cache-none");
    fs::write(dir.path().join("nix-cache-info"), "StoreDir: /gnu/store\n").unwrap();
    assert_eq!(Cache::open(dir.path()).unwrap_err().code(), "cache-other-store");
    assert_eq!(Cache::create(dir.path()).unwrap_err().code(), "cache-other-store");
    // As `nix copy` writes it.
    fs::write(dir.path().join("nix-cache-info"), "StoreDir: /nix/store\n").unwrap();
    assert!(Cache::create(dir.path()).is_ok());
    assert_eq!(fs::read_to_string(dir.path().join("nix-cache-info")).unwrap(), "StoreDir: /nix/store\n");
}
