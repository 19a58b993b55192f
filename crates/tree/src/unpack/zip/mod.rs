//! A zip archive as a sequence of checked members. Never touches the disk.
//!
//! A zip says everything twice: in a directory at its end, and in a header before each file.
//! Programs differ in which of the two they believe, and where they look for the end. So the layout
//! is read as a whole before anything is unpacked (`layout`), and refused unless headers and
//! directory agree and every byte belongs to exactly one thing. A reader that takes either side's
//! word, as the `zip` crate does, is what the tests compare with.

mod content;
mod directory;
mod end;
mod fields;
mod layout;

use std::io::{Read, Seek};

use super::account::{Account, Tripped};
use super::name::relative;
use super::{Each, Limits, Member, MemberKind, Refusal, link_target};
use crate::error::Result;
use content::Content;
use directory::Entry;

/// Gives every member to `each`, in the order in which they lie in the file.
pub(super) fn walk<R: Read + Seek>(mut reader: R, limits: &Limits, each: &mut Each<'_>) -> Result<()> {
    let tripped = Tripped::default();
    let mut account = Account::new(limits, tripped.clone());
    for entry in layout::read(&mut reader, &mut account)? {
        account.at(entry.name.clone());
        let kind = kind(&entry).map_err(|refusal| account.refuse(refusal))?;
        let path = relative(&entry.name, limits.path_len).map_err(|refusal| account.refuse(refusal))?;
        if path.as_os_str().is_empty() && kind != Kind::Directory {
            return Err(account.refuse(Refusal::BadName));
        }
        let mut content =
            Content::open(&mut reader, &entry, &tripped).map_err(|error| account.broken(error))?;
        let kind = match kind {
            Kind::Directory if entry.size != 0 => {
                return Err(account.malformed("content of what is not a file"));
            }
            Kind::Directory => MemberKind::Directory,
            Kind::File { executable } => MemberKind::File { executable },
            Kind::Link => {
                let target = target(&account, &entry, &mut content)?;
                let target = link_target(&path, target).map_err(|refusal| account.refuse(refusal))?;
                MemberKind::Link { target }
            }
        };
        each(&mut account, Member { path, kind }, &mut content)?;
        content.finish().map_err(|error| account.broken(error))?;
    }
    Ok(())
}

/// What an entry is, its content not looked at yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File { executable: bool },
    Link,
}

/// A Unix mode in the upper half of the attributes, where a Unix program made the archive; a slash
/// at the name's end for a directory everywhere. Where the two differ, so do readers.
fn kind(entry: &Entry) -> std::result::Result<Kind, Refusal> {
    let malformed = |what| Err(Refusal::Malformed { what });
    let special = |kind| Err(Refusal::Special { kind });
    if entry.mode & 0o7000 != 0 {
        return Err(Refusal::SetId { mode: entry.mode & 0o7777 });
    }
    let directory = entry.name.ends_with(b"/");
    match entry.mode & 0o170_000 {
        0o040_000 if !directory => malformed("a directory without a slash at its name's end"),
        0 | 0o040_000 if directory => Ok(Kind::Directory),
        0 if entry.dos_directory => malformed("a directory without a slash at its name's end"),
        _ if directory => malformed("a slash at the end of the name of what is not a directory"),
        0 | 0o100_000 => Ok(Kind::File { executable: entry.unix && entry.mode & 0o100 != 0 }),
        0o120_000 if entry.unix => Ok(Kind::Link),
        0o120_000 => malformed("a link, made where there are none"),
        0o010_000 => special("pipe"),
        0o060_000 => special("block device"),
        0o020_000 => special("character device"),
        0o140_000 => special("socket"),
        other => Err(Refusal::UnknownType { flag: (other >> 12) as u8 }),
    }
}

/// The content of a link is where it points.
fn target(account: &Account, entry: &Entry, content: &mut impl Read) -> Result<Vec<u8>> {
    let limit = account.limits.path_len;
    if entry.size > limit as u64 {
        return Err(account.refuse(Refusal::NameTooLong { limit }));
    }
    let mut target = Vec::new();
    content.read_to_end(&mut target).map_err(|error| account.broken(error))?;
    Ok(target)
}
