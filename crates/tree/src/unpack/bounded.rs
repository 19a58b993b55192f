//! Reading a compressed stream within bounds: unpacked bytes, and unpacked bytes per packed byte.
//! Knows nothing of what the stream holds.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::GzDecoder;

use super::account::{Tripped, trip};
use super::{Limits, RATIO_FROM, Refusal};

/// Bytes read from the packed stream at once.
const BUFFER: usize = 128 * 1024;

/// An unpacked gzip stream that fails when a bound is passed, and where anything follows it: a
/// second gzip stream is a part of the first to some programs, and not there to others.
pub(super) struct Bounded<R: Read> {
    stream: GzDecoder<BufReader<Counted<R>>>,
    packed: Rc<Cell<u64>>,
    unpacked: u64,
    limits: Limits,
    tripped: Tripped,
}

impl<R: Read> Bounded<R> {
    pub(super) fn gzip(reader: R, limits: Limits) -> Self {
        let packed = Rc::new(Cell::new(0));
        let counted = Counted { reader, count: Rc::clone(&packed) };
        Self {
            stream: GzDecoder::new(BufReader::with_capacity(BUFFER, counted)),
            packed,
            unpacked: 0,
            limits,
            tripped: Tripped::default(),
        }
    }

    pub(super) fn tripped(&self) -> Tripped {
        Rc::clone(&self.tripped)
    }

    fn passed(&self) -> Option<Refusal> {
        let Limits { bytes, ratio, .. } = self.limits;
        if self.unpacked > bytes {
            return Some(Refusal::TooManyBytes { limit: bytes });
        }
        let most = self.packed.get().saturating_mul(ratio);
        (self.unpacked > RATIO_FROM && self.unpacked > most).then_some(Refusal::Ratio { limit: ratio })
    }

    /// What comes after the stream's own end: nothing.
    fn ended(&mut self) -> io::Result<()> {
        let what = match self.stream.get_mut().fill_buf()? {
            [] => return Ok(()),
            [0x1f, ..] => "a second gzip stream",
            _ => "bytes after the end of the gzip stream",
        };
        Err(trip(&self.tripped, Refusal::Malformed { what }))
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.ended()?;
        }
        self.unpacked += read as u64;
        match self.passed() {
            None => Ok(read),
            Some(refusal) => Err(trip(&self.tripped, refusal)),
        }
    }
}

struct Counted<R> {
    reader: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}
