//! Property: what is changed in a binary of the known shape can be put back, byte for byte; a binary of any other shape is refused,
//! and none makes the program panic. With a binary that was made up; the real ones: `tests/all/libraries.rs`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use opencode_cache_fit::{Answer, Edit, Error, Undone, answer, edits};
use proptest::prelude::*;

const INTERPRETER: &[u8] = b"/lib64/ld-linux-x86-64.so.2\0";
/// Where things lie in what is made up: as in the real ones.
const ROOM: usize = 568;
const DYNAMIC: usize = 0x300;
const STRINGS: u64 = 0x20_9588;
const BASE: u64 = 0x20_0000;

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}

/// The smallest file of the shape that the releases have.
fn binary() -> Vec<u8> {
    let mut bytes = vec![0; 0x400];
    put(&mut bytes, 0, b"\x7fELF\x02\x01\x01");
    put(&mut bytes, 16, &[2, 0, 62, 0, 1]);
    put(&mut bytes, 32, &64_u64.to_le_bytes());
    put(&mut bytes, 52, &[64, 0, 56, 0, 4, 0]);
    let notes = ROOM + INTERPRETER.len();
    let segments: [(u32, usize, usize); 4] =
        [(3, ROOM, INTERPRETER.len()), (1, 0, 0x400), (2, DYNAMIC, 64), (4, notes, 68)];
    for (number, (kind, offset, size)) in segments.into_iter().enumerate() {
        let at = 64 + number * 56;
        put(&mut bytes, at, &kind.to_le_bytes());
        for (place, value) in
            [(8, offset as u64), (16, BASE + offset as u64), (32, size as u64), (40, size as u64)]
        {
            put(&mut bytes, at + place, &value.to_le_bytes());
        }
    }
    put(&mut bytes, ROOM, INTERPRETER);
    for (at, size, kind) in [(notes, 16_u32, 1_u32), (notes + 32, 20, 3)] {
        put(&mut bytes, at, &4_u32.to_le_bytes());
        put(&mut bytes, at + 4, &size.to_le_bytes());
        put(&mut bytes, at + 8, &kind.to_le_bytes());
        put(&mut bytes, at + 12, b"GNU\0");
    }
    for (number, (tag, value)) in [(1_u64, 1_u64), (21, 0), (5, STRINGS), (0, 0)].into_iter().enumerate() {
        put(&mut bytes, DYNAMIC + number * 16, &tag.to_le_bytes());
        put(&mut bytes, DYNAMIC + number * 16 + 8, &value.to_le_bytes());
    }
    bytes
}

fn file(bytes: &[u8]) -> File {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file
}

fn edits_of(bytes: &[u8], loader: &Path) -> Result<Vec<Edit>, Error> {
    edits(&file(bytes), Path::new("opencode"), loader)
}

fn apply(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for edit in edits {
        assert_eq!(&changed[edit.offset as usize..][..edit.before.len()], &edit.before[..]);
        put(&mut changed, edit.offset as usize, &edit.after);
    }
    changed
}

#[test]
fn the_loader_and_its_directory_are_named() {
    let original = binary();
    let loader = "/home/somebody/.local/state/opencode-cache/ld/abcdefgh";
    let edits = edits_of(&original, Path::new(loader)).unwrap();
    let changed = apply(&original, &edits);
    let texts = format!("{loader}\0$ORIGIN/../libc\0");
    assert_eq!(&changed[ROOM..ROOM + texts.len()], texts.as_bytes());
    // The path's length, nothing where notes were, and a place of the text that wraps.
    assert_eq!(changed[64 + 32], loader.len() as u8 + 1);
    assert_eq!(changed[64 + 3 * 56..][..4], [0; 4]);
    let name = u64::from_le_bytes(changed[DYNAMIC + 24..][..8].try_into().unwrap());
    assert_eq!(STRINGS.wrapping_add(name), BASE + (ROOM + loader.len() + 1) as u64);
    assert_eq!(changed[DYNAMIC + 16], 15);
}

#[test]
fn only_the_known_shape_is_taken() {
    let loader = Path::new("/l");
    let reason = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = binary();
        change(&mut bytes);
        match edits_of(&bytes, loader) {
            Err(Error::Shape { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reason(&|bytes| bytes[4] = 1), "it is no ELF file for 64 bits, little end first");
    assert_eq!(reason(&|bytes| bytes[18] = 40), "it is for another processor than x86_64 and aarch64");
    assert_eq!(reason(&|bytes| bytes[18] = 183), "its loader is not glibc's");
    assert_eq!(
        reason(&|bytes| put(bytes, ROOM, b"/lib/ld-musl-x86_64.so.1\0\0\0\0")),
        "its loader is not glibc's"
    );
    assert_eq!(
        reason(&|bytes| bytes[ROOM + 28 + 8] = 5),
        "its notes are others than build id and oldest kernel"
    );
    assert_eq!(reason(&|bytes| bytes[DYNAMIC] = 29), "it says already where to look for libraries");
    assert_eq!(reason(&|bytes| bytes[DYNAMIC + 16] = 1), "its dynamic section is of another form");
    assert_eq!(reason(&|bytes| bytes[64] = 6), "it has no loader, or several");
    assert_eq!(reason(&|bytes| bytes.truncate(300)), "it ends too early");
}

#[test]
fn a_path_without_room_is_refused() {
    let loader = |length: usize| PathBuf::from(format!("/{}", "x".repeat(length - 1)));
    assert!(edits_of(&binary(), &loader(79)).is_ok());
    match edits_of(&binary(), &loader(80)).unwrap_err() {
        error @ Error::PathTooLong { room: 79, .. } => assert_eq!(error.code(), "fit-path-too-long"),
        other => panic!("{other:?}"),
    }
    assert!(edits_of(&binary(), Path::new("relative")).is_err());
}

proptest! {
    #[test]
    fn put_back_is_what_it_was(name in "/[a-z0-9/]{1,78}", tail in prop::collection::vec(any::<u8>(), 0..300)) {
        let original = [binary(), tail].concat();
        let edits = edits_of(&original, Path::new(&name)).unwrap();
        let changed = apply(&original, &edits);
        prop_assert_eq!(changed.len(), original.len());
        let mut back = Vec::new();
        Undone::new(changed.as_slice(), &edits).read_to_end(&mut back).unwrap();
        prop_assert_eq!(back, original);
        // A second time it is of another shape.
        prop_assert!(edits_of(&changed, Path::new(&name)).is_err());
    }

    #[test]
    fn no_bytes_panic(places in prop::collection::vec((0_usize..0x400, any::<u8>()), 1..6), end in 0_usize..0x401) {
        let mut bytes = binary();
        for (place, byte) in places {
            bytes[place] = byte;
        }
        bytes.truncate(end);
        if let Ok(edits) = edits_of(&bytes, Path::new("/l")) {
            prop_assert_eq!(apply(&bytes, &edits).len(), bytes.len());
        }
    }
}

#[test]
fn whether_a_binary_runs_is_found_out() {
    let directory = tempfile::tempdir().unwrap();
    let script = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    };
    let bound = Duration::from_secs(60);
    assert_eq!(answer(&script("good", "#!/bin/sh\ntest \"$1\" = --version\n"), bound).unwrap(), Answer::Runs);
    let why = |path: &Path| match answer(path, bound).unwrap() {
        Answer::NoLibraries { why } => why,
        Answer::Runs => panic!("runs"),
    };
    assert_eq!(why(&script("bad", "#!/nowhere/sh\n")), "there is no loader for it");
    let words = "#!/bin/sh\necho >&2 first; printf 'libc.so.6: \\033not found\\n' >&2; exit 127\n";
    assert_eq!(why(&script("poor", words)), "libc.so.6: not found");
    let error =
        answer(&script("stuck", "#!/bin/sh\nexec sleep 600\n"), Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.code(), "fit-binary-fails");
    let error = answer(&script("killed", "#!/bin/sh\nkill -ILL $$\n"), bound).unwrap_err();
    assert!(error.to_string().contains("signal 4"), "{error}");
    assert_eq!(answer(&directory.path().join("none"), bound).unwrap_err().code(), "fit-io");
}
