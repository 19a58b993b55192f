//! Each way in which an archive can be hostile is refused by name, and nothing of it stays.

use std::path::{Path, PathBuf};

use opencode_cache_tree::unpack::{Format, Limits, Refusal};
use opencode_cache_tree::{Error, scan};
use proptest::prelude::*;

use crate::archive::{
    DIRECTORY, FILE, GNU_LINK, GNU_NAME, HARD, Header, LINK, PAX, PAX_GLOBAL, Tar, gzip, tgz,
};
use crate::support::names;
use crate::surroundings::{SMALL, refused};

/// Unpacks; asserts that it is refused and that nothing is left; gives the reason.
#[track_caller]
fn refused_within(archive: &[u8], limits: &Limits) -> (PathBuf, Refusal) {
    refused(archive, Format::Tgz, limits)
}

#[track_caller]
fn assert_refused(archive: Tar, entry: &str, refusal: Refusal) {
    assert_eq!(refused_within(&archive.tgz(), &SMALL), (PathBuf::from(entry), refusal));
}

#[track_caller]
fn assert_malformed(archive: Tar, entry: &str, what: &'static str) {
    assert_refused(archive, entry, Refusal::Malformed { what });
}

fn target(path: &str) -> PathBuf {
    PathBuf::from(path)
}

#[test]
fn names_that_lead_elsewhere() {
    for name in ["/etc/passwd", "//etc"] {
        assert_refused(Tar::new().member(name, FILE, b"x"), name, Refusal::AbsolutePath);
    }
    for name in ["../x", "a/../../x", "a/..", ".."] {
        assert_refused(Tar::new().member(name, FILE, b"x"), name, Refusal::ParentComponent);
    }
    for name in ["..\\x", "C:\\x", "a\\b"] {
        assert_refused(Tar::new().member(name, FILE, b"x"), name, Refusal::Backslash);
    }
    assert_refused(
        Tar::new().pax(PAX, "path", "../x").member("a", FILE, b"x"),
        "../x",
        Refusal::ParentComponent,
    );
    assert_refused(
        Tar::new().member("n", GNU_NAME, b"/etc/x\0").member("a", FILE, b"x"),
        "/etc/x",
        Refusal::AbsolutePath,
    );
}

#[test]
fn names_that_no_file_can_have() {
    assert_refused(Tar::new().member("", FILE, b"x"), "", Refusal::BadName);
    assert_refused(Tar::new().member(".", FILE, b"x"), ".", Refusal::BadName);
    let inner_zero = Tar::new().member("n", GNU_NAME, b"a\0b\0").member("a", FILE, b"x");
    assert_refused(inner_zero, "a\0b", Refusal::BadName);
    let other = Header { name: b"caf\xe9", kind: FILE, mode: 0o644, link: b"", size: None };
    let told = refused_within(&Tar::new().header(other, b"x").tgz(), &SMALL);
    assert_eq!(told.1, Refusal::BadName);
    let long = "d/".repeat(101);
    assert_refused(
        Tar::new().pax(PAX, "path", &long).member("a", FILE, b"x"),
        &long,
        Refusal::NameTooLong { limit: 200 },
    );
    let component = "c".repeat(256);
    let archive = Tar::new().pax(PAX, "path", &component).member("a", FILE, b"x").tgz();
    let limits = Limits { path_len: 4096, ..SMALL };
    assert_eq!(
        refused_within(&archive, &limits),
        (PathBuf::from(component), Refusal::NameTooLong { limit: 255 })
    );
    let deep = format!("{}f", "d/".repeat(256));
    let archive = Tar::new().pax(PAX, "path", &deep).member("a", FILE, b"x").tgz();
    assert_eq!(refused_within(&archive, &limits).1, Refusal::TooDeep { limit: 256 });
}

#[test]
fn links_that_lead_out() {
    for to in ["/etc/passwd", "../../x", "x/../../y", "x/.."] {
        assert_refused(Tar::new().link("a/l", LINK, to), "a/l", Refusal::LinkLeaves { target: target(to) });
    }
    assert_refused(
        Tar::new().pax(PAX, "linkpath", "/etc").link("l", LINK, "fine"),
        "l",
        Refusal::LinkLeaves { target: target("/etc") },
    );
    assert_refused(Tar::new().link("l", LINK, ""), "l", Refusal::BadName);
}

#[test]
fn hard_links_to_what_is_not_an_earlier_file() {
    assert_refused(Tar::new().link("l", HARD, "/etc/passwd"), "l", Refusal::AbsolutePath);
    assert_refused(Tar::new().link("l", HARD, "../x"), "l", Refusal::ParentComponent);
    for (archive, to) in [
        (Tar::new(), "later"),
        (Tar::new().link("link", LINK, "x"), "link"),
        (Tar::new().member("d/", DIRECTORY, b""), "d"),
    ] {
        assert_refused(archive.link("l", HARD, to), "l", Refusal::HardLink { target: target(to) });
    }
}

#[test]
fn writing_through_an_earlier_entry() {
    let through = |parent: &str| Refusal::ThroughEntry { parent: target(parent) };
    let link = Tar::new().member("d/", DIRECTORY, b"").link("l", LINK, "d");
    assert_refused(link.clone().member("l/x", FILE, b"x"), "l/x", through("l"));
    assert_refused(link.clone().member("l/e/", DIRECTORY, b""), "l/e/", through("l"));
    assert_refused(link.clone().member("./l/./x/y", FILE, b"x"), "./l/./x/y", through("l"));
    assert_refused(link.member("l/", DIRECTORY, b""), "l/", Refusal::Duplicate);
    assert_refused(Tar::new().member("f", FILE, b"").member("f/x", FILE, b""), "f/x", through("f"));
}

#[test]
fn the_same_name_twice() {
    for kind in [FILE, LINK, HARD] {
        let second = |tar: Tar| match kind {
            FILE => tar.member("./a", FILE, b"2"),
            kind => tar.link("./a", kind, "b"),
        };
        let first = Tar::new().member("b", FILE, b"b");
        assert_refused(second(first.clone().member("a", FILE, b"1")), "./a", Refusal::Duplicate);
        assert_refused(second(first.clone().member("a/", DIRECTORY, b"")), "./a", Refusal::Duplicate);
        assert_refused(second(first.link("a", LINK, "b")), "./a", Refusal::Duplicate);
    }
}

/// One file on macOS, two elsewhere; and a link that is followed there only.
#[test]
fn the_same_name_twice_on_other_systems() {
    for (one, two) in [("A/x", "a/y"), ("read.me", "Read.me"), ("caf\u{e9}", "cafe\u{301}")] {
        let other = PathBuf::from(if one == "A/x" { "A" } else { one });
        let archive = Tar::new().member(one, FILE, b"1").member(two, FILE, b"2");
        assert_refused(archive, two, Refusal::SameElsewhere { other });
    }
    let link = Tar::new().member("d/", DIRECTORY, b"").link("l", LINK, "d").member("L/x", FILE, b"x");
    assert_refused(link, "L/x", Refusal::SameElsewhere { other: target("l") });
}

#[test]
fn devices_pipes_and_unknown_types() {
    for (kind, name) in [(b'3', "character device"), (b'4', "block device"), (b'6', "pipe")] {
        assert_refused(Tar::new().mode("x", kind, 0o644), "x", Refusal::Special { kind: name });
    }
    for flag in [b'S', b'V', b'Z', 0xff] {
        assert_refused(Tar::new().mode("x", flag, 0o644), "x", Refusal::UnknownType { flag });
    }
}

#[test]
fn programs_that_run_as_another_user() {
    for mode in [0o4755, 0o2755, 0o6755, 0o1755] {
        assert_refused(Tar::new().mode("x", FILE, mode), "x", Refusal::SetId { mode });
        assert_refused(Tar::new().mode("d/", DIRECTORY, mode), "d/", Refusal::SetId { mode });
    }
}

#[test]
fn bombs() {
    let many = (0..21).fold(Tar::new(), |tar, i| tar.member(&i.to_string(), FILE, b""));
    assert_refused(many, "20", Refusal::TooManyEntries { limit: 20 });
    let deep = format!("{}f", "d/".repeat(25));
    assert_refused(Tar::new().member(&deep, FILE, b""), &deep, Refusal::TooManyEntries { limit: 20 });
    let headers = (0..21).fold(Tar::new(), |tar, _| tar.pax(PAX, "comment", "x"));
    assert_refused(headers, "pax", Refusal::TooManyEntries { limit: 20 });

    let large = vec![0; 100_000];
    assert_refused(Tar::new().member("x", FILE, &large), "x", Refusal::TooManyBytes { limit: 100_000 });
    let tail = gzip(&[Tar::new().member("x", FILE, b"").tar(), large].concat());
    assert_eq!(refused_within(&tail, &SMALL).1, Refusal::TooManyBytes { limit: 100_000 });

    let bomb = Tar::new().member("x", FILE, &vec![0; 20 * 1024 * 1024]).tgz();
    let limits = Limits { bytes: u64::MAX, ..SMALL };
    assert_eq!(refused_within(&bomb, &limits), (target("x"), Refusal::Ratio { limit: 200 }));
    let dir = tempfile::tempdir().unwrap();
    tgz(&bomb[..], &dir.path().join("out"), &Limits { ratio: 2000, ..limits }).unwrap();
}

#[test]
fn headers_that_contradict_themselves() {
    let malformed = |what| Refusal::Malformed { what };
    let sizes = Tar::new().pax(PAX, "size", "0").member("x", FILE, &[0; 512]);
    assert_refused(sizes, "x", malformed("two different sizes"));
    let sparse = Tar::new().pax(PAX, "GNU.sparse.major", "1").member("x", FILE, b"x");
    assert_refused(sparse, "pax", malformed("sparse file"));
    let global = Tar::new().pax(PAX_GLOBAL, "path", "y").member("x", FILE, b"x");
    assert_refused(global, "pax", malformed("a name or size for all entries"));
    assert_refused(
        Tar::new().member("d/", DIRECTORY, b"content"),
        "d/",
        malformed("content of what is not a file"),
    );
    let record = Tar::new().member("pax", PAX, b"no length here\n").member("x", FILE, b"");
    assert_refused(record, "pax", malformed("pax record"));
    let size = Some(2 * 1024 * 1024);
    let header = Header { name: b"n", kind: GNU_NAME, mode: 0, link: b"", size };
    assert_refused(Tar::new().header(header, b"x"), "n", malformed("an extension header of over a megabyte"));
}

/// What some programs read in one way, and others in another.
#[test]
fn extension_headers_that_are_read_in_two_ways() {
    let file = |tar: Tar| tar.member("x", FILE, b"x");
    let twice = Tar::new().pax(PAX, "path", "a").pax(PAX, "path", "b");
    assert_malformed(file(twice), "pax", "two names");
    let both = Tar::new().pax(PAX, "path", "a").member("n", GNU_NAME, b"b\0");
    assert_malformed(file(both), "n", "two names");
    let links = Tar::new().pax(PAX, "linkpath", "a").member("n", GNU_LINK, b"b\0");
    assert_malformed(links.link("l", LINK, "c"), "n", "two targets of a link");
    // Behind an empty line, or inside of another record's value.
    for records in [
        &b"\n12 path=../x\n"[..],
        b"13 path=a\n",
        b"+9 path=a\n",
        b"9 path=a\n9 pa",
        b"99999999999999999999 path=a\n",
        b"9 path=ab",
        b"2 \n",
    ] {
        assert_malformed(file(Tar::new().member("pax", PAX, records)), "pax", "pax record");
    }
    let inner = Tar::new().member("pax", PAX, b"27 comment=x\n12 path=../y\n\n");
    let dir = tempfile::tempdir().unwrap();
    tgz(&file(inner).tgz(), &dir.path().join("out"), &SMALL).unwrap();
    assert_eq!(names(&dir.path().join("out")), ["x"]);
    for key in ["path", "comment"] {
        let last = Tar::new().pax(PAX, key, "a");
        assert_malformed(last, "pax", "an extension header with nothing after it");
    }
}

/// Long names, links and types are none to who takes a header for one of 1979.
#[test]
fn headers_of_no_known_form() {
    for form in [b"usta\0\0\0r", b"ustar\x000\0", &[0; 8]] {
        let mut tar = Tar::new().member("n", GNU_NAME, b"a\0").member("x", FILE, b"x").tar();
        tar[257..265].copy_from_slice(form);
        let sum: u32 =
            tar[..148].iter().chain(b"        ").chain(&tar[156..512]).map(|byte| u32::from(*byte)).sum();
        tar[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let refusal = Refusal::Malformed { what: "neither of POSIX's nor of GNU's form" };
        assert_eq!(refused_within(&gzip(&tar), &SMALL), (target("n"), refusal));
    }
}

#[test]
fn sizes_that_are_none() {
    let with = |size: &[u8; 12]| {
        let mut tar = Tar::new().member("x", FILE, b"x").tar();
        tar[124..136].copy_from_slice(size);
        right_checksums(&mut tar);
        gzip(&tar)
    };
    // Beyond 64 bits, and signed.
    for size in [b"\x80\0\0\x01\0\0\0\0\0\0\0\x01", b"+0000000001\0"] {
        assert_eq!(refused_within(&with(size), &SMALL), (target("x"), Refusal::Malformed { what: "size" }));
    }
    for size in [b"77777777777\0", b"\x80\0\0\0\0\0\0\x01\0\0\0\0"] {
        let refusal = Refusal::TooManyBytes { limit: 100_000 };
        assert_eq!(refused_within(&with(size), &SMALL), (target("x"), refusal));
    }
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    // Negative.
    assert_eq!(tgz(&with(&[0xff; 12]), &out, &SMALL).unwrap_err().code(), "archive-broken");
    assert_eq!(names(dir.path()), [] as [&str; 0]);
    tgz(&with(b"\x80\0\0\0\0\0\0\0\0\0\0\x01"), &out, &SMALL).unwrap();
}

#[test]
fn what_follows_the_end() {
    let tar = Tar::new().member("x", FILE, b"x");
    let second = Tar::new().member("../y", FILE, b"y").tar();
    let malformed = |what| Refusal::Malformed { what };
    let refusal = |archive: &[u8]| refused_within(archive, &SMALL).1;
    let behind = "bytes after the end of the archive";
    assert_eq!(refusal(&gzip(&[tar.clone().tar(), second.clone()].concat())), malformed(behind));
    // One block of zeros is an end to some.
    let one_block = [&tar.clone().tar()[..1536], &second].concat();
    assert_eq!(refusal(&gzip(&one_block)), malformed(behind));
    assert_eq!(refusal(&[tar.clone().tgz(), gzip(&second)].concat()), malformed("a second gzip stream"));
    assert_eq!(refusal(&[tar.clone().tgz(), gzip(b"")].concat()), malformed("a second gzip stream"));
    for garbage in [&b"x"[..], &[0; 512]] {
        let archive = [&tar.clone().tgz(), garbage].concat();
        assert_eq!(refusal(&archive), malformed("bytes after the end of the gzip stream"));
    }
    // A member that is cut off in a stream that is whole.
    for length in [512, 512 + 1, 512 + 511, 100] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let cut = Tar::new().member("x", FILE, &[b'x'; 512]).tar();
        let error = tgz(&gzip(&cut[..length]), &out, &SMALL).unwrap_err();
        assert_eq!((error.code(), names(dir.path()).len()), ("archive-broken", 0), "cut at {length}");
    }
}

/// An archive with one of everything, not compressed.
fn honest() -> Vec<u8> {
    Tar::new()
        .member("d/", DIRECTORY, b"")
        .member("d/f", FILE, b"content")
        .link("d/l", LINK, "f")
        .link("h", HARD, "d/f")
        .pax(PAX, "path", "from-pax/x")
        .member("x", FILE, b"x")
        .member("n", GNU_NAME, b"from-gnu/y\0")
        .member("y", FILE, b"y")
        .tar()
}

/// Puts a header's checksum right again, so that a changed header is not refused for that alone.
fn right_checksums(archive: &mut [u8]) {
    for block in archive.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn whatever_is_changed_in_an_archive_nothing_leads_out(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6)
    ) {
        let mut archive = honest();
        let bytes = b"\0/.0127xgLKS\xff\n= ";
        for (place, byte) in changes {
            let place = place.index(archive.len());
            archive[place] = bytes[byte.index(bytes.len())];
        }
        right_checksums(&mut archive);
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        match tgz(&gzip(&archive)[..], &out, &SMALL) {
            Ok(()) => {
                prop_assert_eq!(names(dir.path()), ["out"]);
                scan(&out).unwrap().check_links().unwrap();
            }
            Err(error) => {
                prop_assert!(matches!(error, Error::Archive { .. } | Error::BrokenArchive { .. }), "{:?}", error);
                prop_assert_eq!(names(dir.path()), [] as [&str; 0]);
            }
        }
    }
}

#[test]
fn a_refusal_names_the_entry_without_letting_it_write_to_the_terminal() {
    let error = Error::Archive { entry: Path::new("\x1b[2Jx").to_path_buf(), refusal: Refusal::Duplicate };
    assert_eq!(error.to_string(), r#"archive entry "\u{1b}[2Jx": an earlier entry has the same name"#);
}
