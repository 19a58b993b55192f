//! What any bytes are to the unpacker of gzipped tars: refused with nothing left, or a tree that stays in its place and holds what
//! another reader finds in the archive. The input is the tar: its checksums are put right and it is compressed here, so that changes
//! reach what lies behind them. One that begins with gzip's own two bytes is taken as it is.
#![no_main]

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use opencode_cache_fuzz::place::{Place, Unpacked};
use tree::unpack::Format;

thread_local! {
    static PLACE: Place = Place::default();
}

fuzz_target!(|bytes: &[u8]| {
    let archive = if bytes.starts_with(b"\x1f\x8b") { bytes.to_vec() } else { compressed(bytes) };
    if let Some(files) = PLACE.with(|place| place.unpack(Cursor::new(&archive), Format::Tgz)) {
        compare(&archive, &files);
    }
});

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut tar = bytes.to_vec();
    for block in tar.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&tar).expect("memory");
    encoder.finish().expect("memory")
}

/// The tar crate reads extension headers by itself, and follows hard links by their names.
fn compare(archive: &[u8], files: &[Unpacked]) {
    let mut other = tar::Archive::new(MultiGzDecoder::new(archive));
    let mut found: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for entry in other.entries().expect("it was read") {
        let mut entry = entry.expect("it was read");
        let path = clean(&entry.path().expect("a path"));
        let kind = entry.header().entry_type();
        if kind.is_hard_link() {
            let target = clean(&entry.link_name().expect("a name").expect("a name"));
            let content = found[&target].clone();
            found.insert(path, content);
        } else if (kind.is_file() || kind.is_contiguous()) && !entry.path_bytes().ends_with(b"/") {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("it was read");
            assert!(found.insert(path, content).is_none(), "twice");
        }
    }
    let files: BTreeMap<PathBuf, Vec<u8>> = files.iter().cloned().collect();
    assert_eq!(found, files);
}

fn clean(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != std::path::Component::CurDir).collect()
}
