//! A sandbox as its owner holds it. Its end, and the owner's, is the end of everything inside.

use std::ffi::OsString;
use std::fs;
use std::io::{PipeReader, PipeWriter};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::process::{self, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, PidfdFlags};
use tempfile::TempDir;

use super::child::Child;
use super::files::Files;
use super::supervisor::{Ledger, Supervisor};
use super::talk::Talk;
use super::{probe, wired};
use crate::attempt::Attempt;
use crate::command::{Command, Input, Limit, Output};
use crate::spec::{Isolation, Network, Spec};
use crate::wire::{Channel, MOST_FDS, Order, Plan, Reply};
use crate::{Error, HIDDEN};

/// How long everything inside may take to end after the caller has hung up; then it is killed from outside.
const END_WITHIN: Duration = Duration::from_secs(20);

/// How much a program can write before anybody reads, in bytes: the most that Linux grants to ordinary users. With the usual 64 KiB a
/// JavaScript program that ends by `process.exit` loses what did not fit yet (`opencode models`, 250 kB, on a busy machine).
const PIPE: usize = 1 << 20;

/// Our own executable, even where its file has been replaced since.
const OWN_EXECUTABLE: &str = "/proc/self/exe";

/// The one variable that our own executable may need to start.
const LOADER_PATH: &str = "LD_LIBRARY_PATH";

/// A running sandbox. Dropping it ends everything inside.
pub struct Sandbox {
    isolation: Isolation,
    talk: Arc<Talk>,
    outer: process::Child,
    ledger: Ledger,
    supervisor: Option<Supervisor>,
    news: Option<thread::JoinHandle<()>>,
    files: Files,
    /// Where the programs' own paths lie, without namespaces.
    direct: Option<Direct>,
    listeners: Vec<TcpListener>,
    dns: Option<UdpSocket>,
    next_child: AtomicU64,
}

/// How paths inside map to the machine's without namespaces.
struct Direct {
    top: TempDir,
    /// Destination and source, the longest destination first.
    binds: Vec<(PathBuf, PathBuf)>,
}

impl Sandbox {
    /// Makes a sandbox with the isolation that [`probe()`](crate::probe) finds.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where none can be had, [`Error::Count`] or [`Error::BlackHole`] where that part cannot be had:
    /// never something weaker than asked for.
    pub fn start(spec: &Spec) -> Result<Self, Error> {
        if !wired() {
            return Err(Error::NotWired);
        }
        Self::start_as(spec, &probe())
    }

    /// The same with a given isolation.
    pub(super) fn start_as(spec: &Spec, isolation: &Isolation) -> Result<Self, Error> {
        if !wired() {
            return Err(Error::NotWired);
        }
        let direct = match isolation {
            Isolation::Namespaces => None,
            Isolation::LoopbackOnly => Some(Direct::new(spec)?),
            Isolation::None { why, hint } => {
                return Err(Error::Unsupported { why: why.clone(), hint: hint.clone() });
            }
        };
        let plan = plan(spec, direct.is_some())?;
        let (control, their_control) = Channel::pair().map_err(talk("make a socket"))?;
        let (events, their_events) = Channel::pair().map_err(talk("make a socket"))?;
        let outer = launch(their_control, their_events)?;
        let conversation = Talk::new(control).map_err(talk("set up a socket"))?;
        let mut rising = Rising(Some(outer));
        let built = build(&conversation, plan, direct.as_ref())?;
        let talk = Arc::new(conversation);
        let listener = Arc::clone(&talk);
        let news = thread::spawn(move || listener.listen(&events));
        let mut sandbox = Self {
            isolation: isolation.clone(),
            talk,
            outer: rising.0.take().ok_or(Error::Gone)?,
            ledger: Ledger::default(),
            supervisor: None,
            news: Some(news),
            files: Files(built.root),
            direct,
            listeners: built.listeners,
            dns: built.dns,
            next_child: AtomicU64::new(0),
        };
        sandbox.seal(spec)?;
        Ok(sandbox)
    }

    fn seal(&mut self, spec: &Spec) -> Result<(), Error> {
        if self.direct.is_some() {
            for path in [spec.home.as_path(), Path::new("/tmp")] {
                self.files.make_directory(path)?;
            }
        }
        for (path, content) in &spec.files {
            self.write(path, content)?;
        }
        let (_, mut fds) = self.talk.ask(&Order::Seal)?;
        if spec.count {
            let listener = fds.pop().ok_or(Error::Gone)?;
            let supervisor =
                Supervisor::start(listener, self.ledger.clone()).map_err(|source| Error::Count { source })?;
            self.supervisor = Some(supervisor);
        }
        Ok(())
    }

    /// The isolation it has.
    #[must_use]
    pub fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    /// The listening sockets that were asked for, bound inside at `127.0.0.1`, each on a port of its own (`local_addr`). Who accepts
    /// on them serves programs inside from outside. Empty when taken before.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }

    /// The socket at `127.0.0.1:53` inside, to which all DNS questions go; who does not answer is a silent name server. `None` when
    /// taken before, or without namespaces where the port is not to be had.
    pub fn take_dns(&mut self) -> Option<UdpSocket> {
        self.dns.take()
    }

    /// Starts a program.
    ///
    /// # Errors
    /// [`Error::Start`] where it cannot be executed, [`Error::Step`] where its working directory is not there.
    pub fn spawn(&self, command: &Command) -> Result<Child, Error> {
        let id = self.next_child.fetch_add(1, Ordering::Relaxed);
        let order = Order::Start {
            child: id,
            argv: command.argv.clone(),
            env: command.env.clone(),
            cwd: command.cwd.clone().into_os_string(),
            stdout: command.stdout.clone().map(PathBuf::into_os_string),
            input: command.input,
        };
        let (reply, fds) = self.talk.ask(&order)?;
        let Reply::Started { pid } = reply else {
            return Err(Error::Gone);
        };
        let mut fds = fds.into_iter();
        let is_terminal = matches!(command.input, Input::Terminal { .. });
        let terminal = if is_terminal { fds.next().map(fs::File::from) } else { None };
        let stdin = if command.input == Input::Pipe { fds.next().map(PipeWriter::from) } else { None };
        let mut pipes = fds.map(|fd| {
            // Where the kernel refuses, the pipe has its usual size.
            let _refused = fcntl_setpipe_size(&fd, PIPE);
            PipeReader::from(fd)
        });
        let program = command.argv.first().map(PathBuf::from).unwrap_or_default();
        Ok(Child {
            talk: Arc::clone(&self.talk),
            id,
            pid,
            program: program.display().to_string(),
            terminal,
            stdin,
            stdout: command.stdout.is_none().then(|| pipes.next()).flatten(),
            stderr: pipes.next(),
        })
    }

    /// Runs a program to its end, at most for `timeout`, keeping at most `most_bytes` each of stdout and stderr.
    ///
    /// # Errors
    /// Those of [`Sandbox::spawn`] and [`Child::output`].
    pub fn run(&self, command: &Command, timeout: Duration, most_bytes: usize) -> Result<Output, Error> {
        self.spawn(command)?.output(timeout, most_bytes)
    }

    /// Connects to a server inside, at `127.0.0.1:port` there.
    ///
    /// # Errors
    /// [`Error::Step`] with the system's answer, e.g. refused while the server is not up yet.
    pub fn connect(&self, port: u16) -> Result<TcpStream, Error> {
        let (_, fds) = self.talk.ask(&Order::Connect { port })?;
        fds.into_iter().next().map(TcpStream::from).ok_or(Error::Gone)
    }

    /// The path that programs inside use for `path`, e.g. for HOME: the same, or without namespaces the one in a temporary
    /// directory (or a bind's source).
    #[must_use]
    pub fn inside(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.direct.as_ref().map_or_else(|| path.to_path_buf(), |direct| direct.map(path))
    }

    /// A path of the machine through which the caller reaches `path` inside, while the sandbox lives. Absolute links inside lead
    /// astray here: walk without following them, or use [`Sandbox::read`] and [`Sandbox::write`].
    #[must_use]
    pub fn outside(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        match &self.direct {
            Some(direct) => direct.map(path),
            None => self.root().join(path.strip_prefix("/").unwrap_or(path)),
        }
    }

    /// [`Sandbox::outside`] of `/`.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.direct.as_ref().map_or_else(
            || PathBuf::from(format!("/proc/{}/fd/{}", process::id(), self.files.0.as_raw_fd())),
            |direct| direct.top.path().to_path_buf(),
        )
    }

    /// Reads a file inside, of at most `bound` bytes; links are resolved as inside.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::TooLarge`].
    pub fn read(&self, path: impl AsRef<Path>, bound: u64) -> Result<Vec<u8>, Error> {
        self.files.read(path.as_ref(), bound)
    }

    /// Writes a file inside, with the directories above it; links are resolved as inside.
    ///
    /// # Errors
    /// [`Error::Io`], e.g. where the place is read-only.
    pub fn write(&self, path: impl AsRef<Path>, content: &[u8]) -> Result<(), Error> {
        self.files.write(path.as_ref(), content)
    }

    /// Makes a directory inside, with those above it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn make_directory(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.files.make_directory(path.as_ref())
    }

    /// Names what runs from now on, for [`Attempt::label`].
    pub fn label(&self, label: &str) {
        self.ledger.label(label);
    }

    /// What programs inside tried to reach so far, in the order of its first occurrence: connections and datagrams to anything but
    /// loopback, DNS questions wherever they went, and name services' sockets. A UDP socket that is only connected counts, since
    /// what is written to it afterwards is not seen; C libraries connect such sockets to choose among several addresses of a name.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.ledger.attempts()
    }

    /// The bound that was passed last, if any was: then everything that ran was killed.
    #[must_use]
    pub fn limit_passed(&self) -> Option<Limit> {
        self.talk.over()
    }

    /// Kills every program inside and returns when none is left; the files stay.
    ///
    /// # Errors
    /// [`Error::Gone`] where the sandbox has ended.
    pub fn kill_all(&self) -> Result<(), Error> {
        self.talk.ask(&Order::KillAll).map(drop)
    }

    /// Ends everything inside and waits for it. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.talk.hang_up();
        // The process around the first one ends when that has been reaped, which is when nothing inside is left.
        if !ends_within(&self.outer, END_WITHIN) {
            // Its death ends the first process. Fails only where it has ended since.
            let _ = self.outer.kill();
        }
        let _ = self.outer.wait();
        if let Some(news) = self.news.take() {
            let _ = news.join();
        }
        self.supervisor = None;
    }
}

/// Waits for the end of a process without reaping it; false also where the kernel cannot tell.
fn ends_within(process: &process::Child, timeout: Duration) -> bool {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    let handle = pid.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
    let (Some(handle), Ok(timeout)) = (handle, Timespec::try_from(timeout)) else {
        return false;
    };
    // A signal that interrupts shortens the wait; what is left is killed then.
    let mut fds = [PollFd::new(&handle, PollFlags::IN)];
    rustix::event::poll(&mut fds, Some(&timeout)).is_ok_and(|ready| ready > 0)
}

/// The process around a sandbox that is not there yet: killed if it never will be.
struct Rising(Option<process::Child>);

impl Drop for Rising {
    fn drop(&mut self) {
        if let Some(mut outer) = self.0.take() {
            // Both calls fail only where it has ended already.
            let _ = outer.kill();
            let _ = outer.wait();
        }
    }
}

impl Direct {
    fn new(spec: &Spec) -> Result<Self, Error> {
        if spec.network == Network::BlackHole {
            return Err(Error::Unsupported {
                why: "losing packets needs a network namespace".into(),
                hint: None,
            });
        }
        let top = tempfile::Builder::new().prefix("sandbox-").tempdir().map_err(|source| Error::Io {
            verb: "make directory in",
            path: std::env::temp_dir(),
            source,
        })?;
        let mut binds: Vec<_> = spec.binds.iter().map(|bind| (bind.dst.clone(), bind.src.clone())).collect();
        binds.sort_by_key(|(dst, _)| std::cmp::Reverse(dst.components().count()));
        Ok(Self { top, binds })
    }

    fn map(&self, path: &Path) -> PathBuf {
        for (dst, src) in &self.binds {
            if let Ok(rest) = path.strip_prefix(dst) {
                return if rest.as_os_str().is_empty() { src.clone() } else { src.join(rest) };
            }
        }
        self.top.path().join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// What the first process hands over.
struct Built {
    root: OwnedFd,
    listeners: Vec<TcpListener>,
    dns: Option<UdpSocket>,
}

fn build(talk: &Talk, plan: Plan, direct: Option<&Direct>) -> Result<Built, Error> {
    talk.ask(&Order::Build(plan))?;
    let (reply, fds) = talk.more()?;
    let Reply::Built { dns } = reply else {
        return Err(Error::Gone);
    };
    let mut fds = fds.into_iter();
    let root = match direct {
        None => fds.next().ok_or(Error::Gone)?,
        Some(direct) => {
            let path = direct.top.path();
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|error| Error::Io {
                verb: "open",
                path: path.to_path_buf(),
                source: error.into(),
            })?
        }
    };
    let dns = if dns { fds.next_back() } else { None };
    Ok(Built { root, listeners: fds.map(TcpListener::from).collect(), dns: dns.map(UdpSocket::from) })
}

/// Starts our own executable as the hidden process, with the two channels as its stdin and stdout.
fn launch(control: OwnedFd, events: OwnedFd) -> Result<process::Child, Error> {
    let mut command = process::Command::new(OWN_EXECUTABLE);
    command
        .arg(HIDDEN)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(control))
        .stdout(Stdio::from(events))
        .stderr(Stdio::null());
    if let Some(path) = std::env::var_os(LOADER_PATH) {
        command.env(LOADER_PATH, path);
    }
    command.spawn().map_err(|source| Error::Start { program: OWN_EXECUTABLE.into(), source })
}

fn plan(spec: &Spec, direct: bool) -> Result<Plan, Error> {
    let inside = [&spec.home]
        .into_iter()
        .chain(spec.binds.iter().map(|bind| &bind.dst))
        .chain(spec.files.iter().map(|(path, _)| path));
    for path in inside {
        check_inside(path)?;
    }
    // The root and the name server's socket travel in the same message.
    if spec.tcp_listeners > MOST_FDS - 2 {
        return Err(Error::Spec { what: format!("more than {} listeners", MOST_FDS - 2) });
    }
    let binds = spec.binds.iter().map(|bind| {
        let src = fs::canonicalize(&bind.src).map_err(|source| Error::Io {
            verb: "bind",
            path: bind.src.clone(),
            source,
        })?;
        Ok((src.into_os_string(), bind.dst.clone().into_os_string(), bind.writable))
    });
    let binds: Vec<(OsString, OsString, bool)> = binds.collect::<Result<_, Error>>()?;
    Ok(Plan {
        direct,
        home: spec.home.clone().into_os_string(),
        home_bytes: spec.home_bytes,
        tmp_bytes: spec.tmp_bytes,
        binds,
        black_hole: spec.network == Network::BlackHole,
        tcp_listeners: spec.tcp_listeners,
        memory_bytes: spec.limits.memory_bytes,
        processes: spec.limits.processes,
        file_bytes: spec.limits.file_bytes,
        count: spec.count,
    })
}

fn check_inside(path: &Path) -> Result<(), Error> {
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.is_absolute() && plain && path != Path::new("/") {
        return Ok(());
    }
    Err(Error::Spec { what: format!("{} is no absolute path inside", path.display()) })
}

fn talk(verb: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Talk { verb, source }
}
