//! OpenCode as its users have it: the release binary alone, a HOME on this machine, the network up, npm configured as it is here.
//! Owns how it is started and when its trees are whole; knows nothing of outputs.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use builder::opencode;
use lock::{ExerciseKind, Lock, PackageName, Version};
use replay::llm::{Script, ScriptedLlm};
use replay::registry::RecordRegistry;
use serde_json::{Value, json};
use testkit::cli::Place;
use testkit::desk::{self, MODEL};
use testkit::http;
use testkit::output::Output;
use tokio::runtime::Runtime;

use crate::older;

/// What the model says.
pub const ANSWER: &str = "an answer from the scripted model";
/// Nothing here may take longer: an installation over a slow line was seen to take a minute.
const MOST: Duration = Duration::from_secs(600);
/// What nobody waits for is given this long.
const BACKGROUND: Duration = Duration::from_secs(30);
/// How often is looked whether the trees are whole.
const LOOK: Duration = Duration::from_millis(10);

/// What the committed lock wants, as OpenCode is configured for it and as it then lies on disk.
#[derive(Debug)]
pub struct Wanted {
    /// The version.
    pub opencode: Version,
    /// Provider SDKs.
    pub sdks: Vec<String>,
    /// Plugins.
    pub plugins: Vec<String>,
    /// Directories below HOME that a population fills; a `package.json` stands for what it lies in.
    directories: Vec<PathBuf>,
    /// How long the model rests before the end of what it says, for the versions that need it.
    pause: Duration,
}

impl Wanted {
    /// Of the committed lock.
    pub fn read() -> Result<Self, Box<dyn Error>> {
        let text = fs::read_to_string(Place::get().repository.join("opencode.lock.json"))?;
        let lock = Lock::parse(&text)?;
        let opencode = lock.opencode.clone();
        let mut wanted = Self {
            pause: opencode::unhurried(&opencode),
            sdks: Vec::new(),
            plugins: Vec::new(),
            directories: Vec::new(),
            opencode,
        };
        let packages = Path::new(".cache/opencode/packages");
        for exercise in lock.exercises.values() {
            let shared = |name: Option<&PackageName>| {
                let is_one = opencode::shares(&lock.opencode, &exercise.kind);
                name.filter(|_| is_one).map(|name| older::place(name.as_str()))
            };
            match &exercise.kind {
                ExerciseKind::ConfigDir { .. } if wanted.is_shared() => {}
                ExerciseKind::ConfigDir { .. } => wanted.directories.push(".config/opencode".into()),
                ExerciseKind::Plugin { spec } => {
                    let own = packages.join(opencode::plugin_directory(spec));
                    wanted.directories.push(shared(spec.name()).unwrap_or(own));
                    // Some are loaded though nobody names them.
                    if !opencode::own_plugins(&lock.opencode).contains(&spec.as_str()) {
                        wanted.plugins.push(spec.to_string());
                    }
                }
                ExerciseKind::Provider { spec }
                    if opencode::own_providers(&lock.opencode).contains(&spec.as_str()) => {}
                ExerciseKind::Provider { spec } => {
                    let own = packages.join(opencode::provider_directory(spec));
                    wanted.directories.push(shared(spec.name()).unwrap_or(own));
                    wanted.sdks.push(spec.to_string());
                }
                _ => {}
            }
        }
        if wanted.is_shared() {
            // What was never published is not installed, and not waited for.
            let has =
                |place: &PathBuf| lock.packages.keys().any(|id| older::place(id.name.as_str()) == *place);
            wanted.directories.retain(has);
        }
        Ok(wanted)
    }

    /// Whether everything is installed into one tree.
    pub fn is_shared(&self) -> bool {
        opencode::Era::known(&self.opencode).is_shared()
    }

    /// The user's configuration, with the model at `model`.
    pub fn configuration(&self, model: &str) -> Result<String, Box<dyn Error>> {
        let mut config = desk::configuration(model, self.sdk()?, &self.plugins());
        if self.is_shared() {
            // Else a title is asked of a service of OpenCode's own (1.0.152, 1.1.65).
            config["small_model"] = json!(MODEL);
        }
        Ok(config.to_string())
    }

    /// A model that says [`ANSWER`] as this version needs it.
    pub fn script(&self) -> Script {
        let mut script = Script::saying(ANSWER);
        script.pause = self.pause;
        script
    }

    /// The SDK that answers; the default lock has one.
    pub fn sdk(&self) -> Result<&str, Box<dyn Error>> {
        Ok(self.sdks.first().ok_or("the lock has no provider SDK")?)
    }

    /// The plugins, for a configuration.
    pub fn plugins(&self) -> Vec<&str> {
        self.plugins.iter().map(String::as_str).collect()
    }
}

/// A stock OpenCode with a HOME of its own and a scripted model on this machine's loopback.
pub struct Stock {
    home: tempfile::TempDir,
    binary: PathBuf,
    wanted: Wanted,
    /// Where an OpenCode of one tree finds packages.
    mirror: Option<RecordRegistry>,
    _llm: ScriptedLlm,
    _runtime: Runtime,
}

impl Stock {
    /// Nothing installed yet. `home_in`: where HOME is made.
    pub fn new(home_in: &Path) -> Result<Self, Box<dyn Error>> {
        let home = tempfile::Builder::new().prefix("home-").tempdir_in(home_in)?;
        let wanted = Wanted::read()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let entered = runtime.enter();
        let llm = ScriptedLlm::serve(TcpListener::bind("127.0.0.1:0")?, wanted.script())?;
        let mirror = if wanted.is_shared() { Some(runtime.block_on(older::mirror())?) } else { None };
        drop(entered);
        let config = home.path().join(".config/opencode");
        fs::create_dir_all(&config)?;
        fs::write(config.join("opencode.json"), wanted.configuration(&llm.url())?)?;
        let binary = binary()?;
        older::furnish(home.path(), &binary, &wanted.opencode)?;
        Ok(Self { home, binary, wanted, mirror, _llm: llm, _runtime: runtime })
    }

    /// Makes a directory below HOME.
    pub fn directory(&self, path: &str) -> Result<PathBuf, Box<dyn Error>> {
        let path = self.home.path().join(path);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Takes away what OpenCode keeps of earlier runs, not what it has installed.
    pub fn forget(&self) -> Result<(), Box<dyn Error>> {
        match fs::remove_dir_all(self.home.path().join(".local")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Runs one `serve` until it has installed everything that the lock wants; how long that took.
    pub fn populate(&self) -> Result<Duration, Box<dyn Error>> {
        let start = Instant::now();
        let project = self.directory("project")?;
        let server = Server::start(self.command(&project), &self.wanted.opencode)?;
        let answer = server.converse(&project);
        self.wait_for(&self.wanted.directories, MOST)?;
        let elapsed = start.elapsed();
        answer.join().map_err(|_| "the conversation ended abnormally")??;
        Ok(elapsed)
    }

    /// Has everything installed that a session in each of `projects` wants, the projects' own `.opencode` too.
    pub fn install(&self, projects: &[&Path]) -> Result<(), Box<dyn Error>> {
        let server = Server::start(self.command(self.home.path()), &self.wanted.opencode)?;
        let mut directories = self.wanted.directories.clone();
        for project in projects {
            server.converse(project).join().map_err(|_| "the conversation ended abnormally")??;
            directories.push(project.join(".opencode"));
        }
        if self.wanted.is_shared() {
            // Which directories it installs into differs by version, and nobody is told when it has: whatever a second start still
            // finds to do, it has done then.
            thread::sleep(BACKGROUND);
            drop(server);
            for project in projects {
                self.run(project)?;
            }
            return Ok(());
        }
        directories.retain(|path| self.home.path().join(path).exists());
        self.wait_for(&directories, MOST)?;
        // A bare plugin is installed a second time in the background, under its bare name; 1.17.18 was seen never to end that.
        let packages = Path::new(".cache/opencode/packages");
        let mut again: Vec<_> = self.wanted.plugins.iter().map(|plugin| packages.join(plugin)).collect();
        again.retain(|path| self.home.path().join(path).exists());
        if let Err(error) = self.wait_for(&again, BACKGROUND) {
            println!("    {error}");
        }
        Ok(())
    }

    /// A one-shot run in `directory` that must print the model's answer; how long it took.
    pub fn run(&self, directory: &Path) -> Result<Duration, Box<dyn Error>> {
        let mut tried = 0;
        let output = loop {
            let start = Instant::now();
            let output = self.command(directory).args(["run", "-m", MODEL, "hello"]).output()?;
            let elapsed = start.elapsed();
            if String::from_utf8_lossy(&output.stdout).contains(ANSWER) {
                return Ok(elapsed);
            }
            tried += 1;
            if tried == 2 || !output.stdout.trim_ascii().is_empty() {
                break output;
            }
            println!("    stock OpenCode lost an answer, asked again");
        };
        Err(format!("stock OpenCode did not answer: {}", String::from_utf8_lossy(&output.stderr)).into())
    }

    /// HOME, PATH, and how this machine reaches the outside: npm's settings, proxies, certificates.
    fn command(&self, directory: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(directory).env_clear();
        command.env("HOME", self.home.path()).env("PATH", desk::PATH);
        let outside = |name: &str| {
            let name = name.to_ascii_lowercase();
            let known = ["ssl_cert_file", "ssl_cert_dir", "node_extra_ca_certs"];
            name.starts_with("npm_config_") || name.ends_with("_proxy") || known.contains(&name.as_str())
        };
        command.envs(std::env::vars().filter(|(name, _)| outside(name)));
        if let Some(npmrc) = std::env::home_dir().map(|home| home.join(".npmrc")).filter(|path| path.exists())
        {
            command.env("npm_config_userconfig", npmrc);
        }
        if let Some(mirror) = &self.mirror {
            command.env(older::REGISTRY, mirror.url(&older::base()));
        }
        command
    }

    fn wait_for(&self, directories: &[PathBuf], most: Duration) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        while start.elapsed() < most {
            if directories.iter().all(|directory| is_whole(&self.home.path().join(directory))) {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        Err(format!("stock OpenCode has not installed {directories:?} after {} s", most.as_secs()).into())
    }
}

/// The release binary alone: beside the output's lies npm's configuration, which stock OpenCode does not have.
fn binary() -> Result<PathBuf, Box<dyn Error>> {
    let directory = Place::get().scratch.join("stock/bin");
    let binary = directory.join("opencode");
    let source = Output::shared().binary();
    let is_it = |path: &Path| Ok::<_, std::io::Error>(path.metadata()?.len() == source.metadata()?.len());
    if !is_it(&binary).unwrap_or(false) {
        fs::create_dir_all(&directory)?;
        let fresh = tempfile::NamedTempFile::new_in(&directory)?.into_temp_path();
        fs::copy(&source, &fresh)?;
        fresh.persist(&binary)?;
    }
    Ok(binary)
}

/// npm writes both lock files last.
fn is_whole(directory: &Path) -> bool {
    if directory.ends_with("package.json") {
        return directory.exists();
    }
    let parses = |name: &str| {
        let text = fs::read(directory.join(name)).unwrap_or_default();
        serde_json::from_slice::<Value>(&text).is_ok()
    };
    parses("package-lock.json") && parses("node_modules/.package-lock.json")
}

/// A running `serve`; killed when dropped.
struct Server {
    child: Child,
    port: u16,
    /// What a session is asked for with.
    session: Value,
}

/// What a conversation ends with.
type Conversation = thread::JoinHandle<Result<(), String>>;

impl Server {
    fn start(mut command: Command, version: &Version) -> Result<Self, Box<dyn Error>> {
        let command = command.args(["serve", "--hostname", "127.0.0.1", "--port", "0"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut server = Self { child, port: 0, session: opencode::session(Some(version)) };
        let stdout = server.child.stdout.take().ok_or("no pipe")?;
        let (said, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens after the first address; the pipe is read to its end all the same.
                let _gone = said.send(line);
            }
        });
        while let Ok(line) = lines.recv_timeout(MOST) {
            if let Some((_, address)) = line.split_once(opencode::LISTENING) {
                server.port = address.rsplit(':').next().unwrap_or_default().trim().parse()?;
                return Ok(server);
            }
        }
        Err("stock OpenCode does not listen".into())
    }

    /// A session in `directory` and a message in it, on a thread of their own: what installing waits for is not the answer.
    fn converse(&self, directory: &Path) -> Conversation {
        let (port, query) = (self.port, format!("?directory={}", directory.display()));
        let wanted = self.session.clone();
        thread::spawn(move || {
            let post = |path: String, body: Value| {
                let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
                let body =
                    http::post(stream, &path, &body.to_string(), MOST).map_err(|error| error.to_string())?;
                serde_json::from_slice::<Value>(&body).map_err(|error| error.to_string())
            };
            let session = post(format!("/session{query}"), wanted)?;
            let id = session["id"].as_str().ok_or("a session without an id")?;
            let (provider, model) = MODEL.split_once('/').unwrap_or_default();
            let message = json!({
                "model": { "providerID": provider, "modelID": model },
                "parts": [{ "type": "text", "text": "hello" }],
            });
            let answer = post(format!("/session/{id}/message{query}"), message)?;
            if answer.to_string().contains(ANSWER) { Ok(()) } else { Err(format!("no answer: {answer}")) }
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only where it has ended.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
