//! A directory as a user has it: a manifest and a lock, a HOME and a vendor directory of its own,
//! and the CLI run in it, bounded in time.
//!
//! Owns the environment that tests give to the CLI: nothing of the real HOME, and no registry
//! unless a test names one. Never judges what the CLI did beyond reading it.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::TempDir;

use crate::cli::{Place, succeed};

/// A vendor directory with every pinned file of the repository's lock, for all of its systems:
/// that of the user who runs the tests, filled by our own `fetch` once per test run. Never to be
/// written to.
///
/// # Panics
/// Where it cannot be filled, with what the command line said.
pub fn pinned() -> &'static Path {
    static PINNED: OnceLock<PathBuf> = OnceLock::new();
    PINNED.get_or_init(|| {
        let said = succeed(&mut Place::get().command(["fetch", "--json"]));
        let said: serde_json::Value = serde_json::from_str(&said).expect("fetch --json is JSON");
        PathBuf::from(said["vendor"].as_str().expect("fetch --json says where"))
    })
}

/// The longest that any one run of the CLI may take: a cold `lock` on two busy cores takes half a
/// minute.
const LIMIT: Duration = Duration::from_secs(300);

/// A registry that answers nobody: the discard port of this machine.
const NO_REGISTRY: &str = "http://127.0.0.1:9/";

/// Variables of the tests' own environment that say how the outside world is reached.
const WORLD: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NIX_SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
];

/// A user's directory.
pub struct Site {
    directory: TempDir,
    cli: PathBuf,
}

/// What a run of the CLI left.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status; `None` where a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Site {
    /// A site with the repository's manifest and lock, an empty HOME and no vendor directory.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn empty() -> Self {
        Self::below(&Place::get().scratch).expect("make a site")
    }

    /// The same, with every pinned file in its vendor directory.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn provided() -> Self {
        let site = Self::empty();
        site.fill_vendor(pinned()).expect("fill the site's vendor directory");
        site
    }

    /// As [`Site::empty`], in another place than that of all tests.
    ///
    /// # Errors
    /// What the file system says.
    pub fn below(scratch: &Path) -> std::io::Result<Self> {
        let place = Place::get();
        let directory = tempfile::Builder::new().prefix("site-").tempdir_in(scratch)?;
        // A name of its own, by which its processes can be told from those of other tests.
        let site = Self { cli: directory.path().join("opencode-cache"), directory };
        if fs::hard_link(&place.cli, &site.cli).is_err() {
            fs::copy(&place.cli, &site.cli)?;
        }
        for name in ["opencode-cache.toml", "opencode.lock.json"] {
            fs::copy(place.repository.join(name), site.path(name))?;
        }
        for name in ["home", "tmp"] {
            fs::create_dir(site.path(name))?;
        }
        Ok(site)
    }

    /// A path in the site.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The CLI, under a name of this site's own.
    #[must_use]
    pub fn cli(&self) -> &Path {
        &self.cli
    }

    /// The vendor directory that the CLI is told to use.
    #[must_use]
    pub fn vendor(&self) -> PathBuf {
        self.path("vendor")
    }

    /// The store that the CLI builds into.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path("home/.local/state/opencode-cache/store")
    }

    /// The names in the store; none where there is no store.
    #[must_use]
    pub fn stored(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.store()) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Fills the vendor directory with what another one has.
    ///
    /// # Errors
    /// What the file system says.
    pub fn fill_vendor(&self, from: &Path) -> std::io::Result<()> {
        link_tree(from, &self.vendor())
    }

    /// Replaces the text of a file of the site.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)
    }

    /// The text of a file of the site.
    ///
    /// # Errors
    /// What the file system says.
    pub fn read(&self, name: &str) -> std::io::Result<String> {
        fs::read_to_string(self.path(name))
    }

    /// The CLI in this site, with a registry that does not answer.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.cli);
        self.furnish(&mut command);
        command.args(arguments);
        command
    }

    /// As [`Site::command`], run by another program: `runner` is its command line, to which that
    /// of the CLI is added.
    #[must_use]
    pub fn command_by(&self, runner: &[&str], arguments: &[&str]) -> Command {
        let mut command = Command::new(runner.first().copied().unwrap_or("env"));
        command.args(runner.get(1..).unwrap_or_default()).arg(&self.cli);
        self.furnish(&mut command);
        command.args(arguments);
        command
    }

    /// As [`Site::command`], with whatever registry the person who runs the tests has.
    #[must_use]
    pub fn command_online(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env_remove("npm_config_registry");
        for (name, value) in std::env::vars_os() {
            let text = name.to_string_lossy().to_ascii_uppercase();
            if text.starts_with("NPM_CONFIG_") || WORLD.contains(&text.as_str()) {
                command.env(name, value);
            }
        }
        if std::env::var_os("npm_config_userconfig").is_none()
            && let Some(home) = std::env::var_os("HOME")
        {
            command.env("npm_config_userconfig", Path::new(&home).join(".npmrc"));
        }
        command
    }

    /// Runs the CLI in this site to its end.
    ///
    /// # Errors
    /// Where it cannot be started or does not end in time.
    pub fn run(&self, arguments: &[&str]) -> std::io::Result<Ran> {
        Running::start(self.command(arguments))?.end(LIMIT)
    }

    /// The processes of this site's CLI, the first ones of its sandboxes included.
    ///
    /// # Errors
    /// Where `/proc` cannot be listed.
    pub fn processes(&self) -> std::io::Result<Vec<i32>> {
        let is_ours = |pid: &i32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == self.cli);
        let entries = fs::read_dir("/proc")?.flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Ok(numbers.filter(is_ours).collect())
    }

    /// Waits until no process of this site's CLI is left, at most this long for each: those that
    /// are still there then.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn processes_after(&self, limit: Duration) -> std::io::Result<Vec<i32>> {
        for pid in self.processes()? {
            ends_within(pid, limit)?;
        }
        self.processes()
    }

    fn furnish(&self, command: &mut Command) {
        command.env_clear().current_dir(self.directory.path()).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("npm_config_registry", NO_REGISTRY);
        command.arg("--vendor").arg(self.vendor());
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // A store is read-only all the way down; what cannot be made writable stays for the
        // owner of the temporary directory to see.
        let _left = make_writable(self.directory.path());
    }
}

/// A run of the CLI that has not ended.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts a command with pipes that are always read.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(mut command: Command) -> std::io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().map(read_all);
        let stderr = child.stderr.take().map(read_all);
        Ok(Self { child, stdout, stderr })
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end at most this long: whether it has ended.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn ends_within(&mut self, limit: Duration) -> std::io::Result<bool> {
        let pid = i32::try_from(self.child.id()).map_err(std::io::Error::other)?;
        ends_within(pid, limit)
    }

    /// Kills it: SIGKILL, which it cannot see coming.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn kill(mut self) -> std::io::Result<Ran> {
        self.child.kill()?;
        self.reap()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Where it has not ended in time: it is killed, and what it said is in the error.
    pub fn end(mut self, limit: Duration) -> std::io::Result<Ran> {
        if self.ends_within(limit)? {
            return self.reap();
        }
        let ran = self.kill()?;
        Err(std::io::Error::other(format!("still running after {} s: {ran:?}", limit.as_secs())))
    }

    fn reap(mut self) -> std::io::Result<Ran> {
        let status: ExitStatus = self.child.wait()?;
        let text = |reader: Option<JoinHandle<String>>| {
            reader.map(|reader| reader.join().unwrap_or_default()).unwrap_or_default()
        };
        Ok(Ran {
            code: status.code(),
            signal: status.signal(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
        })
    }
}

/// Runs a command to its end, at most five minutes.
///
/// # Errors
/// Where it cannot be started or does not end in time.
pub fn run(command: Command) -> std::io::Result<Ran> {
    Running::start(command)?.end(LIMIT)
}

impl Ran {
    /// Panics unless it said yes; gives stdout.
    #[track_caller]
    pub fn succeeds(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Panics unless it ended with this status, this stable code and a next step.
    #[track_caller]
    pub fn fails(&self, status: i32, code: &str) {
        assert_eq!(self.code, Some(status), "{}\n{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(&format!("error[{code}]: ")), "no {code} in: {}", self.stderr);
    }

    /// As [`Ran::fails`], and it says what to do next.
    #[track_caller]
    pub fn fails_with_next_step(&self, status: i32, code: &str) {
        self.fails(status, code);
        assert!(self.stderr.contains("next step: "), "no next step in: {}", self.stderr);
    }
}

/// Waits for the end of a process at most this long: whether it has ended.
fn ends_within(pid: i32, limit: Duration) -> std::io::Result<bool> {
    let pid = Pid::from_raw(pid).ok_or_else(|| std::io::Error::other("a process without a number"))?;
    let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(true),
        descriptor => descriptor?,
    };
    let mut polled = [PollFd::from_borrowed_fd(descriptor.as_fd(), PollFlags::IN)];
    let limit = Timespec::try_from(limit).map_err(std::io::Error::other)?;
    Ok(poll(&mut polled, Some(&limit))? > 0)
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before a failure is what there is to show.
        let _ended = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Copies a tree by hard links, and by bytes where the file system wants that.
///
/// # Errors
/// What the file system says.
pub fn link_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            link_tree(&entry.path(), &place)?;
        } else if fs::hard_link(entry.path(), &place).is_err() {
            fs::copy(entry.path(), &place)?;
        }
    }
    Ok(())
}

/// Copies a tree byte for byte, links as links, everything writable.
///
/// # Errors
/// What the file system says.
pub fn copy_writable(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_writable(&entry.path(), &place)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, &place)?;
        } else {
            fs::copy(entry.path(), &place)?;
        }
    }
    Ok(())
}

fn make_writable(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}
