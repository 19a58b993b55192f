//! The network of a sandbox: loopback, the sockets that the caller serves, and, where asked for, a link that loses every packet.
//! Never talks to anybody.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use super::OrFail;
use super::netlink::{Netlink, V4, V6};
use crate::wire::{Failure, Plan, Step};

/// `lo` is the first link of every network namespace.
const LOOPBACK_INDEX: u32 = 1;

/// The link that loses packets.
const HOLE: &str = "hole0";

/// Kinds of link that lose what is sent over them when nothing is at their other end; the first that the kernel has is taken.
const HOLE_KINDS: [&str; 4] = ["dummy", "ifb", "veth", "bridge"];

/// Own addresses on the black hole's link: RFC 6598 and RFC 4193, so that they are nobody's.
const HOLE_V4: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 2);
const HOLE_V6: Ipv6Addr = Ipv6Addr::new(0xfd6f, 0x63, 0, 0, 0, 0, 0, 2);

/// The port that resolvers ask.
const DNS_PORT: u16 = 53;

/// The sockets that the caller serves.
pub struct Sockets {
    pub listeners: Vec<TcpListener>,
    /// Absent where another name server holds the port (only without namespaces).
    pub dns: Option<UdpSocket>,
}

/// Sets the network up and makes the sockets.
pub fn build(plan: &Plan) -> Result<Sockets, Failure> {
    if !plan.direct {
        let mut netlink = Netlink::open().or_fail("open netlink", None)?;
        netlink.up(LOOPBACK_INDEX).or_fail("bring loopback up", None)?;
        if plan.black_hole {
            open_hole(&mut netlink)?;
        }
    }
    let listeners = (0..plan.tcp_listeners)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<io::Result<_>>()
        .or_fail("listen on loopback", None)?;
    let dns = match UdpSocket::bind((Ipv4Addr::LOCALHOST, DNS_PORT)) {
        Ok(socket) => Some(socket),
        Err(_) if plan.direct => None,
        Err(error) => return Err(error).or_fail("bind the name server's port", None),
    };
    Ok(Sockets { listeners, dns })
}

fn open_hole(netlink: &mut Netlink) -> Result<(), Failure> {
    let mut refused = io::Error::from_raw_os_error(libc::EOPNOTSUPP);
    let added = HOLE_KINDS.iter().any(|kind| match netlink.add_link(HOLE, kind) {
        Ok(()) => true,
        Err(error) => {
            refused = error;
            false
        }
    });
    if !added {
        return Err(Failure::new(Step::BlackHole, "add a link", None, &refused));
    }
    let index = netlink.index(HOLE).or_fail("find the link", None)?;
    netlink.up_without_arp(index).or_fail("bring the link up", None)?;
    netlink.add_address(index, V4, &HOLE_V4.octets(), 32).or_fail("address the link", None)?;
    netlink.add_default_route(index, V4).or_fail("route to the link", None)?;
    // A kernel without IPv6 answers connects by itself: there is nothing to lose.
    if netlink.add_address(index, V6, &HOLE_V6.octets(), 128).is_ok() {
        netlink.add_default_route(index, V6).or_fail("route to the link", None)?;
    }
    Ok(())
}
