//! A gzipped tar archive as a sequence of checked members. Never touches the disk.
//!
//! Extension headers (long names of GNU tar, pax records) and sizes are read here and not by the
//! tar crate, so that their size is bounded, and so that no two readings of one archive differ: a
//! size or a name given twice and differently is refused, and so is whatever follows the end.

use std::io::Read;
use std::path::{Path, PathBuf};

use tar::{Archive, EntryType, Header};

use super::account::Account;
use super::bounded::{Bounded, Packing};
use super::name::relative;
use super::pax::Extended;
use super::{Each, Limits, Member, MemberKind, Refusal, link_target};
use crate::error::{Error, Result};

/// Bytes of one extension header at most. Real ones hold a name or some attributes of a file.
const MAX_EXTENSION: u64 = 1024 * 1024;

type Entry<'a, R> = tar::Entry<'a, Bounded<R>>;

/// Gives every member to `each`, one after the other, and reads the archive to its end.
pub(super) fn walk<R: Read>(reader: R, limits: &Limits, each: &mut Each<'_>) -> Result<()> {
    walk_packed(reader, Packing::Gzip, Links::Relative, limits, each)
}

/// What absolute links mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// There are none in such an archive.
    Relative,
    /// They begin at the archive's root, which is a machine's.
    Rooted,
}

/// A tar that is packed some way.
pub(super) fn walk_packed<R: Read>(
    reader: R,
    packing: Packing,
    links: Links,
    limits: &Limits,
    each: &mut Each<'_>,
) -> Result<()> {
    let unreadable = |source| Error::BrokenArchive { after: PathBuf::new(), source };
    let stream = Bounded::new(reader, packing, *limits).map_err(unreadable)?;
    let mut account = Account::new(limits, stream.tripped());
    let mut archive = Archive::new(stream);
    let entries = archive.entries().map_err(|error| account.broken(error))?;
    let mut extended = Extended::default();
    let mut announced = false;
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(|error| account.broken(error))?;
        account.at(entry.path_bytes().into_owned());
        account.count()?;
        check_form(&account, entry.header())?;
        check_size(&account, &entry)?;
        if extend(&account, &mut entry, &mut extended)? {
            announced |= entry.header().entry_type() != EntryType::XGlobalHeader;
            continue;
        }
        announced = false;
        let member = member(&mut account, &entry, std::mem::take(&mut extended), links)?;
        each(&mut account, member, &mut entry)?;
    }
    if announced {
        return Err(account.malformed("an extension header with nothing after it"));
    }
    ended(archive.into_inner(), &account)
}

/// Reads what follows the archive's end, within the same bounds: the checksum of the compressed
/// stream is only there. One block of zeros is an end to some programs, two to others, and some go
/// on behind it; so there is nothing but zeros.
fn ended<R: Read>(mut stream: Bounded<R>, account: &Account) -> Result<()> {
    let mut buffer = [0; 8192];
    loop {
        let read = stream.read(&mut buffer).map_err(|error| account.broken(error))?;
        if read == 0 {
            return Ok(());
        }
        if buffer[..read].iter().any(|byte| *byte != 0) {
            return Err(account.malformed("bytes after the end of the archive"));
        }
    }
}

/// Without the words of POSIX or GNU tar, some programs take a header for one from before there were types, long names and
/// prefixes of names, and others do not.
fn check_form(account: &Account, header: &Header) -> Result<()> {
    if header.as_ustar().is_none() && header.as_gnu().is_none() {
        return Err(account.malformed("neither of POSIX's nor of GNU's form"));
    }
    Ok(())
}

/// A size is octal digits, or a big-endian number behind the byte 0x80; the tar crate looks at no
/// more than the last eight bytes of that, and takes a sign and what follows a zero byte.
fn check_size<R: Read>(account: &Account, entry: &Entry<'_, R>) -> Result<()> {
    let [first, rest @ ..] = &entry.header().as_old().size;
    let well_formed = if first & 0x80 == 0 {
        let digits = |byte: &u8| matches!(byte, b'0'..=b'7' | b' ' | 0);
        digits(first) && rest.iter().all(digits)
    } else {
        *first == 0x80 && rest[..3] == [0; 3]
    };
    if !well_formed {
        return Err(account.malformed("size"));
    }
    Ok(())
}

/// Takes in an extension header; `false` if the entry is an ordinary one.
fn extend<R: Read>(account: &Account, entry: &mut Entry<'_, R>, extended: &mut Extended) -> Result<bool> {
    let refuse = |refusal| account.refuse(refusal);
    match entry.header().entry_type() {
        EntryType::GNULongName => extended.set_path(long_name(account, entry)?).map_err(refuse)?,
        EntryType::GNULongLink => extended.set_link(long_name(account, entry)?).map_err(refuse)?,
        EntryType::XHeader => extended.records(&extension(account, entry)?).map_err(refuse)?,
        EntryType::XGlobalHeader => {
            let mut global = Extended::default();
            global.records(&extension(account, entry)?).map_err(refuse)?;
            if global != Extended::default() {
                return Err(account.malformed("a name or size for all entries"));
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn long_name<R: Read>(account: &Account, entry: &mut Entry<'_, R>) -> Result<Vec<u8>> {
    let mut name = extension(account, entry)?;
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn extension<R: Read>(account: &Account, entry: &mut Entry<'_, R>) -> Result<Vec<u8>> {
    if entry.size() > MAX_EXTENSION {
        return Err(account.malformed("an extension header of over a megabyte"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| account.broken(error))?;
    Ok(bytes)
}

fn member<R: Read>(
    account: &mut Account,
    entry: &Entry<'_, R>,
    extended: Extended,
    links: Links,
) -> Result<Member> {
    let header = entry.header();
    let name = extended.path.unwrap_or_else(|| header.path_bytes().into_owned());
    account.at(name.clone());
    let link = extended.link.or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
    if extended.size.is_some_and(|size| size != entry.size()) {
        return Err(account.malformed("two different sizes"));
    }
    if entry.size() > account.limits.bytes {
        return Err(account.refuse(Refusal::TooManyBytes { limit: account.limits.bytes }));
    }
    let mode = header.mode().map_err(|_| account.malformed("mode"))?;
    let refuse = |refusal| -> Error { account.refuse(refusal) };
    if mode & 0o7000 != 0 {
        return Err(refuse(Refusal::SetId { mode: mode & 0o7777 }));
    }
    let limit = account.limits.path_len;
    let path = relative(&name, limit).map_err(refuse)?;
    let described = Described { kind: header.entry_type(), name: &name, path: &path, mode, link, links };
    let kind = kind(described, limit).map_err(refuse)?;
    if !matches!(kind, MemberKind::File { .. }) && entry.size() != 0 {
        return Err(account.malformed("content of what is not a file"));
    }
    if path.as_os_str().is_empty() && !matches!(kind, MemberKind::Directory) {
        return Err(refuse(Refusal::BadName));
    }
    Ok(Member { path, kind })
}

/// An absolute target as one that leads from `path` to the same place below the archive's root.
fn from_root(path: &Path, target: Vec<u8>, links: Links) -> Vec<u8> {
    match target.split_first() {
        Some((b'/', rest)) if links == Links::Rooted => {
            [b"../".repeat(path.components().count().saturating_sub(1)), rest.to_vec()].concat()
        }
        _ => target,
    }
}

/// What headers say of a member.
struct Described<'a> {
    kind: EntryType,
    name: &'a [u8],
    path: &'a Path,
    mode: u32,
    link: Option<Vec<u8>>,
    links: Links,
}

fn kind(described: Described<'_>, limit: usize) -> std::result::Result<MemberKind, Refusal> {
    let Described { kind, name, path, mode, link, links } = described;
    let special = |kind| Err(Refusal::Special { kind });
    let target = || link.ok_or(Refusal::BadName);
    match kind {
        // Before there was a type for directories, a slash at the end told them.
        EntryType::Regular if name.ends_with(b"/") => Ok(MemberKind::Directory),
        EntryType::Regular | EntryType::Continuous => Ok(MemberKind::File { executable: mode & 0o100 != 0 }),
        EntryType::Directory => Ok(MemberKind::Directory),
        EntryType::Symlink => {
            Ok(MemberKind::Link { target: link_target(path, from_root(path, target()?, links))? })
        }
        EntryType::Link => {
            let target: PathBuf = relative(&target()?, limit)?;
            Ok(MemberKind::Hard { target })
        }
        EntryType::Fifo => special("pipe"),
        EntryType::Block => special("block device"),
        EntryType::Char => special("character device"),
        other => Err(Refusal::UnknownType { flag: other.as_byte() }),
    }
}
