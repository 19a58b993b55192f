//! The programs that run inside: which are alive, how they ended, and why they were killed. Its lock orders starting and reaping.
//! Never starts a program.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus};

use crate::command::{Exit, Limit};
use crate::sys;
use crate::usage::{self, Scope, Usage};
use crate::wire::{Channel, Event, Plan};

/// How often usage is looked at. A program that touches memory as fast as it can passes its bound by about 400 MB in that time;
/// looking costs about 20 µs per process.
const WATCH_EVERY: Duration = Duration::from_millis(100);

/// How long killing everything may take: a killed process that frees gigabytes takes about a second.
const KILL_WITHIN: Duration = Duration::from_secs(20);

/// Between two looks whether all are dead.
const KILL_LOOK: Duration = Duration::from_millis(2);

/// How often new processes are looked for while all are killed one by one; the next look of the watch goes on.
const KILL_ROUNDS: usize = 64;

/// A program that runs.
struct Live {
    child: u64,
    /// Set when it was killed for this.
    over: Option<Limit>,
}

/// The programs, and the channel that tells of their ends.
pub struct Table {
    live: HashMap<i32, Live>,
    /// Grows with every start, for the reaper to see that there is something to wait for again.
    starts: u64,
    events: Channel,
}

/// The table as the threads of the first process share it.
#[derive(Clone)]
pub struct Shared {
    table: Arc<(Mutex<Table>, Condvar)>,
    scope: Scope,
    /// The most processes that may run.
    most: usize,
}

impl Shared {
    /// Starts reaping and watching.
    pub fn new(plan: &Plan, events: Channel) -> io::Result<Self> {
        let table = Table { live: HashMap::new(), starts: 0, events };
        let shared = Self {
            table: Arc::new((Mutex::new(table), Condvar::new())),
            scope: scope()?,
            most: plan.processes as usize,
        };
        let reaper = shared.clone();
        thread::spawn(move || reaper.reap());
        let watch = shared.clone();
        let memory = plan.memory_bytes;
        thread::spawn(move || watch.watch(memory));
        Ok(shared)
    }

    pub fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a program that was started under `table`'s lock.
    pub fn note(&self, table: &mut Table, pid: i32, child: u64) {
        table.starts += 1;
        table.live.insert(pid, Live { child, over: None });
        self.table.1.notify_all();
    }

    /// Signals a program, or its whole process group. One that has ended is no error.
    pub fn signal(&self, child: u64, signal: i32, group: bool) -> io::Result<()> {
        // Under the lock, so that the number cannot have been reaped and given to another.
        let table = self.lock();
        let found = table.live.iter().find(|(_, live)| live.child == child);
        let Some(pid) = found.and_then(|(pid, _)| Pid::from_raw(*pid)) else {
            return Ok(());
        };
        let signal =
            Signal::from_named_raw(signal).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        let sent = if group {
            rustix::process::kill_process_group(pid, signal)
        } else {
            rustix::process::kill_process(pid, signal)
        };
        match sent {
            Err(Errno::SRCH) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Kills everything, and returns when nothing is left.
    pub fn kill_all(&self) -> io::Result<()> {
        let until = Instant::now() + KILL_WITHIN;
        loop {
            self.kill()?;
            if self.usage(self.most)?.processes.is_empty() && self.lock().live.is_empty() {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            thread::sleep(KILL_LOOK);
        }
    }

    fn usage(&self, most: usize) -> io::Result<Usage> {
        usage::read(Path::new("/proc"), self.scope, most)
    }

    fn kill(&self) -> io::Result<()> {
        if rustix::process::getpid() == Pid::INIT {
            return sys::kill_all_of_the_namespace();
        }
        // One by one, and again for those that were started meanwhile: a process that has its signal starts no more.
        let mut killed = HashSet::new();
        for _ in 0..KILL_ROUNDS {
            let mut found = self.usage(usize::MAX)?.processes;
            found.retain(|pid| killed.insert(*pid));
            if found.is_empty() {
                break;
            }
            for pid in found.into_iter().filter_map(Pid::from_raw) {
                // One that has ended meanwhile is what was wanted.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        Ok(())
    }

    fn reap(&self) {
        loop {
            let starts = self.lock().starts;
            // Looks only: taking the status would steal it from a start that fails and waits for its own child.
            let seen = rustix::process::waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            let mut table = self.lock();
            if let Err(Errno::CHILD) = seen {
                while table.starts == starts {
                    table = self.table.1.wait(table).unwrap_or_else(PoisonError::into_inner);
                }
            }
            while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
                table.ended(pid, status);
            }
        }
    }

    fn watch(&self, memory_bytes: u64) {
        loop {
            thread::sleep(WATCH_EVERY);
            // A look that fails is made again: the directory changes while it is read.
            let Ok(usage) = self.usage(self.most) else { continue };
            let over = if usage.memory_bytes > memory_bytes {
                Limit::Memory
            } else if usage.processes.len() > self.most {
                Limit::Processes
            } else {
                continue;
            };
            let mut table = self.lock();
            for live in table.live.values_mut() {
                live.over = Some(over);
            }
            table.tell(&Event::Limit(over));
            // Repeated at the next look, should any be left.
            let _ = self.kill();
        }
    }
}

impl Table {
    fn ended(&mut self, pid: Pid, status: WaitStatus) {
        // Orphans come here too; nobody asked for them.
        let Some(live) = self.live.remove(&pid.as_raw_nonzero().get()) else {
            return;
        };
        let exit = match (live.over, status.terminating_signal(), status.exit_status()) {
            (Some(limit), _, _) => Exit::Limit(limit),
            (None, Some(libc::SIGXFSZ), _) => Exit::Limit(Limit::FileSize),
            (None, Some(signal), _) => Exit::Signal(signal),
            (None, None, code) => Exit::Code(code.unwrap_or(-1)),
        };
        self.tell(&Event::Exited { child: live.child, exit });
    }

    fn tell(&self, event: &Event) {
        // A caller that has gone needs no news; the control channel's end stops this process.
        let _ = self.events.send(event, &[]);
    }
}

/// Whose processes `/proc` shows: those of this namespace, or those of a container around it.
fn scope() -> io::Result<Scope> {
    let own = std::fs::read_link("/proc/self")?;
    let own = own
        .to_str()
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(if own == 1 { Scope::AllButFirst } else { Scope::Below(own) })
}
