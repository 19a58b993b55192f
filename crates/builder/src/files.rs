//! Bounded reading of files that a person named: a wrong path (a device, a FIFO, a log of a
//! gigabyte) is an answer, never a hang or a full memory.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Why [`read_bounded`] gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is a directory, device, FIFO or socket.
    #[error("not a file")]
    NotAFile,
    /// It holds more than the bound.
    #[error("too large")]
    TooLarge,
    /// The system said no.
    #[error(transparent)]
    Io(std::io::Error),
}

/// `O_NONBLOCK`: opening a FIFO without a writer returns at once instead of waiting for one.
const O_NONBLOCK: i32 = if cfg!(target_os = "macos") { 0x4 } else { 0o4000 };

/// Reads the regular file at `path`, of at most `max` bytes.
pub fn read_bounded(path: &Path, max: u64) -> Result<Vec<u8>, ReadError> {
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path).map_err(ReadError::Io)?;
    let metadata = file.metadata().map_err(ReadError::Io)?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile);
    }
    if metadata.len() > max {
        return Err(ReadError::TooLarge);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(max + 1).read_to_end(&mut bytes).map_err(ReadError::Io)?;
    if bytes.len() as u64 > max { Err(ReadError::TooLarge) } else { Ok(bytes) }
}

/// How many bytes the regular files below a directory have; what cannot be read counts nothing.
pub fn size_of(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return 0 };
    if metadata.is_file() {
        return metadata.len();
    }
    if !metadata.is_dir() {
        return 0;
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| size_of(&entry.path())).sum()
}
