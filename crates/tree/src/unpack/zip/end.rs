//! The end of a zip archive: how many entries it has, and where its directory lies.
//!
//! Programs look for it backwards from the file's end, over a comment of up to 64 KiB in which
//! another end may be hidden; so there has to be exactly one that fits.

use std::io::{Read, Seek, SeekFrom};

use super::super::account::Account;
use super::fields::Fields;
use crate::error::{Error, Result};

/// Bytes of an end record without its comment.
const END: usize = 22;
/// Bytes of a zip64 end record without extensible data, which nobody uses.
const END64: usize = 56;
/// Bytes of the record that says where the zip64 end record lies.
const LOCATOR: usize = 20;
/// Where the end record begins: its signature.
const END_SIGNATURE: &[u8; 4] = b"PK\x05\x06";

/// Where the directory lies.
pub(super) struct End {
    pub(super) entries: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    /// Bytes of the whole file.
    pub(super) file: u64,
}

/// The fields of an end record, of either kind.
#[derive(Clone, Copy)]
struct Record {
    entries: u64,
    size: u64,
    offset: u64,
}

/// Finds the end of the archive. The directory ends where the end records begin.
pub(super) fn find(reader: &mut (impl Read + Seek), account: &Account) -> Result<End> {
    let broken = |error| account.broken(error);
    let file = reader.seek(SeekFrom::End(0)).map_err(broken)?;
    let most = (END + usize::from(u16::MAX) + LOCATOR + END64) as u64;
    let start = file.saturating_sub(most);
    let mut tail = Vec::new();
    reader.seek(SeekFrom::Start(start)).map_err(broken)?;
    reader.take(most).read_to_end(&mut tail).map_err(broken)?;
    let at = position(&tail, account)?;
    let short = short(&tail[at..]).ok_or_else(|| account.malformed("more than one disk"))?;
    let (record, end) = match locator(&tail[..at]) {
        None => (short, at),
        Some(locator) => {
            let record = zip64(&tail[..at], start, locator, &short);
            (record.ok_or_else(|| account.malformed("zip64 end"))?, at - LOCATOR - END64)
        }
    };
    let Record { entries, size, offset } = record;
    if offset.checked_add(size) != Some(start + end as u64) {
        return Err(account.malformed("a directory that does not end where the archive does"));
    }
    Ok(End { entries, offset, size, file })
}

/// Where in the file's last bytes the one end record begins that ends with the file.
fn position(tail: &[u8], account: &Account) -> Result<usize> {
    let starts = || (0..tail.len()).filter(|at| tail[*at..].starts_with(END_SIGNATURE));
    let mut fitting = starts().filter(|at| {
        let comment =
            Fields(&tail[*at..]).bytes(END - 2).zip(Fields(&tail[(*at + END - 2).min(tail.len())..]).u16());
        comment.is_some_and(|(_, length)| at + END + usize::from(length) == tail.len())
    });
    match (fitting.next(), fitting.next()) {
        (Some(at), None) => Ok(at),
        (Some(_), Some(_)) => Err(account.malformed("two ends")),
        (None, _) if starts().next().is_some() => {
            Err(account.malformed("bytes after the end of the archive"))
        }
        (None, _) => {
            let source =
                std::io::Error::new(std::io::ErrorKind::InvalidData, "it has no end of a zip archive");
            Err(Error::BrokenArchive { after: std::path::PathBuf::new(), source })
        }
    }
}

/// An end record, of an archive in one piece.
fn short(bytes: &[u8]) -> Option<Record> {
    let mut fields = Fields(bytes);
    fields.bytes(END_SIGNATURE.len())?;
    let (disk, directory_disk) = (fields.u16()?, fields.u16()?);
    let (here, entries) = (fields.u16()?, fields.u16()?);
    let record = Record { entries: entries.into(), size: fields.u32()?.into(), offset: fields.u32()?.into() };
    (disk == 0 && directory_disk == 0 && here == entries).then_some(record)
}

/// The locator before the end record, where there is one.
fn locator(before: &[u8]) -> Option<Fields<'_>> {
    let mut fields = Fields(&before[before.len().checked_sub(LOCATOR)?..]);
    fields.signature(0x0706_4b50)?;
    Some(fields)
}

/// The zip64 end record, right before its locator, and at one with the short one as far as that
/// can say it.
fn zip64(before: &[u8], start: u64, mut locator: Fields<'_>, short: &Record) -> Option<Record> {
    let (disk, offset, disks) = (locator.u32()?, locator.u64()?, locator.u32()?);
    let at = before.len().checked_sub(LOCATOR + END64)?;
    if disk != 0 || disks != 1 || offset != start + at as u64 {
        return None;
    }
    let mut fields = Fields(&before[at..]);
    fields.signature(0x0606_4b50)?;
    let own_size = fields.u64()?;
    fields.bytes(4)?;
    let (disk, directory_disk) = (fields.u32()?, fields.u32()?);
    let (here, entries) = (fields.u64()?, fields.u64()?);
    let record = Record { entries, size: fields.u64()?, offset: fields.u64()? };
    let agrees = |short: u64, full: u64, unsaid: u64| short == full || short == unsaid;
    let whole = own_size == END64 as u64 - 12 && disk == 0 && directory_disk == 0 && here == entries;
    (whole
        && agrees(short.entries, entries, u16::MAX.into())
        && agrees(short.size, record.size, u32::MAX.into())
        && agrees(short.offset, record.offset, u32::MAX.into()))
    .then_some(record)
}
