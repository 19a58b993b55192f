//! The attempts of programs inside to reach something outside. Never decides whether one is allowed: the namespace already did.

use std::fmt;

/// Over what something was attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// A TCP connection.
    Tcp,
    /// A UDP datagram, or a UDP socket that was connected.
    Udp,
    /// A Unix socket of a name service (nscd, systemd-resolved, avahi, D-Bus). These are absent inside, and C libraries ask nscd
    /// about users as well as about hosts, so that this alone is no attempt to leave.
    Unix,
    /// Anything else (raw, SCTP, vsock…).
    Other,
}

/// Something outside that a program inside tried to reach, with how often it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The process inside that tried first.
    pub pid: i32,
    /// Its name as the kernel knows it, at most 15 bytes.
    pub program: String,
    /// Over what.
    pub transport: Transport,
    /// `ip:port`, or the path of a Unix socket.
    pub address: String,
    /// The name that was asked for, where this is a DNS question; then `address` is that of the name server.
    pub dns_name: Option<String>,
    /// The caller's label at that time, e.g. the exercise.
    pub label: String,
    /// How often the same was tried.
    pub count: u64,
}

impl Attempt {
    /// Whether this was meant to leave the machine: every one but those on Unix sockets.
    #[must_use]
    pub fn leaves(&self) -> bool {
        self.transport != Transport::Unix
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::Other => "other",
        })
    }
}
