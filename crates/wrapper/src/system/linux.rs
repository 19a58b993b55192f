//! Linux: `/proc` says it.

use crate::bytes::{decimal, join};
use crate::link::Target;
use crate::listing;
use alloc::vec::Vec;
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags, openat, statfs, statvfs};
use rustix::io::Errno;

/// Where this program's own path is read.
pub const OWN_PROGRAM: &[u8] = b"/proc/self/exe";

/// Opens without a right to read.
pub const LOOK: OFlags = OFlags::PATH;

/// Whether what a process has loaded can be told.
pub const TELLS_MAPPINGS: bool = true;

/// Most of a process's list of mappings that is read: OpenCode has some 100 kB.
const MOST_MAPPINGS: usize = 4 << 20;

/// File systems of other machines (linux/magic.h: NFS, CIFS, SMB2, 9P): processes there cannot be seen here.
const NETWORK: [u64; 4] = [0x6969, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997];

/// Path of this program, links resolved.
pub fn own_program() -> Result<Vec<u8>, Errno> {
    Target::new().read(CWD, OWN_PROGRAM).map(<[u8]>::to_vec)
}

/// Path of the program that a process runs. `NOENT` where there is no such process.
pub fn program<'a>(process: &[u8], room: &'a mut Target) -> Result<&'a [u8], Errno> {
    room.read(CWD, join(&join(b"/proc", process), b"exe").as_slice())
}

/// Calls `see` with the number of each process but this one, as far as they are visible.
pub fn each_other_process(see: &mut dyn FnMut(&[u8])) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(directory) = openat(CWD, "/proc", flags, Mode::empty()) else { return };
    let mut own = Target::new();
    let own = own.read(CWD, "/proc/self").unwrap_or_default();
    let _ = listing::each(directory.as_fd(), &mut |process, _| {
        if process.iter().all(u8::is_ascii_digit) && process != own {
            see(process);
        }
        true
    });
}

/// Adds to `to` what a process has mapped, as text that names files.
pub fn read_mappings(process: &[u8], to: &mut Vec<u8>) -> Result<(), Errno> {
    let path = join(&join(b"/proc", process), b"maps");
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(CWD, path.as_slice(), flags, Mode::empty())?;
    let most = to.len() + MOST_MAPPINGS;
    while to.len() < most {
        to.reserve(64 * 1024);
        if rustix::io::read(&file, spare_capacity(to))? == 0 {
            break;
        }
    }
    Ok(())
}

/// The path of something without links in it.
pub fn real_path(path: &[u8]) -> Result<Vec<u8>, Errno> {
    let file = openat(CWD, path, LOOK | OFlags::CLOEXEC, Mode::empty())?;
    let link = join(b"/proc/self/fd", &decimal(file.as_raw_fd().unsigned_abs()));
    Target::new().read(CWD, link.as_slice()).map(<[u8]>::to_vec)
}

/// Whether programs and libraries cannot be loaded from where `path` is.
pub fn forbids_programs(path: &[u8]) -> bool {
    statvfs(path).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// Whether `path` is on another machine, as far as the kernel knows.
pub fn is_on_network(path: &[u8]) -> bool {
    statfs(path).is_ok_and(|mount| NETWORK.contains(&(mount.f_type as u64 & 0xffff_ffff)))
}
