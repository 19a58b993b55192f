//! Archives from outside, unpacked within bounds. Every entry is checked before anything of it
//! reaches the disk; the first that is refused ends the work, and nothing stays.
//!
//! Nothing is ever written over or through what is there already: directories and files are made
//! new, in a directory of their own, and an entry below an earlier link is refused. Owners, times,
//! and of the mode all but the executable bit are left out.

mod bounded;
mod entries;
mod refusal;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub use refusal::Refusal;

use crate::atomic::{Aside, directory_of};
use crate::error::{At, Error, Result};
use entries::{Member, MemberKind, Members, open};

/// Bytes copied from an archive at once.
const BUFFER: usize = 128 * 1024;

/// The mode of a file that is taken out of an archive alone: a program.
const MEMBER_MODE: u32 = 0o555;

/// How much an archive may unpack to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries at most, extension headers and directories without an entry of their own included.
    pub entries: u64,
    /// Bytes of the unpacked stream at most, headers included.
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

/// Unpacks the gzipped tar archive into `destination`, which must not be there; its parent must.
/// The tree appears there by one rename when the whole archive has been read. It is not flushed:
/// what is to be kept goes through a [`Staging`](crate::Staging). `kill -9` may leave a hidden `.unpack-<random>` beside it.
///
/// # Errors
/// [`Error::Archive`] for a refused entry, [`Error::BrokenArchive`], [`Error::Exists`],
/// [`Error::Io`]; `destination` is then not there.
pub fn tgz(reader: impl Read, destination: &Path, limits: &Limits) -> Result<()> {
    if fs::symlink_metadata(destination).is_ok() {
        return Err(Error::Exists { path: destination.to_path_buf() });
    }
    let aside = tempfile::Builder::new()
        .prefix(".unpack-")
        .tempdir_in(directory_of(destination))
        .at("create a directory beside", destination)?;
    let tree = aside.path().join("tree");
    let mut extraction = Extraction { root: &tree, made: BTreeMap::new(), buffer: vec![0; BUFFER] };
    extraction.directory(Path::new(""))?;
    let (mut archive, tripped) = open(reader, limits);
    let mut members = Members::new(&mut archive, tripped, limits)?;
    while let Some((member, content)) = members.next()? {
        extraction.make(&mut members, member, content)?;
    }
    drain(archive)?;
    fs::rename(&tree, destination).at("create", destination)
}

/// Takes one file out of the gzipped tar archive: `member`, such as `package/bin/opencode`, is
/// streamed to `out`, flushed, and put there by one rename with mode 0555. The whole archive is
/// read, so that a second entry of that name or a broken end is noticed. Gives the file's size in
/// bytes.
///
/// # Errors
/// [`Error::Archive`] with [`Refusal::Missing`], [`Refusal::NotAFile`] or what else is refused,
/// [`Error::BrokenArchive`], [`Error::Io`]; what was at `out` before is then untouched.
pub fn tgz_member(reader: impl Read, member: &str, out: &Path, limits: &Limits) -> Result<u64> {
    let mut aside = Aside::beside(out)?;
    let size = stream_member(reader, member, limits, &mut |bytes| aside.write_all(bytes).at("write", out))?;
    aside.finish(MEMBER_MODE)?;
    Ok(size)
}

/// Reads one small file of the gzipped tar archive, such as `package/package.json`, into memory.
/// [`Limits::bytes`] bounds the whole archive, `most` this file.
///
/// # Errors
/// As [`tgz_member`]; [`Refusal::TooManyBytes`] beyond `most`.
pub fn tgz_read(reader: impl Read, member: &str, most: u64, limits: &Limits) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    stream_member(reader, member, limits, &mut |bytes| {
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

/// Gives the bytes of one member to `sink`, piece by piece, and its size back.
fn stream_member(
    reader: impl Read,
    wanted: &str,
    limits: &Limits,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let refuse = |refusal| Error::Archive { entry: PathBuf::from(wanted), refusal };
    let (mut archive, tripped) = open(reader, limits);
    let mut members = Members::new(&mut archive, tripped, limits)?;
    let mut buffer = vec![0; BUFFER];
    let mut size = None;
    while let Some((member, mut content)) = members.next()? {
        if member.path != Path::new(wanted) {
            continue;
        }
        if !matches!(member.kind, MemberKind::File { .. }) {
            return Err(refuse(Refusal::NotAFile));
        }
        if size.is_some() {
            return Err(refuse(Refusal::Duplicate));
        }
        size = Some(pump(&members, &mut content, &mut buffer, sink)?);
    }
    drain(archive)?;
    size.ok_or_else(|| refuse(Refusal::Missing))
}

/// Reads a member to its end.
fn pump<R: Read>(
    members: &Members<'_, R>,
    content: &mut impl Read,
    buffer: &mut [u8],
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let mut size = 0;
    loop {
        let read = content.read(buffer).map_err(|error| members.broken(error))?;
        if read == 0 {
            return Ok(size);
        }
        sink(&buffer[..read])?;
        size += read as u64;
    }
}

/// Reads what follows the archive's end, within the same bounds: the checksum of the compressed
/// stream is only there.
fn drain<R: Read>(archive: tar::Archive<bounded::Bounded<R>>) -> Result<()> {
    let mut stream = archive.into_inner();
    let tripped = stream.tripped();
    let broken = |source| match tripped.take() {
        Some(refusal) => Error::Archive { entry: PathBuf::new(), refusal },
        None => Error::BrokenArchive { after: PathBuf::new(), source },
    };
    std::io::copy(&mut stream, &mut std::io::sink()).map_err(broken)?;
    Ok(())
}

/// What an extraction has made at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Directory,
    File,
    Link,
}

/// A tree that is being filled from an archive.
struct Extraction<'a> {
    root: &'a Path,
    made: BTreeMap<PathBuf, Made>,
    buffer: Vec<u8>,
}

impl Extraction<'_> {
    fn make<R: Read>(
        &mut self,
        members: &mut Members<'_, R>,
        member: Member,
        mut content: impl Read,
    ) -> Result<()> {
        let Member { path, kind } = member;
        self.parents(members, &path)?;
        match (self.made.get(&path), &kind) {
            (Some(Made::Directory), MemberKind::Directory) => return Ok(()),
            (Some(_), _) => return Err(members.refuse(Refusal::Duplicate)),
            (None, _) => {}
        }
        let place = self.root.join(&path);
        let made = match kind {
            MemberKind::Directory => return self.directory(&path),
            MemberKind::File { executable } => {
                self.file(members, &place, executable, &mut content)?;
                Made::File
            }
            MemberKind::Link { target } => {
                std::os::unix::fs::symlink(target, &place).at("create", &place)?;
                Made::Link
            }
            MemberKind::Hard { target } => {
                if self.made.get(&target) != Some(&Made::File) {
                    return Err(members.refuse(Refusal::HardLink { target }));
                }
                fs::hard_link(self.root.join(target), &place).at("create", &place)?;
                Made::File
            }
        };
        self.made.insert(path, made);
        Ok(())
    }

    /// Makes the directories above a member that have no entry of their own.
    fn parents<R: Read>(&mut self, members: &mut Members<'_, R>, path: &Path) -> Result<()> {
        let mut missing = Vec::new();
        for parent in path.ancestors().skip(1) {
            match self.made.get(parent) {
                Some(Made::Directory) => break,
                Some(_) => {
                    let parent = parent.to_path_buf();
                    return Err(members.refuse(Refusal::ThroughEntry { parent }));
                }
                None => missing.push(parent),
            }
        }
        for parent in missing.into_iter().rev() {
            members.count()?;
            self.directory(parent)?;
        }
        Ok(())
    }

    fn directory(&mut self, path: &Path) -> Result<()> {
        let place = crate::scan::locate(self.root, path);
        DirBuilder::new().mode(0o755).create(&place).at("create", &place)?;
        self.made.insert(path.to_path_buf(), Made::Directory);
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        members: &Members<'_, R>,
        place: &Path,
        executable: bool,
        content: &mut impl Read,
    ) -> Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(if executable { 0o755 } else { 0o644 })
            .open(place)
            .at("create", place)?;
        pump(members, content, &mut self.buffer, &mut |bytes| file.write_all(bytes).at("write", place))
            .map(drop)
    }
}
