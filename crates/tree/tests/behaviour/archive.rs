//! Tar archives written header by header, so that they can be as wrong as a hostile one.

use std::io::{Cursor, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use opencode_cache_tree::Result;
use opencode_cache_tree::unpack::{self, Format, Limits};

/// Unpacks the whole of a gzipped tar.
pub fn tgz(archive: &[u8], out: &Path, limits: &Limits) -> Result<()> {
    unpack::tree(Cursor::new(archive), Format::Tgz, out, limits)
}

/// Takes one file out of a gzipped tar.
pub fn tgz_member(archive: &[u8], member: &str, out: &Path, limits: &Limits) -> Result<u64> {
    unpack::member(Cursor::new(archive), Format::Tgz, member, out, limits)
}

pub const FILE: u8 = b'0';
pub const HARD: u8 = b'1';
pub const LINK: u8 = b'2';
pub const DIRECTORY: u8 = b'5';
pub const PAX: u8 = b'x';
pub const PAX_GLOBAL: u8 = b'g';
pub const GNU_NAME: u8 = b'L';
pub const GNU_LINK: u8 = b'K';

/// An archive in the making.
#[derive(Default, Clone)]
pub struct Tar {
    bytes: Vec<u8>,
}

/// One header; the content follows, as long as it is, whatever `size` says.
pub struct Header<'a> {
    pub name: &'a [u8],
    pub kind: u8,
    pub mode: u32,
    pub link: &'a [u8],
    pub size: Option<u64>,
}

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn header(mut self, header: Header<'_>, content: &[u8]) -> Self {
        let mut block = [0u8; 512];
        block[..header.name.len()].copy_from_slice(header.name);
        block[100..107].copy_from_slice(format!("{:07o}", header.mode).as_bytes());
        block[108..115].copy_from_slice(b"0001750");
        block[116..123].copy_from_slice(b"0001750");
        let size = header.size.unwrap_or(content.len() as u64);
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[136..147].copy_from_slice(b"00000000000");
        block[156] = header.kind;
        block[157..157 + header.link.len()].copy_from_slice(header.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.bytes.extend(block);
        self.bytes.extend(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    pub fn member(self, name: &str, kind: u8, content: &[u8]) -> Self {
        let mode = if kind == DIRECTORY { 0o755 } else { 0o644 };
        self.header(Header { name: name.as_bytes(), kind, mode, link: b"", size: None }, content)
    }

    pub fn link(self, name: &str, kind: u8, target: &str) -> Self {
        let header = Header { name: name.as_bytes(), kind, mode: 0o777, link: target.as_bytes(), size: None };
        self.header(header, b"")
    }

    pub fn mode(self, name: &str, kind: u8, mode: u32) -> Self {
        self.header(Header { name: name.as_bytes(), kind, mode, link: b"", size: None }, b"")
    }

    /// A pax header with one record.
    pub fn pax(self, kind: u8, key: &str, value: &str) -> Self {
        let rest = format!(" {key}={value}\n");
        let length = (rest.len()..).find(|n| n.to_string().len() + rest.len() == *n).unwrap();
        self.member("pax", kind, format!("{length}{rest}").as_bytes())
    }

    /// The archive, ended and not compressed.
    pub fn tar(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }

    /// The archive, ended and compressed.
    pub fn tgz(self) -> Vec<u8> {
        gzip(&self.tar())
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
