//! Reading a bundle: nothing of a frame is unpacked before its hash was checked, and every byte of the tar has to be the one that
//! index and listings say.

use std::io::{Read, Seek, SeekFrom};

use blake2::{Blake2b512, Digest as _};

use crate::error::{Doing as _, Error, Result};
use crate::hash::{Hasher, Sha256};
use crate::header::{ALIGNMENT, BEFORE, Header, LONGEST, MAX_STUB, SKIPPED};
use crate::index::{self, Base, Index};
use crate::listing::{Kind, Listing};
use crate::patch;
use crate::sink::{Bases, Place, Sink};
use crate::stream::{Stream, exactly};
use crate::tape::{self, Content, END, Trees};

/// The most that index and listings may have, in bytes: some two million files.
pub const MAX_FRONT: u64 = 256 << 20;

/// The most that is read of signatures, in bytes: one has some 400.
const LONGEST_SIGNATURES: u64 = 64 * 1024;

/// Bytes read at once where they are only hashed.
const BUFFER: usize = 256 * 1024;

/// A bundle: what it says at its beginning is known, and nothing else yet.
#[derive(Debug)]
pub struct Bundle<R> {
    from: R,
    header: Header,
    /// Bytes of the whole file.
    length: u64,
}

/// What a bundle has: index, and the listing of each of its trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// Which trees.
    pub index: Index,
    /// What each of them holds, in the index's order.
    pub listings: Vec<Listing>,
    /// What their bases hold, in the same order; in deltas only.
    pub bases: Vec<Option<Listing>>,
}

impl<R: Read + Seek> Bundle<R> {
    /// Finds the bundle in a file: at its beginning, or after a program.
    ///
    /// # Errors
    /// [`Error::NoBundle`], [`Error::Newer`], [`Error::Malformed`], [`Error::TooLarge`], [`Error::Truncated`], [`Error::Io`].
    pub fn open(mut from: R) -> Result<Self> {
        let length = from.seek(SeekFrom::End(0)).doing("read")?;
        let mut at = 0;
        while at <= MAX_STUB.min(length) {
            if let Some(header) = header_at(&mut from, at, length)? {
                if header.end() > length {
                    return Err(Error::Truncated { found: length, wanted: header.end() });
                }
                return Ok(Self { from, header, length });
            }
            at += ALIGNMENT;
        }
        Err(Error::NoBundle)
    }

    /// What stands at its beginning.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What signatures are of: BLAKE2b-512 of everything before them. Every hash of the beginning is checked on the way, so that what
    /// was signed is what this value says, and stays so while it is read.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Truncated`], [`Error::Io`].
    pub fn check(&mut self) -> Result<[u8; 64]> {
        let mut whole = Blake2b512::new();
        let header = self.header.clone();
        self.from.seek(SeekFrom::Start(0)).doing("read")?;
        if let Some(stub) = header.stub {
            let hash = self.hash(stub.size, &mut whole)?;
            if hash != stub.hash {
                return Err(Error::Damaged { what: "the program before it", at: 0 });
            }
            let mut filling = vec![0; (header.start() - stub.size) as usize];
            self.exactly(&mut filling)?;
            if filling.iter().any(|byte| *byte != 0) {
                return Err(Error::Damaged { what: "what is after its program", at: stub.size });
            }
            whole.update(&filling);
        }
        let text = before_frames(&header);
        let mut found = vec![0; text.len()];
        self.exactly(&mut found)?;
        if found != text {
            return Err(Error::Damaged { what: "its first text", at: header.start() });
        }
        whole.update(&found);
        let mut at = header.first_frame();
        for frame in &header.frames {
            if self.hash(frame.packed, &mut whole)? != frame.hash {
                return Err(Error::Damaged { what: "a frame", at });
            }
            at += frame.packed;
        }
        Ok(whole.finalize().into())
    }

    /// The signatures that are in the file, as text; empty where there are none. They are of nobody yet.
    ///
    /// # Errors
    /// [`Error::Malformed`] where something else follows the trees; [`Error::Io`].
    pub fn signatures(&mut self) -> Result<String> {
        let end = self.header.end();
        let malformed = |reason: &str| Error::malformed("what follows the trees", reason);
        if self.length == end {
            return Ok(String::new());
        }
        let size = (self.length - end).checked_sub(BEFORE).ok_or_else(|| malformed("no signatures"))?;
        if size > LONGEST_SIGNATURES {
            return Err(malformed("more than signatures have"));
        }
        self.from.seek(SeekFrom::Start(end)).doing("read")?;
        let mut before = [0; BEFORE as usize];
        self.exactly(&mut before)?;
        let mut text = vec![0; size as usize];
        self.exactly(&mut text)?;
        if before[..4] != SKIPPED || before[4..] != (size as u32).to_le_bytes() {
            return Err(malformed("no signatures"));
        }
        String::from_utf8(text).map_err(|_| malformed("signatures that are no text"))
    }

    /// Index and listings.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Malformed`], [`Error::TooLarge`], [`Error::Io`]; [`Error::Base`] for a delta whose base is not there.
    pub fn front(&mut self, bases: &dyn Bases) -> Result<Front> {
        let (frames, at) = (self.header.front_frames(), self.header.first_frame());
        let index = self.header.index;
        let frames = self.header.frames.get(..frames).unwrap_or_default().to_vec();
        self.from.seek(SeekFrom::Start(at)).doing("read")?;
        let mut stream = Stream::new(&mut self.from, frames, at);
        if index > index::LONGEST {
            return Err(Error::TooLarge { what: "its index, in bytes", limit: index::LONGEST });
        }
        stream.expect(&tape::index_header(index))?;
        let index = Index::parse(&stream.text(index)?)?;
        let (mut listings, mut olds) = (Vec::new(), Vec::new());
        for part in &index.parts {
            stream.expect(&tape::listing_header(part))?;
            let old = part.base.as_ref().map(|base| held(base, bases)).transpose()?;
            let text = match (&old, &part.base) {
                (Some(old), Some(base)) => {
                    if part.listing_size > MAX_FRONT {
                        return Err(Error::TooLarge {
                            what: "index and listings, in bytes",
                            limit: MAX_FRONT,
                        });
                    }
                    let (patch, mut text) = (stream.text(base.packed)?, Vec::new());
                    patch::apply(&patch, old.to_text().as_bytes(), part.listing_size, &mut |bytes| {
                        text.extend_from_slice(bytes);
                        Ok(())
                    })?;
                    text
                }
                _ => stream.text(part.listing_size)?,
            };
            if Sha256::of(&text) != part.listing {
                return Err(Error::malformed("the listing of a tree", "it is not what the index says"));
            }
            let listing = Listing::parse(&text)?;
            if listing.size() != part.size {
                return Err(Error::malformed("its index", "a tree is of another size than its files"));
            }
            listings.push(listing);
            olds.push(old);
        }
        stream.end()?;
        Ok(Front { index, listings, bases: olds })
    }

    /// Hands out all trees, in one pass.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Malformed`], [`Error::Io`]; [`Error::Tree`] is what `sink` says. What was handed out before is of no
    /// use then.
    pub fn unpack(&mut self, front: &Front, bases: &dyn Bases, sink: &mut dyn Sink) -> Result<()> {
        let (first, stub) = (self.header.front_frames(), self.header.stub);
        let (front_frames, frames) = self.header.frames.split_at(first.min(self.header.frames.len()));
        let at = self.header.first_frame() + front_frames.iter().map(|frame| frame.packed).sum::<u64>();
        let frames = frames.to_vec();
        let stub_bytes = self.stub()?;
        self.from.seek(SeekFrom::Start(at)).doing("read")?;
        let mut stream = Stream::new(&mut self.from, frames, at);
        for step in front.trees(stub.map(|stub| stub.hash)).steps() {
            stream.expect(&step.header(&front.index))?;
            let place = front.place(step.part, step.entry)?;
            match (step.entry.map(|entry| &entry.kind), step.content) {
                (None | Some(Kind::Directory), _) => sink.directory(place)?,
                (Some(Kind::Link { target }), _) => sink.link(place, target)?,
                (Some(Kind::File { .. }), Content::Again { part, first }) => {
                    sink.same(place, front.place(part, Some(first))?)?;
                }
                (Some(Kind::File { hash, size, executable }), how) => {
                    sink.file(place, *size, *executable)?;
                    let mut hasher = Hasher::new();
                    let mut hand_out = |bytes: &[u8]| {
                        hasher.update(bytes);
                        sink.content(bytes).map_err(Error::from)
                    };
                    match how {
                        Content::Stub => hand_out(&stub_bytes)?,
                        Content::Held { part, held } => {
                            pass(front.open(part, held, bases)?, *size, &mut hand_out)?;
                        }
                        Content::Patch { packed, part, from, .. } => {
                            let patch = stream.text(packed)?;
                            patch::apply(&patch, front.open(part, from, bases)?, *size, &mut hand_out)?;
                        }
                        _ => {
                            stream.pass(*size, &mut hand_out)?;
                            stream.expect(&END[..tape::padding(*size)])?;
                        }
                    }
                    if hasher.finish() != *hash {
                        return Err(Error::malformed("a file", "it is not what its listing says"));
                    }
                    sink.file_ends()?;
                }
            }
        }
        stream.expect(&END)?;
        stream.end()
    }

    /// The program before, whose hash is right; empty where there is none.
    fn stub(&mut self) -> Result<Vec<u8>> {
        let Some(stub) = self.header.stub else { return Ok(Vec::new()) };
        self.from.seek(SeekFrom::Start(0)).doing("read")?;
        // At most MAX_STUB, as the header was checked for.
        let mut bytes = vec![0; stub.size as usize];
        self.exactly(&mut bytes)?;
        if Sha256::of(&bytes) == stub.hash {
            Ok(bytes)
        } else {
            Err(Error::Damaged { what: "the program before it", at: 0 })
        }
    }

    /// Hashes what comes next, for itself and for the whole.
    fn hash(&mut self, size: u64, whole: &mut Blake2b512) -> Result<Sha256> {
        let mut buffer = vec![0; BUFFER];
        let (mut hasher, mut left) = (Hasher::new(), size);
        while left > 0 {
            let most = left.min(BUFFER as u64) as usize;
            self.exactly(&mut buffer[..most])?;
            hasher.update(&buffer[..most]);
            whole.update(&buffer[..most]);
            left -= most as u64;
        }
        Ok(hasher.finish())
    }

    fn exactly(&mut self, bytes: &mut [u8]) -> Result<()> {
        exactly(&mut self.from, bytes)
    }
}

impl Front {
    fn trees(&self, stub: Option<Sha256>) -> Trees<'_> {
        Trees { index: &self.index, listings: &self.listings, bases: &self.bases, stub }
    }

    /// A file of a tree's base.
    fn open<'b>(
        &self,
        part: usize,
        entry: &crate::Entry,
        bases: &'b dyn Bases,
    ) -> Result<Box<dyn Read + 'b>> {
        let base = self.index.parts.get(part).and_then(|part| part.base.as_ref());
        let base = base.ok_or_else(|| Error::malformed("its index", "a tree without its base"))?;
        Ok(bases.open(&base.digest, &entry.path)?)
    }

    fn place<'a>(&'a self, number: usize, entry: Option<&'a crate::Entry>) -> Result<Place<'a>> {
        let part = self.index.parts.get(number);
        let part = part.ok_or_else(|| Error::malformed("its index", "it has fewer trees than listings"))?;
        Ok(Place { part, number, path: entry.map_or("", |entry| entry.path.as_str()) })
    }
}

/// The listing of a base that is there.
fn held(base: &Base, bases: &dyn Bases) -> Result<Listing> {
    let missing = || Error::Base { base: base.digest };
    let listing = bases.listing(&base.digest)?.ok_or_else(missing)?;
    if Sha256::of(listing.to_text().as_bytes()) == base.listing { Ok(listing) } else { Err(missing()) }
}

/// Hands out a file that is there; one more byte than there should be, so that it shows.
fn pass(file: impl Read, size: u64, to: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut file = file.take(size + 1);
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match file.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.doing("read what belongs to")?,
        };
        if count == 0 {
            return Ok(());
        }
        to(&buffer[..count])?;
    }
}

/// The header at this place, if one is there.
fn header_at(from: &mut (impl Read + Seek), at: u64, length: u64) -> Result<Option<Header>> {
    if length.saturating_sub(at) < BEFORE {
        return Ok(None);
    }
    from.seek(SeekFrom::Start(at)).doing("read")?;
    let mut before = [0; BEFORE as usize];
    exactly(from, &mut before)?;
    let size = u32::from_le_bytes([before[4], before[5], before[6], before[7]]);
    if before[..4] != SKIPPED || size as usize > LONGEST {
        return Ok(None);
    }
    if u64::from(size) > length - at - BEFORE {
        return Err(Error::Truncated { found: length, wanted: at + BEFORE + u64::from(size) });
    }
    let mut text = vec![0; size as usize];
    exactly(from, &mut text)?;
    match Header::parse(&text) {
        // A program may hold such bytes; then what it says of its own place is wrong.
        Err(Error::NoBundle) => Ok(None),
        Ok(header) if header.start() != at => Ok(None),
        header => header.map(Some),
    }
}

/// The header as it lies in the file.
fn before_frames(header: &Header) -> Vec<u8> {
    let text = header.to_text();
    [SKIPPED.as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}
