//! The output that all tests of a run share: the repository's own lock, built by the real command line. Never altered: a test that
//! wants to break one copies it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::FlockOperation;

use crate::cli::{Place, succeed};

/// A finished output in the tests' store.
#[derive(Debug, Clone)]
pub struct Output {
    path: PathBuf,
}

impl Output {
    /// Builds the committed lock, once per test run and a no-op when an earlier run did; fetches what is missing.
    ///
    /// # Panics
    /// Where it cannot be built, with what the command line said.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Output> = OnceLock::new();
        SHARED.get_or_init(|| {
            let place = Place::get();
            fs::create_dir_all(&place.scratch).expect("make the tests' directory");
            let lock = File::create(place.scratch.join("build.lock")).expect("open the tests' lock file");
            // Another test process may be at it: it is waited for, the kernel gives the lock back at the end of the function.
            rustix::fs::flock(&lock, FlockOperation::LockExclusive).expect("lock");
            let link = place.scratch.join("result");
            succeed(place.command(["build", "--out"]).arg(&link));
            Self { path: fs::canonicalize(&link).expect("follow the result") }
        })
    }

    /// Its directory, `…/store/<digest>-opencode-cache`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The wrapper, which users run.
    #[must_use]
    pub fn wrapper(&self) -> PathBuf {
        self.path.join("bin/opencode")
    }

    /// The real binary that is laid out in it.
    #[must_use]
    pub fn binary(&self) -> PathBuf {
        self.path.join("lib/opencode/bin/opencode")
    }
}
