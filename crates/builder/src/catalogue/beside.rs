//! The catalogue's bytes beside the lock: `opencode.catalogue.json.zst` for `opencode.lock.json`. Owns that file, and how its bytes
//! get into the vendor directory.

use std::io::Read;
use std::path::{Path, PathBuf};

use lock::{Catalogue, Lock, Sri};
use replay::vendor::{self, Vendor};

use super::MAX_BYTES;
use crate::{fetch, files};

/// How hard it is compressed: 3 MB become 170 kB in half a second, and nobody waits for it.
const LEVEL: i32 = 19;

/// Why the catalogue's file cannot be used or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The vendor directory said no.
    #[error("take the catalogue from {}", file.display())]
    Vendor {
        /// The file beside the lock.
        file: PathBuf,
        /// The cause.
        source: vendor::Error,
    },
    /// It could not be written.
    #[error("write {}", file.display())]
    Write {
        /// The file beside the lock.
        file: PathBuf,
        /// The cause.
        source: tree::Error,
    },
    /// It could not be compressed.
    #[error("compress the catalogue for {}", file.display())]
    Compress {
        /// The file beside the lock.
        file: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The pinned bytes are nowhere.
    #[error("fetch the catalogue: {} {reason}, and {host} does not serve what is pinned", file.display())]
    Moved {
        /// The file beside the lock.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// The host that the catalogue came from.
        host: String,
        /// What that host did.
        source: vendor::Error,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Vendor { source, .. } => source.code(),
            Self::Write { .. } | Self::Compress { .. } => "catalogue-write",
            Self::Moved { .. } => "catalogue-moved",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Vendor { source, .. } => source.hint(),
            Self::Write { .. } | Self::Compress { .. } => None,
            Self::Moved { file, .. } => Some(format!(
                "put {} back beside the lock (`lock` wrote it, and it belongs in version control), or run `opencode-cache lock \
                 --refresh`",
                file.display()
            )),
        }
    }

    /// The failure to fetch a pin, told for what it is where the pin is the lock's catalogue: an address that serves something else
    /// every few hours.
    pub fn of(error: fetch::Error, lock: &Lock, lock_path: &Path) -> crate::Error {
        let Some(catalogue) = &lock.catalogue else { return error.into() };
        match error {
            fetch::Error::Vendor { what, source } if what == name(catalogue) => {
                let file = path(lock_path);
                let reason = read(&file, catalogue).err().unwrap_or_else(|| "was not there in time".into());
                Self::Moved { file, reason, host: catalogue.url.host().to_owned(), source }.into()
            }
            error => error.into(),
        }
    }
}

/// How a pin of it is named in errors.
fn name(catalogue: &Catalogue) -> String {
    fetch::catalogue_pin(catalogue).map(|pin| pin.source.to_string()).unwrap_or_default()
}

/// Where it lies beside the lock at `lock`: `NAME.catalogue.json.zst` for `NAME.lock.json`.
pub fn path(lock: &Path) -> PathBuf {
    let name = lock.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".json").unwrap_or(&name);
    let stem = stem.strip_suffix(".lock").unwrap_or(stem);
    lock.with_file_name(format!("{stem}.catalogue.json.zst"))
}

/// What becomes of the file beside a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It stays, or stays away.
    Stays,
    /// It goes.
    Goes,
    /// These are its bytes from now on.
    Becomes(Vec<u8>),
}

/// Writes the file beside the lock at `lock_path` where the lock pins a catalogue whose bytes are at hand, and takes away the one of a
/// lock before, `old`, that nothing pins any more.
pub fn keep(lock: &Lock, old: Option<&Lock>, lock_path: &Path, vendor: &Vendor) -> Result<(), Error> {
    let file = path(lock_path);
    match change(lock, old, lock_path, vendor)? {
        Change::Stays => Ok(()),
        Change::Goes => {
            // What is left would be of no use, and harms nothing.
            let _left = std::fs::remove_file(&file);
            Ok(())
        }
        Change::Becomes(bytes) => {
            tree::atomic::write_file(&file, &bytes, 0o644).map_err(|source| Error::Write { file, source })
        }
    }
}

/// What [`keep`] would do.
pub fn change(lock: &Lock, old: Option<&Lock>, lock_path: &Path, vendor: &Vendor) -> Result<Change, Error> {
    let file = path(lock_path);
    let Some(catalogue) = &lock.catalogue else {
        let ours = old.and_then(|old| old.catalogue.as_ref());
        let is_ours = ours.is_some_and(|ours| read(&file, ours).is_ok());
        return Ok(if is_ours { Change::Goes } else { Change::Stays });
    };
    if read(&file, catalogue).is_ok() {
        return Ok(Change::Stays);
    }
    let Some(bytes) = stored(catalogue, vendor) else { return Ok(Change::Stays) };
    let compressed =
        zstd::encode_all(bytes.as_slice(), LEVEL).map_err(|source| Error::Compress { file, source })?;
    Ok(Change::Becomes(compressed))
}

/// Sees that the catalogue of `lock` is in the vendor directory, where the file beside the lock at `lock_path` has it. Where neither
/// has, it is for `fetch` to get.
pub async fn provide(lock: &Lock, lock_path: &Path, vendor: &Vendor) -> Result<(), Error> {
    let Some(catalogue) = &lock.catalogue else { return Ok(()) };
    if vendor.get(&catalogue.integrity).is_some() && vendor.verify(&catalogue.integrity).await.is_ok() {
        return Ok(());
    }
    let file = path(lock_path);
    let Ok(bytes) = read(&file, catalogue) else { return Ok(()) };
    let failed = |source| Error::Vendor { file: file.clone(), source };
    vendor.remove(&catalogue.integrity).map_err(failed)?;
    vendor.put(bytes.into()).await.map_err(failed)?;
    Ok(())
}

/// The bytes of `catalogue` from the file beside a lock; else what is wrong with that file, as a sentence's end.
fn read(file: &Path, catalogue: &Catalogue) -> Result<Vec<u8>, String> {
    let compressed = files::read_bounded(file, MAX_BYTES).map_err(|error| match error {
        files::ReadError::Io(source) if source.kind() == std::io::ErrorKind::NotFound => {
            "is not there".to_owned()
        }
        error => format!("cannot be read ({error})"),
    })?;
    let mut bytes = Vec::new();
    // Never more than what is pinned, whatever it would become.
    zstd::Decoder::new(compressed.as_slice())
        .and_then(|decoder| decoder.take(catalogue.size.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read ({error})"))?;
    if Sri::of(catalogue.integrity.algorithm(), &bytes) == catalogue.integrity {
        Ok(bytes)
    } else {
        Err("is of another lock".to_owned())
    }
}

fn stored(catalogue: &Catalogue, vendor: &Vendor) -> Option<Vec<u8>> {
    let bytes = files::read_bounded(&vendor.get(&catalogue.integrity)?, MAX_BYTES).ok()?;
    (Sri::of(catalogue.integrity.algorithm(), &bytes) == catalogue.integrity).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock::Algorithm;

    const BYTES: &[u8] = br#"{"a":{"models":{"m":{}}}}"#;

    fn lock(bytes: Option<&[u8]>) -> Lock {
        let text = include_str!("../../../../opencode.lock.json");
        let mut lock = Lock::parse(text).unwrap();
        lock.catalogue = bytes.map(|bytes| Catalogue {
            integrity: Sri::of(Algorithm::Sha512, bytes),
            size: bytes.len() as u64,
            url: "https://models.example/api.json".parse().unwrap(),
        });
        lock
    }

    #[test]
    fn the_file_is_named_as_the_lock() {
        for (lock, file) in [
            ("opencode.lock.json", "opencode.catalogue.json.zst"),
            ("a/team.lock.json", "a/team.catalogue.json.zst"),
            ("other.json", "other.catalogue.json.zst"),
            ("plain", "plain.catalogue.json.zst"),
        ] {
            assert_eq!(path(Path::new(lock)), Path::new(file));
        }
    }

    #[tokio::test]
    async fn what_is_kept_beside_a_lock_is_had_again_without_a_network() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("x.lock.json");
        let pinned = lock(Some(BYTES));
        let integrity = &pinned.catalogue.as_ref().unwrap().integrity;
        let (here, there) = (Vendor::at(directory.path().join("1")), Vendor::at(directory.path().join("2")));
        here.put(BYTES.into()).await.unwrap();
        keep(&pinned, None, &at, &here).unwrap();
        provide(&pinned, &at, &there).await.unwrap();
        assert_eq!(std::fs::read(there.get(integrity).unwrap()).unwrap(), BYTES);

        // A damaged one is replaced.
        std::fs::remove_file(there.path_of(integrity)).unwrap();
        std::fs::write(there.path_of(integrity), "damaged").unwrap();
        provide(&pinned, &at, &there).await.unwrap();
        assert!(there.verify(integrity).await.is_ok());

        // One of another lock is none, and stays; ours goes with the pin.
        let other = lock(Some(b"{}"));
        assert_eq!(read(&path(&at), other.catalogue.as_ref().unwrap()).unwrap_err(), "is of another lock");
        keep(&lock(None), Some(&other), &at, &here).unwrap();
        assert!(path(&at).exists());
        keep(&lock(None), Some(&pinned), &at, &here).unwrap();
        assert!(!path(&at).exists());
    }

    #[test]
    fn a_small_file_that_would_become_a_large_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("x.lock.json");
        let zeros = vec![0; 32 << 20];
        std::fs::write(path(&at), zstd::encode_all(zeros.as_slice(), 3).unwrap()).unwrap();
        let pinned = lock(Some(BYTES));
        assert_eq!(read(&path(&at), pinned.catalogue.as_ref().unwrap()).unwrap_err(), "is of another lock");
    }
}
