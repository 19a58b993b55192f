//! Where bun, OpenCode's runtime, puts the native libraries that it unpacks at every start: 5 to 19 MB
//! that it leaves behind (1.18.18), and cannot load at all where `/tmp` forbids programs.
//!
//! They get a directory of their own in the cache root. A start that finds something there removes what no
//! running OpenCode has loaded.

use crate::bytes::join;
use crate::environment::Environment;
use crate::failure::trace;
use crate::listing;
use crate::private;
use crate::processes;
use crate::system;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, fstat, futimens,
    mkdirat, openat, statat, unlinkat,
};
use rustix::io::Errno;

/// Its name in the cache root.
const NAME: &[u8] = b".opencode-cache-tmp";

/// Seconds for which a file may be unpacked and not loaded yet.
const YOUNG: i64 = 60;

/// The directory in the cache root; where there can be none and the usual one will not do either, one outside.
pub fn choose(environment: &Environment<'_>, cache: Option<&[u8]>) -> Option<Vec<u8>> {
    if let Some(path) = cache.and_then(take) {
        return Some(path);
    }
    let usual = private::usual_temporary(environment);
    if !system::forbids_programs(usual) {
        return None;
    }
    private::directory(environment, true).and_then(|private| take(&private))
}

/// The directory below `above`, tidied, if programs may be loaded from there.
fn take(above: &[u8]) -> Option<Vec<u8>> {
    let path = join(above, NAME);
    let directory = match open(&path) {
        Err(Errno::NOENT) => create(&path),
        opened => opened,
    };
    // Becoming OpenCode closes it.
    let directory = ManuallyDrop::new(directory.ok()?);
    let mut left = Vec::new();
    let _ = listing::first(directory.as_fd(), &mut |name, kind| {
        if kind != FileType::Directory {
            left.push(name.to_vec());
        }
    });
    if !left.is_empty() {
        remove_unused(directory.as_fd(), &left);
    }
    Some(path)
}

fn open(path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
}

/// Where it will not do there is none, and so that need not be asked at every start.
fn create(path: &[u8]) -> Result<OwnedFd, Errno> {
    mkdirat(CWD, path, Mode::RWXU)?;
    let directory = open(path)?;
    if system::forbids_programs(path) || system::is_on_network(path) {
        unlinkat(CWD, path, AtFlags::REMOVEDIR)?;
        return Err(Errno::PERM);
    }
    Ok(directory)
}

/// Removes what no running OpenCode has loaded, or may be about to. (What is removed under one in a container
/// that shares this home but not its processes stays loaded all the same.)
fn remove_unused(directory: BorrowedFd<'_>, left: &[Vec<u8>]) {
    let mut loaded = Vec::new();
    let mut alone = true;
    processes::each_opencode(&mut |process, _| {
        alone = false;
        let _ = system::read_mappings(process, &mut loaded);
    });
    if !alone && !system::TELLS_MAPPINGS {
        return;
    }
    let Some(young) = now(directory).map(|now| now - YOUNG) else { return };
    for name in left {
        let is_old = || {
            let found = statat(directory, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW);
            found.is_ok_and(|found| found.st_mtime < young)
        };
        let place = [NAME, b"/", name].concat();
        if (alone || is_old()) && !contains(&loaded, &place) {
            trace(&[b"remove what an OpenCode left: ", name]);
            let _ = unlinkat(directory, name.as_slice(), AtFlags::empty());
        }
    }
}

/// The file system's idea of the time: what it dates files by.
fn now(directory: BorrowedFd<'_>) -> Option<i64> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    futimens(directory, &Timestamps { last_access: omit, last_modification: now }).ok()?;
    fstat(directory).ok().map(|found| found.st_mtime)
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
