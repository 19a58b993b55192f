//! All entries of a zip archive, and the proof that every byte of the file belongs to exactly one
//! of them, to the directory or to the end. Bounds on bytes are judged here, before anything is
//! unpacked: nothing unpacks to more than it says (`content`).

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};

use super::super::account::Account;
use super::super::{RATIO_FROM, Refusal};
use super::directory::Entry;
use super::end::{self, End};
use super::fields::Fields;
use crate::error::{Error, Result};

/// Bytes of a directory at most: 100 for each of 640,000 entries.
const MAX_DIRECTORY: u64 = 64 * 1024 * 1024;

/// Bytes of the header before a file, without name and extra fields.
const LOCAL: usize = 30;

/// Bytes behind a file's content at most.
const MAX_DESCRIPTOR: u64 = 24;

/// The entries in the order in which they lie in the file.
pub(super) fn read(reader: &mut (impl Read + Seek), account: &mut Account) -> Result<Vec<Entry>> {
    let end = end::find(reader, account)?;
    let mut entries = directory(reader, &end, account)?;
    bounded(&entries, &end, account)?;
    entries.sort_by_key(|entry| entry.offset);
    tile(reader, &mut entries, end.offset, account)?;
    Ok(entries)
}

fn directory(reader: &mut (impl Read + Seek), end: &End, account: &mut Account) -> Result<Vec<Entry>> {
    if end.size > MAX_DIRECTORY {
        return Err(account.malformed("a directory of over 64 MiB"));
    }
    let bytes = at(reader, end.offset, end.size).map_err(|error| account.broken(error))?;
    let mut fields = Fields(&bytes);
    let mut entries = Vec::new();
    let mut names = BTreeSet::new();
    while !fields.0.is_empty() {
        let (name, entry) = Entry::parse(&mut fields);
        account.at(name.clone());
        account.count()?;
        entries.push(entry.map_err(|refusal| account.refuse(refusal))?);
        if !names.insert(name) {
            return Err(account.refuse(Refusal::Duplicate));
        }
    }
    if entries.len() as u64 != end.entries {
        return Err(account.malformed("another number of entries than the end says"));
    }
    Ok(entries)
}

/// What they say that they unpack to.
fn bounded(entries: &[Entry], end: &End, account: &mut Account) -> Result<()> {
    let mut unpacked: u64 = 0;
    for entry in entries {
        account.at(entry.name.clone());
        unpacked = unpacked.saturating_add(entry.size);
        if unpacked > account.limits.bytes {
            return Err(account.refuse(Refusal::TooManyBytes { limit: account.limits.bytes }));
        }
        if unpacked > RATIO_FROM && unpacked > end.file.saturating_mul(account.limits.ratio) {
            return Err(account.refuse(Refusal::Ratio { limit: account.limits.ratio }));
        }
    }
    Ok(())
}

/// Entry by entry, each begins where the one before ends; the first at the file's beginning, and
/// the directory behind the last.
fn tile(
    reader: &mut (impl Read + Seek),
    entries: &mut [Entry],
    directory: u64,
    account: &mut Account,
) -> Result<()> {
    let starts: Vec<u64> = entries.iter().skip(1).map(|entry| entry.offset).chain([directory]).collect();
    let mut before = 0;
    for (entry, next) in entries.iter_mut().zip(starts) {
        account.at(entry.name.clone());
        if entry.offset != before {
            return Err(between(account, before, entry.offset));
        }
        let behind = local(reader, entry, next, account)?;
        if entry.described() && next.checked_sub(behind).is_some_and(|gap| gap <= MAX_DESCRIPTOR) {
            let bytes = at(reader, behind, next - behind).map_err(|error| account.broken(error))?;
            entry.check_descriptor(&bytes).map_err(|refusal| account.refuse(refusal))?;
        } else if behind != next {
            return Err(between(account, behind, next));
        }
        before = next;
    }
    if before == directory { Ok(()) } else { Err(between(account, before, directory)) }
}

/// Reads the header before the content; gives where the content ends.
fn local(reader: &mut (impl Read + Seek), entry: &mut Entry, next: u64, account: &Account) -> Result<u64> {
    let header = || account.malformed("header");
    let fixed = at(reader, entry.offset, LOCAL as u64).map_err(|error| account.broken(error))?;
    let mut fields = Fields(&fixed);
    fields.signature(0x0403_4b50).ok_or_else(header)?;
    let common = fields.0;
    let mut lengths = Fields(common.get(22..).ok_or_else(header)?);
    let (name_len, extra_len) = lengths.u16().zip(lengths.u16()).ok_or_else(header)?;
    let start = entry.offset + LOCAL as u64;
    let names = at(reader, start, u64::from(name_len) + u64::from(extra_len));
    let names = names.map_err(|error| account.broken(error))?;
    let (name, extra) = names.split_at_checked(name_len.into()).ok_or_else(header)?;
    entry.check_local(name, common, extra).map_err(|refusal| account.refuse(refusal))?;
    entry.content = start + names.len() as u64;
    match entry.content.checked_add(entry.packed) {
        Some(behind) if behind <= next => Ok(behind),
        _ => Err(account.refuse(Refusal::Overlap)),
    }
}

/// What it means that something begins elsewhere than what lies before it ends.
fn between(account: &Account, ends: u64, begins: u64) -> Error {
    if begins < ends {
        return account.refuse(Refusal::Overlap);
    }
    account.malformed("bytes that belong to no entry")
}

/// So many bytes of the file, all of them.
fn at(reader: &mut (impl Read + Seek), start: u64, length: u64) -> std::io::Result<Vec<u8>> {
    reader.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    reader.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}
