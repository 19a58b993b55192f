//! What any bytes are to the unpacker of zips: refused with nothing left, or a tree that stays in its place and holds what another
//! reader finds in the archive.
#![no_main]

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Component, Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use opencode_cache_fuzz::place::{Place, Unpacked};
use tree::unpack::Format;
use zip::ZipArchive;

thread_local! {
    static PLACE: Place = Place::default();
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(files) = PLACE.with(|place| place.unpack(Cursor::new(bytes), Format::Zip)) {
        compare(bytes, &files);
    }
});

fn compare(archive: &[u8], files: &[Unpacked]) {
    let mut other = ZipArchive::new(Cursor::new(archive)).expect("it was read");
    let mut found: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for index in 0..other.len() {
        let mut entry = other.by_index(index).expect("it was read");
        if entry.is_dir() || entry.is_symlink() {
            continue;
        }
        let path = clean(Path::new(&*entry.name().expect("it was read")));
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("it was read");
        assert!(found.insert(path, content).is_none(), "twice");
    }
    let files: BTreeMap<PathBuf, Vec<u8>> = files.iter().cloned().collect();
    assert_eq!(found, files);
}

fn clean(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}
