//! Property: for each kind of entry and each state of its place, one start does what the table in
//! `docs/LINKMAP.md` says, and a second start finds nothing to do.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod stage;

use linkmap::Root;
use stage::{Output, Stage, Wanted, is_absent, link, read, write};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

/// A stage with the outputs `a` (older) and `b` (newer) of the same map.
fn two(wanted: &Wanted) -> (Stage, Output, Output) {
    let stage = Stage::new();
    let (a, b) = (stage.output('a', wanted), stage.output('b', wanted));
    (stage, a, b)
}

fn one(kind: &'static str, dest: &str) -> (Stage, Output, Output, PathBuf) {
    let (stage, a, b) = two(&Wanted::new().with(kind, Root::Cache, dest));
    let place = stage.cache(dest);
    (stage, a, b, place)
}

/// Starts it, and once more: the second start changes nothing, not even a time.
fn settle(stage: &Stage, output: &Output) {
    stage.start(output);
    let (before, times) = (stage.listing(), times(stage));
    stage.start(output);
    assert_eq!(stage.listing(), before);
    assert_eq!(self::times(stage), times, "a warm start wrote something");
}

fn times(stage: &Stage) -> Vec<(i64, i64)> {
    let listing = stage.listing();
    let metadata = listing.keys().map(|path| stage.home(path).symlink_metadata().unwrap());
    metadata.map(|meta| (meta.ctime(), meta.ctime_nsec())).collect()
}

#[test]
fn link_absent() {
    let (stage, a, _, place) = one("link", "packages/@x/y");
    settle(&stage, &a);
    a.assert_link(&place, "cache/packages/@x/y");
    assert_eq!(read(&place.join("content")), "content of a\n");
}

#[test]
fn link_ours_old_and_rolled_back() {
    let (stage, a, b, place) = one("link", "packages/x");
    for output in [&a, &b, &a] {
        settle(&stage, output);
        output.assert_link(&place, "cache/packages/x");
    }
}

#[test]
fn link_ours_dangling() {
    let (stage, a, b, place) = one("link", "packages/x");
    stage.start(&a);
    fs::remove_dir_all(&a.root).unwrap();
    settle(&stage, &b);
    b.assert_link(&place, "cache/packages/x");
}

#[test]
fn link_users_file_directory_and_foreign_link() {
    let (stage, a, _, place) = one("link", "packages/x");
    write(&place, "mine");
    settle(&stage, &a);
    assert_eq!(read(&place), "mine");

    fs::remove_file(&place).unwrap();
    write(&place.join("package.json"), "mine");
    settle(&stage, &a);
    assert_eq!(read(&place.join("package.json")), "mine");

    fs::remove_dir_all(&place).unwrap();
    link("/nowhere/at/all", &place);
    settle(&stage, &a);
    assert_eq!(fs::read_link(&place).unwrap(), PathBuf::from("/nowhere/at/all"));
}

#[test]
fn link_where_opencode_left_an_empty_directory() {
    let (stage, a, _, place) = one("link", "packages/x");
    fs::create_dir_all(&place).unwrap();
    settle(&stage, &a);
    a.assert_link(&place, "cache/packages/x");
}

#[test]
fn link_below_what_was_one_link_in_an_older_generation() {
    let stage = Stage::new();
    let a = stage.output('a', &Wanted::new().with("link", Root::Cache, "packages"));
    let b = stage.output('b', &Wanted::new().with("link", Root::Cache, "packages/x"));
    let before = fs::read_dir(a.file("cache/packages")).unwrap().count();
    settle(&stage, &a);
    settle(&stage, &b);
    b.assert_link(&stage.cache("packages/x"), "cache/packages/x");
    settle(&stage, &a);
    a.assert_link(&stage.cache("packages"), "cache/packages");
    // Also where nothing tells what was there before.
    fs::remove_file(stage.cache(".opencode-cache-state")).unwrap();
    settle(&stage, &b);
    b.assert_link(&stage.cache("packages/x"), "cache/packages/x");
    assert_eq!(fs::read_dir(a.file("cache/packages")).unwrap().count(), before);
}

#[test]
fn link_whose_source_is_missing_is_told() {
    let (stage, a, _, place) = one("link", "packages/x");
    fs::remove_dir_all(a.file("cache/packages/x")).unwrap();
    let line = stage.start_with_a_word(&a);
    assert!(line.contains("find ") && line.contains("cache/packages/x: no such file"), "{line}");
    assert!(is_absent(&place));
}

#[test]
fn copy_absent_is_writable() {
    let (stage, a, _, place) = one("copy", "models.json");
    settle(&stage, &a);
    assert_eq!(read(&place), "content of a\n");
    assert_eq!(place.metadata().unwrap().permissions().mode() & 0o700, 0o600);
}

#[test]
fn copy_untouched_since_an_older_generation() {
    let (stage, a, b, place) = one("copy", "models.json");
    stage.start(&a);
    fs::remove_dir_all(&a.root).unwrap();
    settle(&stage, &b);
    assert_eq!(read(&place), "content of b\n");
}

#[test]
fn copy_changed_is_kept() {
    let (stage, a, b, place) = one("copy", "models.json");
    stage.start(&a);
    fs::write(&place, "changed by OpenCode").unwrap();
    settle(&stage, &a);
    settle(&stage, &b);
    assert_eq!(read(&place), "changed by OpenCode");
}

#[test]
fn copy_changed_with_its_date_put_back_is_kept() {
    let (stage, a, b, place) = one("copy", "models.json");
    stage.start(&a);
    let date = place.metadata().unwrap().modified().unwrap();
    fs::write(&place, "changed and backdated").unwrap();
    fs::File::options().append(true).open(&place).unwrap().set_modified(date).unwrap();
    settle(&stage, &b);
    assert_eq!(read(&place), "changed and backdated");
}

#[test]
fn copy_users_own_and_foreign_link() {
    let (stage, a, _, place) = one("copy", "models.json");
    write(&place, "content of a\n");
    settle(&stage, &a);
    fs::remove_file(&place).unwrap();
    let target = stage.path("elsewhere.json");
    write(&target, "mine");
    link(&target, &place);
    settle(&stage, &a);
    assert_eq!(read(&target), "mine");
    assert_eq!(fs::read_link(&place).unwrap(), target);
}

#[test]
fn copy_where_an_older_generation_had_a_link() {
    let stage = Stage::new();
    let a = stage.output('a', &Wanted::new().with("link", Root::Cache, "x"));
    let b = stage.output('b', &Wanted::new().with("copy", Root::Cache, "x"));
    settle(&stage, &a);
    settle(&stage, &b);
    assert_eq!(read(&stage.cache("x")), "content of b\n");
    settle(&stage, &a);
    a.assert_link(&stage.cache("x"), "cache/x");
}

#[test]
fn force_every_state() {
    let (stage, a, b, place) = one("force", "version");
    settle(&stage, &a);
    assert_eq!(read(&place), "content of a\n");
    settle(&stage, &b);
    assert_eq!(read(&place), "content of b\n");
    fs::write(&place, "content of b").unwrap();
    settle(&stage, &b);
    assert_eq!(read(&place), "content of b\n");
    fs::remove_file(&place).unwrap();
    link(a.file("cache/version"), &place);
    settle(&stage, &b);
    assert_eq!(read(&place), "content of b\n");
    assert_eq!(read(&a.file("cache/version")), "content of a\n");
}

#[test]
fn force_does_not_write_through_a_foreign_link_and_says_so() {
    let (stage, a, _, place) = one("force", "version");
    let target = stage.path("elsewhere");
    write(&target, "mine");
    link(&target, &place);
    let line = stage.start_with_a_word(&a);
    assert!(line.contains("replace ") && line.contains("not a file of ours; move it away"), "{line}");
    assert_eq!(read(&target), "mine");

    fs::remove_file(&place).unwrap();
    write(&place.join("mine"), "mine");
    stage.start_with_a_word(&a);
    assert_eq!(read(&place.join("mine")), "mine");
}

#[test]
fn keep_every_state() {
    let (stage, a, b, place) = one("keep", "bin");
    settle(&stage, &a);
    assert!(place.is_dir());
    write(&place.join("clangd"), "mine");
    settle(&stage, &b);
    assert_eq!(read(&place.join("clangd")), "mine");

    fs::remove_dir_all(&place).unwrap();
    link(a.file("cache"), &place);
    settle(&stage, &b);
    assert!(!place.is_symlink() && place.is_dir());

    fs::remove_dir(&place).unwrap();
    link(stage.path("elsewhere"), &place);
    settle(&stage, &b);
    assert!(place.is_symlink());

    fs::remove_file(&place).unwrap();
    write(&place, "mine");
    settle(&stage, &b);
    assert_eq!(read(&place), "mine");
}

#[test]
fn what_a_newer_generation_no_longer_has_goes_where_it_is_ours() {
    let stage = Stage::new();
    let a = stage.output('a', &Wanted::usual());
    let b = stage.output('b', &Wanted::new().with("keep", Root::Cache, "bin"));
    settle(&stage, &a);
    write(&stage.cache("packages/other/mine"), "mine");
    fs::write(stage.cache("models.json"), "changed").unwrap();
    fs::remove_dir_all(&a.root).unwrap();
    settle(&stage, &b);
    let left: Vec<_> = stage.listing().into_keys().filter(|p| !stage.home(p).is_dir()).collect();
    let expected = [
        ".cache-nix/opencode/.opencode-cache-state",
        ".cache-nix/opencode/models.json",
        ".cache-nix/opencode/packages/other/mine",
    ];
    assert_eq!(left, expected);
}

#[test]
fn a_damaged_record_costs_nothing() {
    let stage = Stage::new();
    let wanted = Wanted::new().with("link", Root::Cache, "packages/x");
    let a = stage.output('a', &wanted.clone().with("link", Root::Cache, "packages/y"));
    let b = stage.output('b', &wanted);
    stage.start(&a);
    fs::write(stage.cache(".opencode-cache-state"), "\0garbage").unwrap();
    link("/nowhere", &stage.cache("packages/foreign"));
    settle(&stage, &b);
    assert!(is_absent(&stage.cache("packages/y")), "a stray link of ours stays");
    assert!(stage.cache("packages/foreign").is_symlink(), "a foreign link went");
}

fn group() -> (Stage, Output, Output) {
    two(&Wanted::new()
        .with("link", Root::Config, "node_modules")
        .with("copy", Root::Config, "package-lock.json")
        .with("copy", Root::Config, "package.json"))
}

#[test]
fn group_is_laid_whole_and_follows_generations() {
    let (stage, a, b) = group();
    write(&stage.config("opencode.json"), "{}");
    for output in [&a, &b, &a] {
        settle(&stage, output);
        output.assert_link(&stage.config("node_modules"), "config/node_modules");
        assert_eq!(read(&stage.config("package.json")), read(&output.file("config/package.json")));
    }
    assert_eq!(read(&stage.config("opencode.json")), "{}");
}

#[test]
fn group_is_not_laid_beside_node_modules_of_the_users() {
    let (stage, a, b) = group();
    write(&stage.config("node_modules/x/index.js"), "mine");
    settle(&stage, &a);
    assert_eq!(fs::read_dir(stage.config("")).unwrap().count(), 1);
    // The same where ours were laid first, and the user (or npm) then made a real directory of it.
    let (stage, ..) = group();
    settle(&stage, &a);
    fs::remove_file(stage.config("node_modules")).unwrap();
    write(&stage.config("node_modules/x/index.js"), "mine");
    settle(&stage, &b);
    assert_eq!(read(&stage.config("node_modules/x/index.js")), "mine");
    assert_eq!(fs::read_dir(stage.config("")).unwrap().count(), 1);
}

#[test]
fn group_leaves_files_of_the_users_beside_its_link() {
    for file in ["package.json", "package-lock.json"] {
        let (stage, a, b) = group();
        write(&stage.config(file), "mine");
        for output in [&a, &b] {
            settle(&stage, output);
            output.assert_link(&stage.config("node_modules"), "config/node_modules");
            assert_eq!(read(&stage.config(file)), "mine");
            assert_eq!(fs::read_dir(stage.config("")).unwrap().count(), 3, "{file}");
        }
    }
}

#[test]
fn group_leaves_a_file_that_the_user_takes_over() {
    let (stage, a, b) = group();
    settle(&stage, &a);
    fs::write(stage.config("package.json"), "mine now").unwrap();
    settle(&stage, &b);
    assert_eq!(read(&stage.config("package.json")), "mine now");
    b.assert_link(&stage.config("node_modules"), "config/node_modules");
}

#[test]
fn group_with_a_missing_source_is_not_laid_in_half() {
    let (stage, a, _) = group();
    fs::remove_file(a.file("config/package-lock.json")).unwrap();
    let line = stage.start_with_a_word(&a);
    assert!(line.contains("config/package-lock.json"), "{line}");
    assert_eq!(fs::read_dir(stage.config("")).unwrap().count(), 0);
}
