//! Zip archives written header by header, so that they can be as wrong as a hostile one: each
//! header is a value, changed before it becomes bytes.

use std::io::{Cursor, Write};
use std::path::Path;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use opencode_cache_tree::Result;
use opencode_cache_tree::unpack::{self, Format, Limits};

pub const STORED: u16 = 0;
pub const DEFLATED: u16 = 8;
pub const UTF8: u16 = 1 << 11;
/// The sizes stand behind the content.
pub const DESCRIPTOR: u16 = 1 << 3;
/// Extra field: sizes of 64 bits.
pub const ZIP64: u16 = 1;
pub const UNIX: u8 = 3;

/// Unpacks the whole of a zip.
pub fn unzip(archive: &[u8], out: &Path, limits: &Limits) -> Result<()> {
    unpack::tree(Cursor::new(archive), Format::Zip, out, limits)
}

/// What a header says of a file, before it or in the directory.
#[derive(Clone)]
pub struct Head {
    pub name: Vec<u8>,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub packed: u32,
    pub size: u32,
    pub extra: Vec<u8>,
}

/// One file: both of its headers, and what lies between and behind.
#[derive(Clone)]
pub struct Item {
    pub local: Head,
    pub central: Head,
    pub made_by: u8,
    pub attributes: u32,
    pub disk: u16,
    /// Where the directory says that it lies; where it does, without.
    pub offset: Option<u32>,
    pub data: Vec<u8>,
    pub behind: Vec<u8>,
}

impl Item {
    pub fn new(name: &str, mode: u32, content: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(content);
        let length = u32::try_from(content.len()).unwrap();
        let head = Head {
            name: name.as_bytes().to_vec(),
            flags: if name.is_ascii() { 0 } else { UTF8 },
            method: STORED,
            crc: crc.sum(),
            packed: length,
            size: length,
            extra: Vec::new(),
        };
        Self {
            local: head.clone(),
            central: head,
            made_by: UNIX,
            attributes: mode << 16,
            disk: 0,
            offset: None,
            data: content.to_vec(),
            behind: Vec::new(),
        }
    }

    pub fn file(name: &str, content: &[u8]) -> Self {
        Self::new(name, 0o100_644, content)
    }

    pub fn directory(name: &str) -> Self {
        Self::new(name, 0o040_755, b"")
    }

    pub fn link(name: &str, target: &str) -> Self {
        Self::new(name, 0o120_777, target.as_bytes())
    }

    /// Packed with deflate.
    pub fn deflated(self) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&self.data).unwrap();
        let data = encoder.finish().unwrap();
        let packed = u32::try_from(data.len()).unwrap();
        let mut item = self.both(|head| (head.method, head.packed) = (DEFLATED, packed));
        item.data = data;
        item
    }

    /// Sizes behind the content, as a program that writes to a pipe has them.
    pub fn described(self) -> Self {
        let Head { crc, packed, size, .. } = self.central.clone();
        let mut item = self.both(|head| head.flags |= DESCRIPTOR);
        (item.local.crc, item.local.packed, item.local.size) = (0, 0, 0);
        item.behind = [0x0807_4b50, crc, packed, size].iter().flat_map(|field| field.to_le_bytes()).collect();
        item
    }

    /// Changes the header before the file and the one in the directory.
    pub fn both(self, change: impl Fn(&mut Head)) -> Self {
        self.edit(|item| {
            change(&mut item.local);
            change(&mut item.central);
        })
    }

    pub fn edit(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// The end record.
#[derive(Clone, Default)]
pub struct End {
    pub disk: u16,
    pub here: Option<u16>,
    pub entries: Option<u16>,
    pub size: Option<u32>,
    pub offset: Option<u32>,
    pub comment: Vec<u8>,
}

/// An archive in the making.
#[derive(Clone, Default)]
pub struct Zip {
    items: Vec<Item>,
    end: End,
    before: Vec<u8>,
    zip64: bool,
}

impl Zip {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn item(mut self, item: Item) -> Self {
        self.items.push(item);
        self
    }

    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.item(Item::file(name, content))
    }

    /// Bytes before the first header; offsets count them.
    pub fn before(mut self, bytes: &[u8]) -> Self {
        self.before = bytes.to_vec();
        self
    }

    pub fn end(mut self, change: impl FnOnce(&mut End)) -> Self {
        change(&mut self.end);
        self
    }

    /// With end records of 64 bits, and nothing in the short one.
    pub fn zip64(mut self) -> Self {
        self.zip64 = true;
        self.end(|end| {
            (end.here, end.entries) = (Some(u16::MAX), Some(u16::MAX));
            (end.size, end.offset) = (Some(u32::MAX), Some(u32::MAX));
        })
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.before.clone();
        let mut central = Vec::new();
        for item in &self.items {
            let offset = item.offset.unwrap_or(u32::try_from(out.len()).unwrap());
            put32(&mut out, 0x0403_4b50);
            common(&mut out, &item.local);
            out.extend([&item.local.name[..], &item.local.extra, &item.data, &item.behind].concat());
            put32(&mut central, 0x0201_4b50);
            central.extend([20, item.made_by]);
            common(&mut central, &item.central);
            [0, item.disk, 0].iter().for_each(|field| put16(&mut central, *field));
            put32(&mut central, item.attributes);
            put32(&mut central, offset);
            central.extend([&item.central.name[..], &item.central.extra].concat());
        }
        let (offset, size) = (out.len(), central.len());
        out.extend(central);
        if self.zip64 {
            end64(&mut out, self.items.len() as u64, size as u64, offset as u64);
        }
        let End { disk, here, entries, .. } = self.end;
        let count = u16::try_from(self.items.len()).unwrap();
        put32(&mut out, 0x0605_4b50);
        [disk, 0, here.unwrap_or(count), entries.unwrap_or(count)]
            .iter()
            .for_each(|field| put16(&mut out, *field));
        put32(&mut out, self.end.size.unwrap_or(u32::try_from(size).unwrap()));
        put32(&mut out, self.end.offset.unwrap_or(u32::try_from(offset).unwrap()));
        put16(&mut out, u16::try_from(self.end.comment.len()).unwrap());
        out.extend(&self.end.comment);
        out
    }
}

/// An extra field.
pub fn extra(kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&kind.to_le_bytes()[..], &length.to_le_bytes(), data].concat()
}

fn end64(out: &mut Vec<u8>, entries: u64, size: u64, offset: u64) {
    let at = out.len() as u64;
    put32(out, 0x0606_4b50);
    out.extend(44u64.to_le_bytes());
    out.extend([45, UNIX, 45, 0]);
    out.extend([0; 8]);
    [entries, entries, size, offset].iter().for_each(|field| out.extend(field.to_le_bytes()));
    put32(out, 0x0706_4b50);
    put32(out, 0);
    out.extend(at.to_le_bytes());
    put32(out, 1);
}

/// The fields that both headers have, up to the lengths of name and extra fields.
fn common(out: &mut Vec<u8>, head: &Head) {
    [20, head.flags, head.method, 0, 0x21].iter().for_each(|field| put16(out, *field));
    [head.crc, head.packed, head.size].iter().for_each(|field| put32(out, *field));
    put16(out, u16::try_from(head.name.len()).unwrap());
    put16(out, u16::try_from(head.extra.len()).unwrap());
}

fn put16(out: &mut Vec<u8>, field: u16) {
    out.extend(field.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, field: u32) {
    out.extend(field.to_le_bytes());
}
