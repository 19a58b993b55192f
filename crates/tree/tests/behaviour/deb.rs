//! Promise: what `dpkg-deb` packs is unpacked, however it is packed; what is damaged is refused, and nothing of it is there.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use opencode_cache_tree::unpack::{self, Format, Limits};

use crate::support::{fill, listing, names};

/// A package with a library, links as Debian's have them, and a text.
fn package(packing: &str) -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    let control = "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.example>\nDescription: a\n";
    fill(
        &root,
        &[
            ("DEBIAN/control", control),
            ("lib/x/liba.so.1.0", "library"),
            ("usr/share/doc/a/copyright", "own"),
        ],
    );
    symlink("liba.so.1.0", root.join("lib/x/liba.so.1")).unwrap();
    fs::create_dir(root.join("lib64")).unwrap();
    symlink("/lib/x/liba.so.1", root.join("lib64/loader")).unwrap();
    let file = place.path().join("a.deb");
    let made = Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build", &format!("-Z{packing}")])
        .arg(&root)
        .arg(&file)
        .output();
    assert!(made.as_ref().unwrap().status.success(), "{made:?}");
    fs::read(file).unwrap()
}

fn unpacked(bytes: &[u8], into: &Path) -> Result<(), opencode_cache_tree::Error> {
    unpack::tree(Cursor::new(bytes), Format::Deb, into, &Limits::PACKAGE)
}

#[test]
fn every_packing_gives_the_same() {
    for packing in ["xz", "zstd", "gzip", "none"] {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        unpacked(&package(packing), &tree).unwrap();
        let expected = [
            "/",
            "lib/",
            "lib/x/",
            "lib/x/liba.so.1 -> liba.so.1.0",
            "lib/x/liba.so.1.0 7",
            "lib64/",
            "lib64/loader -> ../lib/x/liba.so.1",
            "usr/",
            "usr/share/",
            "usr/share/doc/",
            "usr/share/doc/a/",
            "usr/share/doc/a/copyright 3",
        ];
        assert_eq!(listing(&tree), expected, "{packing}");
        assert_eq!(fs::read_to_string(tree.join("lib64/loader")).unwrap(), "library");
        let reader = Cursor::new(package(packing));
        let control = unpack::read(reader, Format::DebControl, "control", 4096, &Limits::PACKAGE).unwrap();
        assert!(String::from_utf8(control).unwrap().starts_with("Package: a\n"), "{packing}");
    }
}

#[test]
fn what_is_damaged_is_refused_or_the_same() {
    for packing in ["xz", "zstd", "gzip"] {
        let whole = package(packing);
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        for end in (0..whole.len() - 2).step_by(7) {
            let error = unpacked(&whole[..end], &tree).unwrap_err();
            assert!(error.code().starts_with("archive-"), "{packing} {end} {error}");
        }
        for more in ["x", "\n!<arch>\n"] {
            assert!(unpacked(&[&whole, more.as_bytes()].concat(), &tree).is_err(), "{packing} {more:?}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            // What controls a package, and times and owners, are not looked at.
            if unpacked(&damaged, &tree).is_ok() {
                fs::remove_dir_all(&tree).unwrap();
            }
        }
        assert_eq!(names(place.path()), [""; 0], "{packing}");
    }
}
