//! An honest archive arrives as it is; a broken one not at all.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use opencode_cache_tree::Error;
use opencode_cache_tree::unpack::{self, Format, Limits, Refusal};

use crate::archive::{
    DIRECTORY, FILE, GNU_LINK, GNU_NAME, HARD, LINK, PAX, PAX_GLOBAL, Tar, gzip, tgz, tgz_member,
};
use crate::support::{listing, names};

#[test]
fn an_honest_archive_arrives_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let long = format!("package/{}name", "long/".repeat(60));
    let archive = Tar::new()
        .pax(PAX_GLOBAL, "comment", "made for a test")
        .member("./", DIRECTORY, b"")
        .member("package/", DIRECTORY, b"")
        .member("package/package.json", FILE, b"{}")
        .member("package/./lib//deep/index.js", FILE, b"0123456789")
        .mode("package/bin/tool", FILE, 0o755)
        .link("package/bin/alias", LINK, "../lib/deep/index.js")
        .link("package/copy.js", HARD, "package/lib/deep/index.js")
        .member("package/lib/", DIRECTORY, b"")
        .pax(PAX, "path", "package/from-pax")
        .member("short", FILE, b"pax")
        .member("ignored", GNU_NAME, format!("{long}\0").as_bytes())
        .member("short", FILE, b"gnu")
        .member("ignored", GNU_LINK, b"lib/deep\0")
        .link("package/gnu-link", LINK, "short")
        .mode("package/old-directory/", FILE, 0o755)
        .tgz();
    let out = dir.path().join("out");
    tgz(&archive[..], &out, &Limits::PACKAGE).unwrap();
    let all = listing(&out);
    let (deep, others): (Vec<String>, Vec<String>) = all.into_iter().partition(|line| line.contains("long/"));
    assert_eq!(deep.last().unwrap(), &format!("{long} 3"));
    assert_eq!(
        others,
        [
            "/",
            "package/",
            "package/bin/",
            "package/bin/alias -> ../lib/deep/index.js",
            "package/bin/tool 0 x",
            "package/copy.js 10",
            "package/from-pax 3",
            "package/gnu-link -> lib/deep",
            "package/lib/",
            "package/lib/deep/",
            "package/lib/deep/index.js 10",
            "package/old-directory/",
            "package/package.json 2",
        ]
    );
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn one_member_is_taken_out_whole() {
    let dir = tempfile::tempdir().unwrap();
    let program: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    let archive = Tar::new()
        .member("package/package.json", FILE, b"{\"a\":1}")
        .member("./package/bin/opencode", FILE, &program)
        .member("package/README.md", FILE, b"read me")
        .tgz();
    let out = dir.path().join("opencode");
    fs::write(&out, "an older one").unwrap();
    let size = tgz_member(&archive[..], "package/bin/opencode", &out, &Limits::PACKAGE).unwrap();
    assert_eq!(size, program.len() as u64);
    assert!(fs::read(&out).unwrap() == program);
    assert_eq!(fs::metadata(&out).unwrap().mode() & 0o7777, 0o555);
    assert_eq!(names(dir.path()), ["opencode"]);

    let read = |most| {
        let reader = Cursor::new(&archive);
        unpack::read(reader, Format::Tgz, "package/package.json", most, &Limits::PACKAGE)
    };
    let json = read(7).unwrap();
    assert_eq!(json, b"{\"a\":1}");
    let error = read(6).unwrap_err();
    assert_eq!(error.code(), "archive-too-many-bytes");
}

#[test]
fn a_member_that_is_missing_twice_there_or_no_file_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let twice = Tar::new().member("a", FILE, b"1").member("./a", FILE, b"2");
    let link = Tar::new().link("a", LINK, "b");
    for (archive, wanted) in [
        (Tar::new().member("b", FILE, b"1"), Refusal::Missing),
        (twice, Refusal::Duplicate),
        (link, Refusal::NotAFile),
        (Tar::new().member("a", DIRECTORY, b""), Refusal::NotAFile),
    ] {
        let error = tgz_member(&archive.tgz()[..], "a", &out, &Limits::PACKAGE).unwrap_err();
        assert!(
            matches!(&error, Error::Archive { entry, refusal } if entry == Path::new("a") && *refusal == wanted),
            "{error}"
        );
        assert_eq!(names(dir.path()), [] as [&str; 0]);
    }
}

#[test]
fn a_truncated_or_altered_archive_is_an_error_at_every_place() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let noise: Vec<u8> = (0..3000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let archive = Tar::new().member("a", FILE, &noise).member("b", FILE, b"b").tgz();
    for length in (0..archive.len()).step_by(97).chain([archive.len() - 1]) {
        let error = tgz(&archive[..length], &out, &Limits::PACKAGE).unwrap_err();
        assert!(matches!(error, Error::BrokenArchive { .. }), "cut at {length}: {error:?}");
    }
    // The checksum stands in the last eight bytes, after all that tar needs.
    let mut altered = archive.clone();
    let last = altered.len() - 8;
    altered[last] ^= 1;
    for result in [
        tgz(&altered[..], &out, &Limits::PACKAGE),
        tgz_member(&altered[..], "b", &out, &Limits::PACKAGE).map(drop),
    ] {
        assert_eq!(result.unwrap_err().code(), "archive-broken");
    }
    for foreign in [&b"<html>not found</html>"[..], &gzip(b"not a tar archive"), &gzip(&[b'x'; 2048])] {
        assert_eq!(tgz(foreign, &out, &Limits::PACKAGE).unwrap_err().code(), "archive-broken");
    }
    assert_eq!(names(dir.path()), [] as [&str; 0]);
}

#[test]
fn a_place_that_is_taken_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let archive = Tar::new().member("a", FILE, b"1").tgz();
    let error = tgz(&archive[..], &out, &Limits::PACKAGE).unwrap_err();
    assert!(matches!(error, Error::Exists { path } if path == out));
    assert_eq!(names(&out), [] as [&str; 0]);
}
