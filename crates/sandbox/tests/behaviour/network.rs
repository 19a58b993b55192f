//! No way out, and every attempt counted, with its program, its target and the caller's label.

use std::io::{BufRead, BufReader, Read, Write};
use std::thread;
use std::time::Duration;

use crate::Case;
use crate::sandbox::{Attempt, BLACK_HOLE_ADDRESS, Network, Sandbox, Transport};
use crate::stage::{LONG, probe, run, said, shell, spec, start};

pub const CASES: &[Case] = &[
    ("a connection out fails at once, is counted and named", connection_out),
    ("a datagram out is counted", datagram_out),
    ("a name lookup is seen by the caller's name server and counted", lookup),
    ("a question on a connected socket is counted with its name", question_elsewhere),
    ("loopback is no attempt, and is served from outside", served_from_outside),
    ("the caller reaches a server inside", served_from_inside),
    ("the machine's own loopback is not reachable", not_the_machines_loopback),
    ("in a black hole connections hang instead of being refused", black_hole),
    ("sockets to the hypervisor are refused", vsock),
    ("an ordinary program's traffic on loopback works while counted", bulk),
    ("name services' sockets are noted but leave nowhere", name_service),
    ("without counting nothing is counted and nothing leaves", uncounted),
];

fn leaving(sandbox: &Sandbox) -> Vec<Attempt> {
    sandbox.attempts().into_iter().filter(Attempt::leaves).collect()
}

fn connection_out() {
    let sandbox = start(&spec());
    said(&sandbox, &shell("true"));
    assert_eq!(leaving(&sandbox), []);
    sandbox.label("first");
    for _ in 0..2 {
        let outcome = said(&sandbox, &probe(&sandbox, &["connect", "192.0.2.1:80"]));
        assert_eq!(outcome, "NetworkUnreachable");
    }
    sandbox.label("second");
    said(&sandbox, &probe(&sandbox, &["connect", "[2001:db8::1]:443"]));
    let seen = leaving(&sandbox);
    assert_eq!(seen.len(), 2, "{seen:?}");
    let [first, second] = [&seen[0], &seen[1]];
    assert_eq!((first.label.as_str(), first.count, first.transport), ("first", 2, Transport::Tcp));
    assert_eq!((first.address.as_str(), first.program.as_str()), ("192.0.2.1:80", "behaviour"));
    assert!(first.pid > 1);
    assert_eq!((second.label.as_str(), second.address.as_str()), ("second", "[2001:db8::1]:443"));
}

fn datagram_out() {
    let sandbox = start(&spec());
    said(&sandbox, &probe(&sandbox, &["send", "192.0.2.9:123", "tick"]));
    let seen = leaving(&sandbox);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((seen[0].transport, seen[0].address.as_str()), (Transport::Udp, "192.0.2.9:123"));
    assert_eq!(seen[0].dns_name, None);
}

fn lookup() {
    let mut sandbox = start(&spec());
    let dns = sandbox.take_dns().unwrap();
    dns.set_read_timeout(Some(LONG)).unwrap();
    let server = thread::spawn(move || {
        // Says "no such name" to the first question, and so to all that follow.
        let mut message = [0u8; 512];
        let mut first = Vec::new();
        while let Ok((length, from)) = dns.recv_from(&mut message) {
            let asked = &message[..length];
            if first.is_empty() {
                first = asked.to_vec();
            }
            let mut answer = asked.to_vec();
            answer[2] |= 0x80;
            answer[3] = 0x83;
            dns.send_to(&answer, from).unwrap();
            dns.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        }
        first
    });
    said(&sandbox, &probe(&sandbox, &["resolve", "phone-home.example"]));
    let first = server.join().unwrap();
    assert!(first.windows(10).any(|bytes| bytes == b"phone-home"));
    let seen = leaving(&sandbox);
    let name = |a: &Attempt| a.dns_name.clone().unwrap_or_default();
    assert!(seen.iter().any(|a| name(a) == "phone-home.example"), "{seen:?}");
    assert!(seen.iter().all(|a| name(a).starts_with("phone-home.example") && a.address == "127.0.0.1:53"));
}

fn question_elsewhere() {
    let sandbox = start(&spec());
    said(&sandbox, &probe(&sandbox, &["question", "127.0.0.1:53", "here.example"]));
    said(&sandbox, &shell("true"));
    // Only a black hole lets a socket be connected to an address out there.
    let mut hole = spec();
    hole.network = Network::BlackHole;
    let hole = start(&hole);
    said(&hole, &probe(&hole, &["question", "192.0.2.53:53", "there.example"]));
    let seen = leaving(&sandbox);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].dns_name.as_deref(), Some("here.example"));
    let seen = leaving(&hole);
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!((seen[0].address.as_str(), seen[0].dns_name.as_deref()), ("192.0.2.53:53", None));
    assert_eq!(seen[1].dns_name.as_deref(), Some("there.example"));
}

fn served_from_outside() {
    let mut spec = spec();
    spec.tcp_listeners = 2;
    let mut sandbox = start(&spec);
    let mut listeners = sandbox.take_listeners();
    assert_eq!(listeners.len(), 2);
    let second = listeners.pop().unwrap();
    let address = second.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        second.accept().unwrap().0.write_all(b"hello from outside").unwrap();
    });
    let got = said(&sandbox, &probe(&sandbox, &["get", &address]));
    server.join().unwrap();
    assert_eq!(got, "hello from outside");
    assert_eq!(sandbox.attempts(), []);
}

fn served_from_inside() {
    let sandbox = start(&spec());
    let mut child = sandbox.spawn(&probe(&sandbox, &["serve"])).unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().parse().unwrap();
    let mut text = String::new();
    sandbox.connect(port).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello from inside");
    assert!(child.wait(LONG).unwrap().unwrap().success());
    assert_eq!(sandbox.connect(port).unwrap_err().code(), "sandbox-step");
}

fn not_the_machines_loopback() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let sandbox = start(&spec());
    let outcome = said(&sandbox, &probe(&sandbox, &["connect", &address]));
    assert_eq!(outcome, "ConnectionRefused");
}

fn black_hole() {
    let mut spec = spec();
    spec.network = Network::BlackHole;
    let sandbox = start(&spec);
    let out = format!("{BLACK_HOLE_ADDRESS}:443");
    assert_eq!(said(&sandbox, &probe(&sandbox, &["connect", &out])), "TimedOut");
    assert_eq!(said(&sandbox, &probe(&sandbox, &["connect", "127.0.0.1:9"])), "ConnectionRefused");
    let seen = leaving(&sandbox);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].address, out);
}

fn vsock() {
    let sandbox = start(&spec());
    // EAFNOSUPPORT has no kind of its own.
    let outcome = said(&sandbox, &probe(&sandbox, &["vsock"]));
    assert_ne!(outcome, "done");
}

fn bulk() {
    let mut spec = spec();
    spec.tcp_listeners = 1;
    let mut sandbox = start(&spec);
    let listener = sandbox.take_listeners().remove(0);
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        for _ in 0..50 {
            listener.accept().unwrap().0.write_all(&[b'x'; 100_000]).unwrap();
        }
    });
    let outside = address.clone();
    let many: Vec<_> =
        (0..50).map(|_| sandbox.spawn(&probe(&sandbox, &["get", &address])).unwrap()).collect();
    for child in many {
        assert_eq!(child.output(LONG, 1 << 20).unwrap().stdout.len(), 100_000);
    }
    server.join().unwrap();
    assert!(std::net::TcpStream::connect(&outside).is_err());
    assert_eq!(sandbox.attempts(), []);
}

fn name_service() {
    let sandbox = start(&spec());
    // Debian's C library asks nscd about users; others ask nobody. Either way nothing leaves.
    run(&sandbox, &shell("getent passwd nobody-of-that-name"));
    assert_eq!(leaving(&sandbox), []);
    assert!(sandbox.attempts().iter().all(|a| a.transport == Transport::Unix));
}

fn uncounted() {
    let mut spec = spec();
    spec.count = false;
    let sandbox = start(&spec);
    let outcome = said(&sandbox, &probe(&sandbox, &["connect", "192.0.2.1:80"]));
    assert_eq!(outcome, "NetworkUnreachable");
    assert_eq!(sandbox.attempts(), []);
}
