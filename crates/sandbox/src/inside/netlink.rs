//! The handful of rtnetlink requests that a new network namespace needs. Owns their byte format; never decides what to configure.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// Request kinds, flags and attributes as in linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h.
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const ERROR: u16 = 2;
const REQUEST_WITH_ANSWER: u16 = 0x1 | 0x4;
const CREATE_EXCLUSIVELY: u16 = 0x400 | 0x200;
const LINK_NAME: u16 = 3;
const LINK_INFO: u16 = 18;
const LINK_KIND: u16 = 1;
const ADDRESS: u16 = 1;
const ADDRESS_LOCAL: u16 = 2;
const ROUTE_LINK: u16 = 4;
const LINK_UP: u32 = 0x1;
const LINK_NO_ARP: u32 = 0x80;
const NO_DUPLICATE_DETECTION: u8 = 0x2;
const TABLE_MAIN: u8 = 254;
const PROTOCOL_STATIC: u8 = 4;
const SCOPE_LINK: u8 = 253;
const UNICAST: u8 = 1;

/// `AF_INET` and `AF_INET6`.
pub const V4: u8 = 2;
pub const V6: u8 = 10;

/// A conversation with the kernel about links, addresses and routes.
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    pub fn open() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            // NETLINK_ROUTE is protocol 0.
            None,
        )?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The number of a link.
    pub fn index(&self, name: &str) -> io::Result<u32> {
        let socket =
            rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(rustix::net::netdevice::name_to_index(socket, name)?)
    }

    /// Makes a link of a kind, e.g. `dummy`.
    pub fn add_link(&mut self, name: &str, kind: &str) -> io::Result<()> {
        let mut body = link(0, 0, 0);
        attribute(&mut body, LINK_NAME, format!("{name}\0").as_bytes());
        let mut info = Vec::new();
        attribute(&mut info, LINK_KIND, kind.as_bytes());
        attribute(&mut body, LINK_INFO, &info);
        self.request(NEW_LINK, CREATE_EXCLUSIVELY, &body)
    }

    /// Brings a link up; it then never asks who has an address.
    pub fn up(&mut self, index: u32) -> io::Result<()> {
        self.request(NEW_LINK, 0, &link(index, LINK_UP, LINK_UP))
    }

    /// The same, and the link never asks who has an address, so that packets are lost on it instead of waiting for an answer.
    pub fn up_without_arp(&mut self, index: u32) -> io::Result<()> {
        let flags = LINK_UP | LINK_NO_ARP;
        self.request(NEW_LINK, 0, &link(index, flags, flags))
    }

    /// Gives a link an address.
    pub fn add_address(&mut self, index: u32, family: u8, address: &[u8], prefix: u8) -> io::Result<()> {
        let mut body = vec![family, prefix, NO_DUPLICATE_DETECTION, 0];
        body.extend(index.to_ne_bytes());
        attribute(&mut body, ADDRESS_LOCAL, address);
        attribute(&mut body, ADDRESS, address);
        self.request(NEW_ADDRESS, CREATE_EXCLUSIVELY, &body)
    }

    /// Sends everything that has no other route over a link.
    pub fn add_default_route(&mut self, index: u32, family: u8) -> io::Result<()> {
        let mut body = vec![family, 0, 0, 0, TABLE_MAIN, PROTOCOL_STATIC, SCOPE_LINK, UNICAST];
        body.extend(0u32.to_ne_bytes());
        attribute(&mut body, ROUTE_LINK, &index.to_ne_bytes());
        self.request(NEW_ROUTE, CREATE_EXCLUSIVELY, &body)
    }

    fn request(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.sequence += 1;
        let mut message = Vec::with_capacity(16 + body.len());
        message.extend((16 + body.len() as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend((REQUEST_WITH_ANSWER | flags).to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        message.extend(0u32.to_ne_bytes());
        message.extend(body);
        rustix::net::send(&self.socket, &message, SendFlags::empty())?;
        let mut answer = [0u8; 4096];
        let (got, _) = rustix::net::recv(&self.socket, &mut answer[..], RecvFlags::empty())?;
        verdict(answer.get(..got).unwrap_or_default())
    }
}

/// What the kernel answered: an error message with the number 0 means done.
fn verdict(answer: &[u8]) -> io::Result<()> {
    let kind = answer.get(4..6).and_then(|b| b.try_into().ok());
    let number = answer.get(16..20).and_then(|b| b.try_into().ok());
    match (kind.map(u16::from_ne_bytes), number.map(i32::from_ne_bytes)) {
        (Some(ERROR), Some(0)) => Ok(()),
        (Some(ERROR), Some(number)) => Err(io::Error::from_raw_os_error(-number)),
        _ => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

/// An `ifinfomsg`.
fn link(index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend(change.to_ne_bytes());
    body
}

/// Appends an attribute, padded to four bytes.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend((4 + value.len() as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_but_say_their_own_length() {
        let mut body = Vec::new();
        attribute(&mut body, 3, b"abc\0x");
        assert_eq!(body.len(), 12);
        assert_eq!(body[..2], 9u16.to_ne_bytes());
    }

    #[test]
    fn a_refusal_is_the_errno_and_nonsense_is_no_consent() {
        let mut answer = vec![0u8; 20];
        answer[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        assert!(verdict(&answer).is_ok());
        answer[16..20].copy_from_slice(&(-1i32).to_ne_bytes());
        assert_eq!(verdict(&answer).unwrap_err().raw_os_error(), Some(1));
        assert!(verdict(&[]).is_err());
    }
}
