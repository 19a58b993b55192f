//! The file that a bundle is written to: aside, under its name only when it is whole. What stands there and is no bundle stays.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use tree::atomic::Aside;

use super::Error;

/// Mode of a bundle: whoever carries it may be somebody else.
const MODE: u32 = 0o644;

/// A bundle on its way.
#[derive(Debug)]
pub(super) struct Paper {
    aside: Aside,
}

impl Paper {
    /// Begins the bundle that is to be at `file`.
    pub(super) fn beside(file: &Path) -> Result<Self, Error> {
        let is_taken = file.symlink_metadata().is_ok() && bundle::open(file).is_err();
        if is_taken {
            return Err(Error::Taken { path: file.to_path_buf() });
        }
        Ok(Self { aside: Aside::beside(file)? })
    }

    /// Flushes it and gives it its name.
    pub(super) fn finish(self) -> Result<(), Error> {
        Ok(self.aside.finish(MODE)?)
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.aside.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.aside.flush()
    }
}

impl Seek for Paper {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.aside.file().seek(to)
    }
}
