//! One sandbox with a release binary of OpenCode in it: where exercises are performed.
//!
//! Owns how OpenCode is started, talked to and stopped. What it is to do is the caller's.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lock::{ExerciseKind, Version};
use sandbox::{Bind, Child, Command, Sandbox, Spec};
use serde_json::Value;

use crate::opencode::{self, LISTENING};
use crate::{catalogue, client};

/// HOME inside.
pub const HOME: &str = "/home/user";
/// The working directory of exercises, inside.
pub const PROJECT: &str = "/home/user/project";
/// The release binary, inside.
pub const BINARY: &str = "/opt/opencode/bin/opencode";
/// The config directory, inside.
pub const CONFIG_DIR: &str = "/home/user/.config/opencode";
/// The cache directory, inside.
pub const CACHE_DIR: &str = "/home/user/.cache/opencode";

/// The data directory, inside.
pub const DATA_DIR: &str = "/home/user/.local/share/opencode";
/// The PATH of every OpenCode in a stage: the system's.
const PATH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// Programs on it that OpenCode would use where the machine happens to have them, and download where it has not: what is recorded
/// must be the same on every machine.
const HIDDEN: [&str; 1] = [opencode::RIPGREP_BINARY];
/// A PATH with nothing on it.
pub const NO_PATH: &str = "/opt/nothing";

/// How long `serve` may take to listen. About a second when the machine is idle; a busy one with
/// two cores was seen to take ten.
const START_TIME: Duration = Duration::from_secs(90);
/// How long a server may take to end after TERM.
const STOP_TIME: Duration = Duration::from_secs(10);
/// How often is looked whether a program is to be ended.
const LOOK: Duration = Duration::from_millis(50);
/// How much of a server's output is kept for error messages, in bytes.
const KEPT_OUTPUT: usize = 16 * 1024;

/// Why OpenCode did not do what an exercise needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No sandbox.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// The server ended, or never listened.
    #[error("start opencode serve: {reason}\n{output}")]
    Server {
        /// What happened.
        reason: String,
        /// The last of what it printed.
        output: String,
    },
    /// The server did not answer.
    #[error("ask opencode serve")]
    Client(#[from] client::Error),
    /// The proxy for downloads could not be opened.
    #[error("open the proxy for downloads: {reason}")]
    Outlet {
        /// What happened.
        reason: String,
    },
    /// The catalogue inside of a version that does not find it cannot be had.
    #[error("take the catalogue of models out of {}", path.display())]
    Catalogue {
        /// The binary.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A background thread ended abnormally.
    #[error("run OpenCode: a worker ended abnormally")]
    Worker,
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Sandbox(error) => error.code(),
            Self::Server { .. } => "opencode-server",
            Self::Client(_) => "opencode-answer",
            Self::Outlet { .. } => "downloads-proxy",
            Self::Catalogue { .. } => "catalogue-inside",
            Self::Worker => "bug-worker",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Sandbox(error) => error.hint(),
            _ => None,
        }
    }
}

/// A sandbox that is ready for OpenCode.
pub struct Stage {
    sandbox: Arc<Sandbox>,
    opencode: Option<Version>,
    listeners: Vec<TcpListener>,
    dns: Option<UdpSocket>,
}

impl Stage {
    /// Opens a stage with the binary at `binary`, which is of the version `opencode`, and as many loopback listeners as are asked for.
    pub async fn open(binary: &Path, opencode: &Version, listeners: usize) -> Result<Self, Error> {
        let mut spec = Spec::new(HOME);
        spec.binds.push(Bind::read_only(binary, BINARY));
        spec.binds.extend(hidden());
        spec.tcp_listeners = listeners;
        spec.count = false;
        let mut stage = Self::open_spec(spec).await?;
        // Nobody answers there: closed, a question fails at once instead of after five seconds.
        drop(stage.take_dns());
        stage.opencode = Some(opencode.clone());
        stage.furnish(opencode)?;
        let (path, version) = (binary.to_owned(), opencode.clone());
        let own = tokio::task::spawn_blocking(move || catalogue::own(&path, &version));
        let read = |source| Error::Catalogue { path: binary.into(), source };
        if let Some(own) = own.await.map_err(|_| Error::Worker)?.map_err(read)? {
            stage.sandbox.write(opencode::CATALOGUE_FILE, &own)?;
        }
        Ok(stage)
    }

    /// What OpenCode before 1.14 has to find: the file without which it removes its cache, and any file in ripgrep's place, which it would
    /// download at its start.
    fn furnish(&self, opencode: &Version) -> Result<(), Error> {
        let Some(cache) = opencode::cache_version(opencode) else { return Ok(()) };
        self.sandbox.write(format!("{CACHE_DIR}/{}", opencode::VERSION_FILE), cache.as_bytes())?;
        let programs = if opencode::programs_in_data(opencode) { DATA_DIR } else { CACHE_DIR };
        Ok(self.sandbox.write(format!("{programs}/bin/{}", opencode::RIPGREP_BINARY), b"")?)
    }

    /// Opens a stage of the caller's own making.
    pub async fn open_spec(spec: Spec) -> Result<Self, Error> {
        let started = tokio::task::spawn_blocking(move || {
            let mut sandbox = Sandbox::start(&spec)?;
            sandbox.make_directory(PROJECT)?;
            sandbox.make_directory(CONFIG_DIR)?;
            let (listeners, dns) = (sandbox.take_listeners(), sandbox.take_dns());
            Ok::<_, sandbox::Error>((sandbox, listeners, dns))
        });
        let (sandbox, listeners, dns) = started.await.map_err(|_| Error::Worker)??;
        Ok(Self { sandbox: Arc::new(sandbox), opencode: None, listeners, dns })
    }

    /// The name server's socket inside, once.
    pub fn take_dns(&mut self) -> Option<UdpSocket> {
        self.dns.take()
    }

    /// The next listener inside, until they are used up.
    pub fn take_listener(&mut self) -> Option<TcpListener> {
        self.listeners.pop()
    }

    /// The version of the binary, where it was told.
    pub fn opencode(&self) -> Option<&Version> {
        self.opencode.as_ref()
    }

    /// Whether an exercise fills the tree that all share.
    pub fn shares(&self, kind: &ExerciseKind) -> bool {
        self.opencode.as_ref().is_some_and(|version| opencode::shares(version, kind))
    }

    /// The sandbox itself.
    pub fn sandbox(&self) -> &Arc<Sandbox> {
        &self.sandbox
    }

    /// The environment that every OpenCode in here has: a HOME, a PATH, nothing of the user's.
    pub fn environment(&self) -> Vec<(String, String)> {
        let home = self.sandbox.inside(HOME).to_string_lossy().into_owned();
        vec![
            ("HOME".into(), home.clone()),
            ("PATH".into(), PATH.join(":")),
            ("TMPDIR".into(), self.sandbox.inside("/tmp").to_string_lossy().into_owned()),
            // npm's download cache: outside what is captured.
            ("npm_config_cache".into(), format!("{home}/.npm")),
        ]
    }

    /// A command line of the binary at `program` (a path inside), in the project's directory.
    pub fn command(&self, program: &str, arguments: &[&str], env: &[(String, String)]) -> Command {
        let program: OsString = self.sandbox.inside(program).into();
        let arguments = arguments.iter().map(OsString::from);
        let mut command =
            Command::new(std::iter::once(program).chain(arguments), self.sandbox.inside(PROJECT));
        for (name, value) in env {
            command = command.env(name, value);
        }
        command
    }

    /// Runs the binary until it ends, or until `done`, when it is ended; at most for `limit`. Gives the last of what it printed.
    pub async fn run_until(
        &self,
        arguments: &[&str],
        env: &[(String, String)],
        done: impl Fn() -> bool + Send + 'static,
        limit: Duration,
    ) -> Result<String, Error> {
        let command = self.command(BINARY, arguments, env);
        let sandbox = self.sandbox.clone();
        let ran = tokio::task::spawn_blocking(move || {
            let mut child = sandbox.spawn(&command)?;
            let output = Arc::new(Mutex::new(Vec::new()));
            if let Some(stdout) = child.stdout.take() {
                drain(stdout, output.clone(), None);
            }
            if let Some(stderr) = child.stderr.take() {
                drain(stderr, output.clone(), None);
            }
            let start = Instant::now();
            while child.wait(LOOK)?.is_none() {
                if done() || start.elapsed() > limit {
                    end(&child)?;
                    break;
                }
            }
            let said = output.lock().unwrap_or_else(PoisonError::into_inner);
            Ok::<_, sandbox::Error>(String::from_utf8_lossy(&said).into_owned())
        });
        Ok(ran.await.map_err(|_| Error::Worker)??)
    }

    /// Starts `serve` and waits until it listens.
    pub async fn serve(&self, program: &str, env: &[(String, String)]) -> Result<Server, Error> {
        let arguments = ["serve", "--hostname", "127.0.0.1", "--port", "0"];
        let command = self.command(program, &arguments, env);
        let sandbox = self.sandbox.clone();
        let started = tokio::task::spawn_blocking(move || Server::start(sandbox, &command));
        started.await.map_err(|_| Error::Worker)?
    }
}

/// What hides the programs: nothing that could be executed, in their places. Without namespaces nothing is hidden; where there are none, in
/// Nix's sandbox, there is nothing to hide.
fn hidden() -> Vec<Bind> {
    let places = PATH.iter().flat_map(|directory| HIDDEN.map(|name| Path::new(directory).join(name)));
    let files: BTreeSet<PathBuf> = places.filter_map(|place| place.canonicalize().ok()).collect();
    files.into_iter().map(|file| Bind::read_only("/dev/null", file)).collect()
}

/// A running `opencode serve`.
pub struct Server {
    sandbox: Arc<Sandbox>,
    child: Arc<Child>,
    port: u16,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    fn start(sandbox: Arc<Sandbox>, command: &Command) -> Result<Self, Error> {
        let mut child = sandbox.spawn(command)?;
        let output = Arc::new(Mutex::new(Vec::new()));
        let (found, port) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            drain(stdout, output.clone(), Some(found));
        }
        if let Some(stderr) = child.stderr.take() {
            drain(stderr, output.clone(), None);
        }
        let start = Instant::now();
        let failed = |reason: &str| {
            let output = output.lock().unwrap_or_else(PoisonError::into_inner);
            Error::Server { reason: reason.into(), output: String::from_utf8_lossy(&output).into_owned() }
        };
        while start.elapsed() < START_TIME {
            match port.recv_timeout(Duration::from_millis(50)) {
                Ok(port) => return Ok(Self { sandbox, child: Arc::new(child), port, output }),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let exit = child.wait(STOP_TIME)?;
                    return Err(failed(&format!("it ended before it listened ({exit:?})")));
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
        child.kill()?;
        Err(failed(&format!("it did not listen within {} s", START_TIME.as_secs())))
    }

    /// Sends one request and reads the JSON answer.
    pub async fn ask(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<Value, Error> {
        let (sandbox, port) = (self.sandbox.clone(), self.port);
        let connected = tokio::task::spawn_blocking(move || sandbox.connect(port));
        let stream = connected.await.map_err(|_| Error::Worker)??;
        Ok(client::request(stream, method, path, body, limit).await?)
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> Result<bool, Error> {
        Ok(self.child.wait(Duration::ZERO)?.is_none())
    }

    /// The last of what it printed.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Ends it: TERM, and KILL where that is not enough.
    pub async fn stop(self) -> Result<(), Error> {
        let child = self.child.clone();
        let stopped = tokio::task::spawn_blocking(move || end(&child));
        Ok(stopped.await.map_err(|_| Error::Worker)??)
    }
}

/// Ends a program: TERM, and KILL where that is not enough.
fn end(child: &Child) -> Result<(), sandbox::Error> {
    const TERM: i32 = 15;
    child.signal(TERM)?;
    if child.wait(STOP_TIME)?.is_none() {
        child.kill()?;
    }
    Ok(())
}

/// Reads a pipe to its end, so that its writer never blocks; keeps the last of it, and tells the
/// port of the line that says where the server listens.
fn drain(pipe: impl Read + Send + 'static, kept: Arc<Mutex<Vec<u8>>>, found: Option<mpsc::Sender<u16>>) {
    std::thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        // A line without end is cut at the bound.
        while let Ok(1..) = lines.by_ref().take(KEPT_OUTPUT as u64).read_until(b'\n', &mut line) {
            if let (Some(found), Some(port)) = (&found, port_in(&line)) {
                // The receiver stops listening after the first one.
                let _gone = found.send(port);
            }
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.append(&mut line);
            let excess = kept.len().saturating_sub(KEPT_OUTPUT);
            kept.drain(..excess);
        }
    });
}

fn port_in(line: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(line).ok()?;
    let address = text.split_once(LISTENING)?.1.trim();
    address.rsplit(':').next()?.trim_end_matches('/').parse().ok()
}

/// Where a directory of OpenCode's lies, inside.
pub fn package_directory(directory: &str) -> PathBuf {
    Path::new(CACHE_DIR).join("packages").join(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_stands_in_the_listening_line() {
        assert_eq!(port_in(b"opencode server listening on http://127.0.0.1:4096\n"), Some(4096));
        assert_eq!(port_in(b"Warning: OPENCODE_SERVER_PASSWORD is not set\n"), None);
    }
}
