//! What stands at an entry's place. Owns the states of the table in `docs/LINKMAP.md`; changes nothing.

use super::stamp;
use crate::link::Target;
use crate::output::{Output, read_leaving_open};
use alloc::vec;
use linkmap::{Action, Entry, Sum, names_output};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

/// Longest content of a `force`: a version number in practice. Read at every start.
const MOST_FORCED: usize = 64 * 1024;

/// What stands at an entry's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Absent,
    /// What the map wants, laid by this generation or one that wanted the same.
    Current,
    /// What an older (or newer) generation of ours laid and nobody changed since.
    Ours,
    /// A file of the right kind with other content than a `force` wants.
    Damaged,
    /// Something else: the user's file or directory, a foreign link, a changed copy.
    Users,
}

impl State {
    /// For a person.
    pub const fn word(self) -> &'static str {
        match self {
            State::Absent => "absent",
            State::Current => "in order",
            State::Ours => "ours, of another generation",
            State::Damaged => "damaged",
            State::Users => "the user's own",
        }
    }

    /// Whether a start has nothing to do about it (entries of the group apart).
    pub fn is_settled(self, entry: &Entry<'_>) -> bool {
        match self {
            State::Current => true,
            // A user's directory where a fixed content must be cannot be left without a word.
            State::Users => !matches!(entry.action, Action::Force { .. }),
            State::Absent | State::Ours | State::Damaged => false,
        }
    }
}

/// One look at `path`, relative to `directory`. Its last component is never followed.
pub fn observe(
    output: &Output,
    directory: impl AsFd,
    path: &[u8],
    entry: &Entry<'_>,
) -> Result<State, Errno> {
    let directory = directory.as_fd();
    let state = match entry.action {
        Action::Link { source } => observe_link(directory, path, &output.path(source)),
        Action::Copy { sum, .. } => observe_copy(directory, path, sum),
        Action::Force { source } => observe_forced(directory, path, &output.path(source)),
        Action::Keep => observe_kept(directory, path),
    };
    match state {
        Err(Errno::NOENT) => Ok(State::Absent),
        // A file of the user's where a directory would have to be.
        Err(Errno::NOTDIR) => Ok(State::Users),
        state => state,
    }
}

fn observe_link(directory: BorrowedFd<'_>, path: &[u8], wanted: &[u8]) -> Result<State, Errno> {
    match Target::new().read(directory, path) {
        Ok(target) if target == wanted => Ok(State::Current),
        Ok(target) => Ok(of_target(target)),
        Err(Errno::INVAL) => of_file(directory, path),
        Err(error) => Err(error),
    }
}

fn observe_copy(directory: BorrowedFd<'_>, path: &[u8], sum: Sum) -> Result<State, Errno> {
    let stat = statat(directory, path, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if stamp::is_of(&stat, sum) => Ok(State::Current),
        FileType::RegularFile => of_file(directory, path),
        FileType::Symlink => of_written(directory, path),
        _ => Ok(State::Users),
    }
}

fn observe_forced(directory: BorrowedFd<'_>, path: &[u8], wanted: &[u8]) -> Result<State, Errno> {
    let content = match read_leaving_open(directory, path, 256, MOST_FORCED) {
        Ok(content) => content,
        Err(Errno::LOOP) => return of_written(directory, path),
        // A file that even we cannot read has not the right content.
        Err(Errno::ACCESS) => return Ok(State::Damaged),
        Err(Errno::ISDIR) => return Ok(State::Users),
        Err(error) => return Err(error),
    };
    let wanted = read_leaving_open(CWD, wanted, 256, MOST_FORCED)?;
    Ok(if content == wanted { State::Current } else { State::Damaged })
}

fn observe_kept(directory: BorrowedFd<'_>, path: &[u8]) -> Result<State, Errno> {
    let stat = statat(directory, path, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(State::Current),
        FileType::Symlink => of_written(directory, path),
        _ => Ok(State::Users),
    }
}

/// `Ours` or `Users`, of something that exists and is not what the map wants.
pub fn of_written(directory: BorrowedFd<'_>, path: &[u8]) -> Result<State, Errno> {
    match Target::new().read(directory, path) {
        Ok(target) => Ok(of_target(target)),
        Err(Errno::INVAL) => of_file(directory, path),
        Err(error) => Err(error),
    }
}

/// The same of something that is no link.
fn of_file(directory: BorrowedFd<'_>, path: &[u8]) -> Result<State, Errno> {
    let stat = statat(directory, path, AtFlags::SYMLINK_NOFOLLOW)?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !regular || !stamp::is_any(&stat) {
        return Ok(State::Users);
    }
    // The date says that we wrote it; the content has the last word.
    match sum_of_file(directory, path) {
        Ok(sum) if stamp::is_of(&stat, sum) => Ok(State::Ours),
        Ok(_) | Err(Errno::ACCESS) => Ok(State::Users),
        Err(error) => Err(error),
    }
}

fn of_target(target: &[u8]) -> State {
    if names_output(target) { State::Ours } else { State::Users }
}

fn sum_of_file(directory: BorrowedFd<'_>, path: &[u8]) -> Result<Sum, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(directory, path, flags, Mode::empty())?;
    let mut buffer = vec![0; 64 * 1024];
    let mut sum = Sum::EMPTY;
    loop {
        match rustix::io::read(&file, &mut buffer)? {
            0 => return Ok(sum),
            read => sum = sum.and(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// Whether something exists, links followed.
pub fn exists(path: &[u8]) -> Result<(), Errno> {
    rustix::fs::accessat(CWD, path, rustix::fs::Access::EXISTS, AtFlags::empty())
}
