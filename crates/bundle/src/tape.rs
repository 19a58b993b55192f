//! The tar of a bundle. Every byte of it but the files' own follows from index and listings, so that writer and reader walk the same
//! way, and a tar that says something else than the index cannot be.
//!
//! Index and listings first, then each tree below its name: directories before what they hold, a content once (the first file that
//! has it), further files with it as hard links. So any tar that knows zstd unpacks the trees, if need be.

use std::collections::HashMap;

use crate::hash::Sha256;
use crate::index::{Index, LISTING, NAME};
use crate::listing::{Entry, Kind, Listing};

/// What a tar is cut into.
pub(crate) const RECORD: usize = 512;

/// The end of a tar: two empty records.
pub(crate) const END: [u8; 2 * RECORD] = [0; 2 * RECORD];

/// The time of everything: a second after the epoch, as in a store.
const TIME: u64 = 1;

/// What a record of a tar can be here.
#[derive(Clone, Copy)]
enum Type {
    File,
    Again,
    Link,
    Directory,
    Extended,
}

impl Type {
    /// POSIX's letter for it (pax, "ustar Interchange Format").
    fn letter(self) -> u8 {
        match self {
            Self::File => b'0',
            Self::Again => b'1',
            Self::Link => b'2',
            Self::Directory => b'5',
            Self::Extended => b'x',
        }
    }
}

/// One thing on the way along the trees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'a> {
    /// Of which tree, by its place in the index.
    pub(crate) part: usize,
    /// Which entry; the root where there is none.
    pub(crate) entry: Option<&'a Entry>,
    /// How its content comes.
    pub(crate) content: Content<'a>,
}

/// How the content of an entry comes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content<'a> {
    /// It has none.
    None,
    /// It follows.
    Here { hash: Sha256, size: u64 },
    /// It is what this file of that tree has.
    Again { part: usize, first: &'a Entry },
    /// It is what this file of that tree's base has: nothing of it is in the tar.
    Held { part: usize, held: &'a Entry },
    /// It is made from what this file of that tree's base has; the patch follows.
    Patch { hash: Sha256, packed: u64, part: usize, from: &'a Entry },
    /// It is the program that the bundle begins with: nothing of it is in the tar.
    Stub,
}

/// The trees of a bundle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trees<'a> {
    pub(crate) index: &'a Index,
    /// In the index's order, as the bases are.
    pub(crate) listings: &'a [Listing],
    pub(crate) bases: &'a [Option<Listing>],
    pub(crate) stub: Option<Sha256>,
}

impl<'a> Trees<'a> {
    /// The steps along all trees, in the tar's order.
    pub(crate) fn steps(self) -> impl Iterator<Item = Step<'a>> {
        let held = self.held();
        let patches: HashMap<_, _> = self.index.patches.iter().map(|patch| (patch.content, patch)).collect();
        let mut seen: HashMap<(Sha256, bool), (usize, &'a Entry)> = HashMap::new();
        let all = self.listings.iter().enumerate().flat_map(|(part, listing)| {
            std::iter::once((part, None))
                .chain(listing.entries().iter().map(move |entry| (part, Some(entry))))
        });
        all.map(move |(part, entry)| {
            let content = match entry.map(|entry| (entry, &entry.kind)) {
                Some((entry, Kind::File { hash, size, executable })) if *size > 0 => {
                    let patch = patches.get(hash);
                    if self.stub == Some(*hash) {
                        Content::Stub
                    } else if let Some((part, held)) = held.get(hash) {
                        Content::Held { part: *part, held }
                    } else if let Some((part, first)) = seen.get(&(*hash, *executable)) {
                        Content::Again { part: *part, first }
                    } else {
                        seen.insert((*hash, *executable), (part, entry));
                        match patch.and_then(|patch| Some((patch, held.get(&patch.from)?))) {
                            Some((patch, (part, from))) => {
                                Content::Patch { hash: *hash, packed: patch.packed, part: *part, from }
                            }
                            None => Content::Here { hash: *hash, size: *size },
                        }
                    }
                }
                _ => Content::None,
            };
            Step { part, entry, content }
        })
    }

    /// What the target has already: the first file of a base with each content.
    pub(crate) fn held(self) -> HashMap<Sha256, (usize, &'a Entry)> {
        let mut held = HashMap::new();
        for (part, listing) in self.bases.iter().enumerate() {
            for entry in listing.iter().flat_map(|listing| listing.entries()) {
                if let Kind::File { hash, .. } = &entry.kind {
                    held.entry(*hash).or_insert((part, entry));
                }
            }
        }
        held
    }
}

impl Step<'_> {
    /// What stands in the tar before its content.
    pub(crate) fn header(&self, index: &Index) -> Vec<u8> {
        let name = |part: usize| index.parts.get(part).map(crate::Part::name).unwrap_or_default();
        let root = name(self.part);
        let Some(entry) = self.entry else {
            return header(&format!("{root}/"), Type::Directory, 0o555, 0, "");
        };
        let path = format!("{root}/{}", entry.path.as_str());
        match (&entry.kind, self.content) {
            (_, Content::Stub | Content::Held { .. }) => Vec::new(),
            (_, Content::Patch { hash, packed, .. }) => {
                header(&format!("patches/{hash}.zst"), Type::File, 0o444, packed, "")
            }
            (Kind::Directory, _) => header(&format!("{path}/"), Type::Directory, 0o555, 0, ""),
            (Kind::Link { target }, _) => header(&path, Type::Link, 0o777, 0, target),
            (Kind::File { executable, .. }, Content::Again { part, first }) => {
                let first = format!("{}/{}", name(part), first.path.as_str());
                header(&path, Type::Again, mode(*executable), 0, &first)
            }
            (Kind::File { size, executable, .. }, _) => {
                header(&path, Type::File, mode(*executable), *size, "")
            }
        }
    }
}

/// What stands in the tar before the index.
pub(crate) fn index_header(size: u64) -> Vec<u8> {
    header(NAME, Type::File, 0o444, size, "")
}

/// What stands in the tar before the listing of a tree, or before the patch that makes it.
pub(crate) fn listing_header(part: &crate::Part) -> Vec<u8> {
    let (end, size) = part.base.as_ref().map_or(("", part.listing_size), |base| (".zst", base.packed));
    header(&format!("{}{LISTING}{end}", part.name()), Type::File, 0o444, size, "")
}

/// How many zeros fill a content up.
pub(crate) fn padding(size: u64) -> usize {
    (size.next_multiple_of(RECORD as u64) - size) as usize
}

fn mode(executable: bool) -> u32 {
    if executable { 0o555 } else { 0o444 }
}

/// The records before a content: the one, and before it, where a name is too long for that, an extended one.
fn header(path: &str, kind: Type, mode: u32, size: u64, target: &str) -> Vec<u8> {
    let mut extended = String::new();
    for (key, value) in [("path", path), ("linkpath", target)] {
        if value.len() > 100 {
            extended.push_str(&extended_line(key, value));
        }
    }
    let mut bytes = Vec::with_capacity(RECORD);
    if !extended.is_empty() {
        bytes.extend_from_slice(&record("pax", Type::Extended, 0o444, extended.len() as u64, ""));
        bytes.extend_from_slice(extended.as_bytes());
        bytes.resize(bytes.len() + padding(extended.len() as u64), 0);
    }
    bytes.extend_from_slice(&record(path, kind, mode, size, target));
    bytes
}

/// `LENGTH KEY=VALUE` and a line feed, the length being that of all of it.
fn extended_line(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

/// One record of 512 bytes; names are cut where they are too long, since an extended record has them whole then.
fn record(path: &str, kind: Type, mode: u32, size: u64, target: &str) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    let mut put = |at: usize, bytes: &[u8], most: usize| {
        let count = bytes.len().min(most);
        record[at..at + count].copy_from_slice(&bytes[..count]);
    };
    put(0, path.as_bytes(), 100);
    put(100, format!("{mode:07o}").as_bytes(), 7);
    put(108, b"0000000", 7);
    put(116, b"0000000", 7);
    put(124, format!("{size:011o}").as_bytes(), 11);
    put(136, format!("{TIME:011o}").as_bytes(), 11);
    put(148, b"        ", 8);
    put(156, &[kind.letter()], 1);
    put(157, target.as_bytes(), 100);
    put(257, b"ustar\x0000", 8);
    put(329, b"0000000", 7);
    put(337, b"0000000", 7);
    let sum: u32 = record.iter().map(|byte| u32::from(*byte)).sum();
    record[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extended_line_counts_itself() {
        assert_eq!(extended_line("path", "a"), "9 path=a\n");
        assert_eq!(extended_line("path", "ab"), "11 path=ab\n");
        for length in [88, 89, 90, 91, 988, 989, 990, 991] {
            let line = extended_line("path", &"a".repeat(length));
            assert_eq!(line.split_once(' ').unwrap().0, line.len().to_string());
        }
    }

    #[test]
    fn a_record_is_what_the_tar_crate_reads() {
        let bytes = header(&"d/".repeat(80), Type::Directory, 0o555, 0, "");
        assert_eq!(bytes.len(), 3 * RECORD);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path_bytes().as_ref(), "d/".repeat(80).as_bytes());
        assert_eq!((entry.header().mode().unwrap(), entry.header().mtime().unwrap()), (0o555, 1));
    }
}
