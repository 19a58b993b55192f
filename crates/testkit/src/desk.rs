//! An ordinary user's machine: a HOME of their own, a model on loopback, and a network that fails in a chosen way.
//!
//! It starts what it is told to and keeps what was printed and how long it took. It knows which files a user of OpenCode writes
//! (configuration, project), and nothing of what OpenCode should answer.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use replay::dns::{DnsResponder, Policy};
use replay::llm::{LlmFacts, Script, ScriptedLlm};
use sandbox::{BLACK_HOLE_ADDRESS, Bind, Child, Command, Exit, Network, Sandbox, Spec};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::http;

/// HOME.
pub const HOME: &str = "/home/user";
/// The provider of [`Desk::configure`] and its model, as `-m` takes them.
pub const MODEL: &str = "scripted/scripted";
/// The PATH of everything that is run.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The most that is kept of what a program prints, in bytes.
const MOST_OUTPUT: usize = 1 << 20;

/// What happens to whoever wants to leave the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Loopback is all there is: connecting and asking for a name fail at once.
    Refused,
    /// Every name has an address, and every packet to it is lost.
    Dropped,
    /// Every packet is lost, and the name server never answers.
    Silent,
}

/// The machine. Dropping it ends everything on it.
pub struct Desk {
    sandbox: Sandbox,
    llm: ScriptedLlm,
    /// A second socket, for a server of a test's own.
    listener: Mutex<Option<TcpListener>>,
    /// Answers or swallows questions until dropped.
    _names: Option<DnsResponder>,
    /// Where the two above run.
    _runtime: Runtime,
}

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    /// How it ended; `None` where it was killed at the end of its time.
    pub exit: Option<Exit>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Desk {
    /// A machine on which `visible` (each at its own path, read-only) can be seen, and whose model says what `script` says.
    ///
    /// # Panics
    /// Where no sandbox can be had.
    #[must_use]
    pub fn new(outside: Outside, script: Script, visible: &[&Path]) -> Self {
        Self::with(outside, script, visible.iter().map(|path| Bind::read_only(*path, *path)).collect())
    }

    /// The same with binds of the caller's making.
    ///
    /// # Panics
    /// Where no sandbox can be had.
    #[must_use]
    pub fn with(outside: Outside, script: Script, binds: Vec<Bind>) -> Self {
        let mut spec = Spec::new(HOME);
        spec.binds = binds;
        Self::open(spec, outside, script)
    }

    /// The same as [`Desk::new`] for a benchmark: attempts to leave are not counted, which takes time.
    ///
    /// # Panics
    /// Where no sandbox can be had.
    #[must_use]
    pub fn uncounted(outside: Outside, script: Script, visible: &[&Path]) -> Self {
        let mut spec = Spec::new(HOME);
        spec.binds = visible.iter().map(|path| Bind::read_only(*path, *path)).collect();
        spec.count = false;
        Self::open(spec, outside, script)
    }

    fn open(mut spec: Spec, outside: Outside, script: Script) -> Self {
        spec.network = if outside == Outside::Refused { Network::Loopback } else { Network::BlackHole };
        spec.tcp_listeners = 2;
        let mut sandbox = Sandbox::start(&spec).expect("make a sandbox");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("start a runtime");
        let entered = runtime.enter();
        let mut listeners = sandbox.take_listeners();
        let listener = listeners.pop().expect("a listener inside");
        let llm = ScriptedLlm::serve(listener, script).expect("serve the scripted model");
        let policy = match outside {
            Outside::Refused => None,
            Outside::Dropped => Some(Policy::Fixed(BLACK_HOLE_ADDRESS)),
            Outside::Silent => Some(Policy::Silent),
        };
        // Where nobody holds the socket it is closed, and a question is refused at once.
        let socket = sandbox.take_dns();
        let names = policy
            .zip(socket)
            .map(|(policy, socket)| DnsResponder::serve(socket, None, policy).expect("serve names"));
        drop(entered);
        sandbox.make_directory(HOME).expect("make HOME");
        Self { sandbox, llm, listener: Mutex::new(listeners.pop()), _names: names, _runtime: runtime }
    }

    /// Writes the user's own `opencode.json`: [`configuration`] with this machine's model.
    pub fn configure(&self, sdk: &str, plugins: &[&str]) {
        let config = configuration(&self.llm.url(), sdk, plugins);
        self.write(".config/opencode/opencode.json", &config.to_string());
    }

    /// Writes a file below HOME.
    pub fn write(&self, path: &str, content: &str) {
        self.sandbox.write(format!("{HOME}/{path}"), content.as_bytes()).expect("write below HOME");
    }

    /// Makes a directory below HOME; its absolute path.
    #[must_use]
    pub fn directory(&self, path: &str) -> PathBuf {
        let path = Path::new(HOME).join(path);
        self.sandbox.make_directory(&path).expect("make a directory below HOME");
        path
    }

    /// The model's base URL.
    #[must_use]
    pub fn model_url(&self) -> String {
        self.llm.url()
    }

    /// A listening socket on this machine's loopback, once: for a server of the caller's own.
    #[must_use]
    pub fn take_listener(&self) -> Option<TcpListener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What the model was asked so far.
    #[must_use]
    pub fn asked(&self) -> LlmFacts {
        self.llm.facts()
    }

    /// The sandbox itself.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Every attempt to leave so far, in words.
    #[must_use]
    pub fn attempts(&self) -> Vec<String> {
        let leaving = self.sandbox.attempts().into_iter().filter(sandbox::Attempt::leaves);
        leaving.map(|attempt| format!("{attempt:?}")).collect()
    }

    /// A command line of the user's: HOME and PATH are all that is set.
    #[must_use]
    pub fn command(&self, program: &Path, arguments: &[&str], directory: &Path) -> Command {
        let argv = std::iter::once(program.as_os_str()).chain(arguments.iter().map(AsRef::as_ref));
        Command::new(argv, directory).env("HOME", HOME).env("PATH", PATH)
    }

    /// Runs a command to its end, at most for `limit`.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn run(&self, command: &Command, limit: Duration) -> Ran {
        let start = Instant::now();
        let (exit, output) = match self.sandbox.run(command, limit, MOST_OUTPUT) {
            Ok(output) => (Some(output.exit), output),
            Err(sandbox::Error::TimedOut { output, .. }) => (None, *output),
            Err(error) => panic!("run {command:?}: {error:?}"),
        };
        let elapsed = start.elapsed();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { exit, stdout: text(&output.stdout), stderr: text(&output.stderr), elapsed }
    }

    /// Starts `opencode serve` and waits until it listens, at most for `limit`.
    ///
    /// # Panics
    /// Where it does not.
    #[must_use]
    pub fn serve(&self, program: &Path, directory: &Path, limit: Duration) -> Server<'_> {
        let arguments = ["serve", "--hostname", "127.0.0.1", "--port", "0"];
        let command = self.command(program, &arguments, directory);
        let mut child = self.sandbox.spawn(&command).expect("start opencode serve");
        let (said, lines) = mpsc::channel();
        for pipe in [child.stdout.take(), child.stderr.take()].into_iter().flatten() {
            follow(pipe, said.clone());
        }
        drop(said);
        let start = Instant::now();
        let mut told = String::new();
        while let Some(left) = limit.checked_sub(start.elapsed()) {
            let Ok(line) = lines.recv_timeout(left) else { break };
            if let Some(port) = listening(&line) {
                return Server { desk: self, child, port };
            }
            told.push_str(&line);
        }
        panic!("opencode serve does not listen after {:.1} s: {told}", start.elapsed().as_secs_f64());
    }

    /// Everything below HOME: path relative to it, and what it is. Links are not followed.
    #[must_use]
    pub fn home(&self) -> BTreeMap<String, Found> {
        let top = self.sandbox.outside(HOME);
        let mut found = BTreeMap::new();
        let mut open = vec![top.clone()];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(&directory).expect("list a directory of HOME") {
                let path = entry.expect("list a directory of HOME").path();
                let kind = path.symlink_metadata().expect("look at a file of HOME").file_type();
                let what = if kind.is_symlink() {
                    Found::Link(std::fs::read_link(&path).expect("read a link of HOME"))
                } else if kind.is_dir() {
                    open.push(path.clone());
                    Found::Directory
                } else {
                    Found::File
                };
                let relative = path.strip_prefix(&top).expect("below HOME");
                found.insert(relative.to_str().expect("UTF-8 below HOME").to_owned(), what);
            }
        }
        found
    }
}

/// An `opencode.json` with the scripted model at `model` through the SDK `sdk`, and these plugins.
#[must_use]
pub fn configuration(model: &str, sdk: &str, plugins: &[&str]) -> Value {
    let provider = json!({
        "npm": sdk,
        "name": "Scripted",
        "options": { "baseURL": model, "apiKey": "not-a-secret" },
        "models": { "scripted": { "name": "Scripted", "limit": { "context": 100_000, "output": 10_000 } } },
    });
    json!({ "provider": { "scripted": provider }, "plugin": plugins })
}

impl Drop for Desk {
    fn drop(&mut self) {
        // The programs end before the servers that they talk to. Fails only where all have ended.
        let _gone = self.sandbox.kill_all();
    }
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A directory.
    Directory,
    /// A file, or a socket, or a pipe.
    File,
    /// A link, and where it leads.
    Link(PathBuf),
}

/// A running `opencode serve`. Dropping it kills it.
pub struct Server<'a> {
    desk: &'a Desk,
    child: Child,
    port: u16,
}

impl Server<'_> {
    /// Sends a request and reads the JSON answer, within `limit`.
    ///
    /// # Panics
    /// Where there is no answer in time, or no JSON in it.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value, limit: Duration) -> Value {
        let stream = self.desk.sandbox.connect(self.port).expect("connect to opencode serve");
        let answer = http::post(stream, path, &body.to_string(), limit).expect("ask opencode serve");
        serde_json::from_slice(&answer)
            .unwrap_or_else(|error| panic!("{path}: {error}: {}", String::from_utf8_lossy(&answer)))
    }

    /// Opens a session in `directory` and says `text`; the whole answer, and how long both took.
    ///
    /// # Panics
    /// Where either is not answered within `limit`.
    #[must_use]
    pub fn converse(&self, directory: &Path, text: &str, limit: Duration) -> (Value, Duration) {
        let start = Instant::now();
        let query = format!("?directory={}", directory.display());
        let session = self.post(&format!("/session{query}"), &json!({}), limit);
        let id = session["id"].as_str().unwrap_or_else(|| panic!("a session has an id: {session}"));
        let message = json!({
            "model": { "providerID": "scripted", "modelID": "scripted" },
            "parts": [{ "type": "text", "text": text }],
        });
        let answer = self.post(&format!("/session/{id}/message{query}"), &message, limit);
        (answer, start.elapsed())
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // Fails only where it has ended.
        let _gone = self.child.kill();
    }
}

/// Sends every line of a pipe; reads on when nobody listens any more, so that the writer never blocks.
fn follow(pipe: impl Read + Send + 'static, said: mpsc::Sender<String>) {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while let Ok(1..) = pipe.by_ref().take(MOST_OUTPUT as u64).read_until(b'\n', &mut line) {
            let _gone = said.send(String::from_utf8_lossy(&line).into_owned());
            line.clear();
        }
    });
}

fn listening(line: &str) -> Option<u16> {
    let address = line.split_once("server listening on http://")?.1.trim();
    address.rsplit(':').next()?.trim_end_matches('/').parse().ok()
}
