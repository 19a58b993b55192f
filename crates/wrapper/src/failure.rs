//! What could not be done, as the one line that a person reads. Owns the words; never decides whether
//! OpenCode is started all the same.

use crate::bytes::decimal;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// One thing that could not be done. In a box, because every result on the way carries one.
#[derive(Debug, Clone)]
pub struct Failure(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    verb: &'static str,
    path: Vec<u8>,
    cause: Vec<u8>,
    advice: Advice,
}

/// What the person can do about it.
#[derive(Debug, Clone, Copy)]
pub enum Advice {
    /// The output is damaged or was put together wrongly.
    BuildAgain,
    /// A directory or file that ought to be the user's and writable is not.
    MakeWritable,
    /// `HOME` says nothing usable.
    SetHome,
    /// Something of the user's stands where OpenCode needs what the map says.
    MoveAway,
    /// Every variable that could carry the restore plugin is in use.
    UnsetCarrier,
    /// A directory that belongs to somebody else (`sudo` with another user's HOME).
    OwnHome,
}

/// What OpenCode does as long as it is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile<'a> {
    /// It reads its packages from the output.
    Store,
    /// Likewise, and writes to this directory what it would write to HOME.
    Private(&'a [u8]),
    /// Nothing could be done for it.
    Network,
    /// Nothing: the advice is all there is to say.
    Nothing,
}

impl Advice {
    const fn text(self) -> &'static str {
        match self {
            Advice::BuildAgain => "build the output again, `opencode-cache verify` says what is wrong",
            Advice::MakeWritable => "make it writable for you",
            Advice::SetHome => "set HOME",
            Advice::MoveAway => "move it away",
            Advice::UnsetCarrier => {
                "unset one of OPENCODE_CONFIG_CONTENT, OPENCODE_CONFIG, OPENCODE_CONFIG_DIR"
            }
            Advice::OwnHome => "start OpenCode as its owner, or with a HOME of your own",
        }
    }
}

impl<'a> Meanwhile<'a> {
    const fn text(self) -> &'static str {
        match self {
            Meanwhile::Store => ", until then OpenCode reads its packages from the store",
            Meanwhile::Private(_) => ", until then OpenCode writes to ",
            Meanwhile::Network => ", until then OpenCode may need the network",
            Meanwhile::Nothing => "",
        }
    }

    const fn path(self) -> &'a [u8] {
        match self {
            Meanwhile::Private(path) => path,
            _ => b"",
        }
    }
}

impl Failure {
    /// `verb` could not be done to `path`, says the system.
    pub fn new(verb: &'static str, path: &[u8], error: Errno, advice: Advice) -> Failure {
        Failure::because(verb, path, &words(error), advice)
    }

    /// `verb` could not be done to `path`, because of `cause`.
    pub fn because(verb: &'static str, path: &[u8], cause: &[u8], advice: Advice) -> Failure {
        let (path, cause) = (path.to_vec(), cause.to_vec());
        Failure(Box::new(Parts { verb, path, cause, advice }))
    }

    /// `opencode-cache: <verb> <path>: <cause>; <what to do>, <what is so until then>`, in one write.
    pub fn report(&self, meanwhile: Meanwhile<'_>) {
        say(&self.parts(meanwhile));
    }

    /// The same as text, for a program that is not the wrapper.
    pub fn text(&self) -> Vec<u8> {
        self.parts(Meanwhile::Nothing).concat()
    }

    fn parts<'a>(&'a self, meanwhile: Meanwhile<'a>) -> [&'a [u8]; 9] {
        let Parts { verb, path, cause, advice } = &*self.0;
        [
            verb.as_bytes(),
            b" ",
            path,
            b": ",
            cause,
            b"; ",
            advice.text().as_bytes(),
            meanwhile.text().as_bytes(),
            meanwhile.path(),
        ]
    }
}

/// Whether [`trace`] prints.
static TRACES: AtomicBool = AtomicBool::new(false);

/// Has everything told that is seen and done from now on (`OPENCODE_CACHE_TRACE=1`).
pub fn trace_from_now_on() {
    TRACES.store(true, Ordering::Relaxed);
}

/// Whether anybody wants to be told.
pub fn traces() -> bool {
    TRACES.load(Ordering::Relaxed)
}

/// What was seen or done, for who asked for it.
pub fn trace(parts: &[&[u8]]) {
    if traces() {
        say(parts);
    }
}

/// Writes one line to stderr. Nothing is left to do where it does not take it.
#[expect(unsafe_code, reason = "without std, nobody else vouches for descriptor 2")]
fn say(parts: &[&[u8]]) {
    let line = line(parts);
    // SAFETY: nothing here closes descriptor 2, and where the caller did, the kernel says so.
    let stderr = unsafe { BorrowedFd::borrow_raw(2) };
    let _ = rustix::io::write(stderr, &line);
}

/// `opencode-cache: ` and the parts.
fn line(parts: &[&[u8]]) -> Vec<u8> {
    let mut line = b"opencode-cache: ".to_vec();
    // A path may hold anything: no terminal sequence and no second line may come of it.
    let shown = |byte: &u8| if byte.is_ascii_control() { b'?' } else { *byte };
    parts.iter().for_each(|part| line.extend(part.iter().map(shown)));
    line.push(b'\n');
    line
}

/// The errors that a refresh meets in practice, in the system's usual words.
fn words(error: Errno) -> Vec<u8> {
    let text = match error {
        Errno::ACCESS => "permission denied",
        Errno::DQUOT => "disk quota exceeded",
        Errno::EXIST => "something is in the way",
        Errno::IO => "input/output error",
        Errno::ISDIR => "is a directory",
        Errno::LOOP => "too many symbolic links",
        Errno::NAMETOOLONG => "name too long",
        Errno::NOENT => "no such file or directory",
        Errno::NOEXEC => "not a program for this machine",
        Errno::NOSPC => "no space left on device",
        Errno::NOTDIR => "not a directory",
        Errno::PERM => "operation not permitted",
        Errno::ROFS => "read-only file system",
        other => {
            let number = decimal(other.raw_os_error().unsigned_abs());
            return [b"system error ", number.as_slice()].concat();
        }
    };
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_whatever_the_path_holds() {
        let failure = Failure::new("write", b"/a\n\x1b[2Jb\xff", Errno::ROFS, Advice::SetHome);
        let expected = b"opencode-cache: write /a??[2Jb\xff: read-only file system; set HOME, until then OpenCode may need the network\n";
        assert_eq!(line(&failure.parts(Meanwhile::Network)), expected);
    }
}
