//! Each way in which a zip can be hostile is refused by name, and nothing of it stays.

use std::path::PathBuf;

use opencode_cache_tree::Error;
use opencode_cache_tree::unpack::{Format, Limits, Refusal};

use crate::surroundings::{SMALL, refused};
use crate::zip::{DEFLATED, DESCRIPTOR, Item, UTF8, ZIP64, Zip, extra, unzip};

const CONTENT: &[u8] = b"0123456789 0123456789 0123456789";

#[track_caller]
fn assert_refused(archive: Zip, entry: &str, refusal: Refusal) {
    let told = refused(&archive.bytes(), Format::Zip, &SMALL);
    assert_eq!(told, (PathBuf::from(entry), refusal));
}

#[track_caller]
fn assert_malformed(archive: Zip, entry: &str, what: &'static str) {
    assert_refused(archive, entry, Refusal::Malformed { what });
}

/// One file, changed.
fn one(change: impl FnOnce(&mut Item)) -> Zip {
    Zip::new().item(Item::file("a", CONTENT).edit(change))
}

#[test]
fn names_that_lead_elsewhere() {
    for name in ["/etc/passwd", "//etc"] {
        assert_refused(Zip::new().file(name, b"x"), name, Refusal::AbsolutePath);
    }
    for name in ["../x", "../../x", "a/../../x", "a/..", ".."] {
        assert_refused(Zip::new().file(name, b"x"), name, Refusal::ParentComponent);
    }
    for name in ["..\\x", "C:\\x", "a\\b"] {
        assert_refused(Zip::new().file(name, b"x"), name, Refusal::Backslash);
    }
    assert_refused(Zip::new().item(Item::directory("../d/")), "../d/", Refusal::ParentComponent);
}

#[test]
fn names_that_no_file_can_have() {
    for name in ["", ".", "a\0b"] {
        assert_refused(Zip::new().file(name, b"x"), name, Refusal::BadName);
    }
    let long = "d/".repeat(101);
    assert_refused(Zip::new().item(Item::directory(&long)), &long, Refusal::NameTooLong { limit: 200 });
    let component = "c".repeat(256);
    let limits = Limits { path_len: 4096, ..SMALL };
    let told = refused(&Zip::new().file(&component, b"x").bytes(), Format::Zip, &limits);
    assert_eq!(told.1, Refusal::NameTooLong { limit: 255 });
    let deep = format!("{}f", "d/".repeat(256));
    let told = refused(&Zip::new().file(&deep, b"x").bytes(), Format::Zip, &limits);
    assert_eq!(told.1, Refusal::TooDeep { limit: 256 });
    let unsaid = Item::file("caf\u{e9}", b"x").both(|head| head.flags = 0);
    assert_malformed(Zip::new().item(unsaid), "caf\u{e9}", "a name in an unknown encoding");
    let wrong = Item::file("a", b"x").both(|head| (head.flags, head.name) = (UTF8, b"\xff".to_vec()));
    assert_eq!(refused(&Zip::new().item(wrong).bytes(), Format::Zip, &SMALL).1, Refusal::BadName);
}

#[test]
fn links_that_lead_out() {
    for to in ["/etc/passwd", "../../x", "x/../../y", "x/.."] {
        let refusal = Refusal::LinkLeaves { target: PathBuf::from(to) };
        assert_refused(Zip::new().item(Item::link("a/l", to)), "a/l", refusal.clone());
        assert_refused(Zip::new().item(Item::link("a/l", to).deflated()), "a/l", refusal);
    }
    let refusal = Refusal::LinkLeaves { target: PathBuf::new() };
    assert_refused(Zip::new().item(Item::link("l", "")), "l", refusal);
    assert_refused(Zip::new().item(Item::link("l", "a\0b")), "l", Refusal::BadName);
    let endless = "x".repeat(201);
    assert_refused(Zip::new().item(Item::link("l", &endless)), "l", Refusal::NameTooLong { limit: 200 });
    let elsewhere = Item::link("l", "x").edit(|item| item.made_by = 0);
    assert_malformed(Zip::new().item(elsewhere), "l", "a link, made where there are none");
}

#[test]
fn writing_through_an_earlier_entry() {
    let through = |parent: &str| Refusal::ThroughEntry { parent: PathBuf::from(parent) };
    let link = Zip::new().item(Item::directory("d/")).item(Item::link("l", "d"));
    assert_refused(link.clone().file("l/x", b"x"), "l/x", through("l"));
    assert_refused(link.clone().file("./l/./x/y", b"x"), "./l/./x/y", through("l"));
    assert_refused(link.clone().item(Item::directory("l/e/")), "l/e/", through("l"));
    assert_refused(link.clone().item(Item::directory("l/")), "l/", Refusal::Duplicate);
    let other = Refusal::SameElsewhere { other: PathBuf::from("l") };
    assert_refused(link.file("L/x", b"x"), "L/x", other);
    assert_refused(Zip::new().file("f", b"").file("f/x", b""), "f/x", through("f"));
}

#[test]
fn the_same_name_twice() {
    assert_refused(Zip::new().file("a", b"1").file("a", b"2"), "a", Refusal::Duplicate);
    assert_refused(Zip::new().file("a", b"1").file("./a", b"2"), "./a", Refusal::Duplicate);
    assert_refused(Zip::new().file("a", b"1").item(Item::link("./a", "b")), "./a", Refusal::Duplicate);
    assert_refused(Zip::new().item(Item::link("a", "b")).file("./a", b"2"), "./a", Refusal::Duplicate);
    for (one, two) in [("A/x", "a/y"), ("read.me", "Read.me"), ("caf\u{e9}", "cafe\u{301}")] {
        let other = PathBuf::from(if one == "A/x" { "A" } else { one });
        assert_refused(Zip::new().file(one, b"1").file(two, b"2"), two, Refusal::SameElsewhere { other });
    }
}

#[test]
fn devices_pipes_and_modes() {
    for (mode, kind) in [
        (0o010_644, "pipe"),
        (0o060_644, "block device"),
        (0o020_644, "character device"),
        (0o140_644, "socket"),
    ] {
        assert_refused(Zip::new().item(Item::new("x", mode, b"")), "x", Refusal::Special { kind });
    }
    assert_refused(Zip::new().item(Item::new("x", 0o150_644, b"")), "x", Refusal::UnknownType { flag: 13 });
    for mode in [0o4755, 0o2755, 0o6755, 0o1755] {
        for made_by in [0, 3] {
            let item = Item::new("x", 0o100_000 | mode, b"").edit(|item| item.made_by = made_by);
            assert_refused(Zip::new().item(item), "x", Refusal::SetId { mode });
        }
        let item = Item::new("d/", 0o040_000 | mode, b"");
        assert_refused(Zip::new().item(item), "d/", Refusal::SetId { mode });
    }
    let slash = "a slash at the end of the name of what is not a directory";
    assert_malformed(Zip::new().item(Item::new("d/", 0o100_644, b"")), "d/", slash);
    assert_malformed(Zip::new().item(Item::link("d/", "x")), "d/", slash);
    let none = "a directory without a slash at its name's end";
    assert_malformed(Zip::new().item(Item::new("d", 0o040_755, b"")), "d", none);
    let dos = Item::new("d", 0, b"").edit(|item| item.attributes = 0x10);
    assert_malformed(Zip::new().item(dos), "d", none);
    let filled = Item::new("d/", 0o040_755, b"content");
    assert_malformed(Zip::new().item(filled), "d/", "content of what is not a file");
    assert_malformed(one(|item| item.central.extra = extra(0x756e, &[0; 14])), "a", "two modes");
}

#[test]
fn bombs() {
    let many = (0..21).fold(Zip::new(), |zip, i| zip.file(&i.to_string(), b""));
    assert_refused(many, "20", Refusal::TooManyEntries { limit: 20 });
    let deep = format!("{}f", "d/".repeat(25));
    assert_refused(Zip::new().file(&deep, b""), &deep, Refusal::TooManyEntries { limit: 20 });
    let halves = Item::file("x", &[0; 50_001]).deflated();
    let both = Zip::new().item(halves.clone()).item(halves.both(|head| head.name = b"y".to_vec()));
    assert_refused(both, "y", Refusal::TooManyBytes { limit: 100_000 });

    let limits = Limits { bytes: u64::MAX, ..SMALL };
    let bomb = Zip::new().item(Item::file("x", &vec![0; 20 * 1024 * 1024]).deflated()).bytes();
    let told = refused(&bomb, Format::Zip, &limits);
    assert_eq!(told, (PathBuf::from("x"), Refusal::Ratio { limit: 200 }));
    let dir = tempfile::tempdir().unwrap();
    unzip(&bomb, &dir.path().join("out"), &Limits { ratio: 2000, ..limits }).unwrap();
}

/// More than its headers say comes out of it, or less, or not all of it is read.
#[test]
fn content_of_another_size() {
    let what = "content of another size";
    for size in [0, 31, 33] {
        let item = Item::file("a", CONTENT).deflated().both(|head| head.size = size);
        assert_malformed(Zip::new().item(item), "a", what);
        let stored = Item::file("a", CONTENT).both(|head| head.size = size);
        assert_malformed(Zip::new().item(stored), "a", what);
    }
    let hidden = Item::file("a", CONTENT).deflated().edit(|item| item.data.extend(b"hidden"));
    let hidden = hidden.both(|head| head.packed += 6);
    assert_malformed(Zip::new().item(hidden), "a", what);
}

#[test]
fn two_headers_that_differ() {
    assert_malformed(one(|item| item.local.name = b"b".to_vec()), "a", "two names");
    assert_malformed(one(|item| item.local.method = DEFLATED), "a", "two ways to be read");
    assert_malformed(one(|item| item.local.flags = 2), "a", "two ways to be read");
    assert_malformed(one(|item| item.local.flags = 1), "a", "two ways to be read");
    let sizes = "two different sizes";
    assert_malformed(one(|item| item.local.size = 31), "a", sizes);
    assert_malformed(one(|item| item.local.packed = 31), "a", sizes);
    assert_malformed(one(|item| item.local.crc ^= 1), "a", sizes);
    assert_malformed(
        one(|item| (item.local.crc, item.local.packed, item.local.size) = (0, 0, 0)),
        "a",
        sizes,
    );
    let described =
        |change: fn(&mut Item)| Zip::new().item(Item::file("a", CONTENT).described().edit(change));
    assert_malformed(described(|item| item.local.size = 31), "a", sizes);
    assert_malformed(described(|item| item.local.crc = 1), "a", sizes);
    let unicode = |name: &[u8]| extra(0x7075, &[&[1, 0, 0, 0, 0][..], name].concat());
    assert_malformed(one(|item| item.central.extra = unicode(b"../x")), "a", "two names");
    assert_malformed(one(|item| item.local.extra = unicode(b"b")), "a", "two names");
}

#[test]
fn what_stands_behind_the_content_is_another() {
    let what = "what stands behind its content";
    let item = Item::file("a", CONTENT).deflated().described();
    for at in 0..16 {
        let item = item.clone().edit(|item| item.behind[at] ^= 1);
        assert_malformed(Zip::new().item(item).file("b", b""), "a", what);
    }
    for length in [0, 8, 15] {
        let item = item.clone().edit(|item| item.behind.truncate(length));
        assert_malformed(Zip::new().item(item).file("b", b""), "a", what);
    }
    let item = item.edit(|item| item.behind.extend([0; 9]));
    assert_malformed(Zip::new().item(item), "a", "bytes that belong to no entry");
    let unsaid = Item::file("a", CONTENT).both(|head| head.flags = DESCRIPTOR);
    assert_malformed(Zip::new().item(unsaid), "a", what);
}

#[test]
fn entries_that_overlap() {
    let whole =
        Zip::new().file("a", CONTENT).item(Item::file("b", CONTENT).edit(|item| item.offset = Some(0)));
    assert_refused(whole, "a", Refusal::Overlap);
    // The content of the first is the second, header and all.
    let inner = Item::file("b", CONTENT).edit(|item| item.offset = Some(31));
    let header = 31 + CONTENT.len();
    let archive = Zip::new().item(Item::file("a", &vec![b'x'; header])).item(inner);
    let mut bytes = archive.bytes();
    bytes.copy_within(31 + header..31 + 2 * header, 31);
    assert_eq!(refused(&bytes, Format::Zip, &SMALL), (PathBuf::from("a"), Refusal::Overlap));
    let beyond =
        Item::file("a", CONTENT).both(|head| (head.packed, head.size) = (u32::MAX - 1, u32::MAX - 1));
    let beyond = Zip::new().item(beyond);
    let limits = Limits { bytes: u64::MAX, ratio: u64::MAX, ..SMALL };
    assert_eq!(refused(&beyond.bytes(), Format::Zip, &limits).1, Refusal::Overlap);
}

#[test]
fn bytes_that_belong_to_nothing() {
    let nothing = "bytes that belong to no entry";
    let archive = Zip::new().file("a", b"x");
    assert_malformed(archive.clone().before(b"#!/bin/sh\n"), "a", nothing);
    assert_malformed(one(|item| item.behind = b"hidden".to_vec()), "a", nothing);
    assert_malformed(Zip::new().before(b"hidden"), "", nothing);
    // Before all of it, with offsets that do not count it.
    let shifted = [b"#!/bin/sh\n", &archive.bytes()[..]].concat();
    let misplaced = Refusal::Malformed { what: "a directory that does not end where the archive does" };
    assert_eq!(refused(&shifted, Format::Zip, &SMALL).1, misplaced);
    for behind in [&b"x"[..], &[0; 512], &[b'x'; 70_000]] {
        let error = refused_or_broken(&[&archive.bytes()[..], behind].concat());
        assert!(
            error == "archive-malformed" || behind.len() > 65_535 && error == "archive-broken",
            "{error}"
        );
    }
    // A whole archive in another's comment: which one is it?
    let inner = Zip::new().file("b", b"y").bytes();
    let end = Zip::new().bytes();
    assert_malformed(archive.clone().end(|outer| outer.comment = end), "", "two ends");
    assert_malformed(archive.end(|outer| outer.comment = inner), "", "two ends");
}

#[track_caller]
fn refused_or_broken(archive: &[u8]) -> &'static str {
    let dir = tempfile::tempdir().unwrap();
    let error = unzip(archive, &dir.path().join("out"), &SMALL).unwrap_err();
    assert!(matches!(error, Error::Archive { .. } | Error::BrokenArchive { .. }), "{error:?}");
    assert_eq!(crate::support::names(dir.path()), [] as [&str; 0]);
    error.code()
}

#[test]
fn more_than_one_disk_and_other_counts() {
    let archive = Zip::new().file("a", b"x");
    let disks = "more than one disk";
    assert_malformed(archive.clone().end(|end| end.disk = 1), "", disks);
    assert_malformed(archive.clone().end(|end| end.here = Some(0)), "", disks);
    assert_malformed(one(|item| item.disk = 1), "a", disks);
    let count = "another number of entries than the end says";
    for entries in [0, 2] {
        let archive = archive.clone().end(|end| (end.here, end.entries) = (Some(entries), Some(entries)));
        assert_malformed(archive, "a", count);
    }
    let misplaced = "a directory that does not end where the archive does";
    assert_malformed(archive.clone().end(|end| end.size = Some(0)), "", misplaced);
    assert_malformed(archive.end(|end| end.offset = Some(0)), "", misplaced);
}

#[test]
fn lies_in_64_bits() {
    let zip64 = "zip64";
    let wide = |fields: &[u64]| {
        let bytes: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        extra(ZIP64, &bytes)
    };
    // Without, with too few, with too many, with others than the short ones.
    let unsaid = |item: &mut Item| (item.central.packed, item.central.size) = (u32::MAX, u32::MAX);
    let limits = Limits { bytes: u64::MAX, ratio: u64::MAX, ..SMALL };
    let told = refused(&one(unsaid).bytes(), Format::Zip, &limits);
    assert_eq!(told.1, Refusal::Malformed { what: "two different sizes" });
    for fields in [&[32][..], &[32, 32, 0, 0, 0]] {
        let archive = one(|item| {
            unsaid(item);
            item.central.extra = wide(fields);
        });
        assert_malformed(archive, "a", zip64);
    }
    assert_malformed(one(|item| item.central.extra = wide(&[32, 33])), "a", zip64);
    assert_malformed(one(|item| item.local.extra = wide(&[33, 32])), "a", zip64);
    assert_malformed(one(|item| item.local.extra = wide(&[32, 32, 7])), "a", zip64);
    let twice = one(|item| item.central.extra = [wide(&[]), wide(&[])].concat());
    assert_malformed(twice, "a", "zip64 twice");
    let endless = one(|item| {
        unsaid(item);
        item.central.extra = wide(&[u64::MAX, u64::MAX]);
    });
    assert_refused(endless.clone(), "a", Refusal::TooManyBytes { limit: 100_000 });
    assert_malformed(one(|item| item.central.extra = vec![1, 0, 99, 0, 1]), "a", "extra field");

    let honest = Zip::new().file("a", b"x").zip64();
    let others = honest.clone().end(|end| (end.entries, end.here) = (Some(7), Some(7)));
    assert_malformed(others, "", "zip64 end");
    assert_malformed(honest.clone().end(|end| end.size = Some(1)), "", "zip64 end");
    assert_malformed(honest.clone().end(|end| end.offset = Some(0)), "", "zip64 end");
    // Any byte of the long records.
    let bytes = honest.bytes();
    let start = bytes.len() - 22 - 20 - 56;
    for at in start..bytes.len() - 22 {
        // The versions tell nothing about where things lie.
        if (12..16).contains(&(at - start)) {
            continue;
        }
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x40;
        assert_eq!(refused_or_broken(&bytes), "archive-malformed", "byte {at}");
    }
}

#[test]
fn what_cannot_be_read() {
    for flags in [1, 1 << 6, 1 << 13] {
        let item = Item::file("a", b"x").both(|head| head.flags = flags);
        assert_refused(Zip::new().item(item), "a", Refusal::Encrypted);
    }
    let aes = Item::file("a", b"x").both(|head| head.extra = extra(0x9901, &[2, 0, b'A', b'E', 3, 8, 0]));
    assert_refused(Zip::new().item(aes), "a", Refusal::Encrypted);
    for method in [1, 9, 12, 14, 93, 99] {
        let item = Item::file("a", b"x").both(|head| head.method = method);
        assert_refused(Zip::new().item(item), "a", Refusal::Compression { method });
    }
    for flags in [1 << 4, 1 << 5, 1 << 15] {
        let item = Item::file("a", b"x").both(|head| head.flags = flags);
        assert_malformed(Zip::new().item(item), "a", "flags");
    }
}

#[test]
fn a_truncated_or_altered_archive_is_an_error_at_every_place() {
    let noise: Vec<u8> = (0..500u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let archive = Zip::new().file("a", &noise).item(Item::file("b", &noise).deflated().described()).bytes();
    for length in (0..archive.len()).step_by(17).chain([archive.len() - 1]) {
        refused_or_broken(&archive[..length]);
    }
    // Content has a checksum; of headers, only what changes nothing may be another.
    for at in (40..1900).step_by(61) {
        let mut altered = archive.clone();
        altered[at] ^= 1;
        assert_eq!(refused_or_broken(&altered), "archive-broken", "byte {at}");
    }
    for foreign in [&b"<html>not found</html>"[..], b"", b"PK\x05\x06", &[b'x'; 2048]] {
        refused_or_broken(foreign);
    }
}
