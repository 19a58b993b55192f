//! The content of one entry of a zip archive: unpacked to exactly as many bytes as its headers
//! say, from exactly as many, with the checksum that they give.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::super::Refusal;
use super::super::account::{Tripped, trip};
use super::directory::{DEFLATED, Entry};

/// Bytes read from the archive at once.
const BUFFER: usize = 64 * 1024;

/// The unpacked bytes of an entry.
pub(super) struct Content<'a, R> {
    packed: Packed<'a, R>,
    crc: Crc,
    entry: &'a Entry,
    tripped: &'a Tripped,
}

enum Packed<'a, R> {
    Stored(Take<&'a mut R>),
    Deflated(DeflateDecoder<BufReader<Take<&'a mut R>>>),
}

impl<'a, R: Read + Seek> Content<'a, R> {
    pub(super) fn open(reader: &'a mut R, entry: &'a Entry, tripped: &'a Tripped) -> io::Result<Self> {
        reader.seek(SeekFrom::Start(entry.content))?;
        let bytes = reader.take(entry.packed);
        let packed = if entry.method == DEFLATED {
            Packed::Deflated(DeflateDecoder::new(BufReader::with_capacity(BUFFER, bytes)))
        } else {
            Packed::Stored(bytes)
        };
        Ok(Self { packed, crc: Crc::new(), entry, tripped })
    }

    /// Reads what nobody wanted to its end, so that all of it is checked.
    pub(super) fn finish(mut self) -> io::Result<()> {
        io::copy(&mut self, &mut io::sink()).map(drop)
    }

    fn ended(&self) -> io::Result<()> {
        let read = match &self.packed {
            Packed::Stored(bytes) => self.entry.packed - bytes.limit(),
            Packed::Deflated(stream) => stream.total_in(),
        };
        if (read, self.unpacked()) != (self.entry.packed, self.entry.size) {
            return Err(trip(self.tripped, Refusal::Malformed { what: "content of another size" }));
        }
        if self.crc.sum() != self.entry.crc {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum is another"));
        }
        Ok(())
    }

    fn unpacked(&self) -> u64 {
        match &self.packed {
            Packed::Stored(bytes) => self.entry.packed - bytes.limit(),
            Packed::Deflated(stream) => stream.total_out(),
        }
    }
}

impl<R: Read + Seek> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.packed {
            Packed::Stored(bytes) => bytes.read(buffer),
            Packed::Deflated(stream) => stream.read(buffer),
        }?;
        if self.unpacked() > self.entry.size {
            return Err(trip(self.tripped, Refusal::Malformed { what: "content of another size" }));
        }
        self.crc.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() {
            self.ended()?;
        }
        Ok(read)
    }
}
