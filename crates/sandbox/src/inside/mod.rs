//! The hidden side: what the caller's executable does when it was started as a sandbox's first process. It enters the namespaces,
//! builds network and file system, and serves the caller's orders until the caller hangs up or dies.
//! Never runs in the caller's own process.

mod filter;
mod init;
mod netlink;
mod network;
mod root;
mod spawner;
mod table;
mod terminal;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use crate::sys;
use crate::wire::{Channel, Failure, Order, Reply, Step};

/// The user and group inside, whoever the caller is: what runs there learns nothing about the caller.
const ID_INSIDE: u32 = 1000;

/// How willing the kernel is to sacrifice what runs inside when the machine is out of memory: first of all.
const OOM_FIRST: &str = "1000";

/// How much the first process goes before its programs, so that it still sees to them while thousands of them want to run. Only
/// root may have this; ordinary users' processes are bounded by the kernel.
const NICER_THAN_PROGRAMS: i32 = 10;

/// Runs as the sandbox's first process. Never returns.
pub fn main() -> ! {
    let status = match run() {
        Ok(()) => 0,
        // Whoever started this by hand, or a caller that died: nobody is there to be told.
        Err(_) => 2,
    };
    std::process::exit(status)
}

fn run() -> io::Result<()> {
    let (control, events) = adopt_channels()?;
    let Some((Order::Build(plan), _)) = control.receive()? else {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    };
    close_strangers_on_exec()?;
    sys::keep_ended_children();
    // Where the file is missing the kernel just has no preference.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_FIRST);
    let nice = go_first();
    let entered = if plan.direct { enter_directly(&control) } else { enter_namespaces(&control) };
    match entered {
        Ok(Place::First) => init::run(&plan, nice, control, events),
        Ok(Place::Outer { first }) => {
            // Only the first process may hold the caller's channels: their end tells that it has ended.
            drop((control, events));
            rustix::process::waitpid(Some(first), WaitOptions::empty())?;
            Ok(())
        }
        Err(failure) => control.send(&Reply::Failed(failure), &[]),
    }
}

/// On which side of the fork this process is.
enum Place {
    /// It is the first process inside.
    First,
    /// It waits outside for the first process.
    Outer { first: Pid },
}

/// Takes the two channels from stdin and stdout, and leaves `/dev/null` there.
fn adopt_channels() -> io::Result<(Channel, Channel)> {
    let control = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let events = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok((Channel::new(control), Channel::new(events)))
}

/// Descriptors that the caller leaked must not reach the programs inside.
fn close_strangers_on_exec() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        if let Some(number) = entry?.file_name().to_str().and_then(|n| n.parse().ok())
            && number > 2
        {
            sys::close_on_exec(number)?;
        }
    }
    Ok(())
}

/// Goes before other processes where that is allowed; gives the present niceness, for the programs.
fn go_first() -> i32 {
    let present = rustix::process::getpriority_process(None).unwrap_or(0);
    // Refused to ordinary users.
    let _ = rustix::process::setpriority_process(None, present - NICER_THAN_PROGRAMS);
    present
}

fn enter_directly(control: &Channel) -> Result<Place, Failure> {
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own)).or_fail("adopt orphans", None)?;
    rustix::process::setsid().or_fail("start a session", None)?;
    let pid = own.as_raw_nonzero().get();
    control.send(&Reply::Forked { pid }, &[]).or_fail("answer", None)?;
    Ok(Place::First)
}

fn enter_namespaces(control: &Channel) -> Result<Place, Failure> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    sys::unshare(
        UnshareFlags::NEWUSER
            | UnshareFlags::NEWNS
            | UnshareFlags::NEWNET
            | UnshareFlags::NEWPID
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWUTS,
    )
    .or_fail("unshare namespaces", None)?;
    for (file, content) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{ID_INSIDE} {user} 1")),
        ("/proc/self/gid_map", format!("{ID_INSIDE} {group} 1")),
    ] {
        std::fs::write(file, content).or_fail("write", Some(Path::new(file)))?;
    }
    rustix::process::setsid().or_fail("start a session", None)?;
    fork_first(control)
}

/// Forks the first process of the new pid namespace; it goes on only when its number has been told.
fn fork_first(control: &Channel) -> Result<Place, Failure> {
    let (mut told, tell) = io::pipe().or_fail("make a pipe", None)?;
    if let Some(first) = sys::fork().or_fail("fork", None)? {
        let pid = first.as_raw_nonzero().get();
        let sent = control.send(&Reply::Forked { pid }, &[]);
        drop(tell);
        sent.or_fail("answer", None)?;
        return Ok(Place::Outer { first });
    }
    drop(tell);
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .or_fail("tie to the caller", None)?;
    // The end of the pipe is the word; nothing is ever written.
    told.read(&mut [0]).or_fail("wait", None)?;
    Ok(Place::First)
}

/// Turns a system's answer into the failure of a step.
trait OrFail<T> {
    /// `verb` says what was tried, on `path`.
    fn or_fail(self, verb: &str, path: Option<&Path>) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> OrFail<T> for Result<T, E> {
    fn or_fail(self, verb: &str, path: Option<&Path>) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(Step::Build, verb, path.map(PathBuf::from), &error.into()))
    }
}
