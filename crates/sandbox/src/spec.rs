//! What a sandbox is to be: the caller's wish, as plain values. Never touches the machine.

use std::net::Ipv4Addr;
use std::path::PathBuf;

/// An address that every black hole swallows (RFC 5737, TEST-NET-1): a name server for [`Network::BlackHole`] can answer with it.
pub const BLACK_HOLE_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// A gibibyte, the unit of the bounds that follow.
const GIB: u64 = 1 << 30;

/// What isolation this process can have here, by trial and not by guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
    /// User, mount, network and pid namespaces can be had.
    Namespaces,
    /// No namespaces are used, but the machine's only network interface that is up is `lo` (Nix's build sandbox): programs run
    /// directly, in temporary directories, and cannot leave either. Read-only binds are not enforced there.
    LoopbackOnly,
    /// Neither: nothing may be run.
    None {
        /// What is missing.
        why: String,
        /// What the user can do about it.
        hint: Option<String>,
    },
}

/// What the sandbox's network does with packets for other hosts. Loopback works in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// There is no route: connecting fails at once.
    Loopback,
    /// There is a default route over a link that loses every packet: connecting hangs, as behind a firewall that drops.
    BlackHole,
}

/// A file or directory of the machine that is visible inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The path on the machine; links in it are resolved.
    pub src: PathBuf,
    /// The absolute path inside.
    pub dst: PathBuf,
    /// Whether programs inside may write there.
    pub writable: bool,
}

impl Bind {
    /// A read-only bind.
    pub fn read_only(src: impl Into<PathBuf>, dst: impl Into<PathBuf>) -> Self {
        Self { src: src.into(), dst: dst.into(), writable: false }
    }

    /// A writable bind.
    pub fn writable(src: impl Into<PathBuf>, dst: impl Into<PathBuf>) -> Self {
        Self { src: src.into(), dst: dst.into(), writable: true }
    }
}

/// Bounds of everything that runs inside, together. Over a bound, all programs inside are killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Resident anonymous and shared memory of all programs together, in bytes, looked at ten times a second. Address space is
    /// not bounded: JavaScriptCore reserves far more than it uses.
    pub memory_bytes: u64,
    /// Processes (not threads) at once, looked at ten times a second. For ordinary users the kernel itself (Linux 5.14) refuses more
    /// than eight times as many threads; without namespaces, and for root, there is the look only.
    pub processes: u32,
    /// The largest file that may be written, in bytes.
    pub file_bytes: Option<u64>,
}

/// What a sandbox is to be.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The absolute path of HOME inside: an empty, private, executable tmpfs.
    pub home: PathBuf,
    /// Bound of HOME, in bytes.
    pub home_bytes: u64,
    /// Bound of `/tmp`, in bytes; the same again for `/dev/shm`.
    pub tmp_bytes: u64,
    /// What else of the machine is visible inside, beside the system's programs and libraries (`/usr`, `/bin`, `/lib`…, `/nix/store`).
    pub binds: Vec<Bind>,
    /// Files to write before anything runs: absolute path inside, content. `/etc` may be overlaid so as well.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// What happens to packets for other hosts.
    pub network: Network,
    /// How many listening TCP sockets to make at `127.0.0.1:0` inside, for the caller to serve from outside.
    pub tcp_listeners: usize,
    /// Bounds of what runs.
    pub limits: Limits,
    /// Whether to count attempts to leave.
    pub count: bool,
}

impl Spec {
    /// A sandbox with its HOME at `home`, loopback only, that counts; 4 GiB of HOME, 2 GiB of `/tmp`, 8 GiB of memory (OpenCode
    /// with npm and language servers stays below 2), 512 processes.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            home_bytes: 4 * GIB,
            tmp_bytes: 2 * GIB,
            binds: Vec::new(),
            files: Vec::new(),
            network: Network::Loopback,
            tcp_listeners: 0,
            limits: Limits { memory_bytes: 8 * GIB, processes: 512, file_bytes: None },
            count: true,
        }
    }
}
