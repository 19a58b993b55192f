//! A packed NAR: made, and read back, in one pass each, with everything hashed that a narinfo tells.

use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use tree::nar::read::Sink;
use zstd::zstd_safe::CParameter;

use crate::content::{Address, Method};
use crate::hash::{Hash, Hasher};
use crate::narinfo::{Compression, NarInfo};

/// zstd's level. 3 is what Nix takes for `compression=zstd` (2.8.0, 2.26.3: libarchive's own default).
const LEVEL: i32 = 3;

/// Bytes that are compressed by one thread at a time. Part of what comes out: another number gives other files. Four times the window
/// of level 3, as zstd has it.
const JOB: u32 = 8 << 20;

/// How much of the last job each job sees: zstd's own default for this level, fixed for the same reason.
const OVERLAP: u32 = 6;

/// The largest NAR that is read, in bytes.
pub(super) const LARGEST: u64 = 16 << 30;

/// Bytes read from a packed file at once.
const BUFFER: usize = 256 * 1024;

/// What passes through it is hashed and counted.
pub(super) struct Hashed<T> {
    inner: T,
    hasher: Hasher,
    size: u64,
}

impl<T> Hashed<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, hasher: Hasher::sha256(), size: 0 }
    }

    /// The hash and size of what passed, and what it passed to.
    pub(super) fn finish(self) -> (Hash, u64, T) {
        (self.hasher.finish(), self.size, self.inner)
    }
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

/// What packs a NAR of this size. What comes out depends on the bytes alone: zstd cuts them into jobs of a fixed size, whoever does
/// those; so one thread is as good as many, but none, which would make one job of it all, is not.
pub(super) fn pack<'a, W: Write>(out: W, size: u64, threads: u32) -> io::Result<zstd::Encoder<'a, W>> {
    let mut encoder = zstd::Encoder::new(out, LEVEL)?;
    encoder.set_parameter(CParameter::NbWorkers(threads.max(1)))?;
    encoder.set_parameter(CParameter::JobSize(JOB))?;
    encoder.set_parameter(CParameter::OverlapSizeLog(OVERLAP))?;
    encoder.set_pledged_src_size(Some(size))?;
    Ok(encoder)
}

/// What a packed file was found to be.
pub(super) struct Found {
    pub(super) file_hash: Hash,
    pub(super) file_size: u64,
    /// Of what it was unpacked to; `None` where it is packed in a way that is not read here.
    pub(super) nar: Option<Nar>,
}

/// What an unpacked NAR was found to be.
pub(super) struct Nar {
    pub(super) hash: Hash,
    pub(super) size: u64,
    /// Why it is none.
    pub(super) broken: Option<tree::Error>,
    /// Its content's hash, where that was to be found out and it is of the form.
    pub(super) content: Option<Hash>,
}

/// Reads a packed file to its end, and what it holds as far as `info` says that it goes.
pub(super) fn look(file: impl Read, info: &NarInfo) -> io::Result<Found> {
    let mut file = Hashed::new(file);
    let nar = match info.compression {
        Compression::None => Some(unpacked(&mut file, info)?),
        Compression::Zstd => {
            let decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(BUFFER, &mut file))?;
            Some(unpacked(decoder, info)?)
        }
        Compression::Other(_) => None,
    };
    io::copy(&mut file, &mut io::sink())?;
    let (file_hash, file_size, _) = file.finish();
    Ok(Found { file_hash, file_size, nar })
}

fn unpacked(nar: impl Read, info: &NarInfo) -> io::Result<Nar> {
    // One more than there may be, so that it shows.
    let mut nar = Hashed::new(nar.take(info.nar_size.min(LARGEST) + 1));
    let mut contents = Contents::wanted(info);
    let mut broken = tree::nar::read::read(&mut nar, &mut contents).err();
    if let Err(error) = io::copy(&mut nar, &mut io::sink()) {
        broken.get_or_insert(tree::Error::Io {
            verb: "unpack",
            path: info.url.clone().into(),
            source: error,
        });
    }
    let (hash, size, _) = nar.finish();
    Ok(Nar { hash, size, broken, content: contents.finish() })
}

/// Reads a packed NAR into a tree at `destination`.
pub(super) fn restore(file: impl Read, info: &NarInfo, destination: &Path) -> tree::Result<()> {
    let failed = |source| tree::Error::Io { verb: "unpack", path: info.url.clone().into(), source };
    let bounded = |nar: &mut dyn Read| tree::nar::restore(nar.take(info.nar_size), destination);
    match info.compression {
        Compression::Zstd => bounded(&mut zstd::Decoder::new(file).map_err(failed)?),
        _ => bounded(&mut BufReader::with_capacity(BUFFER, file)),
    }
}

/// The hash of the one file that a NAR is of, where its address is of that; of any other NAR, nothing.
struct Contents {
    hasher: Option<Hasher>,
    is_plain: bool,
}

impl Contents {
    fn wanted(info: &NarInfo) -> Self {
        let of_file = |address: &&Address| address.method != Method::Recursive;
        let algorithm = info.content.as_ref().filter(of_file).map(|address| address.hash.algorithm());
        Self { hasher: algorithm.and_then(Hasher::new), is_plain: false }
    }

    fn finish(self) -> Option<Hash> {
        self.hasher.filter(|_| self.is_plain).map(Hasher::finish)
    }
}

impl Sink for Contents {
    fn directory(&mut self, _path: &Path) -> tree::Result<()> {
        Ok(())
    }

    fn file(&mut self, path: &Path, _size: u64, executable: bool) -> tree::Result<()> {
        self.is_plain = path.as_os_str().is_empty() && !executable;
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> tree::Result<()> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }

    fn file_ends(&mut self) -> tree::Result<()> {
        Ok(())
    }

    fn link(&mut self, _path: &Path, _target: &Path) -> tree::Result<()> {
        Ok(())
    }
}
