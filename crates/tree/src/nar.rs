//! The Nix archive (NAR): a tree as one stream of bytes, the same on every machine.
//!
//! A NAR is a sequence of strings, each as its length (64 bits, little endian), its bytes, and
//! zeros up to a multiple of eight. A node is `(`, `type`, then `regular` with an optional
//! `executable` and `contents`, or `symlink` with `target`, or `directory` with an `entry` for each
//! name in order of bytes, and `)`. Of a file's metadata only its owner's executable bit counts.
//! Holds no more than one buffer of a file in memory, a few of them where a thread hashes behind. [`read`] reads a NAR back, [`restore`]
//! makes a tree of one.

mod aside;
pub mod read;
mod restore;

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::digest::nix32;
use crate::error::{At, Error, Result};
use crate::scan::{Entry, Kind, Tree, open_file, scan};

pub use restore::restore;

/// The string that opens every NAR.
const MAGIC: &[u8] = b"nix-archive-1";

/// Bytes read from a file at once: large enough that the system call does not show beside the
/// hashing, small enough to stay in the processor's cache.
const BUFFER: usize = 128 * 1024;

/// The SHA-256 of a NAR, and how long the NAR is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NarHash {
    /// SHA-256 of the stream.
    pub sha256: [u8; 32],
    /// Length of the stream in bytes: `NarSize` of a narinfo.
    pub size: u64,
}

impl NarHash {
    /// The hash in lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        use std::fmt::Write as _;
        self.sha256.iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The hash as a narinfo has it after `sha256:`: 52 characters of nix-base32.
    pub fn nix32(&self) -> String {
        nix32(&self.sha256)
    }
}

/// Writes the NAR of the file, link or directory at `path`.
///
/// # Errors
/// What [`scan`] refuses; [`Error::Changed`] where a file is not as long as it was listed;
/// [`Error::Io`] on reading, or with the verb `write the NAR of` where `out` fails.
pub fn write(path: &Path, out: impl Write) -> Result<()> {
    write_tree(&scan(path)?, out)
}

/// Writes the NAR of a tree that was already listed.
///
/// # Errors
/// As [`write()`].
pub fn write_tree(tree: &Tree, out: impl Write) -> Result<()> {
    write_seen(tree, out, &mut io::sink())
}

/// As [`write_tree`]; the bytes of the files go to `files` too.
fn write_seen(tree: &Tree, out: impl Write, files: &mut dyn Write) -> Result<()> {
    let out = io::BufWriter::with_capacity(BUFFER, out);
    let mut writer = Writer { root: tree.root(), out, open: 0, buffer: vec![0; BUFFER], files };
    writer.string(MAGIC)?;
    for entry in tree.entries() {
        writer.close_to(entry.depth())?;
        writer.node(tree, entry)?;
    }
    writer.close_to(0)?;
    writer.out.flush().at("write the NAR of", tree.root())
}

/// The length of a tree's NAR in bytes, from its listing alone.
pub fn length(tree: &Tree) -> u64 {
    let nodes: u64 = tree.entries().iter().map(node_length).sum();
    string_length(MAGIC.len() as u64) + nodes
}

/// Writes the NAR of one file that may not be executed: what Nix makes of a download, whatever mode ours has. The bytes are those of
/// `content`, and have to be `size`; `path` is for errors alone.
///
/// # Errors
/// As [`write()`].
pub fn write_plain(content: impl Read, size: u64, path: &Path, out: impl Write) -> Result<()> {
    let out = io::BufWriter::with_capacity(BUFFER, out);
    let mut writer = Writer { root: path, out, open: 0, buffer: vec![0; BUFFER], files: &mut io::sink() };
    writer.strings(&[MAGIC, b"(", b"type", b"regular", b"contents"])?;
    writer.contents(content, size, path)?;
    writer.string(b")")?;
    writer.out.flush().at("write the NAR of", path)
}

/// The length of what [`write_plain`] writes.
pub fn plain_length(size: u64) -> u64 {
    let strings: [&[u8]; 6] = [MAGIC, b"(", b"type", b"regular", b"contents", b")"];
    strings.iter().map(|string| string_length(string.len() as u64)).sum::<u64>() + string_length(size)
}

/// The NAR hash of the file, link or directory at `path`; nothing is written anywhere.
///
/// # Errors
/// As [`write()`].
pub fn nar_hash(path: &Path) -> Result<NarHash> {
    hash_tree(&scan(path)?)
}

/// The NAR hash of a tree that was already listed.
///
/// # Errors
/// As [`write()`].
pub fn hash_tree(tree: &Tree) -> Result<NarHash> {
    let mut hasher = Hasher::default();
    write_tree(tree, &mut hasher)?;
    Ok(hasher.finish())
}

/// The NAR hash of a tree that was already listed, while `files` is given the bytes of its files, one file after the other in the
/// listing's order, cut anywhere. All is read once; the hash and `files` have a thread each.
///
/// # Errors
/// As [`write()`].
pub fn hash_tree_beside(tree: &Tree, files: &mut (impl FnMut(&[u8]) + Send)) -> Result<NarHash> {
    let mut hasher = Hasher::default();
    let hash = |bytes: &[u8]| {
        hasher.sha256.update(bytes);
        hasher.size += bytes.len() as u64;
    };
    aside::beside(files, |files| aside::beside(hash, |nar| write_seen(tree, nar, files)))?;
    Ok(hasher.finish())
}

#[derive(Default)]
struct Hasher {
    sha256: Sha256,
    size: u64,
}

impl Hasher {
    fn finish(self) -> NarHash {
        NarHash { sha256: self.sha256.finalize().into(), size: self.size }
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sha256.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Writer<'a, W: Write> {
    /// For errors.
    root: &'a Path,
    out: io::BufWriter<W>,
    /// Directories whose closing bracket is still to come.
    open: usize,
    buffer: Vec<u8>,
    files: &'a mut dyn Write,
}

impl<W: Write> Writer<'_, W> {
    /// Closes directories until an entry of this depth can follow.
    fn close_to(&mut self, depth: usize) -> Result<()> {
        while self.open > depth {
            self.open -= 1;
            self.string(b")")?;
            if self.open > 0 {
                self.string(b")")?;
            }
        }
        Ok(())
    }

    fn node(&mut self, tree: &Tree, entry: &Entry) -> Result<()> {
        let name = entry.path.file_name();
        if let Some(name) = name {
            self.strings(&[b"entry", b"(", b"name", name.as_bytes(), b"node"])?;
        }
        self.strings(&[b"(", b"type"])?;
        match &entry.kind {
            Kind::Directory => {
                self.open += 1;
                return self.string(b"directory");
            }
            Kind::File { size, executable } => {
                self.string(b"regular")?;
                if *executable {
                    self.strings(&[b"executable", b""])?;
                }
                self.string(b"contents")?;
                let path = tree.locate(entry);
                self.contents(open_file(&path)?, *size, &path)?;
            }
            Kind::Link { target } => {
                self.strings(&[b"symlink", b"target", target.as_os_str().as_bytes()])?;
            }
        }
        self.string(b")")?;
        if name.is_some() {
            self.string(b")")?;
        }
        Ok(())
    }

    fn contents(&mut self, mut content: impl Read, size: u64, path: &Path) -> Result<()> {
        self.bytes(&size.to_le_bytes())?;
        let mut left = size;
        loop {
            let read = content.read(&mut self.buffer).at("read", path)?;
            let changed = || Error::Changed { path: path.to_path_buf() };
            if read == 0 && left > 0 {
                return Err(changed());
            }
            if read == 0 {
                return self.padding(size);
            }
            left = left.checked_sub(read as u64).ok_or_else(changed)?;
            self.files.write_all(&self.buffer[..read]).at("read", path)?;
            self.out.write_all(&self.buffer[..read]).at("write the NAR of", self.root)?;
        }
    }

    fn strings(&mut self, strings: &[&[u8]]) -> Result<()> {
        strings.iter().try_for_each(|string| self.string(string))
    }

    fn string(&mut self, string: &[u8]) -> Result<()> {
        let length = string.len() as u64;
        self.bytes(&length.to_le_bytes())?;
        self.bytes(string)?;
        self.padding(length)
    }

    fn padding(&mut self, length: u64) -> Result<()> {
        let zeros = [0; 8];
        let count = (padded(length) - length) as usize;
        self.bytes(&zeros[..count])
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).at("write the NAR of", self.root)
    }
}

fn padded(length: u64) -> u64 {
    length.next_multiple_of(8)
}

fn string_length(length: u64) -> u64 {
    8 + padded(length)
}

/// What one entry adds to a NAR, the brackets that close it included.
fn node_length(entry: &Entry) -> u64 {
    let fixed = |strings: &[&str]| -> u64 {
        let lengths = strings.iter().map(|string| string.len() as u64);
        lengths.map(string_length).sum()
    };
    let around = match entry.path.file_name() {
        None => 0,
        Some(name) => fixed(&["entry", "(", "name", "node", ")"]) + string_length(name.len() as u64),
    };
    let inside = match &entry.kind {
        Kind::Directory => fixed(&["directory"]),
        Kind::File { size, executable } => {
            let mark = if *executable { fixed(&["executable", ""]) } else { 0 };
            fixed(&["regular", "contents"]) + mark + string_length(*size)
        }
        Kind::Link { target } => {
            fixed(&["symlink", "target"]) + string_length(target.as_os_str().len() as u64)
        }
    };
    around + fixed(&["(", "type", ")"]) + inside
}
