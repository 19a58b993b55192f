//! The conversation between the caller and the sandbox's first process: framed messages with file descriptors on a Unix socket.
//! Both ends are the same executable, so that the format has no version. Never interprets a message.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::command::{Exit, Input, Limit};

/// The largest message, in bytes: an environment and arguments at the kernel's own bound (2 MiB), written as JSON.
const LARGEST: usize = 16 << 20;

/// The most descriptors in a message; the kernel allows 253.
pub const MOST_FDS: usize = 128;

/// One end of the conversation.
pub struct Channel(OwnedFd);

impl Channel {
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), theirs))
    }

    pub fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Ends the conversation for both sides.
    pub fn hang_up(&self) {
        // An end that is already closed is what was wanted.
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }

    pub fn send<T: Serialize>(&self, message: &T, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let body = serde_json::to_vec(message).map_err(io::Error::other)?;
        if body.len() > LARGEST || fds.len() > MOST_FDS {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        // The descriptors ride on the length, so that the reader gets them with its first read.
        let length = (body.len() as u32).to_le_bytes();
        let sent = retry(|| {
            rustix::net::sendmsg(&self.0, &[IoSlice::new(&length)], &mut control, SendFlags::NOSIGNAL)
        })?;
        if sent != length.len() {
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
        let mut rest = body.as_slice();
        while !rest.is_empty() {
            let sent = retry(|| rustix::net::send(&self.0, rest, SendFlags::NOSIGNAL))?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// The next message; `None` where the other side has hung up.
    pub fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let mut length = [0u8; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = retry(|| {
            rustix::net::recvmsg(
                &self.0,
                &mut [IoSliceMut::new(&mut length)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            )
        })?
        .bytes;
        if got == 0 {
            return Ok(None);
        }
        let fds = control
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(fds) => Some(fds),
                _ => None,
            })
            .flatten()
            .collect();
        self.fill(length.get_mut(got..).unwrap_or_default())?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LARGEST {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        let mut body = vec![0u8; length];
        self.fill(&mut body)?;
        let message = serde_json::from_slice(&body).map_err(io::Error::other)?;
        Ok(Some((message, fds)))
    }

    fn fill(&self, mut rest: &mut [u8]) -> io::Result<()> {
        while !rest.is_empty() {
            let (got, _) = retry(|| rustix::net::recv(&self.0, &mut *rest, RecvFlags::empty()))?;
            if got == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            rest = rest.get_mut(got..).unwrap_or_default();
        }
        Ok(())
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

/// How the sandbox is to be built: a [`crate::Spec`] with its paths resolved, less the files, which the caller writes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Without namespaces: the programs run directly.
    pub direct: bool,
    pub home: OsString,
    pub home_bytes: u64,
    pub tmp_bytes: u64,
    /// Source, destination, writable.
    pub binds: Vec<(OsString, OsString, bool)>,
    pub black_hole: bool,
    pub tcp_listeners: usize,
    pub memory_bytes: u64,
    pub processes: u32,
    pub file_bytes: Option<u64>,
    pub count: bool,
}

/// What the caller asks for. Each is answered by one [`Reply`], but `Build`, which is answered by `Forked` and `Built`.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    Build(Plan),
    /// The files are written: seal the root, get ready to start programs.
    Seal,
    Start {
        child: u64,
        argv: Vec<OsString>,
        env: Vec<(OsString, OsString)>,
        cwd: OsString,
        stdout: Option<OsString>,
        input: Input,
    },
    Signal {
        child: u64,
        signal: i32,
        group: bool,
    },
    Connect {
        port: u16,
    },
    KillAll,
}

/// What the sandbox's first process answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The first process inside exists, with this number outside.
    Forked {
        pid: i32,
    },
    /// The file system and the network are there; with the descriptors of the root, the listeners and the name server.
    Built {
        dns: bool,
    },
    /// With the listener of notifications, where attempts are counted.
    Sealed,
    /// With stdin, stdout and stderr, as far as they are pipes; or with the other side of its terminal.
    Started {
        pid: i32,
    },
    /// Done; with the socket, for `Connect`.
    Done,
    Failed(Failure),
}

/// A step that failed inside.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    pub step: Step,
    pub verb: String,
    pub path: Option<OsString>,
    pub errno: i32,
}

/// Which kind of step: decides which error the caller sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    Build,
    BlackHole,
    Count,
    Start,
    Other,
}

impl Failure {
    pub fn new(step: Step, verb: &str, path: Option<PathBuf>, error: &io::Error) -> Self {
        Self {
            step,
            verb: verb.to_owned(),
            path: path.map(PathBuf::into_os_string),
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        }
    }
}

/// What the sandbox's first process tells without being asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Event {
    Exited { child: u64, exit: Exit },
    Limit(Limit),
}
