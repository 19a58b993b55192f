//! The output that this program belongs to, and reading from it. Owns where things lie in it; never
//! writes there.

use crate::bytes::{join, split};
use crate::failure::{Advice, Failure};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use linkmap::{MAX_BYTES, Map};
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

impl Output {
    /// The output two components above this program (`<output>/bin/opencode`), links resolved.
    pub fn of_this_program() -> Result<Output, Failure> {
        let program = this_program()?;
        let above = split(&program).0.and_then(|bin| split(bin).0);
        match above {
            Some(root) if !root.is_empty() => Ok(Output { root: root.to_vec() }),
            _ => {
                let cause = "not in the directory bin of an output";
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
        read_bounded(&path, USUAL_MAP, MAX_BYTES + 1)
            .map_err(|error| Failure::new("read", &path, error, Advice::BuildAgain))
    }

    /// The link map, checked whole.
    pub fn parse<'a>(&self, text: &'a [u8]) -> Result<Map<'a>, Failure> {
        Map::parse(text).map_err(|fault| {
            let path = self.path("linkmap");
            Failure::because("read", &path, fault.to_string(), Advice::BuildAgain)
        })
    }
}

/// A file's content up to `most` bytes, with a first buffer of `usual`. A final link is not followed.
pub fn read_bounded(path: &[u8], usual: usize, most: usize) -> Result<Vec<u8>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty())?;
    let mut content = vec![0; usual.min(most)];
    let mut filled = 0;
    loop {
        let room = content.get_mut(filled..).unwrap_or_default();
        let (asked, got) = (room.len(), rustix::io::read(&file, room)?);
        filled += got;
        // A file gives less than was asked for only at its end.
        if got < asked || filled >= most {
            content.truncate(filled);
            return Ok(content);
        }
        content.resize((filled * 4).min(most), 0);
    }
}

fn this_program() -> Result<Vec<u8>, Failure> {
    let link = b"/proc/self/exe".as_slice();
    match rustix::fs::readlinkat(CWD, link, Vec::new()) {
        Ok(target) => Ok(target.into_bytes()),
        Err(error) => Err(Failure::new("read", link, error, Advice::BuildAgain)),
    }
}
