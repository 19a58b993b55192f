//! The release binary of this machine's system, unpacked from the vendor directory.
//!
//! It lies below the vendor directory by the hash of the archive that it came from, so that it is
//! unpacked once. What lies there was verified when the archive was, and is made again when gone.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use lock::{Archive, Artifact, System};
use replay::vendor::Vendor;
use rustix::fs::{FlockOperation, flock};
use tree::unpack;

/// Why there is no binary.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This machine is none of the systems that OpenCode is released for.
    #[error("run OpenCode: this machine is none of the supported systems")]
    Host,
    /// The lock does not have this machine's system, whose binary has to be run.
    #[error("run OpenCode: the lock has no artifact for {system}")]
    NotLocked {
        /// This machine's system.
        system: System,
    },
    /// The archive is not in the vendor directory.
    #[error("unpack {what}: it is not in the vendor directory")]
    NotVendored {
        /// The package.
        what: String,
    },
    /// The archive could not be read.
    #[error("open {}", path.display())]
    Open {
        /// The archive.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The archive is refused.
    #[error("unpack {}", path.display())]
    Unpack {
        /// The archive.
        path: PathBuf,
        /// The cause.
        source: tree::Error,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Host => "system-unsupported",
            Self::NotLocked { .. } => "lock-system",
            Self::NotVendored { .. } => "vendor-incomplete",
            Self::Open { .. } => "vendor-unreadable",
            Self::Unpack { source, .. } => source.code(),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotLocked { system } => {
                Some(format!("add \"{system}\" to `systems` in the manifest and run `opencode-cache lock`"))
            }
            Self::NotVendored { .. } => Some("run `opencode-cache fetch`".into()),
            Self::Unpack { source, .. } => source.hint(),
            _ => None,
        }
    }
}

/// This machine's system.
pub fn host() -> Result<System, Error> {
    System::host().ok_or(Error::Host)
}

/// A binary that is at hand without any network: that of this machine's system in `lock`, where its
/// archive was fetched before.
pub fn at_hand(vendor: &Vendor, lock: &lock::Lock) -> Option<PathBuf> {
    unpacked(vendor, lock.systems.get(&System::host()?)?).ok()
}

/// What an artifact is called in messages.
pub fn describe(artifact: &Artifact) -> String {
    artifact.source.to_string()
}

/// The unpacked binary of `artifact`: the one that an earlier run left, if it still is what that
/// run unpacked, else a new one.
pub fn unpacked(vendor: &Vendor, artifact: &Artifact) -> Result<PathBuf, Error> {
    let directory = vendor.root().join("unpacked").join(artifact.integrity.hex());
    if let Some(found) = find_intact(&directory) {
        return Ok(found);
    }
    let what = describe(artifact);
    let archive = vendor.get(&artifact.integrity).ok_or(Error::NotVendored { what })?;
    let open = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Open { path, source }
    };
    std::fs::create_dir_all(&directory).map_err(open(&directory))?;
    let _lock = lock(&directory)?;
    // Another process may have been at it while this one waited.
    if let Some(found) = find_intact(&directory) {
        return Ok(found);
    }
    sweep(&directory)?;
    let file = File::open(&archive).map_err(open(&archive))?;
    let unpack = |source| Error::Unpack { path: archive.clone(), source };
    // Named after its own content only when it is whole, so that damage is noticed later.
    let fresh = tempfile::tempdir_in(&directory).map_err(open(&directory))?;
    let out = fresh.path().join("opencode");
    let (member, limits) = (artifact.binary.as_str(), unpack::Limits::PACKAGE);
    unpack::member(BufReader::new(file), format(artifact.archive), member, &out, &limits).map_err(unpack)?;
    let digest = tree::Digest::of(&tree::nar_hash(&out).map_err(unpack)?);
    let place = directory.join(digest.to_string());
    std::fs::rename(&out, &place).map_err(open(&place))?;
    Ok(place)
}

/// What an artifact's archive is to be read as.
pub(crate) fn format(archive: Archive) -> unpack::Format {
    if archive == Archive::Zip { unpack::Format::Zip } else { unpack::Format::Tgz }
}

/// The right to write in a directory, until it is dropped; the kernel takes it back from whoever
/// is killed.
fn lock(directory: &Path) -> Result<File, Error> {
    let open = |source| Error::Open { path: directory.into(), source };
    let file = File::open(directory).map_err(open)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| open(error.into()))?;
    Ok(file)
}

/// Removes what killed runs left half-done, and what is damaged. A running OpenCode keeps the file
/// that it was started from.
fn sweep(directory: &Path) -> Result<(), Error> {
    let failed = |source| Error::Open { path: directory.into(), source };
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        tree::remove_tree(&path).map_err(|source| Error::Unpack { path: path.clone(), source })?;
    }
    Ok(())
}

/// The file whose name is the digest of its content.
fn find_intact(directory: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.path())).find(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        path.is_file() && tree::nar_hash(path).is_ok_and(|hash| tree::Digest::of(&hash).to_string() == name)
    })
}
