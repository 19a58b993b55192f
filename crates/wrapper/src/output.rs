//! The output that this program belongs to, and reading from it. Owns where things lie in it; never
//! writes there.

use crate::bytes::{decimal, join, split};
use crate::failure::{Advice, Failure};
use crate::system;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;
use linkmap::{Entry, EnvDefault, Item, MAX_BYTES, Map};
use rustix::buffer::spare_capacity;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// Where the real binary lies when the map cannot say it.
pub const USUAL_TARGET: &str = "lib/opencode/bin/opencode";

/// Buffer that holds a usual map (about two thousand bytes) in one `read`, a page in size.
const USUAL_MAP: usize = 4096;

/// An output directory, by its absolute path.
pub struct Output {
    root: Vec<u8>,
}

/// A link map and its lines, read once.
pub struct Wanted<'a> {
    /// The map.
    pub map: Map<'a>,
    /// What is to stand where.
    pub entries: Vec<Entry<'a>>,
    /// Defaults of variables.
    pub env: Vec<EnvDefault<'a>>,
}

impl Output {
    /// The output two components above this program (`<output>/bin/opencode`), links resolved.
    pub fn of_this_program() -> Result<Output, Failure> {
        let program = this_program()?;
        let above = split(&program).0.and_then(|bin| split(bin).0);
        match above {
            Some(root) if !root.is_empty() => Ok(Output { root: root.to_vec() }),
            _ => {
                let cause = b"not in the directory bin of an output";
                Err(Failure::because("find the output of", &program, cause, Advice::BuildAgain))
            }
        }
    }

    /// The output at an absolute path, for a program that is not the wrapper.
    pub fn at(root: &[u8]) -> Output {
        Output { root: root.to_vec() }
    }

    /// Whether links into this output would be known as ours later.
    pub fn is_named_by_digest(&self) -> bool {
        linkmap::names_output(&self.root)
    }

    /// Absolute path of something in the output.
    pub fn path(&self, relative: &str) -> Vec<u8> {
        join(&self.root, relative.as_bytes())
    }

    /// The output's own absolute path.
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// The text of the link map.
    pub fn read_map(&self) -> Result<Vec<u8>, Failure> {
        let path = self.path("linkmap");
        // One byte more than allowed, so that the reader sees that it is too much.
        read_leaving_open(CWD, &path, USUAL_MAP, MAX_BYTES + 1)
            .map_err(|error| Failure::new("read", &path, error, Advice::BuildAgain))
    }

    /// The link map, checked whole, and its lines.
    pub fn parse<'a>(&self, text: &'a [u8]) -> Result<Wanted<'a>, Failure> {
        let (mut entries, mut env) = (Vec::with_capacity(16), Vec::with_capacity(8));
        let map = Map::parse_each(text, &mut |item| match item {
            Item::Entry(entry) => entries.push(entry),
            Item::Env(default) => env.push(default),
        });
        let map = map.map_err(|fault| {
            let path = self.path("linkmap");
            let line = decimal(fault.line);
            let cause = [b"line ", line.as_slice(), b": ", fault.reason.text().as_bytes()].concat();
            Failure::because("read", &path, &cause, Advice::BuildAgain)
        })?;
        Ok(Wanted { map, entries, env })
    }
}

/// A file's content up to `most` bytes, with a first buffer of `usual`. A final link is not followed.
pub fn read_bounded(path: &[u8], usual: usize, most: usize) -> Result<Vec<u8>, Errno> {
    read_all(&open(CWD, path)?, usual, most)
}

/// The same for what every start reads: becoming OpenCode closes it, and it is one system call less.
pub fn read_leaving_open(
    directory: BorrowedFd<'_>,
    path: &[u8],
    usual: usize,
    most: usize,
) -> Result<Vec<u8>, Errno> {
    read_all(&ManuallyDrop::new(open(directory, path)?), usual, most)
}

fn open(directory: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(directory, path, flags, Mode::empty())
}

fn read_all(file: &OwnedFd, usual: usize, most: usize) -> Result<Vec<u8>, Errno> {
    let mut content = Vec::with_capacity(usual.min(most));
    loop {
        let room = content.capacity().min(most) - content.len();
        // Not zeroed first: what is not read into is not touched.
        let got = rustix::io::read(file, spare_capacity(&mut content))?;
        // A file gives less than was asked for only at its end.
        if got < room || content.len() >= most {
            content.truncate(most);
            return Ok(content);
        }
        content.reserve_exact((content.len() * 3).min(most - content.len()));
    }
}

fn this_program() -> Result<Vec<u8>, Failure> {
    system::own_program()
        .map_err(|error| Failure::new("read", system::OWN_PROGRAM, error, Advice::BuildAgain))
}
