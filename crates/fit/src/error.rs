//! Why an output cannot be fitted. Fields are facts; the cause is in `source()`.

use std::io;
use std::path::{Path, PathBuf};

/// The result of whatever this crate does.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an output cannot be fitted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It is no binary whose loader is known how to change.
    #[error("cannot fit {} to its own C library: {reason}", path.display())]
    Shape {
        /// The binary.
        path: PathBuf,
        /// What is other than in the releases that were looked at.
        reason: &'static str,
    },
    /// The loader's path has no room in the binary.
    #[error("cannot fit a binary to {}: it has {} bytes, and there is room for {room}", loader.display(), loader.as_os_str().len())]
    PathTooLong {
        /// The path.
        loader: PathBuf,
        /// Bytes that there is room for.
        room: usize,
    },
    /// The output holds no C library.
    #[error("cannot fit {}: it holds no C library", output.display())]
    NoLibraries {
        /// The output.
        output: PathBuf,
    },
    /// The binary ran, and was ended by a signal or did not end.
    #[error("cannot run {}: {how}", path.display())]
    Run {
        /// The binary.
        path: PathBuf,
        /// What became of it.
        how: String,
    },
}

impl Error {
    /// A stable kebab-case code for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { source, .. }
                if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                "disk-full"
            }
            Self::Io { .. } => "fit-io",
            Self::Shape { .. } => "fit-shape",
            Self::PathTooLong { .. } => "fit-path-too-long",
            Self::NoLibraries { .. } => "fit-no-libraries",
            Self::Run { .. } => "fit-binary-fails",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io { .. } if self.code() == "disk-full" => {
                "free space there, then run the command again".to_owned()
            }
            Self::PathTooLong { .. } => "name a shorter directory with XDG_STATE_HOME".to_owned(),
            Self::NoLibraries { .. } => {
                "say `libraries = \"debian\"` in the manifest where the bundle is made, lock, build and bundle again"
                    .to_owned()
            }
            Self::Shape { .. } => {
                "install a C library on this machine (glibc), which this OpenCode then uses as it is".to_owned()
            }
            Self::Run { .. } => {
                "see whether the bundle is for this machine's processor: `baseline` builds are for those without AVX2"
                    .to_owned()
            }
            Self::Io { .. } => return None,
        })
    }
}

/// Names verb and path of an operating-system error.
pub(crate) trait At<T> {
    fn at(self, verb: &'static str, path: &Path) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, verb: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io { verb, path: path.to_path_buf(), source })
    }
}
