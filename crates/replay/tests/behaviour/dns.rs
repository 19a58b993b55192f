//! Property: every name that is looked up is noted, over UDP and TCP, and answered as the policy says.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};

use replay::dns::{DnsQuestion, DnsResponder, Policy};

use crate::support::listener;

/// `host.invalid`, type AAAA or A.
fn question(kind: u8) -> Vec<u8> {
    let mut packet = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend(b"\x04host\x07invalid\x00\x00");
    packet.extend([kind, 0, 1]);
    packet
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_noted_and_answered_over_udp_and_tcp() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = udp.local_addr().unwrap();
    let tcp = listener();
    let tcp_address = tcp.local_addr().unwrap();
    let responder = DnsResponder::serve(udp, Some(tcp), Policy::Fixed(Ipv4Addr::new(192, 0, 2, 7))).unwrap();
    let asked = tokio::task::spawn_blocking(move || {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut answer = [0; 512];
        for kind in [1, 28, 1] {
            client.send_to(&question(kind), address).unwrap();
            let (length, _) = client.recv_from(&mut answer).unwrap();
            let expected: &[u8] = if kind == 1 { &[192, 0, 2, 7] } else { &[28, 0, 1] };
            assert!(answer[..length].ends_with(expected));
        }
        client.send_to(b"short", address).unwrap();
        let mut stream = TcpStream::connect(tcp_address).unwrap();
        let packet = question(1);
        stream.write_all(&[&[0, u8::try_from(packet.len()).unwrap()], packet.as_slice()].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        assert!(answer.ends_with(&[192, 0, 2, 7]));
        // The packet before the last one was received before it.
        client.send_to(&question(1), address).unwrap();
        client.recv_from(&mut [0; 512]).unwrap();
    });
    asked.await.unwrap();
    let facts = responder.shutdown().await;
    let of =
        |kind: &str, count| DnsQuestion { name: "host.invalid".to_owned(), kind: kind.to_owned(), count };
    assert_eq!(facts.questions, [of("A", 4), of("AAAA", 1)]);
    assert_eq!((facts.malformed, facts.dropped), (1, 0));
}
