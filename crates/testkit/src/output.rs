//! The output that all tests of a run share: the repository's own lock, built by the real command line. Never altered: a test that
//! wants to break one copies it. `OPENCODE_CACHE_OUTPUT` names another one: of the same lock, built elsewhere (by Nix).

use std::fs::{self, File};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::FlockOperation;

use crate::cli::{Place, succeed};

/// Names an output that is there already.
const NAMED: &str = "OPENCODE_CACHE_OUTPUT";

/// A finished output in the tests' store.
#[derive(Debug, Clone)]
pub struct Output {
    path: PathBuf,
}

/// Makes the command line build again where it is not the one that built last: its own no-op looks at what goes in, and a change
/// of the program between two test runs is none of that.
fn forget_other_builders(place: &Place) {
    let cli = fs::metadata(&place.cli).expect("look at the command line");
    let builder = format!("{} {:?}", cli.len(), cli.modified().expect("a file system with times"));
    let note = place.scratch.join("built-by");
    if fs::read_to_string(&note).is_ok_and(|last| last == builder) {
        return;
    }
    let builds = place.state().join("opencode-cache/builds");
    match fs::remove_dir_all(&builds) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            panic!("remove {}: {error}", builds.display())
        }
        _ => fs::write(&note, builder).expect("note who built"),
    }
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
            if let Some(named) = std::env::var_os(NAMED) {
                return Self { path: fs::canonicalize(&named).expect("follow the output that is named") };
            }
            let place = Place::get();
            fs::create_dir_all(&place.scratch).expect("make the tests' directory");
            let lock = File::create(place.scratch.join("build.lock")).expect("open the tests' lock file");
            // Another test process may be at it: it is waited for, the kernel gives the lock back at the end of the function.
            rustix::fs::flock(&lock, FlockOperation::LockExclusive).expect("lock");
            forget_other_builders(place);
            let link = place.scratch.join("result");
            succeed(place.command(["build", "--out"]).arg(&link));
            Self { path: fs::canonicalize(&link).expect("follow the result") }
        })
    }

    /// A copy in a store of its own below `directory`, under the same name, with the same modes and times: what a test may alter.
    ///
    /// # Panics
    /// Where it cannot be copied.
    #[must_use]
    pub fn copy_below(&self, directory: &Path) -> Copied {
        let store = directory.join("store");
        fs::create_dir_all(&store).expect("make a store");
        let path = store.join(self.path.file_name().expect("an output has a name"));
        // `cp` knows reflinks, and keeps the times that a store path has.
        succeed(std::process::Command::new("cp").args(["-a", "--reflink=auto"]).arg(&self.path).arg(&path));
        Copied(Self { path })
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

/// A copy of an output. Dropping it removes it, which takes more than removing its directory: an owner may not write in it either.
#[derive(Debug)]
pub struct Copied(Output);

impl Deref for Copied {
    type Target = Output;

    fn deref(&self) -> &Output {
        &self.0
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // What cannot be removed is below the test's own directory.
        let _rest = tree::remove_tree(&self.0.path);
    }
}
