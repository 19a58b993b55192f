//! A DNS responder that notes every question and answers by policy. It resolves nothing and asks nobody.
//!
//! Owns the part of the wire format (RFC 1035) that a question with its answer needs. Packets are foreign bytes: everything read from
//! them is bounded.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Distinct questions that are kept; a client that makes names up must not fill the memory.
const MAX_QUESTIONS: usize = 4096;
/// Largest packet over UDP that is looked at, in bytes: what EDNS clients announce at most.
const MAX_PACKET: usize = 4096;
/// TCP connections that are open at once.
const MAX_CONNECTIONS: usize = 64;
/// How long a TCP connection may stay.
const TCP_TIME: Duration = Duration::from_secs(10);
/// Pause after a socket error, so that it does not spin.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a client may remember an answer, in seconds.
const TTL: u32 = 60;

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;
const FORMAT_ERROR: u8 = 1;
const NAME_ERROR: u8 = 3;
const NOT_IMPLEMENTED: u8 = 4;
const REFUSED: u8 = 5;

/// What is answered to every question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// There is no such name: what a machine without a network hears at once from its own resolver.
    NxDomain,
    /// The server does not answer such questions.
    Refused,
    /// Nothing, as when packets are lost.
    Silent,
    /// Every name has this address (and no other kind of record).
    Fixed(Ipv4Addr),
}

/// A question, as often as it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsQuestion {
    /// The name, in lower case, without a final dot; bytes that no host name has are written `\DDD`.
    pub name: String,
    /// The type of record: `A`, `AAAA`, `HTTPS`, … or its number as `TYPE257`.
    pub kind: String,
    /// How often.
    pub count: u64,
}

/// What was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsFacts {
    /// The distinct questions, ordered by name and type.
    pub questions: Vec<DnsQuestion>,
    /// Packets that were no question.
    pub malformed: u64,
    /// Questions beyond those that are kept.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Notes {
    questions: BTreeMap<(String, u16), u64>,
    malformed: u64,
    dropped: u64,
}

/// A running responder. Dropping it stops it.
#[derive(Debug)]
pub struct DnsResponder {
    tasks: JoinSet<()>,
    notes: Arc<Mutex<Notes>>,
}

impl DnsResponder {
    /// Answers on `udp`, and on `tcp` where given. Must be called inside a tokio runtime; the sockets must be bound.
    ///
    /// # Errors
    /// Where a socket cannot be used.
    pub fn serve(udp: UdpSocket, tcp: Option<TcpListener>, policy: Policy) -> io::Result<Self> {
        let notes = Arc::new(Mutex::default());
        let mut tasks = JoinSet::new();
        udp.set_nonblocking(true)?;
        tasks.spawn(datagrams(tokio::net::UdpSocket::from_std(udp)?, policy, Arc::clone(&notes)));
        if let Some(tcp) = tcp {
            tcp.set_nonblocking(true)?;
            tasks.spawn(streams(tokio::net::TcpListener::from_std(tcp)?, policy, Arc::clone(&notes)));
        }
        Ok(Self { tasks, notes })
    }

    /// What was asked so far.
    #[must_use]
    pub fn facts(&self) -> DnsFacts {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let question = |((name, kind), count): (&(String, u16), &u64)| DnsQuestion {
            name: name.clone(),
            kind: kind_name(*kind),
            count: *count,
        };
        DnsFacts {
            questions: notes.questions.iter().map(question).collect(),
            malformed: notes.malformed,
            dropped: notes.dropped,
        }
    }

    /// Stops, and says what was asked.
    pub async fn shutdown(mut self) -> DnsFacts {
        self.tasks.shutdown().await;
        self.facts()
    }
}

async fn datagrams(socket: tokio::net::UdpSocket, policy: Policy, notes: Arc<Mutex<Notes>>) {
    let mut packet = [0; MAX_PACKET];
    loop {
        match socket.recv_from(&mut packet).await {
            Ok((length, from)) => {
                if let Some(answer) = respond(&packet[..length], policy, &notes)
                    && let Err(error) = socket.send_to(&answer, from).await
                {
                    tracing::debug!(%error, "dns answer");
                }
            }
            Err(error) => {
                tracing::debug!(%error, "dns question");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn streams(listener: tokio::net::TcpListener, policy: Policy, notes: Arc<Mutex<Notes>>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let notes = Arc::clone(&notes);
                connections.spawn(async move {
                    let _slot = slot;
                    // A connection that ends badly or late is the client's loss.
                    let _ = tokio::time::timeout(TCP_TIME, conversation(stream, policy, &notes)).await;
                });
            }
            Err(error) => {
                tracing::debug!(%error, "dns connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn conversation(
    mut stream: tokio::net::TcpStream,
    policy: Policy,
    notes: &Mutex<Notes>,
) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut packet = vec![0; usize::from(length)];
        stream.read_exact(&mut packet).await?;
        if let Some(answer) = respond(&packet, policy, notes) {
            let mut framed = u16::try_from(answer.len()).map_err(io::Error::other)?.to_be_bytes().to_vec();
            framed.extend(answer);
            stream.write_all(&framed).await?;
        }
    }
}

fn respond(packet: &[u8], policy: Policy, notes: &Mutex<Notes>) -> Option<Vec<u8>> {
    let parsed = Query::parse(packet);
    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    match &parsed {
        Ok(query) => {
            let full = notes.questions.len() >= MAX_QUESTIONS;
            let key = (query.name.clone(), query.kind);
            if full && !notes.questions.contains_key(&key) {
                notes.dropped += 1;
            } else {
                *notes.questions.entry(key).or_default() += 1;
            }
        }
        Err(_) => notes.malformed += 1,
    }
    drop(notes);
    match (parsed, policy) {
        (_, Policy::Silent) => None,
        (Ok(query), policy) => Some(query.answer(packet, policy)),
        (Err(problem), _) => problem.answer(packet),
    }
}

/// The first question of a packet.
struct Query {
    name: String,
    kind: u16,
    class: u16,
    /// Where the question ends in the packet.
    end: usize,
}

/// Why a packet is no question, as far as its sender can be told.
enum Problem {
    /// Too short, or itself an answer: nothing may be sent back, lest two servers talk for ever.
    Ignored,
    /// An answer with this code and no question.
    Code(u8),
}

impl Query {
    fn parse(packet: &[u8]) -> Result<Self, Problem> {
        if packet.len() < HEADER || packet[2] & 0x80 != 0 {
            return Err(Problem::Ignored);
        }
        if packet[2] & 0x78 != 0 {
            return Err(Problem::Code(NOT_IMPLEMENTED));
        }
        let malformed = || Problem::Code(FORMAT_ERROR);
        if u16_at(packet, 4) == Some(0) {
            return Err(malformed());
        }
        let (name, end) = name(packet).ok_or_else(malformed)?;
        let kind = u16_at(packet, end).ok_or_else(malformed)?;
        let class = u16_at(packet, end + 2).ok_or_else(malformed)?;
        Ok(Self { name, kind, class, end: end + 4 })
    }

    fn answer(&self, packet: &[u8], policy: Policy) -> Vec<u8> {
        let (code, address) = match policy {
            Policy::NxDomain => (NAME_ERROR, None),
            Policy::Refused | Policy::Silent => (REFUSED, None),
            Policy::Fixed(address) => (0, (self.kind == TYPE_A && self.class == CLASS_IN).then_some(address)),
        };
        let mut answer = head(packet, code, 1, u16::from(address.is_some()));
        answer.extend(&packet[HEADER..self.end]);
        if let Some(address) = address {
            // The name again, as a pointer to the question.
            answer.extend([0xc0, 0x0c]);
            answer.extend(TYPE_A.to_be_bytes());
            answer.extend(CLASS_IN.to_be_bytes());
            answer.extend(TTL.to_be_bytes());
            answer.extend(4_u16.to_be_bytes());
            answer.extend(address.octets());
        }
        answer
    }
}

impl Problem {
    fn answer(&self, packet: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Ignored => None,
            Self::Code(code) => Some(head(packet, *code, 0, 0)),
        }
    }
}

/// The header of an answer to `packet`, which has a whole header.
fn head(packet: &[u8], code: u8, questions: u16, answers: u16) -> Vec<u8> {
    let recursion_desired = packet[2] & 0x01;
    let mut head = vec![packet[0], packet[1], 0x80 | (packet[2] & 0x78) | recursion_desired, 0x80 | code];
    for count in [questions, answers, 0, 0] {
        head.extend(count.to_be_bytes());
    }
    head
}

fn u16_at(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]))
}

/// The name after the header, and where it ends. A question has no compression pointer to follow.
fn name(packet: &[u8]) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        // A label has up to 63 bytes and a whole name up to 255; above lie pointers.
        if length > 63 || at + length - HEADER > 254 {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        for byte in packet.get(at..at + length)? {
            if byte.is_ascii_alphanumeric() || b"-_".contains(byte) {
                name.push(char::from(byte.to_ascii_lowercase()));
            } else {
                // Writing into a String cannot fail.
                let _ = write!(name, "\\{byte:03}");
            }
        }
        at += length;
    }
}

fn kind_name(kind: u16) -> String {
    let name = match kind {
        TYPE_A => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        64 => "SVCB",
        65 => "HTTPS",
        255 => "ANY",
        other => return format!("TYPE{other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Policy; 4] =
        [Policy::NxDomain, Policy::Refused, Policy::Silent, Policy::Fixed(Ipv4Addr::new(192, 0, 2, 1))];

    /// A question as a resolver sends it.
    fn question(labels: &[Vec<u8>], kind: u16) -> Vec<u8> {
        let mut packet = vec![0xab, 0xcd, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1];
        for label in labels {
            packet.push(u8::try_from(label.len()).unwrap());
            packet.extend(label);
        }
        packet.push(0);
        packet.extend(kind.to_be_bytes());
        packet.extend([0, 1]);
        // An EDNS record, as every resolver of today adds.
        packet.extend([0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
        packet
    }

    fn ask(packet: &[u8], policy: Policy) -> (Option<Vec<u8>>, Notes) {
        let notes = Mutex::default();
        let answer = respond(packet, policy, &notes);
        (answer, notes.into_inner().unwrap())
    }

    #[test]
    fn each_policy_answers_in_its_way() {
        let packet = question(&[b"Example".to_vec(), b"invalid".to_vec()], TYPE_A);
        let code = |policy| ask(&packet, policy).0.map(|answer| answer[3] & 0x0f);
        assert_eq!(ALL.map(code), [Some(NAME_ERROR), Some(REFUSED), None, Some(0)]);
        let (answer, notes) = ask(&packet, ALL[3]);
        assert_eq!(answer.unwrap()[packet.len() - 11 + 12..], [192, 0, 2, 1]);
        assert_eq!(
            notes.questions.into_iter().collect::<Vec<_>>(),
            [(("example.invalid".to_owned(), TYPE_A), 1)]
        );
        let (answer, _) = ask(&question(&[b"a".to_vec()], 28), ALL[3]);
        let answer = answer.unwrap();
        assert_eq!((answer[3] & 0x0f, u16_at(&answer, 6)), (0, Some(0)));
    }

    #[test]
    fn an_answer_is_never_answered() {
        let mut packet = question(&[b"a".to_vec()], TYPE_A);
        packet[2] |= 0x80;
        for policy in ALL {
            assert_eq!(ask(&packet, policy).0, None);
        }
        assert_eq!(ask(&packet[..11], ALL[0]).0, None);
    }

    #[test]
    fn names_that_are_made_up_do_not_fill_the_memory() {
        let notes = Mutex::default();
        for number in 0..MAX_QUESTIONS + 10 {
            respond(&question(&[number.to_string().into_bytes()], TYPE_A), ALL[0], &notes);
        }
        let notes = notes.into_inner().unwrap();
        assert_eq!((notes.questions.len(), notes.dropped), (MAX_QUESTIONS, 10));
    }

    proptest! {
        #[test]
        fn no_packet_breaks_it(packet in proptest::collection::vec(any::<u8>(), 0..600)) {
            for policy in ALL {
                if let (Some(answer), _) = ask(&packet, policy) {
                    prop_assert_eq!(&answer[..2], &packet[..2]);
                    prop_assert!(answer[2] & 0x80 != 0 && answer.len() <= packet.len().max(HEADER) + 16);
                }
            }
        }

        #[test]
        fn no_cut_or_flipped_question_breaks_it(
            labels in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..64), 0..5),
            kind in any::<u16>(), cut in 0..400_usize, flip in 0..400_usize, bits in any::<u8>(),
        ) {
            let mut packet = question(&labels, kind);
            let whole = labels.iter().map(|label| label.len() + 1).sum::<usize>() <= 254;
            let (_, notes) = ask(&packet, Policy::NxDomain);
            prop_assert_eq!(notes.questions.len(), usize::from(whole));
            let length = packet.len();
            packet[flip % length] ^= bits;
            ask(&packet[..cut.min(length)], Policy::Fixed(Ipv4Addr::LOCALHOST));
        }
    }
}
