//! The sandbox of systems other than Linux: there is none. The same names, so that callers compile everywhere and learn it from
//! [`probe`]. Never runs anything.

use std::convert::Infallible;
use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Attempt, Command, Error, Exit, Isolation, Limit, Output, Spec};

/// Nothing to note: no executable is started again here.
pub(crate) fn note_wired() {}

/// Always [`Isolation::None`].
pub fn probe() -> Isolation {
    Isolation::None {
        why: "sandboxes need Linux".into(),
        hint: Some("run this on Linux, or in a Linux container or virtual machine".into()),
    }
}

/// Nothing is known of interfaces here.
#[must_use]
pub fn interfaces_up() -> Vec<String> {
    Vec::new()
}

/// A running sandbox: cannot exist here.
pub struct Sandbox {
    never: Infallible,
}

/// A program inside: cannot exist here.
pub struct Child {
    never: Infallible,
    /// The other side of its terminal.
    pub terminal: Option<File>,
    /// Its stdin.
    pub stdin: Option<PipeWriter>,
    /// Its stdout.
    pub stdout: Option<PipeReader>,
    /// Its stderr.
    pub stderr: Option<PipeReader>,
}

impl Sandbox {
    /// Always [`Error::Unsupported`].
    ///
    /// # Errors
    /// Always.
    pub fn start(_: &Spec) -> Result<Self, Error> {
        Err(Error::Unsupported { why: "sandboxes need Linux".into(), hint: None })
    }

    /// As on Linux.
    #[must_use]
    pub fn isolation(&self) -> &Isolation {
        match self.never {}
    }

    /// As on Linux.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        match self.never {}
    }

    /// As on Linux.
    pub fn take_dns(&mut self) -> Option<UdpSocket> {
        match self.never {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// As on Linux.
    pub fn spawn(&self, _: &Command) -> Result<Child, Error> {
        match self.never {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// As on Linux.
    pub fn run(&self, _: &Command, _: Duration, _: usize) -> Result<Output, Error> {
        match self.never {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// As on Linux.
    pub fn connect(&self, _: u16) -> Result<TcpStream, Error> {
        match self.never {}
    }

    /// As on Linux.
    #[must_use]
    pub fn inside(&self, _: impl AsRef<Path>) -> PathBuf {
        match self.never {}
    }

    /// As on Linux.
    #[must_use]
    pub fn outside(&self, _: impl AsRef<Path>) -> PathBuf {
        match self.never {}
    }

    /// As on Linux.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        match self.never {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// As on Linux.
    pub fn read(&self, _: impl AsRef<Path>, _: u64) -> Result<Vec<u8>, Error> {
        match self.never {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// As on Linux.
    pub fn write(&self, _: impl AsRef<Path>, _: &[u8]) -> Result<(), Error> {
        match self.never {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// As on Linux.
    pub fn make_directory(&self, _: impl AsRef<Path>) -> Result<(), Error> {
        match self.never {}
    }

    /// As on Linux.
    pub fn label(&self, _: &str) {
        match self.never {}
    }

    /// As on Linux.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        match self.never {}
    }

    /// As on Linux.
    #[must_use]
    pub fn limit_passed(&self) -> Option<Limit> {
        match self.never {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// As on Linux.
    pub fn kill_all(&self) -> Result<(), Error> {
        match self.never {}
    }

    /// As on Linux.
    pub fn stop(self) {
        match self.never {}
    }
}

impl Child {
    /// As on Linux.
    #[must_use]
    pub fn pid(&self) -> i32 {
        match self.never {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// As on Linux.
    pub fn wait(&self, _: Duration) -> Result<Option<Exit>, Error> {
        match self.never {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// As on Linux.
    pub fn signal(&self, _: i32) -> Result<(), Error> {
        match self.never {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// As on Linux.
    pub fn kill(&self) -> Result<(), Error> {
        match self.never {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// As on Linux.
    pub fn output(self, _: Duration, _: usize) -> Result<Output, Error> {
        match self.never {}
    }
}
