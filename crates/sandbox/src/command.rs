//! What is run inside a sandbox, and how it ended. Never starts anything.

use std::ffi::OsString;
use std::path::PathBuf;

/// What a program reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Input {
    /// Nothing: `/dev/null`.
    Empty,
    /// A pipe, which the caller writes to.
    Pipe,
    /// A pseudo-terminal of this size, which is its stdout and stderr too, and its controlling terminal.
    Terminal {
        /// Characters in a row.
        columns: u16,
        /// Rows.
        rows: u16,
    },
}

/// A program to run inside: complete, nothing is inherited. Its stdin is empty, its stdout and stderr are pipes, unless the caller
/// says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments. A name without a slash is looked for in the `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory, as a path that programs inside use.
    pub cwd: PathBuf,
    /// A file, as a path that programs inside use, that is made for its stdout. For programs that end without waiting until a pipe
    /// is drained: what did not fit into it is lost.
    pub stdout: Option<PathBuf>,
    /// Its stdin; a terminal is all three, and leaves `stdout` out of account.
    pub input: Input,
}

impl Command {
    /// `argv` in `cwd` with an empty environment.
    pub fn new<A: Into<OsString>>(argv: impl IntoIterator<Item = A>, cwd: impl Into<PathBuf>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: cwd.into(),
            stdout: None,
            input: Input::Empty,
        }
    }

    /// The same with another stdin.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// The same with its stdout written to a new file at `path`, as programs inside see it.
    #[must_use]
    pub fn stdout(mut self, path: impl Into<PathBuf>) -> Self {
        self.stdout = Some(path.into());
        self
    }

    /// The same with one more variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

/// A bound that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Limit {
    /// The programs' memory together.
    Memory,
    /// The number of processes.
    Processes,
    /// The size of one file.
    FileSize,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Exit {
    /// It ended itself with this status.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// The sandbox killed it: a bound was passed.
    Limit(Limit),
}

impl Exit {
    /// Whether the status is 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

/// What a program that has ended left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// The first bytes of its stdout, up to the caller's bound.
    pub stdout: Vec<u8>,
    /// The first bytes of its stderr, up to the caller's bound.
    pub stderr: Vec<u8>,
    /// Whether either was longer than the bound.
    pub truncated: bool,
}
