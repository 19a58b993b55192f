//! Archives from outside, unpacked within bounds: gzipped tar and zip, by the same rules. Every
//! entry is checked before anything of it reaches the disk; the first that is refused ends the
//! work, and nothing stays. An archive that two programs could read differently is refused.
//!
//! Nothing is ever written over or through what is there already: directories and files are made
//! new, in a directory of their own, and an entry below an earlier link is refused. Owners, times,
//! and of the mode all but the executable bit are left out.
//!
//! | module | owns |
//! |---|---|
//! | `tgz`, `pax`, `bounded` | a gzipped tar as checked members |
//! | `zip` | a zip as checked members |
//! | `deb` | a Debian package as checked members |
//! | `name` | names that a tree may have |
//! | `account` | bounds, and where in the archive the reader is |
//! | `extraction` | the tree that is filled |

mod account;
mod bounded;
mod deb;
mod extraction;
mod name;
mod pax;
mod refusal;
mod tgz;
mod zip;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Seek, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

pub use refusal::Refusal;

use crate::atomic::{Aside, directory_of};
use crate::error::{At, Error, Result};
use crate::scan::stays_inside;
use account::Account;
use extraction::Extraction;

/// Bytes copied from an archive at once.
const BUFFER: usize = 128 * 1024;

/// The mode of a file that is taken out of an archive alone: a program.
const MEMBER_MODE: u32 = 0o555;

/// The ratio is looked at only beyond this many unpacked bytes: a small text of one repeated line
/// packs as well as a bomb does, and does no harm.
const RATIO_FROM: u64 = 16 * 1024 * 1024;

/// The form of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A gzipped tar: `.tgz`, `.tar.gz`.
    Tgz,
    /// A zip file.
    Zip,
    /// A package of Debian's or Ubuntu's: what it would install.
    Deb,
    /// The same: what controls how it is installed.
    DebControl,
}

/// How much an archive may unpack to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries at most, extension headers and directories without an entry of their own included.
    pub entries: u64,
    /// Unpacked bytes at most; of a tar, headers included.
    pub bytes: u64,
    /// Bytes of an entry's name at most.
    pub path_len: usize,
    /// Unpacked bytes per packed byte at most, looked at beyond 16 MiB.
    pub ratio: u64,
}

impl Limits {
    /// For an npm package or a release archive. The largest known (a language server, an OpenCode
    /// binary of 180 MB) stay below a tenth of entries and bytes; executables pack about 3 : 1, and
    /// gzip cannot do better than 1030 : 1.
    pub const PACKAGE: Self =
        Self { entries: 500_000, bytes: 4 * 1024 * 1024 * 1024, path_len: 1024, ratio: 200 };
}

/// One member of an archive, checked.
struct Member {
    /// Relative, without `.` and `..`; empty for the archive's own root.
    path: PathBuf,
    kind: MemberKind,
}

/// What a member is.
enum MemberKind {
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

/// What is done with each member and its content.
type Each<'a> = dyn FnMut(&mut Account, Member, &mut dyn Read) -> Result<()> + 'a;

/// Unpacks the archive into `destination`, which must not be there; its parent must. The tree
/// appears there by one rename when the whole archive has been read. It is not flushed: what is to
/// be kept goes through a [`Staging`](crate::Staging). `kill -9` may leave a hidden
/// `.unpack-<random>` beside it.
///
/// # Errors
/// [`Error::Archive`] for a refused entry, [`Error::BrokenArchive`], [`Error::Exists`],
/// [`Error::Io`]; `destination` is then not there.
pub fn tree(reader: impl Read + Seek, format: Format, destination: &Path, limits: &Limits) -> Result<()> {
    if fs::symlink_metadata(destination).is_ok() {
        return Err(Error::Exists { path: destination.to_path_buf() });
    }
    let aside = tempfile::Builder::new()
        .prefix(".unpack-")
        .tempdir_in(directory_of(destination))
        .at("create a directory beside", destination)?;
    let root = aside.path().join("tree");
    let mut extraction = Extraction::new(&root)?;
    walk(reader, format, limits, &mut |account, member, content| extraction.make(account, member, content))?;
    fs::rename(&root, destination).at("create", destination)
}

/// Takes one file out of the archive: `member`, such as `package/bin/opencode`, is streamed to
/// `out`, flushed, and put there by one rename with mode 0555. The whole archive is read, so that a
/// second entry of that name or a broken end is noticed. Gives the file's size in bytes.
///
/// # Errors
/// [`Error::Archive`] with [`Refusal::Missing`], [`Refusal::NotAFile`] or what else is refused,
/// [`Error::BrokenArchive`], [`Error::Io`]; what was at `out` before is then untouched.
pub fn member(
    reader: impl Read + Seek,
    format: Format,
    member: &str,
    out: &Path,
    limits: &Limits,
) -> Result<u64> {
    let mut aside = Aside::beside(out)?;
    let mut sink = |bytes: &[u8]| aside.write_all(bytes).at("write", out);
    let size = stream_member(reader, format, member, limits, &mut sink)?;
    aside.finish(MEMBER_MODE)?;
    Ok(size)
}

/// Reads one small file of the archive, such as `package/package.json`, into memory.
/// [`Limits::bytes`] bounds the whole archive, `most` this file.
///
/// # Errors
/// As [`fn@member`]; [`Refusal::TooManyBytes`] beyond `most`.
pub fn read(
    reader: impl Read + Seek,
    format: Format,
    member: &str,
    most: u64,
    limits: &Limits,
) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    stream_member(reader, format, member, limits, &mut |bytes| {
        content.extend_from_slice(bytes);
        if content.len() as u64 > most {
            return Err(Error::Archive {
                entry: PathBuf::from(member),
                refusal: Refusal::TooManyBytes { limit: most },
            });
        }
        Ok(())
    })?;
    Ok(content)
}

/// The size in bytes of each regular file of the archive, by its path: what [`tree`] would make of it. The last of several files of one name
/// counts, as it does for those who unpack.
///
/// # Errors
/// [`Error::Archive`] for a refused entry, [`Error::BrokenArchive`].
pub fn sizes(reader: impl Read + Seek, format: Format, limits: &Limits) -> Result<BTreeMap<PathBuf, u64>> {
    let mut buffer = vec![0; BUFFER];
    let mut sizes = BTreeMap::new();
    walk(reader, format, limits, &mut |account, member, content| {
        if matches!(member.kind, MemberKind::File { .. }) {
            sizes.insert(member.path, pump(account, content, &mut buffer, &mut |_| Ok(()))?);
        }
        Ok(())
    })?;
    Ok(sizes)
}

fn walk(reader: impl Read + Seek, format: Format, limits: &Limits, each: &mut Each<'_>) -> Result<()> {
    match format {
        Format::Tgz => tgz::walk(reader, limits, each),
        Format::Zip => zip::walk(reader, limits, each),
        Format::Deb => deb::walk(reader, deb::Member::Data, limits, each),
        Format::DebControl => deb::walk(reader, deb::Member::Control, limits, each),
    }
}

/// Gives the bytes of one member to `sink`, piece by piece, and its size back.
fn stream_member(
    reader: impl Read + Seek,
    format: Format,
    wanted: &str,
    limits: &Limits,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let refuse = |refusal| Error::Archive { entry: PathBuf::from(wanted), refusal };
    let folded = name::folded(Path::new(wanted));
    let mut buffer = vec![0; BUFFER];
    let mut size = None;
    walk(reader, format, limits, &mut |account, member, content| {
        if member.path != Path::new(wanted) {
            if name::folded(&member.path) == folded {
                return Err(refuse(Refusal::SameElsewhere { other: member.path }));
            }
            return Ok(());
        }
        if !matches!(member.kind, MemberKind::File { .. }) {
            return Err(refuse(Refusal::NotAFile));
        }
        if size.is_some() {
            return Err(refuse(Refusal::Duplicate));
        }
        size = Some(pump(account, content, &mut buffer, sink)?);
        Ok(())
    })?;
    size.ok_or_else(|| refuse(Refusal::Missing))
}

/// Reads a member to its end.
fn pump(
    account: &Account,
    content: &mut dyn Read,
    buffer: &mut [u8],
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let mut size = 0;
    loop {
        let read = content.read(buffer).map_err(|error| account.broken(error))?;
        if read == 0 {
            return Ok(size);
        }
        sink(&buffer[..read])?;
        size += read as u64;
    }
}

/// Where a symbolic link at `path` may point: inside the tree.
fn link_target(path: &Path, target: Vec<u8>) -> std::result::Result<PathBuf, Refusal> {
    if target.contains(&0) {
        return Err(Refusal::BadName);
    }
    let target = PathBuf::from(OsString::from_vec(target));
    if !stays_inside(path, &target) {
        return Err(Refusal::LinkLeaves { target });
    }
    Ok(target)
}
