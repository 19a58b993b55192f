//! Pseudo-terminals, for programs that draw. Never reads or writes one.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::sys;
use crate::wire::{Failure, Step};

/// Gives `command` a new terminal as stdin, stdout, stderr and controlling terminal, in a session of its own. Returns the other side.
pub fn attach(command: &mut Command, columns: u16, rows: u16) -> Result<OwnedFd, Failure> {
    let failed = |error: io::Error| {
        Failure::new(Step::Build, "open a terminal by", Some(PathBuf::from("/dev/ptmx")), &error)
    };
    let (ours, theirs) = open(columns, rows).map_err(failed)?;
    let again = || theirs.try_clone().map(Stdio::from).map_err(failed);
    command.stdin(again()?).stdout(again()?).stderr(again()?);
    sys::before_exec(command, || {
        rustix::process::setsid()?;
        Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
    });
    Ok(ours)
}

fn open(columns: u16, rows: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = rustix::pty::openpt(flags)?;
    rustix::pty::grantpt(&ours)?;
    rustix::pty::unlockpt(&ours)?;
    let theirs = rustix::pty::ioctl_tiocgptpeer(&ours, flags)?;
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&theirs, size)?;
    Ok((ours, theirs))
}
