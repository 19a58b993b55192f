//! The supervisor: a thread that is told by the kernel of every system call inside that names an address, notes it, and lets it
//! go on. The namespace enforces, the supervisor counts. Never answers in the kernel's place.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::event::{PollFd, PollFlags};

use super::dns;
use super::target::{self, Address, Memory, Target};
use crate::attempt::{Attempt, Transport};
use crate::sys::{self, Notification};

/// The most different attempts that are kept apart; beyond, all are noted as one, so that a program that tries the whole Internet
/// does not fill the memory.
const MOST_KINDS: usize = 4096;

/// Ports whose UDP messages are DNS questions: DNS and multicast DNS.
const DNS_PORTS: [u16; 2] = [53, 5353];

/// The longest `/proc/<pid>/status`.
const STATUS_BYTES: u64 = 16 << 10;

/// What tells two attempts apart.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Kind {
    label: String,
    program: String,
    transport: Transport,
    address: String,
    dns_name: Option<String>,
}

/// What has been noted so far.
#[derive(Default)]
struct Notes {
    label: String,
    /// In the order of their first occurrence: the pid, and how often.
    order: Vec<Kind>,
    counts: HashMap<Kind, (i32, u64)>,
}

/// The notes as the caller and the supervising thread share them.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Notes>>);

impl Ledger {
    pub fn label(&self, label: &str) {
        self.lock().label = label.to_owned();
    }

    pub fn attempts(&self) -> Vec<Attempt> {
        let notes = self.lock();
        let found = notes.order.iter().filter_map(|kind| {
            let (pid, count) = *notes.counts.get(kind)?;
            Some(Attempt {
                pid,
                program: kind.program.clone(),
                transport: kind.transport,
                address: kind.address.clone(),
                dns_name: kind.dns_name.clone(),
                label: kind.label.clone(),
                count,
            })
        });
        found.collect()
    }

    fn note(&self, who: &Who, transport: Transport, address: String, dns_name: Option<String>) {
        let mut notes = self.lock();
        let mut kind =
            Kind { label: notes.label.clone(), program: who.program.clone(), transport, address, dns_name };
        if notes.counts.len() >= MOST_KINDS && !notes.counts.contains_key(&kind) {
            kind = Kind {
                label: notes.label.clone(),
                program: "*".into(),
                transport: Transport::Other,
                address: "*".into(),
                dns_name: None,
            };
        }
        if let Some((_, count)) = notes.counts.get_mut(&kind) {
            *count += 1;
            return;
        }
        notes.order.push(kind.clone());
        notes.counts.insert(kind, (who.pid, 1));
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The supervising thread; it ends when the last program has, or when this is dropped.
pub struct Supervisor {
    thread: Option<thread::JoinHandle<()>>,
    /// Its other end hangs up when this is dropped.
    alive: Option<io::PipeWriter>,
}

impl Supervisor {
    pub fn start(listener: OwnedFd, ledger: Ledger) -> io::Result<Self> {
        let (stop, alive) = io::pipe()?;
        let thread = thread::Builder::new().name("sandbox-count".into()).spawn(move || {
            let mut watch = Watch { listener, ledger, resolvers: HashSet::new() };
            while watch.wait(&stop) {
                watch.one();
            }
        })?;
        Ok(Self { thread: Some(thread), alive: Some(alive) })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the panic itself.
            let _ = thread.join();
        }
    }
}

struct Watch {
    listener: OwnedFd,
    ledger: Ledger,
    /// Sockets that were connected to a name server: what is sent on them carries no address.
    resolvers: HashSet<(String, SocketAddr)>,
}

impl Watch {
    /// Whether a notification is there; waits for it.
    fn wait(&self, stop: &io::PipeReader) -> bool {
        loop {
            let mut fds = [PollFd::new(&self.listener, PollFlags::IN), PollFd::new(stop, PollFlags::empty())];
            match rustix::event::poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
                Ok(_) => {
                    return fds[1].revents().is_empty() && fds[0].revents().contains(PollFlags::IN);
                }
            }
        }
    }

    fn one(&mut self) {
        // The process may have been killed since: then there is nothing to take and nothing to answer.
        let Ok(call) = sys::next_notification(self.listener.as_fd()) else {
            return;
        };
        self.look(&call);
        let _ = sys::let_continue(self.listener.as_fd(), call.id);
    }

    fn look(&mut self, call: &Notification) {
        let Ok(memory) = Memory::of(call.thread) else {
            self.blind(call);
            return;
        };
        let targets = memory.targets(call.call, &call.arguments);
        let descriptor = call.arguments[0] as i32;
        let socket = Socket { path: format!("/proc/{}/fd/{descriptor}", call.thread) };
        for target in targets {
            self.judge(call, &socket, target);
        }
    }

    /// A process whose memory is closed to us: counted, since what cannot be seen cannot be called harmless.
    fn blind(&self, call: &Notification) {
        if sys::still_waits(self.listener.as_fd(), call.id) {
            let who = Who::of(call.thread);
            self.ledger.note(&who, Transport::Other, "unreadable".into(), None);
        }
    }

    fn judge(&mut self, call: &Notification, socket: &Socket, target: Target) {
        let connects = call.call == libc::SYS_connect;
        let (transport, address, dns_name) = match target.address {
            None => match self.connected_resolver(socket) {
                Some(resolver) => {
                    let Some(name) = dns::question(&target.message) else {
                        return;
                    };
                    (Transport::Udp, resolver.to_string(), Some(name))
                }
                None => return,
            },
            Some(Address::Unix(path)) if target::is_name_service(&path) => {
                (Transport::Unix, path.display().to_string(), None)
            }
            Some(Address::Unix(_)) => return,
            // Netlink asks the kernel about the namespace itself.
            Some(Address::Foreign(family)) if i32::from(family) == libc::AF_NETLINK => return,
            Some(Address::Foreign(family)) => (Transport::Other, format!("family {family}"), None),
            Some(Address::Ip(ip)) => {
                let transport = socket.transport();
                let asks = transport == Transport::Udp && DNS_PORTS.contains(&ip.port());
                if asks && connects {
                    self.remember(socket, ip);
                }
                let name = asks.then(|| dns::question(&target.message)).flatten();
                if target::stays(ip) && name.is_none() {
                    return;
                }
                (transport, ip.to_string(), name)
            }
        };
        let who = Who::of(call.thread);
        if sys::still_waits(self.listener.as_fd(), call.id) {
            self.ledger.note(&who, transport, address, dns_name);
        }
    }

    fn remember(&mut self, socket: &Socket, resolver: SocketAddr) {
        if let Some(inode) = socket.inode() {
            self.resolvers.retain(|(known, _)| *known != inode);
            // Inodes of closed sockets stay until reused; bounded all the same.
            if self.resolvers.len() < MOST_KINDS {
                self.resolvers.insert((inode, resolver));
            }
        }
    }

    fn connected_resolver(&self, socket: &Socket) -> Option<SocketAddr> {
        if self.resolvers.is_empty() {
            return None;
        }
        let inode = socket.inode()?;
        let mut known = self.resolvers.iter();
        known.find(|(k, _)| *k == inode).map(|(_, ip)| *ip)
    }
}

/// A socket of a process inside.
struct Socket {
    /// `/proc/<thread>/fd/<number>`.
    path: String,
}

impl Socket {
    /// What identifies it: `socket:[number]`.
    fn inode(&self) -> Option<String> {
        let target = fs::read_link(&self.path).ok()?;
        Some(target.to_str()?.to_owned())
    }

    /// The kernel names a socket's protocol in an extended attribute (sockfs, since Linux 2.6).
    fn transport(&self) -> Transport {
        let mut name = [0u8; 32];
        let got = rustix::fs::getxattr(&self.path, "system.sockprotoname", &mut name[..]);
        let name = name.get(..got.unwrap_or(0)).unwrap_or_default();
        if name.starts_with(b"TCP") || name.starts_with(b"MPTCP") {
            Transport::Tcp
        } else if name.starts_with(b"UDP") {
            Transport::Udp
        } else {
            Transport::Other
        }
    }
}

/// Who tried.
struct Who {
    /// Inside the sandbox's pid namespace.
    pid: i32,
    program: String,
}

impl Who {
    /// The process of a thread; its name is that of its main thread.
    fn of(thread: u32) -> Self {
        let status = read(&format!("/proc/{thread}/status"));
        let last = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next_back()?.parse::<i32>().ok()
        };
        let program = last("Tgid:").map(|process| read(&format!("/proc/{process}/comm"))).unwrap_or_default();
        Self { pid: last("NStgid:").unwrap_or(0), program: program.trim_end().to_owned() }
    }
}

fn read(path: &str) -> String {
    let mut text = Vec::new();
    if let Ok(file) = fs::File::open(Path::new(path)) {
        // What a process that has just ended leaves unread is not known.
        let _ = file.take(STATUS_BYTES).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}
