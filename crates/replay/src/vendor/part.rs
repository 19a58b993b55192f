//! A file on its way: written and hashed chunk by chunk, then put in its place in one step. Owns the lock that keeps two writers apart.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{FlockOperation, OFlags, flock};

use super::error::{Error, Verb};
use super::{blocking, feed};
use lock::{Algorithm, Hasher, Sri};

/// Bytes that are gathered before a thread switch for writing them.
const BATCH: usize = 1024 * 1024;

/// A file on its way. All that is written has been hashed.
pub(super) struct Part {
    file: File,
    path: PathBuf,
    algorithm: Algorithm,
    /// Boxed: its state is several times as large as all the rest.
    hasher: Box<Hasher>,
    length: u64,
    waiting: Vec<Bytes>,
    waiting_length: usize,
}

impl Part {
    /// Opens and locks the part at `path` and hashes what is in it; `None` where another writer holds it.
    pub(super) fn open(path: &Path, algorithm: Algorithm) -> Result<Option<Self>, Error> {
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(path)
                .map_err(|error| Error::io(Verb::Open, path, error))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(Error::io(Verb::Open, path, error.into())),
            }
            // The one who held it before may have renamed or removed it between our opening and our lock.
            if same_file(&file, path) {
                let mut part = Self {
                    file,
                    path: path.to_owned(),
                    algorithm,
                    hasher: Box::new(Hasher::new(algorithm)),
                    length: 0,
                    waiting: Vec::new(),
                    waiting_length: 0,
                };
                part.length = feed(&mut part.file, &mut part.hasher)
                    .map_err(|error| Error::io(Verb::Read, path, error))?;
                return Ok(Some(part));
            }
        }
    }

    /// Bytes so far, those included that wait to be written.
    pub(super) fn length(&self) -> u64 {
        self.length + self.waiting_length as u64
    }

    /// Adds bytes; they are written when enough wait.
    pub(super) async fn push(mut self, chunk: Bytes) -> Result<Self, Error> {
        self.waiting_length += chunk.len();
        self.waiting.push(chunk);
        if self.waiting_length < BATCH { Ok(self) } else { self.flush().await }
    }

    /// Writes what waits.
    pub(super) async fn flush(self) -> Result<Self, Error> {
        if self.waiting.is_empty() {
            return Ok(self);
        }
        blocking(move || self.write()).await
    }

    fn write(mut self) -> Result<Self, Error> {
        for chunk in std::mem::take(&mut self.waiting) {
            self.file.write_all(&chunk).map_err(|error| Error::io(Verb::Write, &self.path, error))?;
            self.hasher.update(&chunk);
            self.length += chunk.len() as u64;
        }
        self.waiting_length = 0;
        Ok(self)
    }

    /// Throws away what there is and starts from zero.
    pub(super) fn reset(mut self) -> Result<Self, Error> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|error| Error::io(Verb::Write, &self.path, error))?;
        self.waiting.clear();
        self.waiting_length = 0;
        self.length = 0;
        self.hasher = Box::new(Hasher::new(self.algorithm));
        Ok(self)
    }

    /// Writes what waits; the hash of everything so far.
    pub(super) async fn digest(self) -> Result<(Self, Sri), Error> {
        let mut part = self.flush().await?;
        let hasher = std::mem::replace(&mut *part.hasher, Hasher::new(part.algorithm));
        Ok((part, hasher.finish()))
    }

    /// Nothing more is to be written.
    pub(super) fn into_whole(self) -> Whole {
        Whole { file: self.file, path: self.path }
    }

    /// Removes it.
    pub(super) fn discard(self) {
        // That it cannot be removed changes nothing: the next writer hashes it and starts again.
        let _ = fs::remove_file(&self.path);
    }
}

/// A part whose hash is known.
pub(super) struct Whole {
    file: File,
    path: PathBuf,
}

impl Whole {
    /// Where it lies until it is published.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in its place, on the disk for good, read-only.
    pub(super) async fn publish(self, to: PathBuf) -> Result<PathBuf, Error> {
        blocking(move || {
            let Self { file, path } = self;
            let sealed = file.set_permissions(Permissions::from_mode(0o444)).and_then(|()| file.sync_all());
            sealed.map_err(|error| Error::io(Verb::Write, &path, error))?;
            make_parent(&to)?;
            fs::rename(&path, &to).map_err(|error| Error::io(Verb::Rename, &to, error))?;
            if let Some(directory) = to.parent() {
                let synced = File::open(directory).and_then(|directory| directory.sync_all());
                synced.map_err(|error| Error::io(Verb::Write, directory, error))?;
            }
            Ok(to)
        })
        .await
    }

    pub(super) fn discard(self) {
        // As for a part.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes the directory that a file is to lie in.
pub(super) fn make_parent(path: &Path) -> Result<(), Error> {
    let Some(directory) = path.parent() else { return Ok(()) };
    fs::create_dir_all(directory).map_err(|error| Error::io(Verb::MakeDirectory, directory, error))
}

fn same_file(file: &File, path: &Path) -> bool {
    let both = || io::Result::Ok((file.metadata()?, path.symlink_metadata()?));
    both().is_ok_and(|(open, named)| (open.dev(), open.ino()) == (named.dev(), named.ino()))
}
