//! The files of a sandbox as the caller reaches them. Every path is resolved as inside: a link that a program left cannot lead the
//! caller out. Never follows such a link into the machine's own files.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::Error;

/// The root of a sandbox.
pub struct Files(pub OwnedFd);

impl Files {
    /// Reads a file of at most `bound` bytes.
    pub fn read(&self, path: &Path, bound: u64) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        // A pipe that nobody writes to must not hold the caller.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        File::from(self.open(path, flags, "read")?)
            .take(bound.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(|source| io(path, "read", source))?;
        if content.len() as u64 > bound {
            return Err(Error::TooLarge { path: path.to_path_buf(), bound });
        }
        Ok(content)
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, path: &Path, content: &[u8]) -> Result<(), Error> {
        if let Some(parent) = path.parent() {
            self.make_directory(parent)?;
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOCTTY;
        File::from(self.open(path, flags, "write")?)
            .write_all(content)
            .map_err(|source| io(path, "write", source))
    }

    /// Makes a directory and those above it; one that is there is no error.
    pub fn make_directory(&self, path: &Path) -> Result<(), Error> {
        let mut at = PathBuf::from(".");
        for part in path.components() {
            let Component::Normal(name) = part else {
                continue;
            };
            let parent = self.open(&at, OFlags::PATH | OFlags::DIRECTORY, "open")?;
            match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                // A read-only mount says so before it says that the directory is there.
                Err(Errno::ROFS)
                    if rustix::fs::statat(&parent, name, rustix::fs::AtFlags::empty()).is_ok() => {}
                Err(error) => return Err(io(path, "make directory", error.into())),
            }
            at.push(name);
        }
        Ok(())
    }

    fn open(&self, path: &Path, flags: OFlags, verb: &'static str) -> Result<OwnedFd, Error> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        // A mode may only be given where a file is made.
        let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o644) } else { Mode::empty() };
        loop {
            match rustix::fs::openat2(
                self.0.as_fd(),
                relative,
                flags | OFlags::CLOEXEC,
                mode,
                ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
            ) {
                // The kernel's way to say that a rename raced with the look-up.
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other.map_err(|error| io(path, verb, error.into())),
            }
        }
    }
}

fn io(path: &Path, verb: &'static str, source: std::io::Error) -> Error {
    Error::Io { verb, path: path.to_path_buf(), source }
}
