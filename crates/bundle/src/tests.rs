//! Whole bundles: what was written reads back, is the same on any number of threads, is a tar for others too, and whatever is done to
//! it is noticed before anything wrong is handed out.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::*;

mod delta;

/// A tree in memory: path to content, or to a link's target.
#[derive(Debug, Clone, Default)]
struct Made {
    directories: Vec<String>,
    files: BTreeMap<String, (Vec<u8>, bool)>,
    links: BTreeMap<String, String>,
}

struct Trees(Vec<Made>);

impl Contents for Trees {
    fn open(&self, part: usize, path: &lock::RelPath) -> tree::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.0[part].files[path.as_str()].0.as_slice()))
    }
}

impl Made {
    fn listing(&self) -> Listing {
        let mut entries = Vec::new();
        let mut put = |path: &str, kind| entries.push(Entry { path: path.parse().unwrap(), kind });
        for path in &self.directories {
            put(path, Kind::Directory);
        }
        for (path, (bytes, executable)) in &self.files {
            put(
                path,
                Kind::File { hash: Sha256::of(bytes), size: bytes.len() as u64, executable: *executable },
            );
        }
        for (path, target) in &self.links {
            put(path, Kind::Link { target: target.clone() });
        }
        entries.sort_by(|a, b| a.path.components().cmp(b.path.components()));
        Listing::new(entries).unwrap()
    }
}

fn part(number: usize, role: Role, listing: &Listing) -> Part {
    let text = listing.to_text();
    Part {
        system: lock::System::X86_64Linux,
        role,
        digest: format!("{number:032}").parse().unwrap(),
        listing: Sha256::of(text.as_bytes()),
        listing_size: text.len() as u64,
        size: listing.size(),
        base: None,
        facts: BTreeMap::from([("opencode".to_owned(), "1.18.33".to_owned())]),
    }
}

fn packing(threads: usize) -> Packing {
    Packing { level: 1, threads: NonZeroUsize::new(threads).unwrap() }
}

fn bundle(trees: &Trees, stub: &[u8], threads: usize) -> (Vec<u8>, Header) {
    let listings: Vec<_> = trees.0.iter().map(Made::listing).collect();
    let parts = listings.iter().enumerate().map(|(number, listing)| part(number, Role::Output, listing));
    let draft = Draft::full(parts.collect(), listings.clone());
    let mut out = Cursor::new(Vec::new());
    let header = write(&mut out, &draft, trees, stub, packing(threads)).unwrap();
    (out.into_inner(), header)
}

/// Keeps what it is told, files as they were when they ended.
#[derive(Default, Debug, PartialEq, Eq)]
struct Told {
    directories: Vec<(usize, String)>,
    files: BTreeMap<(usize, String), (Vec<u8>, bool)>,
    links: BTreeMap<(usize, String), String>,
    now: Option<(usize, String, Vec<u8>, bool)>,
}

impl Sink for Told {
    fn directory(&mut self, place: Place<'_>) -> tree::Result<()> {
        self.directories.push((place.number, place.path.to_owned()));
        Ok(())
    }
    fn file(&mut self, place: Place<'_>, _size: u64, executable: bool) -> tree::Result<()> {
        self.now = Some((place.number, place.path.to_owned(), Vec::new(), executable));
        Ok(())
    }
    fn content(&mut self, bytes: &[u8]) -> tree::Result<()> {
        self.now.as_mut().unwrap().2.extend_from_slice(bytes);
        Ok(())
    }
    fn file_ends(&mut self) -> tree::Result<()> {
        let (number, path, bytes, executable) = self.now.take().unwrap();
        self.files.insert((number, path), (bytes, executable));
        Ok(())
    }
    fn same(&mut self, place: Place<'_>, first: Place<'_>) -> tree::Result<()> {
        let same = self.files[&(first.number, first.path.to_owned())].clone();
        self.files.insert((place.number, place.path.to_owned()), same);
        Ok(())
    }
    fn link(&mut self, place: Place<'_>, target: &str) -> tree::Result<()> {
        self.links.insert((place.number, place.path.to_owned()), target.to_owned());
        Ok(())
    }
}

fn read(bytes: &[u8]) -> Result<Told> {
    let mut bundle = Bundle::open(Cursor::new(bytes))?;
    bundle.signatures()?;
    let front = bundle.front(&NoBases)?;
    let mut told = Told::default();
    bundle.unpack(&front, &NoBases, &mut told)?;
    Ok(told)
}

fn wanted(trees: &Trees) -> Told {
    let mut told = Told::default();
    for (number, tree) in trees.0.iter().enumerate() {
        told.directories.push((number, String::new()));
        told.directories.extend(tree.directories.iter().map(|path| (number, path.clone())));
        told.files.extend(tree.files.iter().map(|(path, file)| ((number, path.clone()), file.clone())));
        told.links.extend(tree.links.iter().map(|(path, to)| ((number, path.clone()), to.clone())));
    }
    told
}

/// Two trees that share a file, with long names, an empty file, a program, and one file over a block's end.
fn sample() -> Trees {
    let long = format!("d/{}", "n".repeat(150));
    let large: Vec<u8> = (0..header::BLOCK + 70_000).map(|at| (at * at / 7) as u8).collect();
    let file = |bytes: &[u8], executable| (bytes.to_vec(), executable);
    let one = Made {
        directories: vec!["d".to_owned()],
        files: BTreeMap::from([
            ("d/large".to_owned(), (large.clone(), false)),
            ("d/program".to_owned(), file(b"#!/bin/sh\n", true)),
            ("d/text".to_owned(), file(b"#!/bin/sh\n", false)),
            ("empty".to_owned(), file(b"", false)),
            (long.clone(), file(b"x", false)),
        ]),
        links: BTreeMap::from([("to".to_owned(), long)]),
    };
    let two = Made { files: BTreeMap::from([("copy".to_owned(), (large, false))]), ..Made::default() };
    Trees(vec![one, two])
}

#[test]
fn reads_back_and_is_the_same_on_any_number_of_threads() {
    let trees = sample();
    for stub in [b"".as_slice(), b"a program"] {
        let (one, header) = bundle(&trees, stub, 1);
        let (many, _) = bundle(&trees, stub, 7);
        assert!(one == many);
        assert_eq!(header.frames.len(), 3);
        assert_eq!(header.end(), one.len() as u64);
        assert!(read(&one).unwrap() == wanted(&trees));
        let mut open = Bundle::open(Cursor::new(one.as_slice())).unwrap();
        let whole: [u8; 64] = <blake2::Blake2b512 as blake2::Digest>::digest(&one).into();
        assert_eq!(open.check().unwrap(), whole);
        assert_eq!(open.header().digest(), header.digest());
    }
}

#[test]
fn a_content_is_there_once_and_not_at_all_where_the_program_has_it() {
    let trees = sample();
    let (bytes, _) = bundle(&trees, b"", 2);
    let mut tar = zstd::Decoder::new(bytes.as_slice()).unwrap();
    let mut plain = Vec::new();
    tar.read_to_end(&mut plain).unwrap();
    let at = |needle: &[u8]| plain.windows(needle.len()).filter(|window| *window == needle).count();
    // Twice: of a program and of a text.
    assert_eq!(at(b"#!/bin/sh\n"), 2);
    let (bytes, _) = bundle(&trees, b"#!/bin/sh\n", 2);
    assert!(read(&bytes).unwrap() == wanted(&trees));
    let mut plain = Vec::new();
    zstd::Decoder::new(&bytes[4096..]).unwrap().read_to_end(&mut plain).unwrap();
    assert!(!plain.windows(10).any(|window| window == b"#!/bin/sh\n"));
}

#[test]
fn any_tar_unpacks_it() {
    let trees = sample();
    let (bytes, _) = bundle(&trees, b"", 2);
    let directory = tempfile::tempdir().unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(bytes.as_slice()).unwrap());
    archive.unpack(directory.path()).unwrap();
    for (number, tree) in trees.0.iter().enumerate() {
        let root = directory.path().join(format!("{number:032}-opencode-cache"));
        let listed = Listing::of(&tree::scan(&root).unwrap()).unwrap();
        assert_eq!(listed, tree.listing());
        let list = std::fs::read_to_string(root.with_file_name(format!("{number:032}-opencode-cache.list")));
        assert_eq!(list.unwrap(), listed.to_text());
        tree::remove_tree(&root).unwrap();
    }
}

#[test]
fn restoring_gives_the_trees_and_writes_over_nothing() {
    let trees = sample();
    let (bytes, _) = bundle(&trees, b"#!/bin/sh\n", 2);
    let directory = tempfile::tempdir().unwrap();
    let roots = [directory.path().join("0"), directory.path().join("1")];
    let restore = || {
        let mut bundle = Bundle::open(Cursor::new(bytes.as_slice()))?;
        let front = bundle.front(&NoBases)?;
        bundle.unpack(&front, &NoBases, &mut Restoring::new(roots.iter().cloned().map(Some).collect()))
    };
    restore().unwrap();
    for (root, tree) in roots.iter().zip(&trees.0) {
        let scanned = tree::scan(root).unwrap();
        assert_eq!(Listing::of(&scanned).unwrap(), tree.listing());
        let (listing, nar, _) = Listing::and_nar(&scanned).unwrap();
        assert_eq!((listing, nar), (tree.listing(), tree::nar_hash(root).unwrap()));
    }
    assert_eq!(restore().unwrap_err().code(), "tree-exists");
}

#[test]
fn what_has_changed_since_it_was_listed_is_not_bundled() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a"), "as it was").unwrap();
    let (listing, _, marks) = Listing::and_nar(&tree::scan(directory.path()).unwrap()).unwrap();
    let made = |now: &str| {
        let files = BTreeMap::from([("a".to_owned(), (now.as_bytes().to_vec(), false))]);
        Trees(vec![Made { files, ..Made::default() }])
    };
    for marks in [marks, Marks::default()] {
        let draft = Draft::full(vec![part(0, Role::Output, &listing)], vec![listing.clone()]).known_by(marks);
        let write = |now| write(&mut Cursor::new(Vec::new()), &draft, &made(now), b"", packing(1));
        write("as it was").unwrap();
        for now in ["as it is.", "as it was, nearly", "as it", ""] {
            assert_eq!(write(now).unwrap_err().code(), Error::Changed { path: "a".to_owned() }.code());
        }
    }
}

#[test]
fn signatures_follow_and_change_nothing_of_what_they_are_of() {
    let (bytes, header) = bundle(&Trees(vec![Made::default()]), b"stub", 1);
    let before = Bundle::open(Cursor::new(bytes.as_slice())).unwrap().check().unwrap();
    let mut signed = Cursor::new(bytes.clone());
    sign(&mut signed, &header, "signed\n").unwrap();
    let signed = signed.into_inner();
    let mut open = Bundle::open(Cursor::new(signed.as_slice())).unwrap();
    assert_eq!(open.signatures().unwrap(), "signed\n");
    assert_eq!(open.check().unwrap(), before);
    assert!(zstd::decode_all(&signed[4096..]).is_ok());
    for wrong in [[bytes.as_slice(), b"more"].concat(), [bytes.as_slice(), &[0; 100]].concat()] {
        assert_eq!(read(&wrong).unwrap_err().code(), "bundle-malformed");
    }
    let long = [bytes.as_slice(), &header::SKIPPED, &70_000u32.to_le_bytes(), &[b' '; 70_000]].concat();
    assert_eq!(read(&long).unwrap_err().code(), "bundle-malformed");
}

#[test]
fn a_file_that_changed_is_not_packed() {
    let trees = sample();
    let listings: Vec<_> = trees.0.iter().map(Made::listing).collect();
    let parts = listings.iter().enumerate().map(|(number, listing)| part(number, Role::Output, listing));
    let draft = Draft::full(parts.collect(), listings.clone());
    for change in [&b"y"[..], b"", b"xx"] {
        let mut changed = sample();
        *changed.0[0].files.iter_mut().find(|(path, _)| path.contains("nnn")).unwrap().1 =
            (change.to_vec(), false);
        let error = write(&mut Cursor::new(Vec::new()), &draft, &changed, b"", packing(2)).unwrap_err();
        assert_eq!(error.code(), "bundle-source-changed");
    }
}

/// Fails after so many bytes, as a full disk does.
struct Full(Cursor<Vec<u8>>, usize);

impl std::io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.position() as usize + bytes.len() > self.1 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.0.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::io::Seek for Full {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_full_disk_is_told_as_that() {
    let trees = sample();
    let listings: Vec<_> = trees.0.iter().map(Made::listing).collect();
    let parts = listings.iter().enumerate().map(|(number, listing)| part(number, Role::Output, listing));
    let draft = Draft::full(parts.collect(), listings.clone());
    for room in [0, 100, 500, 1000, 3000] {
        let mut out = Full(Cursor::new(Vec::new()), room);
        let error = write(&mut out, &draft, &trees, b"", packing(3)).unwrap_err();
        assert_eq!(error.code(), "disk-full", "{room}");
    }
}

/// A small bundle for what is done many times.
fn small() -> (Vec<u8>, Told) {
    let mut trees = sample();
    trees.0.truncate(1);
    trees.0[0].files.remove("d/large");
    let (bytes, _) = bundle(&trees, b"stub", 1);
    (bytes, wanted(&trees))
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (bytes, wanted) = small();
    let check = |bytes: &[u8]| Bundle::open(Cursor::new(bytes)).and_then(|mut bundle| bundle.check());
    let right = check(&bytes).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        // The first text is what everything else is compared with: what a signature is of is another then.
        assert!(check(&flipped).map_or(true, |found| found != right), "byte {at}");
        // What is after the program is no part of the trees.
        assert!(at < 4096 || read(&flipped).is_err(), "byte {at}");
    }
    assert!(read(&bytes).unwrap() == wanted);
}

#[test]
fn every_truncation_is_noticed() {
    let (bytes, _) = small();
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "{length}");
    }
}

/// Bundles whose hashes are all right, and whose tar is not what their index says: written by somebody who wants it so.
#[test]
fn a_tar_that_says_something_else_is_refused() {
    let trees = sample();
    let (bytes, header) = bundle(&trees, b"", 1);
    let start = header.first_frame() as usize;
    let mut at = start;
    for number in 0..header.frames.len() {
        let frame = header.frames[number];
        let packed = &bytes[at..at + frame.packed as usize];
        let plain = frame::unpack(packed, frame.size as usize).unwrap();
        for place in [0, 1, 100, 156, 300, 700, plain.len() / 2, plain.len() - 1] {
            let mut other = plain.clone();
            other[place] ^= 1;
            let repacked = frame::pack(&other, 1).unwrap();
            let mut forged = header.clone();
            forged.frames[number].packed = repacked.len() as u64;
            forged.frames[number].hash = Sha256::of(&repacked);
            let text = forged.to_text();
            let length = (text.len() as u32).to_le_bytes();
            let rest = &bytes[at + packed.len()..];
            let forged =
                [&header::SKIPPED, &length[..], text.as_bytes(), &bytes[start..at], &repacked, rest].concat();
            assert!(Bundle::open(Cursor::new(forged.as_slice())).unwrap().check().is_ok());
            let error = read(&forged).unwrap_err();
            assert_eq!(error.code(), "bundle-malformed", "frame {number}, byte {place}");
        }
        at += packed.len();
    }
}

/// Any tree of a few names.
fn any_tree() -> impl Strategy<Value = Made> {
    let content = proptest::collection::vec(any::<u8>(), 0..2000);
    let files = proptest::collection::btree_map("[a-zé ]{1,40}", (content, any::<bool>()), 0..6);
    let below = proptest::collection::btree_map("[a-c]{1,60}", Just((b"shared".to_vec(), false)), 0..4);
    (files, below, "[d-f]{100,120}").prop_map(|(mut files, below, directory)| {
        files.retain(|path, _| *path != directory);
        files.extend(below.into_iter().map(|(name, file)| (format!("{directory}/{name}"), file)));
        Made { directories: vec![directory], files, links: BTreeMap::new() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_trees_read_back(trees in proptest::collection::vec(any_tree(), 1..4), stub in "[a-z]{0,5000}") {
        let trees = Trees(trees);
        let (bytes, _) = bundle(&trees, stub.as_bytes(), 2);
        prop_assert!(read(&bytes).unwrap() == wanted(&trees));
    }

    #[test]
    fn any_bytes_are_refused(bytes: Vec<u8>) {
        let begun = [&header::SKIPPED[..], &bytes].concat();
        prop_assert!(read(&bytes).is_err() && read(&begun).is_err());
    }
}
