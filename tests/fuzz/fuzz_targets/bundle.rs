//! What any bytes are to the reader of bundles: refused, or a bundle that whoever writes the same trees would have written, byte for
//! byte. The input is an index, listings and contents, between lines `====`: hashes and sizes are put right, and the tar is made and
//! packed here, by `docs/BUNDLE.md` and not by the crate, so that changes reach what lies behind hashes and zstd. After a line
//! `flip NUMBER` that byte of the tar is another; after a line `patch` the rest is a patch of a fixed file; and what begins as bundles
//! do is taken as it is.
#![no_main]

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::num::NonZeroUsize;

use bundle::{Bundle, Draft, Front, NoBases, Packing, Place, Sha256, Sink, patch};
use libfuzzer_sys::fuzz_target;
use opencode_cache_fuzz::tape::{SKIPPED, made};

/// Level of everything that is packed here.
const LEVEL: i32 = 1;

fuzz_target!(|bytes: &[u8]| {
    if let Some(patch) = bytes.strip_prefix(b"patch\n") {
        return apply(patch);
    }
    if bytes.starts_with(&SKIPPED) {
        check(bytes, false);
    } else if let Some(made) = made(bytes, LEVEL) {
        check(&made, true);
    }
});

/// What a patch gives is not longer than it should be, whatever the patch is.
fn apply(bytes: &[u8]) {
    let old: Vec<u8> = (0..70_000_u64).map(|at| (at * at / 7) as u8).collect();
    let mut found = 0;
    let mut take = |bytes: &[u8]| {
        found += bytes.len() as u64;
        Ok(())
    };
    if patch::apply(bytes, old.as_slice(), 70_000, &mut take).is_ok() {
        assert_eq!(found, 70_000);
    }
    assert!(found <= 70_000);
}

fn check(bytes: &[u8], is_made_here: bool) {
    let Ok((front, told)) = read(bytes) else { return };
    for (part, listing) in front.listings.iter().enumerate() {
        for entry in listing.entries() {
            let found = told.files.get(&(part, entry.path.to_string()));
            match &entry.kind {
                bundle::Kind::File { hash, size, .. } => {
                    let found = found.expect("every file was handed out");
                    assert_eq!((Sha256::of(found), found.len() as u64), (*hash, *size));
                }
                _ => assert!(found.is_none()),
            }
        }
    }
    // Somebody else may have packed with another level, and signed.
    if is_made_here {
        let mut again = Cursor::new(Vec::new());
        let draft = Draft::full(front.index.parts.clone(), front.listings.clone());
        let packing = Packing { level: LEVEL, threads: NonZeroUsize::MIN };
        bundle::write(&mut again, &draft, &told, b"", packing).expect("what was read can be written");
        assert!(again.into_inner() == bytes, "it is written in another way");
    }
}

fn read(bytes: &[u8]) -> bundle::Result<(Front, Told)> {
    let mut open = Bundle::open(Cursor::new(bytes))?;
    if let Ok(signatures) = open.signatures()?.parse::<bundle::signatures::Signatures>() {
        // A text that is read is written the same.
        assert_eq!(
            signatures.to_string().parse::<bundle::signatures::Signatures>().expect("it was written"),
            signatures
        );
    }
    open.check()?;
    let front = open.front(&NoBases)?;
    let mut told = Told::default();
    open.unpack(&front, &NoBases, &mut told)?;
    assert!(told.now.is_none(), "a file that did not end");
    Ok((front, told))
}

/// Keeps files; what is told has an order.
#[derive(Default)]
struct Told {
    directories: Vec<(usize, String)>,
    files: BTreeMap<(usize, String), Vec<u8>>,
    now: Option<((usize, String), u64, Vec<u8>)>,
}

impl Told {
    /// Its directory was told before, and it stays below its root.
    fn check(&self, place: &Place<'_>) {
        assert!(self.now.is_none(), "before the last file ended");
        if place.path.is_empty() {
            return;
        }
        assert!(
            !place.path.starts_with('/')
                && place.path.split('/').all(|name| !matches!(name, "" | "." | ".."))
        );
        let above = place.path.rsplit_once('/').map_or("", |(above, _)| above);
        assert!(self.directories.contains(&(place.number, above.to_owned())), "{}", place.path);
    }
}

impl Sink for Told {
    fn directory(&mut self, place: Place<'_>) -> tree::Result<()> {
        self.check(&place);
        self.directories.push((place.number, place.path.to_owned()));
        Ok(())
    }

    fn file(&mut self, place: Place<'_>, size: u64, _executable: bool) -> tree::Result<()> {
        self.check(&place);
        self.now = Some(((place.number, place.path.to_owned()), size, Vec::new()));
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> tree::Result<()> {
        self.now.as_mut().expect("a file").2.extend_from_slice(bytes);
        Ok(())
    }

    fn file_ends(&mut self) -> tree::Result<()> {
        let (place, size, bytes) = self.now.take().expect("a file");
        assert_eq!(bytes.len() as u64, size);
        assert!(self.files.insert(place, bytes).is_none(), "twice");
        Ok(())
    }

    fn same(&mut self, place: Place<'_>, first: Place<'_>) -> tree::Result<()> {
        self.check(&place);
        let bytes = self.files[&(first.number, first.path.to_owned())].clone();
        assert!(self.files.insert((place.number, place.path.to_owned()), bytes).is_none(), "twice");
        Ok(())
    }

    fn link(&mut self, place: Place<'_>, target: &str) -> tree::Result<()> {
        self.check(&place);
        assert!(tree::stays_inside(place.path.as_ref(), target.as_ref()), "{target}");
        Ok(())
    }
}

impl bundle::Contents for Told {
    fn open(&self, part: usize, path: &lock::RelPath) -> tree::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.files[&(part, path.to_string())].as_slice()))
    }
}
