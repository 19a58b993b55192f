//! A program that runs inside, as the caller follows it. Never outlives its sandbox.

use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::sync::Arc;
use std::time::Duration;

use super::reading::Reading;
use super::talk::Talk;
use crate::Error;
use crate::command::{Exit, Output};
use crate::wire::Order;

/// How long a killed program may take to be reaped.
const REAP_WITHIN: Duration = Duration::from_secs(30);

/// A program that was started inside a sandbox. Dropping it does not end the program; the sandbox's end does.
pub struct Child {
    pub(super) talk: Arc<Talk>,
    pub(super) id: u64,
    pub(super) pid: i32,
    pub(super) program: String,
    /// The other side of its terminal, until taken, where it was started on one: what it draws is read from it, what is typed is
    /// written to it. Reading fails with `EIO` when nothing holds the terminal any more.
    pub terminal: Option<File>,
    /// Its stdin, until taken, where that is a pipe; dropping it is the end of what the program reads.
    pub stdin: Option<PipeWriter>,
    /// Its stdout, until taken. The program blocks when the pipe (64 KiB) is full and nobody reads.
    pub stdout: Option<PipeReader>,
    /// Its stderr, until taken.
    pub stderr: Option<PipeReader>,
}

impl Child {
    /// Its number inside the sandbox's pid namespace; the machine's own number where there is none.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits at most `timeout` for its end; `None` where it still runs. May be called again, from any thread.
    ///
    /// # Errors
    /// [`Error::Gone`] where the sandbox has ended.
    pub fn wait(&self, timeout: Duration) -> Result<Option<Exit>, Error> {
        self.talk.wait(self.id, timeout)
    }

    /// Sends it a signal, by number. One that has ended is no error.
    ///
    /// # Errors
    /// [`Error::Gone`] where the sandbox has ended, [`Error::Step`] for a number that is no signal.
    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        self.send(signal, false)
    }

    /// Kills it and what it started in its process group.
    ///
    /// # Errors
    /// [`Error::Gone`] where the sandbox has ended.
    pub fn kill(&self) -> Result<(), Error> {
        self.send(libc::SIGKILL, true)
    }

    fn send(&self, signal: i32, group: bool) -> Result<(), Error> {
        let order = Order::Signal { child: self.id, signal, group };
        self.talk.ask(&order).map(drop)
    }

    /// Waits for its end, keeping at most `most_bytes` each of stdout and stderr (the rest is read and dropped).
    /// What descendants write after its end is not waited for; they run on until [`Sandbox::kill_all`](crate::Sandbox::kill_all).
    ///
    /// # Errors
    /// [`Error::TimedOut`] where it did not end in time: then its process group was killed, and the error holds what was written.
    pub fn output(mut self, timeout: Duration, most_bytes: usize) -> Result<Output, Error> {
        let mut readings = Vec::new();
        for pipe in [self.stdout.take(), self.stderr.take()] {
            readings.push(pipe.map(|pipe| Reading::start(pipe, most_bytes)).transpose()?);
        }
        let ended = self.wait(timeout)?;
        let exit = match ended {
            Some(exit) => exit,
            None => {
                self.kill()?;
                self.wait(REAP_WITHIN)?.unwrap_or(Exit::Signal(libc::SIGKILL))
            }
        };
        let mut kept = Vec::new();
        for reading in readings {
            kept.push(reading.map(Reading::finish).transpose()?.unwrap_or_default());
        }
        let truncated = kept.iter().any(|kept| kept.more);
        let mut kept = kept.into_iter().map(|kept| kept.bytes);
        let output = Output {
            exit,
            stdout: kept.next().unwrap_or_default(),
            stderr: kept.next().unwrap_or_default(),
            truncated,
        };
        match ended {
            Some(_) => Ok(output),
            None => Err(Error::TimedOut {
                program: self.program.clone(),
                after: timeout,
                output: Box::new(output),
            }),
        }
    }
}
