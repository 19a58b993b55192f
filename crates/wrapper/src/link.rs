//! Reading symbolic links, without an allocation for each.

use alloc::vec::Vec;
use core::mem::MaybeUninit;
use rustix::fd::AsFd;
use rustix::fs::readlinkat_raw;
use rustix::io::Errno;
use rustix::path::Arg;

/// What usual targets fit into. More on the stack would be one more page to fetch at every start.
const USUAL: usize = 512;

/// Longest target that the kernel gives, and one byte to tell when it was cut off.
const LONGEST: usize = 4096;

/// Room for a link's target.
pub struct Target {
    usual: [MaybeUninit<u8>; USUAL],
    long: Vec<u8>,
}

impl Target {
    /// Room, empty.
    pub const fn new() -> Target {
        Target { usual: [const { MaybeUninit::uninit() }; USUAL], long: Vec::new() }
    }

    /// What the link at `path` says. `INVAL` where that is no link.
    pub fn read(&mut self, directory: impl AsFd, path: impl Arg + Copy) -> Result<&[u8], Errno> {
        let (target, rest) = readlinkat_raw(&directory, path, &mut self.usual)?;
        if !rest.is_empty() {
            return Ok(target);
        }
        self.long.resize(LONGEST, 0);
        match readlinkat_raw(&directory, path, self.long.as_mut_slice())? {
            length if length < LONGEST => Ok(self.long.get(..length).unwrap_or_default()),
            _ => Err(Errno::NAMETOOLONG),
        }
    }

    /// What `give` puts into room for `most` bytes, and says the length of.
    #[cfg(not(target_os = "linux"))]
    pub fn fill(
        &mut self,
        most: usize,
        give: impl FnOnce(&mut [u8]) -> Result<usize, Errno>,
    ) -> Result<&[u8], Errno> {
        self.long.resize(most, 0);
        let length = give(&mut self.long)?;
        Ok(self.long.get(..length).unwrap_or_default())
    }
}
