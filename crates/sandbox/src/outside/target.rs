//! What a system call names: the address (and the message) that a process of a sandbox passes to the kernel, read out of its
//! memory. Knows the layout of `sockaddr` and `msghdr` on 64-bit Linux. Never writes to a process.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The longest address: `sockaddr_storage`.
const LONGEST_ADDRESS: usize = 128;

/// How much of a message is read: a DNS question's name ends within 12 + 255 bytes.
const MESSAGE_BYTES: usize = 512;

/// How many parts of a message and messages of a call are looked at.
const MOST_PARTS: u64 = 8;
const MOST_MESSAGES: u64 = 64;

/// Sizes of `struct msghdr`, `struct mmsghdr` and `struct iovec`.
const MSGHDR: usize = 56;
const MMSGHDR: u64 = 64;
const IOVEC: u64 = 16;

/// An address that a process names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Ip(SocketAddr),
    Unix(PathBuf),
    /// The number of a family that is neither.
    Foreign(u16),
}

/// One thing that a system call sends or connects to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Absent where the socket is connected already.
    pub address: Option<Address>,
    /// The beginning of the message; empty for `connect`.
    pub message: Vec<u8>,
}

/// The memory of a process.
pub struct Memory(File);

impl Memory {
    pub fn of(thread: u32) -> io::Result<Self> {
        Ok(Self(File::open(format!("/proc/{thread}/mem"))?))
    }

    /// All that a system call names. What cannot be read is what the kernel cannot read either: then the call fails by itself.
    pub fn targets(&self, call: i64, arguments: &[u64; 6]) -> Vec<Target> {
        let [_, second, third, _, fifth, sixth] = *arguments;
        match call {
            libc::SYS_connect => vec![Target { address: self.address(second, third), message: Vec::new() }],
            libc::SYS_sendto => vec![Target {
                address: self.address(fifth, sixth),
                message: self.bytes(second, (third as usize).min(MESSAGE_BYTES)),
            }],
            libc::SYS_sendmsg => self.message(second).into_iter().collect(),
            libc::SYS_sendmmsg => (0..third.min(MOST_MESSAGES))
                .map_while(|n| self.message(second.checked_add(n * MMSGHDR)?))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A `struct msghdr`.
    fn message(&self, at: u64) -> Option<Target> {
        let header = self.bytes(at, MSGHDR);
        let word = |offset: usize| {
            let bytes = header.get(offset..offset + 8)?;
            Some(u64::from_ne_bytes(bytes.try_into().ok()?))
        };
        let (name, name_length) = (word(0)?, word(8)? & 0xffff_ffff);
        let (parts, part_count) = (word(16)?, word(24)?);
        let mut message = Vec::new();
        for n in 0..part_count.min(MOST_PARTS) {
            let part = self.bytes(parts.checked_add(n * IOVEC)?, IOVEC as usize);
            let (Some(base), Some(length)) = (part.get(..8), part.get(8..16)) else {
                break;
            };
            let base = u64::from_ne_bytes(base.try_into().ok()?);
            let length = u64::from_ne_bytes(length.try_into().ok()?) as usize;
            message.extend(self.bytes(base, length.min(MESSAGE_BYTES - message.len())));
            if message.len() >= MESSAGE_BYTES {
                break;
            }
        }
        Some(Target { address: self.address(name, name_length), message })
    }

    fn address(&self, at: u64, length: u64) -> Option<Address> {
        if at == 0 {
            return None;
        }
        address(&self.bytes(at, (length as usize).min(LONGEST_ADDRESS)))
    }

    /// The bytes at an address, as many of them as can be read.
    fn bytes(&self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        // A structure may end just before a page that is not there, so that one read can be short.
        let mut got = 0;
        while let Some(rest) = bytes.get_mut(got..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, at.wrapping_add(got as u64)) {
                Ok(0) | Err(_) => break,
                Ok(more) => got += more,
            }
        }
        bytes.truncate(got);
        bytes
    }
}

/// A `struct sockaddr`.
fn address(bytes: &[u8]) -> Option<Address> {
    let family = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
    match i32::from(family) {
        libc::AF_UNSPEC => None,
        libc::AF_INET => {
            let ip: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            Some(Address::Ip((Ipv4Addr::from(ip), port(bytes)?).into()))
        }
        libc::AF_INET6 => {
            let ip: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            let ip = Ipv6Addr::from(ip);
            // An IPv4 address in IPv6's clothes goes where IPv4 goes.
            let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
            Some(Address::Ip((ip, port(bytes)?).into()))
        }
        libc::AF_UNIX => Some(Address::Unix(path(bytes.get(2..)?))),
        _ => Some(Address::Foreign(family)),
    }
}

fn port(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))
}

/// The path of a Unix socket; an abstract one (it begins with a zero) has none.
fn path(bytes: &[u8]) -> PathBuf {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let name = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    PathBuf::from(name.as_ref())
}

/// Whether an address never leaves the sandbox. The unspecified address means this host to Linux.
pub fn stays(address: SocketAddr) -> bool {
    address.ip().is_loopback() || address.ip().is_unspecified()
}

/// Whether a Unix socket is that of a name service.
pub fn is_name_service(path: &Path) -> bool {
    const SERVICES: [&str; 5] =
        ["/run/nscd", "/run/systemd/resolve", "/run/avahi-daemon", "/run/dbus", "/run/unscd"];
    let path =
        path.strip_prefix("/var").map_or_else(|_| path.to_path_buf(), |rest| Path::new("/").join(rest));
    SERVICES.iter().any(|service| path.starts_with(service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_reads_them() {
        let mut v4 = vec![2, 0, 0x01, 0xbb, 192, 0, 2, 7];
        v4.resize(16, 0);
        let expected = Address::Ip("192.0.2.7:443".parse().unwrap());
        assert_eq!(address(&v4), Some(expected.clone()));
        let mut mapped = vec![10, 0, 0x01, 0xbb, 0, 0, 0, 0];
        mapped.extend(Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped().octets());
        assert_eq!(address(&mapped), Some(expected));
        assert_eq!(address(b"\x01\0/run/x\0rest"), Some(Address::Unix("/run/x".into())));
        assert_eq!(address(&[40, 0, 1]), Some(Address::Foreign(40)));
        assert_eq!(address(&[0, 0, 1, 1, 1, 1, 1, 1]), None);
        assert_eq!(address(&[2, 0, 1]), None);
        assert_eq!(address(&[]), None);
    }

    #[test]
    fn memory_is_read_with_its_messages() {
        // Our own memory: a message of two parts to an address.
        let name: [u8; 16] = [2, 0, 0, 53, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0];
        let (one, two) = (*b"first", *b"second");
        let parts = [one.as_ptr() as u64, one.len() as u64, two.as_ptr() as u64, two.len() as u64];
        let header = [name.as_ptr() as u64, 16, parts.as_ptr() as u64, 2, 0, 0, 0];
        let memory = Memory::of(std::process::id()).unwrap();
        let at = header.as_ptr() as u64;
        let targets = memory.targets(libc::SYS_sendmsg, &[3, at, 0, 0, 0, 0]);
        assert_eq!(targets.len(), 1);
        assert_eq!(targets[0].address, Some(Address::Ip("9.9.9.9:53".parse().unwrap())));
        assert_eq!(targets[0].message, b"firstsecond");
        assert!(memory.targets(libc::SYS_sendmsg, &[3, 8, 0, 0, 0, 0]).is_empty());
    }

    #[test]
    fn name_services_are_known_by_either_path() {
        assert!(is_name_service(Path::new("/var/run/nscd/socket")));
        assert!(is_name_service(Path::new("/run/systemd/resolve/io.systemd.Resolve")));
        assert!(!is_name_service(Path::new("/run/user/1000/bus")));
        assert!(!is_name_service(Path::new("")));
    }
}
