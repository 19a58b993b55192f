//! Reading a NAR: strictly what Nix writes, and nothing that would merely be understood.
//!
//! Names are sorted by their bytes, each once, none of them `.`, `..` or with a slash in it; padding is zeros; nothing follows the
//! end. So a tree has one NAR, and a NAR one tree. Every length is bounded before anything is kept of it; a file's bytes are
//! passed on as they come.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{BUFFER, MAGIC};
use crate::error::{Error, Result};
use crate::scan::{MAX_DEPTH, MAX_ENTRIES};

/// The longest name of a file, in bytes: no file system of Linux has longer ones.
const LONGEST_NAME: usize = 255;

/// The longest target of a link, in bytes: `PATH_MAX` of Linux, without its end.
const LONGEST_TARGET: usize = 4095;

/// The longest of the format's own words.
const LONGEST_WORD: usize = 16;

/// Who is told of what a NAR holds, in its order: a directory before what it holds. Paths are relative to the root, whose own is empty.
pub trait Sink {
    /// A directory.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn directory(&mut self, path: &Path) -> Result<()>;

    /// A file; its bytes follow, in pieces, and then [`Sink::file_ends`].
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn file(&mut self, path: &Path, size: u64, executable: bool) -> Result<()>;

    /// More bytes of the last file.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn content(&mut self, bytes: &[u8]) -> Result<()>;

    /// That was all of the file.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn file_ends(&mut self) -> Result<()>;

    /// A symbolic link.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn link(&mut self, path: &Path, target: &Path) -> Result<()>;
}

/// Reads a whole NAR, to the end of the stream.
///
/// # Errors
/// [`Error::BrokenNar`]; [`Error::TooManyEntries`] and [`Error::TooDeep`] beyond what [`scan`](crate::scan()) takes; [`Error::Io`] where the
/// stream fails; what `sink` says.
pub fn read(from: impl Read, sink: &mut dyn Sink) -> Result<()> {
    let mut reader =
        Reader { from, at: 0, entries: 0, path: PathBuf::new(), open: Vec::new(), buffer: vec![0; BUFFER] };
    reader.expect(MAGIC)?;
    reader.node(sink)?;
    while !reader.open.is_empty() {
        reader.entry(sink)?;
    }
    reader.end()
}

struct Reader<R: Read> {
    from: R,
    /// Bytes that were read.
    at: u64,
    entries: usize,
    /// Of the node that is being read.
    path: PathBuf,
    /// The last name of each directory that is open, empty before the first.
    open: Vec<Vec<u8>>,
    buffer: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// A node up to where it ends, or for a directory up to its first entry.
    fn node(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(Error::TooManyEntries { root: PathBuf::new(), limit: MAX_ENTRIES });
        }
        self.expect(b"(")?;
        self.expect(b"type")?;
        match self.string(LONGEST_WORD)?.as_slice() {
            b"directory" => {
                if self.open.len() >= MAX_DEPTH {
                    return Err(Error::TooDeep { path: self.path.clone(), limit: MAX_DEPTH });
                }
                sink.directory(&self.path)?;
                self.open.push(Vec::new());
                Ok(())
            }
            b"regular" => {
                self.file(sink)?;
                self.close()
            }
            b"symlink" => {
                self.expect(b"target")?;
                let target = self.string(LONGEST_TARGET)?;
                if target.is_empty() || target.contains(&0) {
                    return self.wrong("a link to nowhere");
                }
                sink.link(&self.path, Path::new(std::ffi::OsStr::from_bytes(&target)))?;
                self.close()
            }
            _ => self.wrong("neither file, directory nor link"),
        }
    }

    /// The next entry of the innermost directory, or that directory's end.
    fn entry(&mut self, sink: &mut dyn Sink) -> Result<()> {
        match self.string(LONGEST_WORD)?.as_slice() {
            b"entry" => {}
            b")" => {
                self.open.pop();
                // What closes the entry that the directory was in.
                return if self.open.is_empty() { Ok(()) } else { self.leave() };
            }
            _ => return self.wrong("neither an entry nor a directory's end"),
        }
        self.expect(b"(")?;
        self.expect(b"name")?;
        let name = self.string(LONGEST_NAME)?;
        if name.is_empty()
            || name == b"."
            || name == b".."
            || name.iter().any(|byte| matches!(byte, 0 | b'/'))
        {
            return self.wrong("a name that no file can have");
        }
        self.expect(b"node")?;
        let is_sorted = self.open.last().is_none_or(|last| *last < name);
        if !is_sorted {
            return self.wrong("names out of order");
        }
        self.path.push(std::ffi::OsStr::from_bytes(&name));
        if let Some(last) = self.open.last_mut() {
            *last = name;
        }
        self.node(sink)
    }

    fn file(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let mut word = self.string(LONGEST_WORD)?;
        let executable = word == b"executable";
        if executable {
            self.expect(b"")?;
            word = self.string(LONGEST_WORD)?;
        }
        if word != b"contents" {
            return self.wrong("a file without contents");
        }
        let size = self.length()?;
        sink.file(&self.path, size, executable)?;
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER);
            let count = match self.from.read(&mut self.buffer[..most]) {
                Ok(0) => return self.wrong("the end in the middle of a file"),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(failed(source)),
            };
            sink.content(&self.buffer[..count])?;
            self.at += count as u64;
            left -= count as u64;
        }
        self.padding(size)?;
        sink.file_ends()
    }

    /// The end of a file or link, and of the entry that it is in.
    fn close(&mut self) -> Result<()> {
        self.expect(b")")?;
        if self.open.is_empty() { Ok(()) } else { self.leave() }
    }

    /// The end of an entry.
    fn leave(&mut self) -> Result<()> {
        self.path.pop();
        self.expect(b")")
    }

    fn expect(&mut self, word: &[u8]) -> Result<()> {
        if self.string(LONGEST_WORD)? == word {
            Ok(())
        } else {
            self.wrong("another word than is wanted here")
        }
    }

    fn string(&mut self, most: usize) -> Result<Vec<u8>> {
        let length = self.length()?;
        let short = usize::try_from(length).ok().filter(|length| *length <= most);
        let Some(short) = short else { return self.wrong("a string longer than any is here") };
        let mut string = vec![0; short];
        self.exactly(&mut string)?;
        self.padding(length)?;
        Ok(string)
    }

    fn length(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.exactly(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn padding(&mut self, length: u64) -> Result<()> {
        let mut bytes = [0; 8];
        let count = ((8 - length % 8) % 8) as usize;
        self.exactly(&mut bytes[..count])?;
        if bytes == [0; 8] { Ok(()) } else { self.wrong("padding that is not zeros") }
    }

    fn exactly(&mut self, bytes: &mut [u8]) -> Result<()> {
        match self.from.read_exact(bytes) {
            Ok(()) => {
                self.at += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.wrong("the end"),
            Err(source) => Err(failed(source)),
        }
    }

    fn end(&mut self) -> Result<()> {
        match self.from.read(&mut self.buffer[..1]) {
            Ok(0) => Ok(()),
            Ok(_) => self.wrong("more after the end"),
            Err(source) => Err(failed(source)),
        }
    }

    fn wrong<T>(&self, reason: &'static str) -> Result<T> {
        Err(Error::BrokenNar { at: self.at, reason })
    }
}

fn failed(source: io::Error) -> Error {
    Error::Io { verb: "read a NAR from", path: PathBuf::from("its stream"), source }
}
