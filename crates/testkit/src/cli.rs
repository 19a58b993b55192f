//! The command line under test, as a child process with directories of its own. Never looks into what it printed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Where the test run takes place: what only the integration test crate is told by cargo.
#[derive(Debug, Clone)]
pub struct Place {
    /// The CLI binary (`CARGO_BIN_EXE_opencode-cache`).
    pub cli: PathBuf,
    /// The repository (`CARGO_MANIFEST_DIR` of the root package): manifest and lock lie in it.
    pub repository: PathBuf,
    /// A directory below the target directory for what tests leave (`CARGO_TARGET_TMPDIR`).
    pub scratch: PathBuf,
}

static PLACE: OnceLock<Place> = OnceLock::new();

impl Place {
    /// Tells every test where it is. Must be called once, before the first test.
    pub fn set(self) {
        PLACE.set(self).expect("the place is set once");
    }

    /// Where the test run takes place.
    ///
    /// # Panics
    /// Before [`Place::set`].
    #[must_use]
    pub fn get() -> &'static Self {
        PLACE.get().expect("main sets the place before the first test")
    }

    /// The CLI in the repository, with the tests' own state directory (store and build records) and the user's own vendor
    /// directory: what is pinned is fetched once per machine.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.cli);
        command.args(arguments).current_dir(&self.repository).env("XDG_STATE_HOME", self.state());
        command
    }

    /// `XDG_STATE_HOME` of [`Place::command`].
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.scratch.join("state")
    }

    /// A new directory below [`Place::scratch`]; it goes with the value.
    #[must_use]
    pub fn directory(&self, prefix: &str) -> tempfile::TempDir {
        tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(&self.scratch)
            .expect("make a directory for a test")
    }
}

/// Runs a command that must succeed; its stdout as text, without the last line feed.
///
/// # Panics
/// Where it cannot be started or says no: with everything that it printed.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, told(&output));
    String::from_utf8(output.stdout).expect("stdout is UTF-8").trim_end().to_owned()
}

/// Everything that a program printed, for a failing test's message.
#[must_use]
pub fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The program of that name on PATH. Where it is missing: fails when `CI=true`, else says loudly that the test did not run.
///
/// # Panics
/// Where it is missing and `CI` is `true`.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(name)).find(|path| is_file(path));
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{name} is needed and not on PATH");
        say_untested(&format!("{name} is not on PATH; with CI=true this fails"));
    }
    found
}

/// Says loudly that a test does not test anything on this machine.
pub fn say_untested(why: &str) {
    eprintln!("\n*** NOT TESTED: {why} ***\n");
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}
