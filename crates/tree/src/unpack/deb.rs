//! A Debian package (`deb(5)`, format 2.0): an `ar` of three members, the last of which is a tar of what is installed, the one before
//! it a tar of what the package is. Never touches the disk.

use std::io::{self, Read};
use std::path::PathBuf;

use super::bounded::Packing;
use super::tgz::{Links, walk_packed};
use super::{Each, Limits, Refusal};
use crate::error::{Error, Result};

/// How an `ar` begins.
const MAGIC: &[u8; 8] = b"!<arch>\n";

/// Bytes of a member's header.
const HEADER: usize = 60;

/// What the first member says.
const VERSION: &[u8] = b"2.0\n";

/// Bytes of the member with scripts and dependencies at most; glibc's has 8 kB.
const MAX_CONTROL: u64 = 16 * 1024 * 1024;

/// Which part of a package is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    /// What is installed.
    Data,
    /// Name, version, dependencies, scripts.
    Control,
}

/// Gives every member of one part to `each`; of what is installed, the package is read to its end.
pub(super) fn walk<R: Read>(
    mut reader: R,
    wanted: Member,
    limits: &Limits,
    each: &mut Each<'_>,
) -> Result<()> {
    let mut magic = [0; MAGIC.len()];
    reader.read_exact(&mut magic).map_err(broken)?;
    if magic != *MAGIC {
        return Err(malformed("ar", "it is no ar archive"));
    }
    let (name, size) = header(&mut reader)?;
    let mut version = Vec::new();
    member(&mut reader, size, VERSION.len() as u64, &name)?.read_to_end(&mut version).map_err(broken)?;
    if name != "debian-binary" || version != VERSION {
        return Err(malformed(&name, "not a package of format 2.0"));
    }
    let (name, size) = header(&mut reader)?;
    let packing = packing(&name, "control.tar")?;
    let padded = size.saturating_add(size % 2);
    let mut control = member(&mut reader, padded, MAX_CONTROL, &name)?;
    if wanted == Member::Control {
        return walk_packed(control.take(size), packing, Links::Rooted, limits, each);
    }
    if io::copy(&mut control, &mut io::sink()).map_err(broken)? != padded {
        return Err(malformed(&name, "the end of the archive in it"));
    }
    let (name, size) = header(&mut reader)?;
    let packing = self::packing(&name, "data.tar")?;
    let mut data = reader.take(size);
    walk_packed(&mut data, packing, Links::Rooted, limits, each)?;
    if data.limit() != 0 {
        return Err(malformed(&name, "bytes that are not there"));
    }
    ended(data.into_inner(), size % 2)
}

/// How a member is packed that has to be the one of this name.
fn packing(name: &str, wanted: &str) -> Result<Packing> {
    match name.strip_prefix(wanted) {
        Some(".xz") => Ok(Packing::Xz),
        Some(".zst") => Ok(Packing::Zstd),
        Some(".gz") => Ok(Packing::Gzip),
        Some("") => Ok(Packing::Plain),
        _ => Err(malformed(name, "another member than comes here, or a packing that is not known")),
    }
}

/// Name and size of the next member.
fn header(reader: &mut impl Read) -> Result<(String, u64)> {
    let mut bytes = [0; HEADER];
    reader.read_exact(&mut bytes).map_err(broken)?;
    let text = |from: usize, to: usize| {
        let field = bytes.get(from..to).unwrap_or_default();
        String::from_utf8_lossy(field).trim_end().trim_end_matches('/').to_owned()
    };
    let name = text(0, 16);
    let size = text(48, 58);
    let digits = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
    match size.parse() {
        Ok(size) if digits && bytes.ends_with(b"`\n") => Ok((name, size)),
        _ => Err(malformed(&name, "header of an ar")),
    }
}

/// A member's bytes.
fn member<'r, R: Read>(reader: &'r mut R, size: u64, most: u64, name: &str) -> Result<io::Take<&'r mut R>> {
    if size > most {
        return Err(malformed(name, "size"));
    }
    Ok(reader.take(size))
}

/// Nothing comes behind what is installed but one byte where its size is odd.
fn ended(mut reader: impl Read, padding: u64) -> Result<()> {
    let mut rest = Vec::new();
    reader.by_ref().take(2).read_to_end(&mut rest).map_err(broken)?;
    if rest.is_empty() || (padding == 1 && rest == b"\n") {
        return Ok(());
    }
    Err(malformed("ar", "bytes after the end of the archive"))
}

fn broken(source: io::Error) -> Error {
    Error::BrokenArchive { after: PathBuf::new(), source }
}

fn malformed(entry: &str, what: &'static str) -> Error {
    Error::Archive { entry: PathBuf::from(entry), refusal: Refusal::Malformed { what } }
}
