//! What can go wrong when installing. Fields are facts; the cause is in `source()`.

use std::io;
use std::path::{Path, PathBuf};

use lock::System;

/// The result of whatever this crate does.
pub type Result<T> = std::result::Result<T, Error>;

/// Whose fault it is, which fixes the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was asked for is refused, or is not there.
    No,
    /// The file that was handed over.
    Input,
    /// The disk, the kernel, somebody else's file.
    Outside,
}

/// Why something was not installed, or not taken away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A tree could not be stored.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// The bundle is none that can be installed.
    #[error(transparent)]
    Bundle(#[from] bundle::Error),
    /// Likewise, and which it is.
    #[error("cannot install {}", path.display())]
    File {
        /// The bundle.
        path: PathBuf,
        /// What is wrong with it.
        source: bundle::Error,
    },
    /// OpenCode cannot be made to run on this machine.
    #[error(transparent)]
    Fit(#[from] fit::Error),
    /// OpenCode does not run here, fitted to its own C library.
    #[error("OpenCode does not run with the C library of its bundle: {why}")]
    Unfit {
        /// What the loader said.
        why: String,
    },
    /// Neither HOME nor a prefix says where.
    #[error("cannot find where to install: HOME is not set")]
    NoHome,
    /// A prefix that cannot be written down.
    #[error("cannot install below {}: the name is not UTF-8", path.display())]
    Prefix {
        /// The prefix.
        path: PathBuf,
    },
    /// Another process holds the lock.
    #[error("cannot lock {}: another installation is under way", path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// The bundle has nothing for this machine.
    #[error("the bundle is for {}, and this machine is {wanted}", names(there))]
    OtherSystem {
        /// This machine.
        wanted: String,
        /// What the bundle has.
        there: Vec<System>,
    },
    /// What is active is newer.
    #[error("the bundle has OpenCode {offered}, and {active} is active: it is older")]
    Older {
        /// The version that is active.
        active: String,
        /// The bundle's.
        offered: String,
    },
    /// There is too little room.
    #[error("cannot install below {}: {wanted} bytes are wanted, and {free} are free", path.display())]
    NoRoom {
        /// A directory of the file system.
        path: PathBuf,
        /// Bytes that the trees need.
        wanted: u64,
        /// Bytes that can be had.
        free: u64,
    },
    /// A file of somebody else's stands where a link has to be.
    #[error("cannot lay {}: what stands there is not ours", path.display())]
    NotOurs {
        /// Where.
        path: PathBuf,
    },
    /// The index names a tree by a digest that its content does not have.
    #[error("the bundle is malformed: its tree {named} is {found}")]
    OtherTree {
        /// The digest in the index.
        named: tree::Digest,
        /// The digest of what came out.
        found: tree::Digest,
    },
    /// Nothing was installed with this state.
    #[error("nothing is installed: {} is not there", path.display())]
    NotInstalled {
        /// The link `current`.
        path: PathBuf,
    },
    /// There is no generation to go to.
    #[error("there is no generation {wanted}")]
    NoGeneration {
        /// The one that was asked for, or in words what was looked for.
        wanted: String,
    },
    /// A generation whose trees are gone.
    #[error("generation {number} is not whole: {} is not there", path.display())]
    Incomplete {
        /// Its number.
        number: u64,
        /// What is missing.
        path: PathBuf,
    },
    /// A generation's file is not readable as one.
    #[error("cannot read {}: {reason}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody says what runs, and so nothing can be taken away.
    #[error("cannot find out which generations run: {} is not there", path.display())]
    Processes {
        /// The directory of processes.
        path: PathBuf,
    },
}

impl Error {
    /// A stable kebab-case code for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { source, .. } if is_disk_full(source) => "disk-full",
            Self::Io { .. } => "install-io",
            Self::Tree(error) => error.code(),
            Self::Bundle(error) | Self::File { source: error, .. } => error.code(),
            Self::Fit(error) => error.code(),
            Self::Unfit { .. } => "install-unfit",
            Self::NoHome => "no-home",
            Self::Prefix { .. } => "install-prefix",
            Self::Busy { .. } => "install-busy",
            Self::OtherSystem { .. } => "install-other-system",
            Self::Older { .. } => "install-downgrade",
            Self::NoRoom { .. } => "install-no-room",
            Self::NotOurs { .. } => "install-not-ours",
            Self::OtherTree { .. } => "bundle-malformed",
            Self::NotInstalled { .. } => "not-installed",
            Self::NoGeneration { .. } => "generation-none",
            Self::Incomplete { .. } => "generation-incomplete",
            Self::Record { .. } => "generation-malformed",
            Self::Processes { .. } => "gc-no-processes",
        }
    }

    /// Whose fault it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Older { .. }
            | Self::NotInstalled { .. }
            | Self::NoGeneration { .. }
            | Self::Incomplete { .. } => Kind::No,
            Self::Bundle(error) | Self::File { source: error, .. } if error.is_input() => Kind::Input,
            Self::OtherSystem { .. } | Self::OtherTree { .. } => Kind::Input,
            _ => Kind::Outside,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Tree(error) => return error.hint(),
            Self::Bundle(error) | Self::File { source: error, .. } => return error.hint(),
            Self::Io { path, source, .. } if is_disk_full(source) => {
                format!("free space on the file system of {}, then run the command again", path.display())
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "choose a place of your own with `--prefix`, or run it as root".to_owned()
            }
            Self::Fit(error) => return error.hint(),
            Self::NoHome => "set HOME, or name a place with `--prefix DIR`".to_owned(),
            Self::Prefix { .. } => "choose another place with `--prefix DIR`".to_owned(),
            Self::Busy { .. } => "wait for it to end, then run the command again".to_owned(),
            Self::OtherSystem { wanted, .. } => format!("make one with `opencode-cache bundle` for {wanted}"),
            Self::Older { .. } => {
                "`--downgrade` installs it all the same; `rollback` goes back to what was installed before"
                    .to_owned()
            }
            Self::NoRoom { .. } => "free space there, perhaps with `gc`, or set XDG_STATE_HOME".to_owned(),
            Self::NotOurs { path } => {
                format!("move {} away, or choose another place with `--prefix DIR`", path.display())
            }
            Self::NotInstalled { .. } => {
                "`install BUNDLE` installs a bundle; name the `--prefix` that it was installed with"
                    .to_owned()
            }
            Self::NoGeneration { .. } => "`list` tells which there are".to_owned(),
            Self::Incomplete { .. } => "install its bundle again".to_owned(),
            Self::Record { path, .. } => {
                let directory = path.parent().unwrap_or(path);
                format!("remove {}, then install its bundle again", directory.display())
            }
            Self::Processes { .. } => "mount it: `mount -t proc proc /proc`".to_owned(),
            Self::Io { .. } | Self::OtherTree { .. } | Self::Unfit { .. } => return None,
        })
    }
}

fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn names(systems: &[System]) -> String {
    let names: Vec<_> = systems.iter().map(|system| system.as_str()).collect();
    names.join(", ")
}

/// Names verb and path of an operating-system error.
pub(crate) trait At<T> {
    fn at(self, verb: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> At<T> for std::result::Result<T, E> {
    fn at(self, verb: &'static str, path: &Path) -> Result<T> {
        self.map_err(|error| Error::Io { verb, path: path.to_path_buf(), source: error.into() })
    }
}
