//! Reading a compressed stream within bounds: unpacked bytes, and unpacked bytes per packed byte.
//! Knows nothing of what the stream holds.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::account::{Tripped, trip};
use super::{Limits, RATIO_FROM, Refusal};

/// Bytes read from the packed stream at once.
const BUFFER: usize = 128 * 1024;

/// Memory that unpacking xz may take, in KiB: its highest level needs 65 MiB.
const XZ_MEMORY: u32 = 128 * 1024;

/// The window of zstd at most, as a power of two: 128 MiB, what the program unpacks without being asked for more.
const ZSTD_WINDOW: u32 = 27;

/// How a stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Xz,
    Zstd,
    Plain,
}

type Packed<R> = BufReader<Counted<R>>;

enum Stream<R: Read> {
    Gzip(GzDecoder<Packed<R>>),
    Xz(Box<XzReader<Packed<R>>>),
    Zstd(ZstdDecoder<'static, Packed<R>>),
    Plain(Packed<R>),
}

impl<R: Read> Stream<R> {
    fn new(packed: Packed<R>, packing: Packing) -> io::Result<Self> {
        Ok(match packing {
            Packing::Gzip => Self::Gzip(GzDecoder::new(packed)),
            Packing::Xz => Self::Xz(Box::new(XzReader::new_mem_limit(packed, false, XZ_MEMORY))),
            Packing::Zstd => {
                let mut decoder = ZstdDecoder::with_buffer(packed)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW)?;
                Self::Zstd(decoder)
            }
            Packing::Plain => Self::Plain(packed),
        })
    }

    fn packed(&mut self) -> &mut Packed<R> {
        match self {
            Self::Gzip(stream) => stream.get_mut(),
            Self::Xz(stream) => stream.inner_mut(),
            Self::Zstd(stream) => stream.get_mut(),
            Self::Plain(stream) => stream,
        }
    }
}

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(stream) => stream.read(buffer),
            Self::Xz(stream) => stream.read(buffer),
            Self::Zstd(stream) => stream.read(buffer),
            Self::Plain(stream) => stream.read(buffer),
        }
    }
}

/// An unpacked stream that fails when a bound is passed, and where anything follows it: a
/// second gzip stream is a part of the first to some programs, and not there to others.
pub(super) struct Bounded<R: Read> {
    stream: Stream<R>,
    packed: Rc<Cell<u64>>,
    unpacked: u64,
    limits: Limits,
    tripped: Tripped,
}

impl<R: Read> Bounded<R> {
    pub(super) fn new(reader: R, packing: Packing, limits: Limits) -> io::Result<Self> {
        let packed = Rc::new(Cell::new(0));
        let counted = Counted { reader, count: Rc::clone(&packed) };
        Ok(Self {
            stream: Stream::new(BufReader::with_capacity(BUFFER, counted), packing)?,
            packed,
            unpacked: 0,
            limits,
            tripped: Tripped::default(),
        })
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
        let gzip = matches!(self.stream, Stream::Gzip(_));
        let what = match self.stream.packed().fill_buf()? {
            [] => return Ok(()),
            [0x1f, ..] if gzip => "a second gzip stream",
            _ if gzip => "bytes after the end of the gzip stream",
            _ => "bytes after the end of the packed stream",
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
