//! What lies around a place where a hostile archive is unpacked: what it would overwrite, and what
//! it would leave. Compared to the last byte before and after.

use std::io::Cursor;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::{env, fs};

use opencode_cache_tree::unpack::{Format, Limits, Refusal, member, tree};
use opencode_cache_tree::{Error, Kind, scan};

use crate::support::fill;

/// Bounds that a small archive passes.
pub const SMALL: Limits = Limits { entries: 20, bytes: 100_000, path_len: 200, ratio: 200 };

/// Unpacks; asserts that it is refused, that nothing is left and nothing around has changed; the
/// same for taking out one file. Gives the entry and the reason.
#[track_caller]
pub fn refused(archive: &[u8], format: Format, limits: &Limits) -> (PathBuf, Refusal) {
    let dir = tempfile::tempdir().unwrap();
    // Two directories down, so that `../..` still leads to what is looked at.
    let inside = dir.path().join("around/inside");
    fill(
        dir.path(),
        &[("x", "outside"), ("etc/passwd", "root"), ("around/x", "x"), ("around/inside/x", "x")],
    );
    symlink("..", inside.join("up")).unwrap();
    symlink(dir.path().join("etc"), inside.join("l")).unwrap();
    let before = everything(dir.path());
    let here = env::current_dir().unwrap();
    let around_here = names_of(&here);

    let result = tree(Cursor::new(archive), format, &inside.join("out"), limits);
    assert_eq!(everything(dir.path()), before);
    let alone = member(Cursor::new(archive), format, "wanted/nowhere", &inside.join("out"), limits);
    assert!(alone.is_err());
    assert_eq!(everything(dir.path()), before);
    assert_eq!(names_of(&here), around_here);
    match result {
        Err(Error::Archive { entry, refusal }) => (entry, refusal),
        other => panic!("not refused: {other:?}"),
    }
}

/// Every entry below `root`: kind, content or target, mode, times, number of names.
pub fn everything(root: &Path) -> Vec<String> {
    let tree = scan(root).unwrap();
    let line = |entry: &opencode_cache_tree::Entry| {
        let place = tree.locate(entry);
        let facts = fs::symlink_metadata(&place).unwrap();
        let holds = match &entry.kind {
            Kind::Directory => String::new(),
            Kind::File { .. } => format!("{:?}", fs::read(&place).unwrap()),
            Kind::Link { target } => format!("-> {}", target.display()),
        };
        // What is made and removed again in a directory changes its times.
        let changed = (entry.kind != Kind::Directory).then(|| (facts.mtime_nsec(), facts.ctime_nsec()));
        let path = entry.path.display();
        format!("{path} {:o} {} {changed:?} {holds}", facts.mode(), facts.nlink())
    };
    tree.entries().iter().map(line).collect()
}

fn names_of(directory: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}
