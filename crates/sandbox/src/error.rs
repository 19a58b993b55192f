//! What can go wrong around a sandbox. Never holds what went wrong inside a program that ran in one: that is its exit.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a sandbox could not be made, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This machine, container or user cannot have the isolation that was asked for.
    #[error("no sandbox can be had here: {why}")]
    Unsupported {
        /// What is missing.
        why: String,
        /// What the user can do about it.
        hint: Option<String>,
    },
    /// `hidden_main` was not called first thing in this program's `main`.
    #[error("hidden_main() was not called at the start of this program")]
    NotWired,
    /// The specification contradicts itself or names a relative path.
    #[error("bad sandbox specification: {what}")]
    Spec {
        /// What is wrong with it.
        what: String,
    },
    /// A step inside the sandbox failed.
    #[error("sandbox: cannot {verb}{}", at(path.as_ref()))]
    Step {
        /// What was tried, e.g. `bind`, `mount proc on`.
        verb: String,
        /// The path that it was tried on.
        path: Option<PathBuf>,
        /// What the kernel answered.
        source: io::Error,
    },
    /// A file-system call outside the sandbox failed.
    #[error("sandbox: cannot {verb} {}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The path that it was tried on.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// A program could not be started inside.
    #[error("sandbox: cannot start {program}")]
    Start {
        /// `argv[0]`.
        program: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The kernel refuses the seccomp listener that counts attempts to leave.
    #[error("sandbox: attempts to leave cannot be counted here")]
    Count {
        /// What the kernel answered.
        source: io::Error,
    },
    /// The kernel can make none of the link kinds that swallow packets.
    #[error("sandbox: this kernel has no link kind to lose packets with")]
    BlackHole {
        /// What the kernel answered to the last kind that was tried.
        source: io::Error,
    },
    /// The sandbox's first process has ended: nothing runs in it any more.
    #[error("the sandbox has ended")]
    Gone,
    /// The conversation with the sandbox's first process broke.
    #[error("sandbox: cannot {verb}")]
    Talk {
        /// What was tried.
        verb: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A file inside is larger than the caller allowed.
    #[error("sandbox: {} is larger than {bound} bytes", path.display())]
    TooLarge {
        /// The path inside.
        path: PathBuf,
        /// The bound, in bytes.
        bound: u64,
    },
    /// A program was still running at the end of its time; it was killed.
    #[error("sandbox: {program} was still running after {} s", after.as_secs())]
    TimedOut {
        /// `argv[0]`.
        program: String,
        /// The time that it was given.
        after: Duration,
        /// What it had written until then.
        output: Box<crate::Output>,
    },
}

fn at(path: Option<&PathBuf>) -> String {
    path.map(|path| format!(" {}", path.display())).unwrap_or_default()
}

impl Error {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } => "sandbox-unsupported",
            Self::NotWired => "sandbox-not-wired",
            Self::Spec { .. } => "sandbox-spec",
            Self::Step { .. } => "sandbox-step",
            Self::Io { .. } => "sandbox-io",
            Self::Start { .. } => "sandbox-start",
            Self::Count { .. } => "sandbox-count-refused",
            Self::BlackHole { .. } => "sandbox-black-hole",
            Self::Gone => "sandbox-gone",
            Self::Talk { .. } => "sandbox-talk",
            Self::TooLarge { .. } => "sandbox-too-large",
            Self::TimedOut { .. } => "sandbox-timed-out",
        }
    }

    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unsupported { hint, .. } => hint.clone(),
            Self::Count { .. } => Some(
                "run outside of a container that itself supervises system calls; Linux 5.5 or newer is needed".into(),
            ),
            Self::BlackHole { .. } => {
                Some("load the kernel module `dummy` (modprobe dummy) and try again".into())
            }
            _ => None,
        }
    }
}
