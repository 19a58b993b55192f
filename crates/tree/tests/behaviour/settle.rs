//! A raw tree becomes a canonical one, the same whoever made it, and never by halves.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use opencode_cache_tree::{Error, Kind, Store, Verdict, copy_canonical, nar_hash, remove_tree};

use crate::support::{as_ordinary_user, fill, keep, modes_and_times, names, sample, told};

#[test]
fn modes_and_times_are_the_canonical_ones() {
    let dir = tempfile::tempdir().unwrap();
    let (raw, canonical) = (dir.path().join("raw"), dir.path().join("canonical"));
    sample(&raw);
    fs::set_permissions(raw.join("b.txt"), fs::Permissions::from_mode(0o600)).unwrap();
    let before = modes_and_times(&raw);

    let settled = copy_canonical(&raw, &canonical, &keep).unwrap();

    let wanted = [
        "0555 1.0 ",
        "0444 1.0 b.txt",
        "0555 1.0 bin",
        "0777 1.0 bin/a",
        "0555 1.0 bin/tool",
        "0555 1.0 lib",
        "0555 1.0 lib/a",
        "0444 1.0 lib/a/empty",
        "0444 1.0 lib/a/index.js",
        "0777 1.0 lib/b",
        "0555 1.0 lib/none",
    ];
    assert_eq!(modes_and_times(&canonical), wanted);
    assert_eq!((settled.entries, settled.bytes), (wanted.len(), 12));
    assert_eq!(nar_hash(&raw).unwrap(), nar_hash(&canonical).unwrap());
    assert_eq!(modes_and_times(&raw), before, "the raw tree is not touched");
}

/// Makes the same tree as [`sample`] with another umask, order, age and owner.
fn sample_made_differently(root: &Path) {
    let script = "umask 077 && mkdir -p \"$0/lib/none\" \"$0/lib/a\" \"$0/bin\" && cd \"$0\" &&
        ln -s a lib/b && printf b >b.txt && : >lib/a/empty && printf 1 >lib/a/index.js &&
        ln -s ../lib/a/index.js bin/a && printf '#!/bin/sh\\n' >bin/tool && chmod 700 bin/tool";
    assert!(Command::new("sh").arg("-c").arg(script).arg(root).status().unwrap().success());
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::open(root.join("b.txt")).unwrap().set_modified(old).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(root.join("b.txt"), Some(1234), Some(4321)).unwrap();
    }
}

#[test]
fn order_umask_age_and_owner_do_not_show_in_the_digest() {
    let one = tempfile::tempdir().unwrap();
    let other = tempfile::Builder::new().prefix("another-place-").tempdir().unwrap();
    sample(&one.path().join("raw"));
    sample_made_differently(&other.path().join("raw"));

    let digest = |dir: &Path| {
        let store = Store::at(dir.join("store")).unwrap();
        let staging = store.staging().unwrap();
        copy_canonical(&dir.join("raw"), staging.path(), &keep).unwrap();
        let stored = staging.commit().unwrap();
        (stored.digest(), modes_and_times(stored.path()))
    };
    assert_eq!(digest(one.path()), digest(other.path()));
    // The name itself is fixed: another one would make every stored tree a stranger.
    assert_eq!(digest(one.path()).0.to_string(), "rpnfsnb4qdcfhk7m8x4xbxdnkc8kiwnc");
}

#[test]
fn an_ordinary_user_settles_stores_and_removes() {
    as_ordinary_user(|dir| {
        sample(&dir.join("raw"));
        let store = Store::at(dir.join("store")).unwrap();
        let staging = store.staging().unwrap();
        copy_canonical(&dir.join("raw"), &staging.path().join("tree"), &keep).unwrap();
        fill(staging.path(), &[("manifest", "{}")]);
        let stored = staging.commit().unwrap();
        assert_eq!(names(store.root()), [stored.digest().file_name()]);
        assert_eq!(fs::symlink_metadata(stored.path()).unwrap().mode() & 0o777, 0o555);

        let again = store.staging().unwrap();
        copy_canonical(stored.path(), again.path(), &keep).unwrap();
        assert_eq!(again.commit().unwrap(), stored);

        let unfinished = store.staging().unwrap();
        copy_canonical(stored.path(), &unfinished.path().join("tree"), &keep).unwrap();
        drop(unfinished);
        store.remove(&stored).unwrap();
        assert_eq!(names(store.root()), [] as [&str; 0]);

        copy_canonical(&dir.join("raw"), &dir.join("canonical"), &keep).unwrap();
        remove_tree(&dir.join("canonical")).unwrap();
        assert_eq!(names(dir), ["raw", "store"]);
    });
}

#[test]
fn a_rule_drops_and_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let (raw, canonical) = (dir.path().join("raw"), dir.path().join("canonical"));
    sample(&raw);
    fill(&raw, &[("lib/a-sibling", "kept"), ("log/x/y", "dropped")]);

    let asked = std::cell::RefCell::new(Vec::new());
    let settled = copy_canonical(&raw, &canonical, &|entry| {
        asked.borrow_mut().push(entry.path.to_string_lossy().into_owned());
        Ok(match entry.path.to_str() {
            Some("lib/a" | "log" | "bin/a") => Verdict::Drop,
            Some("bin/tool") => Verdict::Replace(b"patched".to_vec()),
            _ => Verdict::Keep,
        })
    })
    .unwrap();

    let kept = ["", "b.txt", "bin", "bin/tool", "lib", "lib/a-sibling", "lib/b", "lib/none"];
    let lines = modes_and_times(&canonical);
    let paths: Vec<&str> = lines.iter().map(|line| line.splitn(3, ' ').last().unwrap()).collect();
    assert_eq!(paths, kept);
    assert_eq!(settled.entries, kept.len());
    assert_eq!(fs::read_to_string(canonical.join("bin/tool")).unwrap(), "patched");
    assert!(lines.contains(&"0555 1.0 bin/tool".to_owned()), "the executable bit stays");
    let asked = asked.into_inner();
    assert!(asked.is_sorted_by_key(|path| Path::new(path).to_path_buf()));
    assert!(!asked.iter().any(|path| path.is_empty() || path.starts_with("log/")), "{asked:?}");
}

#[test]
fn whatever_is_refused_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (raw, canonical) = (dir.path().join("raw"), dir.path().join("canonical"));
    sample(&raw);
    let no_file = |_: &_| Ok(Verdict::Replace(Vec::new()));
    let error = copy_canonical(&raw, &canonical, &|entry: &opencode_cache_tree::Entry| match entry.kind {
        Kind::Directory => no_file(entry),
        _ => Ok(Verdict::Keep),
    })
    .unwrap_err();
    assert!(matches!(&error, Error::NotAFile { path } if path == Path::new("bin")), "{error}");

    let error = copy_canonical(&raw, &canonical, &|_| Err("no idea".into())).unwrap_err();
    assert_eq!(told(&error), "[tree-rule] cannot settle b.txt: no idea");

    for target in ["/etc/passwd", "../../raw2", "a/../../.."] {
        let link = raw.join("lib/link");
        symlink(target, &link).unwrap();
        let error = copy_canonical(&raw, &canonical, &keep).unwrap_err();
        assert!(
            matches!(&error, Error::LinkLeaves { path, target: to } if *path == link && to == Path::new(target)),
            "{error}"
        );
        let dropped = dir.path().join("dropped");
        copy_canonical(&raw, &dropped, &|entry| {
            Ok(if entry.path.ends_with("link") { Verdict::Drop } else { Verdict::Keep })
        })
        .unwrap();
        remove_tree(&dropped).unwrap();
        fs::remove_file(link).unwrap();
    }
    assert_eq!(names(dir.path()), ["raw"]);
}

#[test]
fn a_file_that_changes_meanwhile_is_an_error_and_nothing_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (raw, canonical) = (dir.path().join("raw"), dir.path().join("canonical"));
    for size in [10, 100_000] {
        fill(&raw, &[("f", &"x".repeat(size)), ("g", "")]);
        let error = copy_canonical(&raw, &canonical, &|entry| {
            if entry.path.ends_with("g") {
                fs::write(raw.join("f"), "y".repeat(size + 1)).unwrap();
            }
            Ok(Verdict::Keep)
        })
        .unwrap_err();
        assert!(matches!(error, Error::Changed { path } if path == raw.join("f")));
        assert_eq!(names(dir.path()), ["raw"]);
    }
}

#[test]
fn a_place_that_is_taken_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (raw, canonical) = (dir.path().join("raw"), dir.path().join("canonical"));
    sample(&raw);
    fill(&canonical, &[("mine", "mine")]);
    let error = copy_canonical(&raw, &canonical, &keep).unwrap_err();
    assert!(matches!(error, Error::Exists { path } if path == canonical));
    assert_eq!(names(&canonical), ["mine"]);
    let error = copy_canonical(&raw.join("b.txt"), &dir.path().join("x"), &keep).unwrap_err();
    assert!(matches!(error, Error::Io { verb: "list", path, .. } if path == raw.join("b.txt")));
    assert_eq!(names(dir.path()), ["canonical", "raw"]);
}

#[test]
fn hard_links_and_large_files_arrive_as_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (raw, canonical) = (dir.path().join("raw"), dir.path().join("canonical"));
    let large = "0123456789abcdef".repeat(100_000);
    fill(&raw, &[("large", &large), ("small", "s")]);
    fs::hard_link(raw.join("large"), raw.join("large2")).unwrap();
    copy_canonical(&raw, &canonical, &keep).unwrap();
    for name in ["large", "large2", "small"] {
        assert_eq!(fs::symlink_metadata(canonical.join(name)).unwrap().nlink(), 1);
    }
    assert!(fs::read_to_string(canonical.join("large2")).unwrap() == large);
}

#[test]
fn many_directories_are_shared_between_threads_without_loss() {
    let dir = tempfile::tempdir().unwrap();
    let (raw, canonical) = (dir.path().join("raw"), dir.path().join("canonical"));
    for package in 0..100 {
        for file in 0..20 {
            fill(&raw, &[(&format!("node_modules/p{package}/lib/{file}.js"), &format!("{package}/{file}"))]);
        }
    }
    let settled = copy_canonical(&raw, &canonical, &keep).unwrap();
    assert_eq!(settled.entries, 2 + 100 * 22);
    assert_eq!(nar_hash(&raw).unwrap(), nar_hash(&canonical).unwrap());
    assert!(modes_and_times(&canonical).iter().all(|line| line[4..].starts_with(" 1.0 ")));
}
