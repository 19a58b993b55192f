//! An archive as a sequence of checked members: name, kind and mode are what a tree may hold.
//! Never touches the disk.
//!
//! Extension headers (long names of GNU tar, pax records) are read here and not by the tar crate,
//! so that their size is bounded, and so that no two readings of one archive differ: a size given
//! twice and differently is refused.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use tar::{Archive, Entries, EntryType};

use super::bounded::{Bounded, Tripped};
use super::{Limits, Refusal};
use crate::error::{Error, Result};
use crate::scan::stays_inside;

/// Bytes of one extension header at most. Real ones hold a name or some attributes of a file.
const MAX_EXTENSION: u64 = 1024 * 1024;

/// Bytes of one component of a name at most: what Linux and macOS allow.
const MAX_COMPONENT: usize = 255;

type RawEntry<'a, R> = tar::Entry<'a, Bounded<R>>;

/// One member of an archive, checked.
pub(super) struct Member {
    /// Relative, without `.` and `..`; empty for the archive's own root.
    pub(super) path: PathBuf,
    pub(super) kind: MemberKind,
}

/// What a member is.
pub(super) enum MemberKind {
    Directory,
    File {
        executable: bool,
    },
    Link {
        target: PathBuf,
    },
    /// Another name for an earlier member.
    Hard {
        target: PathBuf,
    },
}

/// The members of a gzipped tar archive, one after the other.
pub(super) struct Members<'a, R: Read> {
    entries: Entries<'a, Bounded<R>>,
    limits: Limits,
    seen: u64,
    last: PathBuf,
    tripped: Tripped,
}

/// What extension headers say about the entry that follows.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Opens a gzipped tar archive within bounds.
pub(super) fn open<R: Read>(reader: R, limits: &Limits) -> (Archive<Bounded<R>>, Tripped) {
    let stream = Bounded::gzip(reader, *limits);
    let tripped = stream.tripped();
    (Archive::new(stream), tripped)
}

impl<'a, R: Read> Members<'a, R> {
    pub(super) fn new(
        archive: &'a mut Archive<Bounded<R>>,
        tripped: Tripped,
        limits: &Limits,
    ) -> Result<Self> {
        let entries =
            archive.entries().map_err(|source| Error::BrokenArchive { after: PathBuf::new(), source })?;
        Ok(Self { entries: entries.raw(true), limits: *limits, seen: 0, last: PathBuf::new(), tripped })
    }

    /// The next member, and its content as a reader.
    pub(super) fn next(&mut self) -> Result<Option<(Member, RawEntry<'a, R>)>> {
        let mut extended = Extended::default();
        loop {
            let Some(entry) = self.entries.next() else {
                return Ok(None);
            };
            let mut entry = entry.map_err(|error| self.broken(error))?;
            self.last = PathBuf::from(OsString::from_vec(entry.path_bytes().into_owned()));
            self.count()?;
            if !self.extend(&mut entry, &mut extended)? {
                let member = self.member(&entry, extended)?;
                return Ok(Some((member, entry)));
            }
        }
    }

    /// Counts one thing against the bound on entries.
    pub(super) fn count(&mut self) -> Result<()> {
        self.seen += 1;
        if self.seen > self.limits.entries {
            let limit = self.limits.entries;
            return Err(self.refuse(Refusal::TooManyEntries { limit }));
        }
        Ok(())
    }

    /// Refuses the archive because of the member that was read last.
    pub(super) fn refuse(&self, refusal: Refusal) -> Error {
        Error::Archive { entry: self.last.clone(), refusal }
    }

    /// What a failed read of the archive means.
    pub(super) fn broken(&self, source: io::Error) -> Error {
        match self.tripped.take() {
            Some(refusal) => self.refuse(refusal),
            None => Error::BrokenArchive { after: self.last.clone(), source },
        }
    }

    /// Takes in an extension header; `false` if the entry is an ordinary one.
    fn extend(&mut self, entry: &mut RawEntry<'a, R>, extended: &mut Extended) -> Result<bool> {
        match entry.header().entry_type() {
            EntryType::GNULongName => extended.path = Some(self.long_name(entry)?),
            EntryType::GNULongLink => extended.link = Some(self.long_name(entry)?),
            EntryType::XHeader => {
                let records = self.extension(entry)?;
                extended.records(&records).map_err(|refusal| self.refuse(refusal))?;
            }
            EntryType::XGlobalHeader => {
                let mut global = Extended::default();
                let records = self.extension(entry)?;
                global.records(&records).map_err(|refusal| self.refuse(refusal))?;
                if global.path.is_some() || global.link.is_some() || global.size.is_some() {
                    let what = "a name or size for all entries";
                    return Err(self.refuse(Refusal::Malformed { what }));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn long_name(&self, entry: &mut RawEntry<'a, R>) -> Result<Vec<u8>> {
        let mut name = self.extension(entry)?;
        if name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    fn extension(&self, entry: &mut RawEntry<'a, R>) -> Result<Vec<u8>> {
        if entry.size() > MAX_EXTENSION {
            let what = "an extension header of over a megabyte";
            return Err(self.refuse(Refusal::Malformed { what }));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|error| self.broken(error))?;
        Ok(bytes)
    }

    fn member(&mut self, entry: &RawEntry<'a, R>, extended: Extended) -> Result<Member> {
        let header = entry.header();
        let name = extended.path.unwrap_or_else(|| header.path_bytes().into_owned());
        self.last = PathBuf::from(OsString::from_vec(name.clone()));
        let refuse = |refusal| self.refuse(refusal);
        let link = extended.link.or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
        if extended.size.is_some_and(|size| size != entry.size()) {
            return Err(refuse(Refusal::Malformed { what: "two different sizes" }));
        }
        let mode = header.mode().map_err(|_| refuse(Refusal::Malformed { what: "mode" }))?;
        if mode & 0o6000 != 0 {
            return Err(refuse(Refusal::SetId { mode: mode & 0o7777 }));
        }
        let path = relative(&name, self.limits.path_len).map_err(refuse)?;
        let kind = self.kind(entry, &name, &path, mode, link).map_err(refuse)?;
        if !matches!(kind, MemberKind::File { .. }) && entry.size() != 0 {
            return Err(refuse(Refusal::Malformed { what: "content of what is not a file" }));
        }
        if path.as_os_str().is_empty() && !matches!(kind, MemberKind::Directory) {
            return Err(refuse(Refusal::BadName));
        }
        Ok(Member { path, kind })
    }

    fn kind(
        &self,
        entry: &RawEntry<'a, R>,
        name: &[u8],
        path: &Path,
        mode: u32,
        link: Option<Vec<u8>>,
    ) -> std::result::Result<MemberKind, Refusal> {
        let target = || link.filter(|link| !link.contains(&0)).ok_or(Refusal::BadName);
        let special = |kind| Err(Refusal::Special { kind });
        match entry.header().entry_type() {
            // Before there was a type for directories, a slash at the end told them.
            EntryType::Regular if name.ends_with(b"/") => Ok(MemberKind::Directory),
            EntryType::Regular | EntryType::Continuous => {
                Ok(MemberKind::File { executable: mode & 0o100 != 0 })
            }
            EntryType::Directory => Ok(MemberKind::Directory),
            EntryType::Symlink => {
                let target = PathBuf::from(OsString::from_vec(target()?));
                if !stays_inside(path, &target) {
                    return Err(Refusal::LinkLeaves { target });
                }
                Ok(MemberKind::Link { target })
            }
            EntryType::Link => Ok(MemberKind::Hard { target: relative(&target()?, self.limits.path_len)? }),
            EntryType::Fifo => special("pipe"),
            EntryType::Block => special("block device"),
            EntryType::Char => special("character device"),
            other => Err(Refusal::UnknownType { flag: other.as_byte() }),
        }
    }
}

impl Extended {
    fn records(&mut self, records: &[u8]) -> std::result::Result<(), Refusal> {
        let malformed = || Refusal::Malformed { what: "pax record" };
        for record in tar::PaxExtensions::new(records) {
            let record = record.map_err(|_| malformed())?;
            let value = record.value_bytes();
            match record.key_bytes() {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => {
                    let digits = std::str::from_utf8(value).map_err(|_| malformed())?;
                    self.size = Some(digits.parse().map_err(|_| malformed())?);
                }
                key if key.starts_with(b"GNU.sparse") => {
                    return Err(Refusal::Malformed { what: "sparse file" });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A member's name as a relative path without `.` components and doubled slashes.
fn relative(name: &[u8], limit: usize) -> std::result::Result<PathBuf, Refusal> {
    if name.is_empty() || name.contains(&0) {
        return Err(Refusal::BadName);
    }
    if name.len() > limit {
        return Err(Refusal::NameTooLong { limit });
    }
    if name.starts_with(b"/") {
        return Err(Refusal::AbsolutePath);
    }
    let mut path = PathBuf::new();
    for component in name.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(Refusal::ParentComponent),
            long if long.len() > MAX_COMPONENT => {
                return Err(Refusal::NameTooLong { limit: MAX_COMPONENT });
            }
            name => path.push(std::ffi::OsStr::from_bytes(name)),
        }
    }
    Ok(path)
}
