//! Reading a compressed stream within bounds: unpacked bytes, and unpacked bytes per packed byte.
//! Knows nothing of what the stream holds.

use std::cell::{Cell, RefCell};
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use super::{Limits, Refusal};

/// The ratio is looked at only beyond this many unpacked bytes: a small text of one repeated line
/// packs as well as a bomb does, and does no harm.
const RATIO_FROM: u64 = 16 * 1024 * 1024;

/// Bytes read from the packed stream at once.
const BUFFER: usize = 128 * 1024;

/// An unpacked gzip stream that fails when a bound is passed.
pub(super) struct Bounded<R: Read> {
    stream: MultiGzDecoder<BufReader<Counted<R>>>,
    packed: Rc<Cell<u64>>,
    unpacked: u64,
    limits: Limits,
    tripped: Tripped,
}

/// Tells after an I/O error whether it was a bound that was passed, and which.
pub(super) type Tripped = Rc<RefCell<Option<Refusal>>>;

impl<R: Read> Bounded<R> {
    pub(super) fn gzip(reader: R, limits: Limits) -> Self {
        let packed = Rc::new(Cell::new(0));
        let counted = Counted { reader, count: Rc::clone(&packed) };
        Self {
            stream: MultiGzDecoder::new(BufReader::with_capacity(BUFFER, counted)),
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
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.unpacked += read as u64;
        match self.passed() {
            None => Ok(read),
            Some(refusal) => {
                let error = io::Error::other(refusal.to_string());
                self.tripped.replace(Some(refusal));
                Err(error)
            }
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
