//! One header of a zip archive, of the directory at its end or before a file: the same fields in
//! another order, and the same rules.

use super::super::Refusal;
use super::fields::Fields;

/// Not packed.
pub(super) const STORED: u16 = 0;
/// Packed with deflate.
pub(super) const DEFLATED: u16 = 8;

/// Flag: the sizes are behind the content.
const DESCRIPTOR: u16 = 1 << 3;
/// Flag: the name is UTF-8.
const UTF8: u16 = 1 << 11;
/// Flags that say that something is encrypted: the content, strongly, the directory.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// Flags that change nothing in how an entry is read: how hard the packer tried.
const EFFORT: u16 = 0b110;

/// Extra field: sizes of 64 bits.
const ZIP64: u16 = 0x0001;
/// Extra field: another mode, owner and link (ASi).
const ASI_UNIX: u16 = 0x756e;
/// Extra field: the name in UTF-8 (Info-ZIP).
const UNICODE_PATH: u16 = 0x7075;
/// Extra field: encrypted with AES (WinZip).
const AES: u16 = 0x9901;

/// Made by a program on Unix, or macOS.
const UNIX: [u8; 2] = [3, 19];

/// An entry, as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) method: u16,
    flags: u16,
    pub(super) crc: u32,
    /// Bytes in the archive.
    pub(super) packed: u64,
    /// Bytes unpacked.
    pub(super) size: u64,
    /// Where its own header lies.
    pub(super) offset: u64,
    /// Where its content lies; known when its own header has been read.
    pub(super) content: u64,
    /// The upper half of its attributes.
    pub(super) mode: u32,
    /// Whether that was made where it is a mode.
    pub(super) unix: bool,
    /// The attribute of DOS for directories.
    pub(super) dos_directory: bool,
}

/// What both headers of an entry have.
struct Common {
    flags: u16,
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
}

fn malformed(what: &'static str) -> Refusal {
    Refusal::Malformed { what }
}

impl Entry {
    /// The next entry of the directory. Gives its name in any case that it can be read.
    pub(super) fn parse(fields: &mut Fields<'_>) -> (Vec<u8>, Result<Self, Refusal>) {
        let mut name = Vec::new();
        let entry = Self::fields(fields, &mut name);
        (name, entry.unwrap_or_else(|| Err(malformed("directory"))))
    }

    fn fields(fields: &mut Fields<'_>, name: &mut Vec<u8>) -> Option<Result<Self, Refusal>> {
        fields.signature(0x0201_4b50)?;
        let [_, made_by] = fields.u16()?.to_le_bytes();
        let common = Common::parse(fields)?;
        let [name_len, extra_len, comment_len] = [fields.u16()?, fields.u16()?, fields.u16()?];
        let disk = fields.u16()?;
        fields.u16()?;
        let attributes = fields.u32()?;
        let offset = fields.u32()?;
        name.extend_from_slice(fields.bytes(name_len.into())?);
        let extra = fields.bytes(extra_len.into())?;
        fields.bytes(comment_len.into())?;
        if disk != 0 {
            return Some(Err(malformed("more than one disk")));
        }
        let wide = wide(extra, name, [common.size, common.packed, offset]);
        Some(wide.and_then(|[size, packed, offset]| {
            common.check(name)?;
            Ok(Self {
                name: name.clone(),
                method: common.method,
                flags: common.flags,
                crc: common.crc,
                packed,
                size,
                offset,
                content: 0,
                mode: attributes >> 16,
                unix: UNIX.contains(&made_by),
                dos_directory: attributes & 0x10 != 0,
            })
        }))
    }

    /// Whether a header before the content says the same.
    pub(super) fn check_local(&self, name: &[u8], fixed: &[u8], extra: &[u8]) -> Result<(), Refusal> {
        let mut fields = Fields(fixed);
        let common = Common::parse(&mut fields).ok_or_else(|| malformed("header"))?;
        let [size, packed, _] = wide(extra, name, [common.size, common.packed, 0])?;
        // Whoever writes to a pipe does not know all of them yet (Info-ZIP none, libarchive the sizes only).
        let agrees = |said: u64, known: u64| said == known || self.described() && said == 0;
        let same = agrees(common.crc.into(), self.crc.into())
            && agrees(size, self.size)
            && agrees(packed, self.packed);
        if name != self.name {
            return Err(malformed("two names"));
        }
        if (common.flags, common.method) != (self.flags, self.method) {
            return Err(malformed("two ways to be read"));
        }
        if !same {
            return Err(malformed("two different sizes"));
        }
        Ok(())
    }

    /// Whether its sizes stand behind the content.
    pub(super) fn described(&self) -> bool {
        self.flags & DESCRIPTOR != 0
    }

    /// Whether what lies behind the content, up to the next header, says the same: a checksum and
    /// two sizes of 32 or 64 bits, with or without a signature, which its length tells.
    pub(super) fn check_descriptor(&self, bytes: &[u8]) -> Result<(), Refusal> {
        let said = || {
            let mut fields = Fields(bytes);
            if matches!(bytes.len(), 16 | 24) {
                fields.signature(0x0807_4b50)?;
            }
            let crc = fields.u32()?;
            match bytes.len() {
                12 | 16 => Some((crc, u64::from(fields.u32()?), u64::from(fields.u32()?))),
                20 | 24 => Some((crc, fields.u64()?, fields.u64()?)),
                _ => None,
            }
        };
        match said() {
            Some(said) if said == (self.crc, self.packed, self.size) => Ok(()),
            _ => Err(malformed("what stands behind its content")),
        }
    }
}

impl Common {
    /// From the version that is needed to the sizes.
    fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        fields.u16()?;
        let (flags, method) = (fields.u16()?, fields.u16()?);
        fields.u32()?;
        let crc = fields.u32()?;
        Some(Self { flags, method, crc, packed: fields.u32()?, size: fields.u32()? })
    }

    fn check(&self, name: &[u8]) -> Result<(), Refusal> {
        if self.flags & ENCRYPTED != 0 {
            return Err(Refusal::Encrypted);
        }
        if !matches!(self.method, STORED | DEFLATED) {
            return Err(Refusal::Compression { method: self.method });
        }
        if self.flags & !(EFFORT | DESCRIPTOR | UTF8) != 0 {
            return Err(malformed("flags"));
        }
        if self.flags & UTF8 == 0 && !name.is_ascii() {
            return Err(malformed("a name in an unknown encoding"));
        }
        Ok(())
    }
}

/// Fields of 32 bits, from the zip64 extra field where they have all bits set; and whether the
/// other extra fields change nothing.
fn wide<const N: usize>(extra: &[u8], name: &[u8], short: [u32; N]) -> Result<[u64; N], Refusal> {
    let mut zip64 = None;
    let mut fields = Fields(extra);
    while !fields.0.is_empty() {
        let (kind, data) = field(&mut fields).ok_or_else(|| malformed("extra field"))?;
        match kind {
            ZIP64 if zip64.is_some() => return Err(malformed("zip64 twice")),
            ZIP64 => zip64 = Some(data),
            AES => return Err(Refusal::Encrypted),
            ASI_UNIX => return Err(malformed("two modes")),
            // A version and a checksum come first.
            UNICODE_PATH if data.get(5..) != Some(name) => return Err(malformed("two names")),
            _ => {}
        }
    }
    let short = short.map(u64::from);
    zip64.map_or(Ok(short), |data| widened(short, data).ok_or_else(|| malformed("zip64")))
}

/// The zip64 extra field has the fields that did not fit, or all of them (some programs write
/// more than they need to); then those that fit are given twice, and have to be the same.
fn widened<const N: usize>(short: [u64; N], data: &[u8]) -> Option<[u64; N]> {
    let unsaid = |field: u64| field == u64::from(u32::MAX);
    let missing = short.iter().filter(|field| unsaid(**field)).count();
    let only_missing = data.len() == missing * size_of::<u64>();
    let mut rest = Fields(data);
    let mut wide = short;
    for field in &mut wide {
        if !unsaid(*field) && (only_missing || rest.0.is_empty()) {
            continue;
        }
        let value = rest.u64()?;
        if !unsaid(*field) && *field != value {
            return None;
        }
        *field = value;
    }
    rest.0.is_empty().then_some(wide)
}

fn field<'a>(fields: &mut Fields<'a>) -> Option<(u16, &'a [u8])> {
    let (kind, length) = (fields.u16()?, fields.u16()?);
    Some((kind, fields.bytes(length.into())?))
}
