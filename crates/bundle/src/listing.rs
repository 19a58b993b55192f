//! What one tree holds: a text that is a function of the tree alone. So whoever has the tree has its listing, and the listing of the
//! next version can be sent as what differs.
//!
//! A line for each entry below the root, in the order of a NAR, fields separated by TABs: `d PATH`, `f SHA256 SIZE PATH`, `x` likewise
//! for what is executable, `l TARGET PATH`.

use std::fmt::Write as _;
use std::path::Path;

use lock::RelPath;
use tree::NarHash;
use tree::scan::{MAX_DEPTH, MAX_ENTRIES};

use crate::error::{Error, Result};
use crate::hash::{Hasher, Sha256};
use crate::marks::{Files, Marks};

/// The largest file, in bytes: what a tar's header has room for is 8 GiB.
pub const MAX_FILE: u64 = 4 << 30;

/// The longest name of a file, in bytes.
const LONGEST_NAME: usize = 255;

/// The longest target of a link, in bytes.
const LONGEST_TARGET: usize = 4095;

/// Bytes read at once while a file is hashed.
const BUFFER: usize = 256 * 1024;

/// A tree's entries, in order; the root is none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    entries: Vec<Entry>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where, below the root.
    pub path: RelPath,
    /// What.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// The hash of its bytes.
        hash: Sha256,
        /// How many there are.
        size: u64,
        /// Whether it is a program.
        executable: bool,
    },
    /// A symbolic link that stays in the tree.
    Link {
        /// Where it points, as it is written.
        target: String,
    },
}

impl Listing {
    /// The listing of these entries.
    ///
    /// # Errors
    /// [`Error::Malformed`] where they are no tree, or not in order; [`Error::TooLarge`].
    pub fn new(entries: Vec<Entry>) -> Result<Self> {
        let listing = Self { entries };
        listing.check()?;
        Ok(listing)
    }

    /// The listing of a tree, every file of which is read.
    ///
    /// # Errors
    /// [`Error::Tree`], and as [`Listing::new`] for names that no bundle can hold.
    pub fn of(tree: &tree::Tree) -> Result<Self> {
        let mut buffer = vec![0; BUFFER];
        Self::with(tree, |entry, size| hash(&tree.locate(entry), size, &mut buffer))
    }

    /// The listing of a tree and the hash of its NAR, for which every file is read once, and marks by which each is known again.
    ///
    /// # Errors
    /// As [`Listing::of`].
    pub fn and_nar(tree: &tree::Tree) -> Result<(Self, NarHash, Marks)> {
        let mut files = Files::of(tree);
        let nar = tree::nar::hash_tree_beside(tree, &mut |bytes: &[u8]| files.update(bytes))?;
        let (hashes, marks) = files.finish();
        let mut hashes = hashes.into_iter();
        let none = || malformed("a file that was not read");
        let listing = Self::with(tree, |_, _| hashes.next().ok_or_else(none))?;
        Ok((listing, nar, marks))
    }

    fn with(tree: &tree::Tree, mut hash: impl FnMut(&tree::Entry, u64) -> Result<Sha256>) -> Result<Self> {
        let mut entries = Vec::with_capacity(tree.entries().len());
        for entry in tree.entries().iter().filter(|entry| !entry.path.as_os_str().is_empty()) {
            let kind = match &entry.kind {
                tree::Kind::Directory => Kind::Directory,
                tree::Kind::File { size, executable } => {
                    Kind::File { hash: hash(entry, *size)?, size: *size, executable: *executable }
                }
                tree::Kind::Link { target } => Kind::Link { target: word(target)?.to_owned() },
            };
            let path = word(&entry.path)?.parse().map_err(|error| malformed(&format!("{error}")))?;
            entries.push(Entry { path, kind });
        }
        Self::new(entries)
    }

    /// The entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        let sizes = self.entries.iter().map(|entry| match entry.kind {
            Kind::File { size, .. } => size,
            Kind::Directory | Kind::Link { .. } => 0,
        });
        sizes.sum()
    }

    /// The text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for Entry { path, kind } in &self.entries {
            let path = path.as_str();
            // Writing to a String cannot fail.
            let _ = match kind {
                Kind::Directory => writeln!(text, "d\t{path}"),
                Kind::File { hash, size, executable: false } => writeln!(text, "f\t{hash}\t{size}\t{path}"),
                Kind::File { hash, size, executable: true } => writeln!(text, "x\t{hash}\t{size}\t{path}"),
                Kind::Link { target } => writeln!(text, "l\t{target}\t{path}"),
            };
        }
        text
    }

    /// Reads the text.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(text).map_err(|_| malformed("it is no text"))?;
        let mut entries = Vec::new();
        for line in text.split_terminator('\n') {
            if entries.len() >= MAX_ENTRIES {
                return Err(Error::TooLarge { what: "entries of a tree", limit: MAX_ENTRIES as u64 });
            }
            entries.push(entry(line)?);
        }
        let listing = Self::new(entries)?;
        if listing.to_text() == text { Ok(listing) } else { Err(malformed("a number in another form")) }
    }

    /// Whether it is a tree: in order, every directory there before what it holds, links that stay inside.
    fn check(&self) -> Result<()> {
        let mut open: Vec<&str> = Vec::new();
        let mut last: Option<&RelPath> = None;
        for Entry { path, kind } in &self.entries {
            let at = |reason: &str| malformed(&format!("{reason}: {}", path.as_str()));
            if last.is_some_and(|last| !last.components().lt(path.components())) {
                return Err(at("names out of order, or twice"));
            }
            last = Some(path);
            if path.components().any(|name| name.len() > LONGEST_NAME)
                || path.components().count() > MAX_DEPTH
            {
                return Err(at("a name that is too long or too deep"));
            }
            let parent = path.as_str().rsplit_once('/').map(|(parent, _)| parent);
            while open.last().is_some_and(|top| Some(*top) != parent) {
                open.pop();
            }
            if parent.is_some() && open.is_empty() {
                return Err(at("something that lies in no directory"));
            }
            match kind {
                Kind::Directory => open.push(path.as_str()),
                Kind::File { size, .. } if *size > MAX_FILE => {
                    return Err(Error::TooLarge { what: "a file, in bytes", limit: MAX_FILE });
                }
                Kind::File { .. } => {}
                Kind::Link { target } => {
                    let is_plain = target.len() <= LONGEST_TARGET && !target.chars().any(char::is_control);
                    if !is_plain || !tree::stays_inside(Path::new(path.as_str()), Path::new(target)) {
                        return Err(at("a link out of its tree"));
                    }
                }
            }
        }
        Ok(())
    }
}

fn entry(line: &str) -> Result<Entry> {
    let fields: Vec<&str> = line.split('\t').collect();
    let file = |hash: &str, size: &str, executable| {
        let hash = hash.parse().map_err(|error: crate::hash::NotAHash| malformed(&error.to_string()))?;
        let size = size.parse().map_err(|_| malformed("a size that is none"))?;
        Ok::<_, Error>(Kind::File { hash, size, executable })
    };
    let (kind, path) = match fields.as_slice() {
        ["d", path] => (Kind::Directory, path),
        ["f", hash, size, path] => (file(hash, size, false)?, path),
        ["x", hash, size, path] => (file(hash, size, true)?, path),
        ["l", target, path] => (Kind::Link { target: (*target).to_owned() }, path),
        _ => return Err(malformed("a line of no known form")),
    };
    Ok(Entry { path: path.parse().map_err(|error| malformed(&format!("{error}")))?, kind })
}

fn hash(path: &Path, size: u64, buffer: &mut [u8]) -> Result<Sha256> {
    use std::io::Read as _;
    let failed = |source| tree::Error::Io { verb: "read", path: path.to_path_buf(), source };
    let mut file = tree::open_file(path)?;
    let (mut hasher, mut found) = (Hasher::new(), 0);
    loop {
        let count = file.read(buffer).map_err(failed)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        found += count as u64;
    }
    if found == size {
        Ok(hasher.finish())
    } else {
        Err(tree::Error::Changed { path: path.to_path_buf() }.into())
    }
}

fn word(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| malformed(&format!("a name that is not UTF-8: {}", path.display())))
}

fn malformed(reason: &str) -> Error {
    Error::malformed("the listing of a tree", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_tree_has_one_text() {
        // `a/b` before `a-b`: by components, as in a NAR.
        let text =
            format!("d\ta\nf\t{EMPTY}\t0\ta/b\nx\t{EMPTY}\t12\ta/c d\nd\ta-b\nl\t../a/b\ta-b/l\nl\ta\tz\n");
        let listing = Listing::parse(text.as_bytes()).unwrap();
        assert_eq!(listing.to_text(), text);
        assert_eq!((listing.entries().len(), listing.size()), (6, 12));
        assert_eq!(Listing::parse(b"").unwrap(), Listing::default());
    }

    #[test]
    fn whatever_is_no_tree_is_refused() {
        for wrong in [
            "d\tb\nd\ta\n",
            "d\ta\nd\ta\n",
            "d\ta/b\n",
            "l\tb\ta\nd\ta/b\n",
            "d\t../a\n",
            "d\t/a\n",
            "d\ta/./b\n",
            "d\t\n",
            "d\ta",
            "d\ta\r\n",
            "q\ta\n",
            "l\t..\ta\n",
            "l\t/etc\ta\n",
            "l\tb/../..\ta\n",
            "l\t\ta\n",
            &format!("f\t{EMPTY}\t+1\ta\n"),
            &format!("f\t{EMPTY}\t01\ta\n"),
            &format!("f\t{EMPTY}\t-1\ta\n"),
            &format!("f\t{EMPTY}\t99999999999\ta\n"),
            &format!("f\t{}\t1\ta\n", EMPTY.to_uppercase()),
            &format!("d\t{}\n", "a".repeat(256)),
            &format!("d\t{}\n", "a/".repeat(300)),
        ] {
            assert!(Listing::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(Listing::parse(b"d\t\xff\n").is_err());
    }

    proptest::proptest! {
        /// Of lines that look right, and of any.
        #[test]
        fn a_text_is_refused_or_is_the_listings_own(
            lines in proptest::collection::vec("(d|l\\ta|f\\te3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\t[0-9]{1,2})\\t[a-c](/[a-c.]{1,2}){0,2}", 0..6),
            any: Vec<u8>,
        ) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            if let Ok(listing) = Listing::parse(text.as_bytes()) {
                proptest::prop_assert_eq!(listing.to_text(), text);
            }
            if let Ok(listing) = Listing::parse(&any) {
                proptest::prop_assert_eq!(listing.to_text().into_bytes(), any);
            }
        }
    }
}
