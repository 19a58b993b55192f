//! Property: a packument is reduced while it comes, so that one of 100 MB takes a fraction of that; an answer beyond its bound is refused.
//! A test of its own process, because what is measured is the process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world fails there")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, BufWriter, Write};
use std::net::{TcpListener, TcpStream};

use replay::registry::npmrc::{Layer, Settings};
use replay::registry::{Lookup, Upstream};

/// Bytes that the text of all versions has: most of it what no resolver wants.
const LENGTH: usize = 100 << 20;
/// Bytes of one version.
const VERSION: usize = 100 << 10;
/// The most that the process may grow by, in bytes: one version's document may be held whole (32 MiB) until it is refused.
const MOST: u64 = 64 << 20;

fn write_versions(out: &mut impl Write, length: usize) -> std::io::Result<()> {
    let read_me = "x".repeat(VERSION);
    write!(
        out,
        "{{\"name\":\"a\",\"readme\":\"{read_me}\",\"dist-tags\":{{\"latest\":\"1.0.0\"}},\"versions\":{{"
    )?;
    for number in 0..length / VERSION {
        let comma = if number == 0 { "" } else { "," };
        let version = format!("1.0.{number}");
        write!(
            out,
            "{comma}\"{version}\":{{\"name\":\"a\",\"version\":\"{version}\",\"dependencies\":{{\"b\":\"^1\"}},"
        )?;
        write!(
            out,
            "\"scripts\":{{\"x\":\"{read_me}\"}},\"dist\":{{\"tarball\":\"https://a.example/a.tgz\"}}}}"
        )?;
    }
    write!(out, "}}}}")
}

/// A registry that knows a package of 100 MB, and answers everything else without end.
fn serve(listener: &TcpListener) {
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        std::thread::spawn(move || answer(stream));
    }
}

fn answer(stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let _rest = lines.take_while(|line| !line.is_empty()).count();
    let mut out = BufWriter::new(stream);
    write!(out, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
    match first.split(' ').nth(1) {
        Some("/a") => write_versions(&mut out, LENGTH)?,
        _ => write_versions(&mut out, usize::MAX)?,
    }
    out.flush()
}

/// The most memory that this process ever had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packument_of_100_mb_takes_little_memory_and_an_answer_without_end_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = format!("registry=http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || serve(&listener));
    let env = BTreeMap::new();
    let settings = Settings::layered(&[Layer::parse(&registry, &env)], &env).unwrap();
    let upstream = Upstream::new(&settings).unwrap();
    let before = peak();
    let Lookup::Found(packument) = upstream.packument(&"a".parse().unwrap()).await.unwrap() else {
        panic!("it is there")
    };
    assert_eq!(packument.versions.len(), LENGTH / VERSION);
    let error = upstream.version(&"endless".parse().unwrap(), "1.0.0").await.unwrap_err();
    assert_eq!(error.code(), "upstream-too-large");
    assert!(error.hint().is_some());
    let grown = peak() - before;
    assert!(grown < MOST, "the process grew by {grown} bytes");
}
