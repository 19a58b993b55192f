//! An honest zip arrives as it is, whoever wrote it; a broken one not at all.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::MetadataExt;

use opencode_cache_tree::unpack::{self, Format, Limits};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::support::{listing, names};
use crate::zip::{Item, ZIP64, Zip, extra, unzip};

const CONTENT: &[u8] = b"0123456789 0123456789 0123456789";

#[track_caller]
fn arrives(archive: &[u8], wanted: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    unzip(archive, &out, &Limits::PACKAGE).unwrap();
    assert_eq!(listing(&out), wanted);
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn an_honest_archive_arrives_as_it_is() {
    let archive = Zip::new()
        .item(Item::directory("package/"))
        .item(Item::file("package/stored", CONTENT))
        .item(Item::file("package/lib//deep/./deflated", CONTENT).deflated())
        .item(Item::new("package/tool", 0o100_755, CONTENT).deflated().described())
        .item(Item::link("package/alias", "lib/deep/deflated"))
        .item(Item::file("package/caf\u{e9}", b""))
        .item(Item::new("from-dos", 0, b"x").edit(|item| item.made_by = 0))
        .end(|end| end.comment = b"made for a test".to_vec());
    let wanted = [
        "/",
        "from-dos 1",
        "package/",
        "package/alias -> lib/deep/deflated",
        "package/caf\u{e9} 0",
        "package/lib/",
        "package/lib/deep/",
        "package/lib/deep/deflated 32",
        "package/stored 32",
        "package/tool 32 x",
    ];
    arrives(&archive.bytes(), &wanted);
    arrives(&archive.zip64().bytes(), &wanted);
    arrives(&Zip::new().bytes(), &["/"]);
}

#[test]
fn sizes_stand_behind_the_content_in_four_ways() {
    for deflated in [false, true] {
        let item = Item::file("a", CONTENT);
        let item = if deflated { item.deflated() } else { item }.described();
        let crc = &item.behind[4..8];
        let wide = |at: usize| [&item.behind[at..at + 4], &[0; 4]].concat();
        let wide = [wide(8), wide(12)].concat();
        let signature = &item.behind[..4];
        let forms = [
            item.behind.clone(),
            item.behind[4..].to_vec(),
            [signature, crc, &wide].concat(),
            [crc, &wide].concat(),
        ];
        for behind in forms {
            let item = item.clone().edit(|item| item.behind = behind);
            arrives(&Zip::new().item(item).file("b", b"").bytes(), &["/", "a 32", "b 0"]);
        }
    }
}

/// As Info-ZIP and libarchive do.
#[test]
fn what_is_known_before_the_content_stands_there_too() {
    let described = Item::file("a", CONTENT).described();
    for known in 0..8u8 {
        let item = described.clone().edit(|item| {
            let (central, local) = (&item.central, &mut item.local);
            local.crc = if known & 1 == 0 { 0 } else { central.crc };
            local.packed = if known & 2 == 0 { 0 } else { central.packed };
            local.size = if known & 4 == 0 { 0 } else { central.size };
        });
        arrives(&Zip::new().item(item).bytes(), &["/", "a 32"]);
    }
}

#[test]
fn sizes_of_64_bits() {
    let [size, offset] = [32u64, 0].map(u64::to_le_bytes);
    let item = Item::file("a", CONTENT).edit(|item| {
        (item.local.packed, item.local.size) = (u32::MAX, u32::MAX);
        item.local.extra = extra(ZIP64, &[size, size].concat());
        (item.central.packed, item.offset) = (u32::MAX, Some(u32::MAX));
        item.central.extra = [extra(0x5455, &[0; 5]), extra(ZIP64, &[size, offset].concat())].concat();
    });
    arrives(&Zip::new().item(item).bytes(), &["/", "a 32"]);
}

#[test]
fn one_member_is_taken_out_whole() {
    let dir = tempfile::tempdir().unwrap();
    let program: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    let archive = Zip::new()
        .file("package.json", b"{}")
        .item(Item::file("./opencode", &program).deflated())
        .file("README.md", b"read me")
        .bytes();
    let out = dir.path().join("opencode");
    let limits = &Limits::PACKAGE;
    let size = unpack::member(Cursor::new(&archive), Format::Zip, "opencode", &out, limits).unwrap();
    assert_eq!(size, program.len() as u64);
    assert!(fs::read(&out).unwrap() == program);
    assert_eq!(fs::metadata(&out).unwrap().mode() & 0o7777, 0o555);
    assert_eq!(names(dir.path()), ["opencode"]);
    let json = unpack::read(Cursor::new(&archive), Format::Zip, "package.json", 2, limits).unwrap();
    assert_eq!(json, b"{}");
    for (member, code) in [("missing", "archive-missing-member"), ("OpenCode", "archive-same-elsewhere")] {
        let error = unpack::member(Cursor::new(&archive), Format::Zip, member, &out, limits).unwrap_err();
        assert_eq!(error.code(), code);
    }
    assert!(fs::read(&out).unwrap() == program);
}

/// Written by the `zip` crate, to a file and to a pipe.
#[test]
fn what_other_programs_write_arrives() {
    let options = SimpleFileOptions::default().unix_permissions(0o644);
    let stored = options.compression_method(CompressionMethod::Stored);
    let deflated = options.compression_method(CompressionMethod::Deflated);
    let wanted = ["/", "d/", "d/deflated 32", "d/large 32", "d/link -> stored", "d/stored 32", "d/tool 32 x"];
    macro_rules! fill {
        ($writer:expr) => {{
            let mut writer = $writer;
            writer.add_directory("d", options.unix_permissions(0o755)).unwrap();
            for (name, options) in [
                ("d/stored", stored),
                ("d/deflated", deflated),
                ("d/large", deflated.large_file(true)),
                ("d/tool", deflated.unix_permissions(0o755)),
            ] {
                writer.start_file(name, options).unwrap();
                writer.write_all(CONTENT).unwrap();
            }
            writer.add_symlink("d/link", "stored", options).unwrap();
            writer.finish().unwrap().into_inner()
        }};
    }
    arrives(&fill!(ZipWriter::new(Cursor::new(Vec::new()))), &wanted);
    arrives(&fill!(ZipWriter::new_stream(Vec::new())), &wanted);
}
