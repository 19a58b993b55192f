//! The tar as it comes out of its frames: nothing of a frame is unpacked before its hash was checked. While one is looked at, the next
//! is unpacked by a thread of its own.

use std::io::{self, Read};
use std::thread::{self, JoinHandle};

use crate::error::{Doing as _, Error, Result};
use crate::frame;
use crate::hash::Sha256;
use crate::header::Frame;
use crate::tape::{self, END};

/// The tar, unpacked piece by piece, each after its hash was checked.
pub(crate) struct Stream<'a, R> {
    from: &'a mut R,
    frames: std::vec::IntoIter<Frame>,
    /// Where the next frame begins in the file.
    at: u64,
    /// The frame that comes next, on its way.
    ahead: Option<Ahead>,
    piece: Vec<u8>,
    /// How much of the piece was handed out.
    used: usize,
}

/// A frame on its way. What is wrong with it is told when it is its turn.
enum Ahead {
    Unpacking(JoinHandle<Result<Vec<u8>>>),
    Failed(Error),
}

impl Ahead {
    fn begin(packed: Vec<u8>, frame: Frame, at: u64) -> Result<Self> {
        let unpack = move || {
            if Sha256::of(&packed) != frame.hash {
                return Err(Error::Damaged { what: "a frame", at });
            }
            frame::unpack(&packed, frame.size as usize)
        };
        thread::Builder::new().name("unpack".into()).spawn(unpack).doing("unpack").map(Self::Unpacking)
    }

    fn finish(self) -> Result<Vec<u8>> {
        match self {
            Self::Unpacking(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Self::Failed(error) => Err(error),
        }
    }
}

impl<'a, R: Read> Stream<'a, R> {
    /// The tar of these frames, of which the first begins where `from` stands, `at` in the file.
    pub(crate) fn new(from: &'a mut R, frames: Vec<Frame>, at: u64) -> Self {
        Self { from, frames: frames.into_iter(), at, ahead: None, piece: Vec::new(), used: 0 }
    }

    /// Some bytes that come next, at most so many, at least one.
    fn some(&mut self, most: u64) -> Result<&[u8]> {
        if self.used == self.piece.len() {
            let next = self.ahead.take().or_else(|| self.begin());
            // Begun before the one is waited for.
            self.ahead = self.begin();
            let next =
                next.ok_or_else(|| Error::malformed("its tar", "it ends before what the index says"))?;
            self.piece = next.finish()?;
            self.used = 0;
        }
        let left = &self.piece[self.used..];
        let count = left.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        self.used += count;
        Ok(&self.piece[self.used - count..self.used])
    }

    /// Reads the next frame, and has it unpacked.
    fn begin(&mut self) -> Option<Ahead> {
        let (frame, at) = (self.frames.next()?, self.at);
        self.at += frame.packed;
        // At most what the header was checked for: a block, and a little more.
        let mut packed = vec![0; frame.packed as usize];
        let read = exactly(self.from, &mut packed);
        Some(read.and_then(|()| Ahead::begin(packed, frame, at)).unwrap_or_else(Ahead::Failed))
    }

    /// Hands out the next bytes.
    pub(crate) fn pass(&mut self, size: u64, to: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut left = size;
        while left > 0 {
            let bytes = self.some(left)?;
            to(bytes)?;
            left -= bytes.len() as u64;
        }
        Ok(())
    }

    /// What has to come next.
    pub(crate) fn expect(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let found = self.some(bytes.len() as u64)?;
            let (now, later) = bytes.split_at(found.len());
            if found != now {
                return Err(Error::malformed("its tar", "it says something else than the index"));
            }
            bytes = later;
        }
        Ok(())
    }

    /// A file of the front, with what fills it up. Memory is taken as it comes, whatever the index says of its size.
    pub(crate) fn text(&mut self, size: u64) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        self.pass(size, &mut |bytes| {
            text.extend_from_slice(bytes);
            Ok(())
        })?;
        self.expect(&END[..tape::padding(size)])?;
        Ok(text)
    }

    /// That nothing follows.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.used == self.piece.len() && self.ahead.is_none() && self.frames.as_slice().is_empty() {
            Ok(())
        } else {
            Err(Error::malformed("its tar", "more than the index says"))
        }
    }
}

/// The next bytes of a file that was seen to be long enough.
pub(crate) fn exactly(from: &mut impl Read, bytes: &mut [u8]) -> Result<()> {
    match from.read_exact(bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Error::Damaged { what: "it became shorter while it was read", at: 0 })
        }
        read => read.doing("read"),
    }
}
