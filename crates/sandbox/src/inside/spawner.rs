//! The thread that starts programs. It alone carries the seccomp filter, which what it starts inherits, so that the rest of the
//! first process is never held up by the supervisor. Never waits for what it has started.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rustix::process::{Resource, Rlimit, Signal};

use super::{filter, terminal};
use crate::command::Input;
use crate::sys;
use crate::wire::{Failure, Plan, Step};

/// Threads allowed per process that is allowed: the kernel's own bound counts threads, and programs like
/// OpenCode have about 30, but few of them run at once. It is the second line behind the watch.
const THREADS_PER_PROCESS: u64 = 8;

/// A program to start.
pub struct Job {
    pub argv: Vec<OsString>,
    pub env: Vec<(OsString, OsString)>,
    pub cwd: OsString,
    /// A file instead of a pipe.
    pub stdout: Option<OsString>,
    pub input: Input,
}

/// A program that was started.
pub struct Started {
    pub pid: i32,
    /// Its stdin, where that is a pipe, its stdout, unless that is a file, and its stderr; or the other side of its terminal.
    pub pipes: Vec<OwnedFd>,
}

/// The thread, as the rest of the first process sees it.
pub struct Spawner {
    jobs: Sender<Job>,
    results: Receiver<Result<Started, Failure>>,
}

/// What every program is bounded by from its start.
#[derive(Clone, Copy)]
struct Bounds {
    threads: Option<u64>,
    file_bytes: Option<u64>,
    dies_with_us: bool,
}

impl Spawner {
    /// Starts the thread; gives the listener of notifications where attempts are counted. Programs get the niceness `nice`.
    pub fn new(plan: &Plan, nice: i32) -> Result<(Self, Option<OwnedFd>), Failure> {
        let (jobs, to_do) = channel::<Job>();
        let (done, results) = channel();
        let (installed, installation) = channel();
        let count = plan.count;
        let bounds = Bounds {
            // A direct sandbox shares its user with the rest of the machine, and so did all before Linux 5.14.
            threads: (!plan.direct && counts_per_namespace())
                .then(|| u64::from(plan.processes).saturating_mul(THREADS_PER_PROCESS)),
            file_bytes: plan.file_bytes,
            dies_with_us: plan.direct,
        };
        thread::spawn(move || {
            // This thread's only, and what it starts; to be less urgent is always allowed.
            let _ = rustix::process::setpriority_process(None, nice);
            let outcome = sys::install_filter(&filter::program(count), count);
            let ready = outcome.is_ok();
            if installed.send(outcome).is_err() || !ready {
                return;
            }
            for job in to_do {
                if done.send(start(&job, bounds)).is_err() {
                    return;
                }
            }
        });
        let listener =
            installation.recv().map_err(io::Error::other).and_then(|outcome| outcome).map_err(|error| {
                let step = if count { Step::Count } else { Step::Build };
                Failure::new(step, "install a system call filter", None, &error)
            })?;
        Ok((Self { jobs, results }, listener))
    }

    /// Starts a program.
    pub fn start(&self, job: Job) -> Result<Started, Failure> {
        let gone = || Failure {
            step: Step::Other,
            verb: "reach the starting thread".to_owned(),
            path: None,
            errno: libc::ESRCH,
        };
        self.jobs.send(job).map_err(|_| gone())?;
        self.results.recv().map_err(|_| gone())?
    }
}

fn start(job: &Job, bounds: Bounds) -> Result<Started, Failure> {
    let fail =
        |error: &io::Error, what: &Path| Failure::new(Step::Start, "start", Some(what.to_path_buf()), error);
    let cwd = Path::new(&job.cwd);
    if let Err(error) = cwd.metadata() {
        return Err(Failure::new(Step::Build, "go to", Some(cwd.to_path_buf()), &error));
    }
    let (program, arguments) = job
        .argv
        .split_first()
        .ok_or_else(|| fail(&io::Error::from_raw_os_error(libc::EINVAL), Path::new("")))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(job.env.iter().map(|(name, value)| (name, value)))
        .current_dir(cwd);
    let other_side = connect(&mut command, job)?;
    sys::before_exec(&mut command, move || bound(bounds));
    let mut child = command.spawn().map_err(|error| fail(&error, Path::new(program)))?;
    let pipes = [
        child.stdin.take().map(OwnedFd::from),
        child.stdout.take().map(OwnedFd::from),
        child.stderr.take().map(OwnedFd::from),
        other_side,
    ];
    Ok(Started { pid: child.id() as i32, pipes: pipes.into_iter().flatten().collect() })
}

/// Gives a command what it reads from and writes to; the other side of its terminal, where it has one.
fn connect(command: &mut Command, job: &Job) -> Result<Option<OwnedFd>, Failure> {
    if let Input::Terminal { columns, rows } = job.input {
        return terminal::attach(command, columns, rows).map(Some);
    }
    let stdout = match &job.stdout {
        None => Stdio::piped(),
        Some(path) => {
            let path = Path::new(path);
            let failed = |error| Failure::new(Step::Build, "create", Some(path.to_path_buf()), &error);
            File::create(path).map_err(failed)?.into()
        }
    };
    let stdin = if job.input == Input::Pipe { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).process_group(0);
    Ok(None)
}

/// Runs between fork and exec: system calls only.
fn bound(bounds: Bounds) -> io::Result<()> {
    sys::nothing_ignored();
    lower(Resource::Core, 0)?;
    if let Some(threads) = bounds.threads {
        lower(Resource::Nproc, threads)?;
    }
    if let Some(bytes) = bounds.file_bytes {
        lower(Resource::Fsize, bytes)?;
    }
    if bounds.dies_with_us {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    }
    Ok(())
}

fn lower(resource: Resource, bound: u64) -> io::Result<()> {
    let present = rustix::process::getrlimit(resource).maximum;
    let bound = Some(present.map_or(bound, |present| present.min(bound)));
    let new = Rlimit { current: bound, maximum: bound };
    Ok(rustix::process::setrlimit(resource, new)?)
}

/// Whether the kernel counts a user's processes per user namespace (Linux 5.14).
fn counts_per_namespace() -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(5), Some(14))
}
