//! What could not be done, as the one line that a person reads. Owns the words; never decides whether
//! OpenCode is started all the same.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// One thing that could not be done.
#[derive(Debug, Clone)]
pub struct Failure {
    verb: &'static str,
    path: Vec<u8>,
    cause: Cow<'static, str>,
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
}

impl Advice {
    const fn text(self) -> &'static str {
        match self {
            Advice::BuildAgain => "build the output again, `opencode-cache verify` says what is wrong",
            Advice::MakeWritable => "make it writable for you, until then OpenCode may need the network",
            Advice::SetHome => "set HOME, until then OpenCode may need the network",
            Advice::MoveAway => "move it away, until then OpenCode may need the network",
            Advice::UnsetCarrier => {
                "unset one of OPENCODE_CONFIG_CONTENT, OPENCODE_CONFIG, OPENCODE_CONFIG_DIR, until then OpenCode may need the network"
            }
        }
    }
}

impl Failure {
    /// `verb` could not be done to `path`, says the system.
    pub fn new(verb: &'static str, path: &[u8], error: Errno, advice: Advice) -> Failure {
        Failure::because(verb, path, words(error), advice)
    }

    /// `verb` could not be done to `path`, because of `cause`.
    pub fn because(
        verb: &'static str,
        path: &[u8],
        cause: impl Into<Cow<'static, str>>,
        advice: Advice,
    ) -> Failure {
        let (path, cause) = (path.to_vec(), cause.into());
        Failure { verb, path, cause, advice }
    }

    /// `opencode-cache: <verb> <path>: <cause>; <what to do>`, in one write.
    pub fn report(&self) {
        say(&self.line());
    }

    fn line(&self) -> Vec<u8> {
        let mut line = b"opencode-cache: ".to_vec();
        line.extend_from_slice(self.verb.as_bytes());
        line.push(b' ');
        // A path may hold anything: no terminal sequence and no second line may come of it.
        let shown = |byte: &u8| if byte.is_ascii_control() { b'?' } else { *byte };
        line.extend(self.path.iter().map(shown));
        for part in [": ", &self.cause, "; ", self.advice.text(), "\n"] {
            line.extend_from_slice(part.as_bytes());
        }
        line
    }
}

/// Writes to stderr. Nothing is left to do where it does not take it.
#[expect(unsafe_code, reason = "without std, nobody else vouches for descriptor 2")]
pub fn say(line: &[u8]) {
    // SAFETY: nothing here closes descriptor 2, and where the caller did, the kernel says so.
    let stderr = unsafe { BorrowedFd::borrow_raw(2) };
    let _ = rustix::io::write(stderr, line);
}

/// The errors that a refresh meets in practice, in the system's usual words.
fn words(error: Errno) -> Cow<'static, str> {
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
        other => return Cow::Owned(format!("system error {}", other.raw_os_error())),
    };
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_whatever_the_path_holds() {
        let failure = Failure::new("write", b"/a\n\x1b[2Jb\xff", Errno::ROFS, Advice::SetHome);
        let expected = b"opencode-cache: write /a??[2Jb\xff: read-only file system; set HOME, until then OpenCode may need the network\n";
        assert_eq!(failure.line(), expected);
    }
}
