//! Acceptance: a bundle that is believed by its signature, damaged at a thousand places or cut anywhere, is refused with a code, or gives
//! the very trees that it holds; and of what was unpacked by then every file is what it should be, as far as it got.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::num::NonZeroUsize;
use std::path::Path;

use opencode_cache_bundle::signatures::{PublicKey, SecretKey, Signatures};
use opencode_cache_bundle::{
    Bundle, Contents, Draft, Entry, Kind, Listing, NoBases, Packing, Part, Restoring, Role, Sha256, minisign,
    sign, write,
};

/// Places that are damaged, and lengths that are tried.
const TRIES: usize = 1000;

/// Every run tries the same.
const SEED: u64 = 0x006f_7065_6e63_6f64;

/// Marsaglia's xorshift: enough to choose places by.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

struct Files(BTreeMap<&'static str, Vec<u8>>);

impl Contents for Files {
    fn open(&self, _part: usize, path: &lock::RelPath) -> tree::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.0[path.as_str()].as_slice()))
    }
}

impl Files {
    /// Text that packs well, bytes that do not, a program, and the same twice.
    fn new() -> Self {
        let mut random = Random(SEED);
        let noise: Vec<u8> = (0..60_000).map(|_| random.below(256) as u8).collect();
        let text = "what is said again and again\n".repeat(2000).into_bytes();
        Self(BTreeMap::from([
            ("bin/run", b"#!/bin/sh\n".to_vec()),
            ("lib/noise", noise.clone()),
            ("lib/noise-again", noise),
            ("text", text),
            ("void", Vec::new()),
        ]))
    }

    fn listing(&self) -> Listing {
        let entry = |path: &str, kind| Entry { path: path.parse().unwrap(), kind };
        let mut entries = vec![
            entry("bin", Kind::Directory),
            entry("lib", Kind::Directory),
            entry("link", Kind::Link { target: "lib/noise".into() }),
        ];
        entries.extend(self.0.iter().map(|(path, bytes)| {
            let (hash, size) = (Sha256::of(bytes), bytes.len() as u64);
            entry(path, Kind::File { hash, size, executable: path.starts_with("bin/") })
        }));
        entries.sort_by(|a, b| a.path.components().cmp(b.path.components()));
        Listing::new(entries).unwrap()
    }
}

/// A signed bundle behind a program, and who is believed.
fn bundle(files: &Files) -> (Vec<u8>, PublicKey) {
    let listing = files.listing();
    let text = listing.to_text();
    let part = Part {
        system: lock::System::X86_64Linux,
        role: Role::Output,
        digest: "1".repeat(32).parse().unwrap(),
        listing: Sha256::of(text.as_bytes()),
        listing_size: text.len() as u64,
        size: listing.size(),
        base: None,
        facts: BTreeMap::new(),
    };
    let mut out = Cursor::new(Vec::new());
    let packing = Packing { level: 3, threads: NonZeroUsize::MIN };
    let draft = Draft::full(vec![part], vec![listing]);
    let header = write(&mut out, &draft, files, &[b'p'; 5000], packing).unwrap();
    let key = SecretKey::Minisign(minisign::SecretKey::new([7; 32], [8; 8]).unwrap());
    let hash = Bundle::open(&mut out).unwrap().check().unwrap();
    let signatures = Signatures(vec![key.sign(&hash, "by a test")]);
    sign(&mut out, &header, &signatures.to_string()).unwrap();
    (out.into_inner(), key.public())
}

/// What whoever installs does: believes, checks, unpacks. The code of what is wrong.
fn install(bytes: &[u8], key: &PublicKey, root: &Path) -> Result<(), &'static str> {
    let mut open = Bundle::open(Cursor::new(bytes)).map_err(|error| error.code())?;
    let text = open.signatures().map_err(|error| error.code())?;
    let signatures: Signatures = text.parse().map_err(|_| "no signature")?;
    let hash = open.check().map_err(|error| error.code())?;
    signatures.verify(std::slice::from_ref(key), &hash).map_err(|error| error.code())?;
    unpack(open, root)
}

/// The same by somebody who believes everybody: hashes alone have to do.
fn believe(bytes: &[u8], root: &Path) -> Result<(), &'static str> {
    unpack(Bundle::open(Cursor::new(bytes)).map_err(|error| error.code())?, root)
}

fn unpack(mut open: Bundle<Cursor<&[u8]>>, root: &Path) -> Result<(), &'static str> {
    let front = open.front(&NoBases).map_err(|error| error.code())?;
    let mut sink = Restoring::new(vec![Some(root.to_path_buf())]);
    open.unpack(&front, &NoBases, &mut sink).map_err(|error| error.code())
}

/// Every file that is there is one of these, or the beginning of it; all of it where it was accepted.
fn check(root: &Path, files: &Files, is_whole: bool, what: &str) {
    if is_whole {
        let found = Listing::of(&tree::scan(root).unwrap()).unwrap();
        assert_eq!(found, files.listing(), "{what}");
        return;
    }
    for (path, wanted) in &files.0 {
        if let Ok(found) = fs::read(root.join(path)) {
            assert!(wanted.starts_with(&found), "{what}: {path}");
        }
    }
}

#[test]
fn nothing_damaged_comes_through() {
    let files = Files::new();
    let (whole, key) = bundle(&files);
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("tree");
    install(&whole, &key, &root).unwrap();
    check(&root, &files, true, "undamaged");
    tree::remove_tree(&root).unwrap();

    let mut random = Random(SEED);
    let mut accepted = Vec::new();
    for number in 0..TRIES {
        let mut damaged = whole.clone();
        let (at, bit) = (random.below(whole.len()), random.below(8));
        damaged[at] ^= 1 << bit;
        let length = random.below(whole.len());
        for (bytes, what) in
            [(&damaged[..], format!("byte {at}")), (&whole[..length], format!("{length} bytes"))]
        {
            let outcome = install(bytes, &key, &root);
            check(&root, &files, outcome.is_ok(), &what);
            accepted.extend(outcome.is_ok().then_some(what.clone()));
            assert!(outcome.err().is_none_or(|code| !code.is_empty()));
            if root.exists() {
                tree::remove_tree(&root).unwrap();
            }
            // Most end before anything is written; every tenth is unpacked all the same.
            if number % 10 == 0 {
                let outcome = believe(bytes, &root);
                check(&root, &files, outcome.is_ok(), &what);
                if root.exists() {
                    tree::remove_tree(&root).unwrap();
                }
            }
        }
    }
    // The one line of a signature that nothing is said of, and that says nothing: minisign's first.
    let comment = whole.windows(9).rposition(|window| window == b"untrusted").unwrap();
    let end = comment + whole[comment..].iter().position(|byte| *byte == b'\n').unwrap();
    let in_comment = |what: &String| {
        let at = what.strip_prefix("byte ").and_then(|at| at.parse::<usize>().ok());
        at.is_some_and(|at| (comment..end).contains(&at))
    };
    assert!(accepted.iter().all(in_comment), "{accepted:?}");
}
