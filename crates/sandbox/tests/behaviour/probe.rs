//! The program that the cases run inside.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// How long a connection may take before it counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(2);

pub fn main(words: &[&str]) -> ExitCode {
    match words {
        ["connect", address] => connect(address),
        ["send", address, text] => {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            print_outcome(socket.send_to(text.as_bytes(), address).map(drop));
        }
        ["question", address, name] => {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.connect(address).unwrap();
            print_outcome(socket.send(&question(name)).map(drop));
        }
        ["resolve", name] => print_outcome((*name, 80).to_socket_addrs().map(drop)),
        ["serve"] => serve(),
        ["get", address] => print!("{}", read_all(address)),
        ["hog"] => hog(),
        ["forks"] => forks(),
        ["nap", ..] => nap(),
        ["sees", paths @ ..] => {
            for path in paths.iter().filter(|path| Path::new(path).exists()) {
                println!("{path}");
            }
        }
        ["vsock"] => {
            let socket =
                rustix::net::socket(rustix::net::AddressFamily::VSOCK, rustix::net::SocketType::STREAM, None);
            print_outcome(socket.map(drop).map_err(Into::into));
        }
        _ => return ExitCode::from(64),
    }
    ExitCode::SUCCESS
}

fn connect(address: &str) {
    let address: SocketAddr = address.parse().unwrap();
    print_outcome(TcpStream::connect_timeout(&address, LOST_AFTER).map(drop));
}

fn print_outcome(outcome: std::io::Result<()>) {
    match outcome {
        Ok(()) => println!("done"),
        Err(error) => println!("{:?}", error.kind()),
    }
}

/// A DNS question as a resolver sends it.
fn question(name: &str) -> Vec<u8> {
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    std::io::stdout().flush().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"hello from inside").unwrap();
}

fn read_all(address: &str) -> String {
    let mut text = String::new();
    TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn hog() {
    let mut all = Vec::new();
    loop {
        all.push(vec![1u8; 1 << 20]);
        std::hint::black_box(&all);
    }
}

/// Far more processes than any bound under test allows, but never more than a machine bears: a
/// bomb that grows without end took the whole machine along when a bound failed.
const FORKS: usize = 300;

fn forks() {
    let own = std::env::current_exe().unwrap();
    let mut children = Vec::new();
    for _ in 0..FORKS {
        // Refused by the kernel's own bound: go on trying.
        children.extend(Command::new(&own).args(["probe", "nap"]).spawn());
    }
    nap();
}

fn nap() {
    loop {
        std::thread::park();
    }
}
