//! The vendor directory: every pinned byte, by its hash. A file exists in it only after its hash was checked.
//!
//! Layout: `<algorithm>/<first two hex digits>/<hex digest>`, mode 0444; a download under way is `<hex digest>.part` beside it, and
//! a file whose hash is not known yet lies in `incoming/`. Several processes may use one directory at once. It never holds a name,
//! an address or a version: those are the lock's.

use std::io;
use std::path::{Path, PathBuf};

use lock::{Algorithm, Hasher, Sri};

mod error;
mod fetch;
mod part;
mod put;

pub use error::{Error, Verb};
pub use fetch::{Pinned, Source};
pub use put::Stored;

/// Bytes read at once when a file is hashed.
const CHUNK: usize = 256 * 1024;

/// A directory of files by hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vendor {
    root: PathBuf,
}

impl Vendor {
    /// The vendor directory at `root`. It is made when something is put into it.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file of a hash lies, whether or not it is there.
    #[must_use]
    pub fn path_of(&self, integrity: &Sri) -> PathBuf {
        let hex = integrity.hex();
        self.root.join(integrity.algorithm().to_string()).join(&hex[..2]).join(hex)
    }

    /// The file of a hash, where it is there. It was verified when it was written; [`Self::verify`] does so again.
    #[must_use]
    pub fn get(&self, integrity: &Sri) -> Option<PathBuf> {
        let path = self.path_of(integrity);
        let found = path.symlink_metadata().ok()?;
        found.is_file().then_some(path)
    }

    /// Hashes a file again; its size in bytes.
    ///
    /// # Errors
    /// Where it is missing, cannot be read, or is not what its name says.
    pub async fn verify(&self, integrity: &Sri) -> Result<u64, Error> {
        let path = self.path_of(integrity);
        let (algorithm, at) = (integrity.algorithm(), path.clone());
        let (got, size) = blocking(move || hash(&at, algorithm)).await?;
        if got == *integrity {
            return Ok(size);
        }
        Err(Error::Corrupt { path, wanted: integrity.clone(), got })
    }

    /// Removes a file, such as one that [`Self::verify`] found broken. One that is not there is removed already.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn remove(&self, integrity: &Sri) -> Result<(), Error> {
        let path = self.path_of(integrity);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(Verb::Remove, &path, error))
            }
            _ => Ok(()),
        }
    }
}

/// Runs file-system work where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(stopped) => Err(Error::io(Verb::Write, Path::new(""), io::Error::other(stopped))),
    }
}

/// Hash and size of a file.
fn hash(path: &Path, algorithm: Algorithm) -> Result<(Sri, u64), Error> {
    let failed = |error| Error::io(Verb::Read, path, error);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut hasher = Hasher::new(algorithm);
    let size = feed(&mut file, &mut hasher).map_err(failed)?;
    Ok((hasher.finish(), size))
}

/// Hashes the rest of a file; how many bytes that were.
fn feed(file: &mut std::fs::File, hasher: &mut Hasher) -> io::Result<u64> {
    use std::io::Read as _;
    let mut buffer = vec![0; CHUNK];
    let mut size = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
