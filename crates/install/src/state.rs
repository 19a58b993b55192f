//! What lies in `STATE`, and the one lock that whoever changes anything there holds. With the lock come repairs: whatever a killed
//! process left half-done is removed, so that nobody else has to think of it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use tree::Store;

use crate::error::{At as _, Error, Result};
use crate::place::Place;

/// How the names begin of what is not finished: of generations, and of links that replace others (`tree::set_link`).
pub(crate) const ASIDE: &str = ".aside-";
pub(crate) const LINK_ASIDE: &str = ".link-";

/// The lock's name.
const LOCK: &str = "lock";

/// How long another one is waited for: a process that was killed has the lock until the last of its threads is gone.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// The state, held by this process alone.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) place: Place,
    pub(crate) store: Store,
    /// The kernel gives the lock up with the process, however that ends.
    _lock: File,
}

impl State {
    /// Takes the lock, making what is not there yet.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Io`], [`Error::Tree`].
    pub(crate) fn take(place: &Place) -> Result<Self> {
        for directory in [&place.state, &place.store(), &place.generations()] {
            make_directory(directory, place.is_shared)?;
        }
        let lock = lock(place)?;
        let store = Store::at(place.store())?;
        remove_asides(&place.state, LINK_ASIDE)?;
        remove_asides(&place.generations(), ASIDE)?;
        remove_asides(&place.generations(), LINK_ASIDE)?;
        Ok(Self { place: place.clone(), store, _lock: lock })
    }

    /// The same where something is installed.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], and as [`State::take`].
    pub(crate) fn of_installed(place: &Place) -> Result<Self> {
        if !place.generations().is_dir() {
            return Err(Error::NotInstalled { path: place.current() });
        }
        Self::take(place)
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        self.place.state.join(LOCK)
    }
}

/// The lock; again where `uninstall` took the file's name away between opening and locking it.
fn lock(place: &Place) -> Result<File> {
    let path = place.state.join(LOCK);
    let since = Instant::now();
    loop {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).open(&path).at("open", &path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) if since.elapsed() < PATIENCE => {
                std::thread::sleep(POLL);
                continue;
            }
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(Error::Busy { path }),
            locked => locked.at("lock", &path)?,
        }
        let ours = file.metadata().at("read", &path)?;
        match fs::symlink_metadata(&path) {
            Ok(found) if (found.dev(), found.ino()) == (ours.dev(), ours.ino()) => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).at("read", &path),
        }
    }
}

/// Makes a directory and those above it; for everybody to read where it is everybody's, whatever the umask says.
pub(crate) fn make_directory(path: &Path, is_shared: bool) -> Result<()> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => match path.parent() {
            Some(parent) if parent != path => {
                make_directory(parent, is_shared)?;
                return make_directory(path, is_shared);
            }
            _ => return Err(error).at("create", path),
        },
        made => made.at("create", path)?,
    }
    if is_shared {
        fs::set_permissions(path, Permissions::from_mode(0o755)).at("set the mode of", path)?;
    }
    Ok(())
}

/// Removes what killed processes left in a directory under names that begin so.
fn remove_asides(directory: &Path, prefix: &str) -> Result<()> {
    for entry in fs::read_dir(directory).at("list", directory)? {
        let entry = entry.at("list", directory)?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            tree::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Flushes a directory, so that names in it survive a power cut.
pub(crate) fn flush(directory: &Path) -> Result<()> {
    File::open(directory).and_then(|open| open.sync_all()).at("flush", directory)
}
