//! The first text of a bundle: what comes before, and each compressed frame that follows, by size and hash.
//!
//! It is of fixed length for a given number of frames, so that it can be written after them, in the place that was left for it; and
//! it lies in a frame of zstd's that every program skips, so that the file stays a `tar.zst`. Its hash is the digest of the whole.

use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::hash::Sha256;

/// The format's number.
pub const VERSION: u32 = 1;

/// How the text begins; the number follows.
const TITLE: &str = "opencode-cache bundle ";

/// The number of a frame that zstd skips (RFC 8878, 3.1.2), in the order of its bytes.
pub(crate) const SKIPPED: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();

/// Of a skipped frame, what comes before its content: number and length.
pub const BEFORE: u64 = 8;

/// Bytes of the tar that one frame holds at most: what a thread has to have in memory, twice. Part of what comes out: another number
/// gives other bundles. Larger ones compress no better where zstd's window (2 MiB at level 3, 8 MiB at level 19) is smaller anyway.
pub const BLOCK: usize = 16 << 20;

/// Frames at most: 64 GiB of trees.
const MAX_FRAMES: usize = 4096;

/// What a program before the tar is filled up to: a page.
pub const ALIGNMENT: u64 = 4096;

/// The largest program that a bundle begins with, in bytes. Bounds the search for the beginning.
pub const MAX_STUB: u64 = 64 << 20;

/// The longest text: title, two lines, and the frames'.
pub(crate) const LONGEST: usize = 512 + MAX_FRAMES * FRAME_LINE;

/// `frame `, two numbers and a hash, with what is between and after them.
const FRAME_LINE: usize = 6 + 10 + 1 + 10 + 1 + 64 + 1;

/// A compressed frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Its bytes.
    pub packed: u64,
    /// The bytes of the tar that it holds.
    pub size: u64,
    /// The hash of its bytes as they lie in the file.
    pub hash: Sha256,
}

/// The program that a bundle begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stub {
    /// Its bytes, without what it is filled up with.
    pub size: u64,
    /// Their hash.
    pub hash: Sha256,
}

/// What the text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The program before, if there is one.
    pub stub: Option<Stub>,
    /// Bytes of the tar that are index and listings; they have frames of their own.
    pub front: u64,
    /// Bytes of the index.
    pub index: u64,
    /// The frames, in order.
    pub frames: Vec<Frame>,
}

impl Header {
    /// Where the tar begins in the file: after the program, filled up.
    pub fn start(&self) -> u64 {
        self.stub.map_or(0, |stub| stub.size.next_multiple_of(ALIGNMENT))
    }

    /// Where the first frame begins in the file.
    pub(crate) fn first_frame(&self) -> u64 {
        self.start() + BEFORE + length(self.frames.len())
    }

    /// Where the last frame ends in the file; only signatures may follow.
    pub fn end(&self) -> u64 {
        self.first_frame() + self.frames.iter().map(|frame| frame.packed).sum::<u64>()
    }

    /// How many of the frames are index and listings.
    pub(crate) fn front_frames(&self) -> usize {
        usize::try_from(self.front.div_ceil(BLOCK as u64)).unwrap_or(usize::MAX)
    }

    /// The digest of the whole: this text names the hash of everything else, signatures excepted.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(self.to_text().as_bytes())
    }

    /// The text.
    pub fn to_text(&self) -> String {
        let stub = self.stub.unwrap_or(Stub { size: 0, hash: Sha256::of(b"") });
        let mut text = format!("{TITLE}{VERSION}\nstub {:010} {}\n", stub.size, stub.hash);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "front {:010} {:010}", self.front, self.index);
        for Frame { packed, size, hash } in &self.frames {
            let _ = writeln!(text, "frame {packed:010} {size:010} {hash}");
        }
        text
    }

    /// Reads the text, of which there is one way only to say a thing.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let malformed = |reason: &str| Error::malformed("its first text", reason);
        let text = std::str::from_utf8(text).map_err(|_| malformed("it is no text"))?;
        let rest = text.strip_prefix(TITLE).ok_or(Error::NoBundle)?;
        let (version, rest) = rest.split_once('\n').ok_or(Error::NoBundle)?;
        let version = version.parse().map_err(|_| Error::NoBundle)?;
        if version != VERSION {
            return Err(Error::Newer { version });
        }
        let mut lines = rest.lines();
        let mut line = |word: &str| {
            let mut fields = lines.next()?.split(' ');
            (fields.next() == Some(word)).then(|| fields.collect::<Vec<_>>())
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| malformed("a number that is none"));
        let hash = |text: &str| text.parse::<Sha256>().map_err(|error| malformed(&error.to_string()));
        let Some([size, of]) = line("stub").and_then(exactly) else {
            return Err(malformed("no line `stub`"));
        };
        let stub = Stub { size: number(size)?, hash: hash(of)? };
        let Some([front, index]) = line("front").and_then(exactly) else {
            return Err(malformed("no line `front`"));
        };
        let mut header = Self {
            stub: (stub.size > 0).then_some(stub),
            front: number(front)?,
            index: number(index)?,
            frames: Vec::new(),
        };
        while let Some(fields) = line("frame") {
            let Some([packed, size, of]) = exactly(fields) else { return Err(malformed("a line `frame`")) };
            header.frames.push(Frame { packed: number(packed)?, size: number(size)?, hash: hash(of)? });
        }
        if header.to_text() != text {
            return Err(malformed("something else than its lines"));
        }
        header.check()?;
        Ok(header)
    }

    /// Whether the numbers are those that a writer gives.
    fn check(&self) -> Result<()> {
        let malformed = |reason: &str| Err(Error::malformed("its first text", reason));
        if self.frames.len() > MAX_FRAMES {
            return Err(Error::TooLarge { what: "frames", limit: MAX_FRAMES as u64 });
        }
        if self.stub.is_some_and(|stub| stub.size > MAX_STUB) {
            return Err(Error::TooLarge { what: "the program before it, in bytes", limit: MAX_STUB });
        }
        if self.front > crate::read::MAX_FRONT || self.index > self.front {
            return Err(Error::TooLarge {
                what: "index and listings, in bytes",
                limit: crate::read::MAX_FRONT,
            });
        }
        let Some((front, contents)) = self.frames.split_at_checked(self.front_frames()) else {
            return malformed("fewer frames than the index has");
        };
        let block = BLOCK as u64;
        for section in [front, contents] {
            let Some((last, full)) = section.split_last() else { return malformed("no frames") };
            if full.iter().any(|frame| frame.size != block) || last.size == 0 || last.size > block {
                return malformed("frames of other sizes than a writer gives");
            }
        }
        if front.iter().map(|frame| frame.size).sum::<u64>() != self.front {
            return malformed("the index is of another size than its frames");
        }
        // zstd's own bound for what does not compress, with room.
        if self.frames.iter().any(|frame| frame.packed == 0 || frame.packed > block + block / 128) {
            return malformed("a frame that is larger than what it holds");
        }
        Ok(())
    }
}

/// Bytes of a text with so many frames.
pub(crate) fn length(frames: usize) -> u64 {
    let fixed = format!("{TITLE}{VERSION}\n").len() + (5 + 10 + 1 + 64 + 1) + (6 + 10 + 1 + 10 + 1);
    (fixed + frames * FRAME_LINE) as u64
}

fn exactly<const N: usize>(fields: Vec<&str>) -> Option<[&str; N]> {
    fields.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(size: u64) -> Frame {
        Frame { packed: 7, size, hash: Sha256::of(b"x") }
    }

    fn header() -> Header {
        let full = BLOCK as u64;
        Header { stub: None, front: 1024, index: 10, frames: vec![frame(1024), frame(full), frame(512)] }
    }

    #[test]
    fn reads_back_and_has_the_length_that_was_left_for_it() {
        let stub = Some(Stub { size: 4097, hash: Sha256::of(b"program") });
        for header in [header(), Header { stub, ..header() }] {
            let text = header.to_text();
            assert_eq!(text.len() as u64, length(3));
            assert_eq!(Header::parse(text.as_bytes()).unwrap(), header);
        }
        assert_eq!(Header { stub, ..header() }.start(), 8192);
    }

    #[test]
    fn other_texts_are_refused() {
        let code = |text: &str| Header::parse(text.as_bytes()).map_err(|error| error.code());
        let right = header().to_text();
        assert_eq!(code(""), Err("bundle-none"));
        assert_eq!(code(&right.replace("bundle 1", "bundle 2")), Err("bundle-newer"));
        for wrong in [
            right.replace("0000000512", "00000000512"),
            right.replace("0000000512", "+000000512"),
            right.replace("0000000512", "0000000000"),
            right.replace("front 0000001024", "front 0000001023"),
            right.replace("\nframe", "\r\nframe"),
            format!("{right}\n"),
            format!("{right}more\n"),
            right.trim_end().to_owned(),
        ] {
            assert_eq!(code(&wrong), Err("bundle-malformed"), "{wrong}");
        }
        let large = Header { stub: Some(Stub { size: MAX_STUB + 1, hash: Sha256::of(b"") }), ..header() };
        assert_eq!(code(&large.to_text()), Err("bundle-too-large"));
    }
}
