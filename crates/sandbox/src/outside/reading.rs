//! Reading a program's output to its end, and no longer: a descendant that still holds the pipe keeps nobody waiting.
//! Never keeps more than the caller's bound.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::thread;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use crate::Error;

/// One read: what a pipe holds by default.
const CHUNK: usize = 64 << 10;

/// The most that a pipe can hold for an ordinary user (`fs.pipe-max-size`): no more than this was written before the end.
const PIPE_BYTES: usize = 1 << 20;

/// A pipe that is being read by a thread.
pub struct Reading {
    thread: thread::JoinHandle<io::Result<Kept>>,
    end: PipeWriter,
}

/// What was read.
#[derive(Default)]
pub struct Kept {
    pub bytes: Vec<u8>,
    /// Whether there was more than the bound.
    pub more: bool,
}

impl Reading {
    /// Starts reading; keeps at most `most` bytes.
    pub fn start(pipe: PipeReader, most: usize) -> Result<Self, Error> {
        let (ended, end) = io::pipe().map_err(failed)?;
        let thread = thread::spawn(move || read(pipe, &ended, most));
        Ok(Self { thread, end })
    }

    /// The program has ended: takes what is left in the pipe, and stops.
    pub fn finish(self) -> Result<Kept, Error> {
        drop(self.end);
        let read = self.thread.join();
        read.unwrap_or_else(|_| Err(io::Error::other("the reading thread panicked"))).map_err(failed)
    }
}

fn failed(source: io::Error) -> Error {
    Error::Talk { verb: "read a program's output", source }
}

fn read(mut pipe: PipeReader, ended: &PipeReader, most: usize) -> io::Result<Kept> {
    let mut kept = Kept::default();
    let mut chunk = vec![0; CHUNK];
    let mut left_after_end = PIPE_BYTES;
    loop {
        let (readable, over) = wait(&pipe, ended)?;
        if over && (!readable || left_after_end == 0) {
            return Ok(kept);
        }
        if !readable {
            continue;
        }
        let got = match pipe.read(&mut chunk) {
            Ok(0) => return Ok(kept),
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if over {
            left_after_end = left_after_end.saturating_sub(got);
        }
        let room = got.min(most - kept.bytes.len());
        kept.bytes.extend_from_slice(chunk.get(..room).unwrap_or_default());
        kept.more |= room < got;
    }
}

/// Waits until there is something to read, or the program has ended.
fn wait(pipe: &PipeReader, ended: &PipeReader) -> io::Result<(bool, bool)> {
    loop {
        let mut fds = [PollFd::new(pipe, PollFlags::IN), PollFd::new(ended, PollFlags::empty())];
        match rustix::event::poll(&mut fds, None) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok((!fds[0].revents().is_empty(), !fds[1].revents().is_empty())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn all_that_was_written_is_kept_though_the_pipe_stays_open() {
        let (reader, mut writer) = io::pipe().unwrap();
        let reading = Reading::start(reader, 5).unwrap();
        writer.write_all(b"0123456789").unwrap();
        let kept = reading.finish().unwrap();
        assert_eq!((kept.bytes.as_slice(), kept.more), (&b"01234"[..], true));
        drop(writer);
    }
}
