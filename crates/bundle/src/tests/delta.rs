//! Deltas: small, and the same trees come out as of the bundle in full, or nothing does.

use super::*;

/// Bytes that hardly compress.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn old() -> Made {
    let file = |bytes: &[u8], executable| (bytes.to_vec(), executable);
    Made {
        directories: vec!["d".to_owned()],
        files: BTreeMap::from([
            ("d/binary".to_owned(), (noise(1, 3_000_000), true)),
            ("d/kept".to_owned(), (noise(2, 100_000), false)),
            ("d/small".to_owned(), file(b"1.18.32", false)),
            ("gone".to_owned(), file(b"gone", false)),
        ]),
        links: BTreeMap::new(),
    }
}

fn new() -> Made {
    let mut made = old();
    made.files.remove("gone");
    let binary = &mut made.files.get_mut("d/binary").unwrap().0;
    binary.splice(1_000_000..1_000_000, *b"1.18.33");
    let binary = binary.clone();
    let kept = made.files.remove("d/kept").unwrap().0;
    // Under another name, and as a program now.
    made.files.insert("d/moved".to_owned(), (kept, true));
    made.files.insert("d/small".to_owned(), (b"1.18.33".to_vec(), false));
    made.files.insert("e".to_owned(), (binary.clone(), true));
    made.files.insert("f".to_owned(), (binary, false));
    made
}

/// What is packed, and what the target has.
struct Both {
    new: Made,
    old: Made,
}

const BASE: usize = 77;

impl Contents for Both {
    fn open(&self, _part: usize, path: &lock::RelPath) -> tree::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.new.files[path.as_str()].0.as_slice()))
    }
    fn open_base(&self, _part: usize, path: &lock::RelPath) -> tree::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.old.files[path.as_str()].0.as_slice()))
    }
}

impl Bases for Both {
    fn listing(&self, digest: &tree::Digest) -> tree::Result<Option<Listing>> {
        assert_eq!(digest.to_string(), format!("{BASE:032}"));
        Ok(Some(self.old.listing()))
    }
    fn open(&self, _digest: &tree::Digest, path: &lock::RelPath) -> tree::Result<Box<dyn Read + '_>> {
        self.open_base(0, path)
    }
}

fn delta(both: &Both, threads: usize) -> Vec<u8> {
    let (listing, base) = (both.new.listing(), both.old.listing());
    let base = Some((format!("{BASE:032}").parse().unwrap(), base));
    let parts = vec![part(0, Role::Output, &listing)];
    let draft = Draft::since(parts, vec![listing], vec![base], both, 3).unwrap();
    let mut out = Cursor::new(Vec::new());
    write(&mut out, &draft, both, b"", packing(threads)).unwrap();
    out.into_inner()
}

fn apply(bytes: &[u8], bases: &dyn Bases) -> Result<Told> {
    let mut bundle = Bundle::open(Cursor::new(bytes))?;
    bundle.signatures()?;
    let front = bundle.front(bases)?;
    let mut told = Told::default();
    bundle.unpack(&front, bases, &mut told)?;
    Ok(told)
}

#[test]
fn gives_the_same_as_the_bundle_in_full_and_is_small() {
    let both = Both { new: new(), old: old() };
    let bytes = delta(&both, 1);
    assert!(bytes == delta(&both, 4));
    assert!(bytes.len() < 10_000, "{}", bytes.len());
    assert!(apply(&bytes, &both).unwrap() == wanted(&Trees(vec![new()])));
}

#[test]
fn nothing_comes_out_without_the_base_or_beside_another() {
    let both = Both { new: new(), old: old() };
    let bytes = delta(&both, 1);
    assert_eq!(apply(&bytes, &NoBases).unwrap_err().code(), "bundle-base-missing");
    let mut other = Both { new: new(), old: old() };
    other.old.files.remove("gone");
    assert_eq!(apply(&bytes, &other).unwrap_err().code(), "bundle-base-missing");

    /// A base whose listing is right, and whose files are not.
    struct Damaged<'a>(&'a Both, &'a str, Vec<u8>);
    impl Bases for Damaged<'_> {
        fn listing(&self, digest: &tree::Digest) -> tree::Result<Option<Listing>> {
            self.0.listing(digest)
        }
        fn open(&self, digest: &tree::Digest, path: &lock::RelPath) -> tree::Result<Box<dyn Read + '_>> {
            if path.as_str() == self.1 {
                Ok(Box::new(self.2.as_slice()))
            } else {
                Bases::open(self.0, digest, path)
            }
        }
    }
    for (path, bytes_of) in [("d/binary", noise(1, 3_000_000)), ("d/kept", noise(2, 100_000))] {
        let mut flipped = bytes_of.clone();
        flipped[50_000] ^= 1;
        for wrong in [flipped, Vec::new(), bytes_of[..50_000].to_vec(), [&bytes_of[..], b"more"].concat()] {
            let error = apply(&bytes, &Damaged(&both, path, wrong)).unwrap_err();
            assert_eq!(error.code(), "bundle-malformed", "{path}");
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let both = Both { new: new(), old: old() };
    let bytes = delta(&both, 1);
    for at in (0..bytes.len()).step_by(5) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(apply(&flipped, &both).is_err(), "byte {at}");
    }
    // A delta of nothing holds hardly anything.
    let same = Both { new: old(), old: old() };
    let bytes = delta(&same, 1);
    assert!(bytes.len() < 2000, "{}", bytes.len());
    assert!(apply(&bytes, &same).unwrap() == wanted(&Trees(vec![old()])));
}
