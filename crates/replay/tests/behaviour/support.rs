//! A made-up package set, and a fake upstream registry whose faults are chosen by package name.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lock::{Algorithm, PackageId, Sri};
use replay::registry::npmrc::{Layer, Settings};
use replay::registry::upstream::Retry;
use replay::registry::{BasePath, Upstream};
use serde_json::{Value, json};

/// A bound and listening loopback socket.
pub fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

pub fn base(text: &str) -> BasePath {
    text.parse().unwrap()
}

pub fn id(name: &str, version: &str) -> PackageId {
    PackageId { name: name.parse().unwrap(), version: version.parse().unwrap() }
}

/// The settings of an `.npmrc` text.
pub fn settings(npmrc: &str) -> Settings {
    let env = BTreeMap::new();
    Settings::layered(&[Layer::parse(npmrc, &env)], &env).unwrap()
}

/// An upstream from an `.npmrc` text, with quick retries.
pub fn upstream(npmrc: &str) -> Upstream {
    let wait = std::time::Duration::from_millis(1);
    Upstream::new(&settings(npmrc)).unwrap().with_retry(Retry { tries: 3, wait })
}

/// An npm tarball with a package.json and a module.
pub fn tarball(name: &str, version: &str, fields: &Value) -> Bytes {
    let mut manifest = json!({ "name": name, "version": version, "main": "index.js" });
    for (key, value) in fields.as_object().unwrap() {
        manifest[key] = value.clone();
    }
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(gzip);
    let module = format!("module.exports = {:?};\n", format!("{name}@{version}"));
    for (path, text) in [("package/package.json", manifest.to_string()), ("package/index.js", module)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap().into()
}

pub fn sri(bytes: &[u8]) -> Sri {
    Sri::of(Algorithm::Sha512, bytes)
}

/// The files of a directory with their contents, but for npm's hidden lock file (it has its own times).
pub fn contents(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(root).unwrap().display().to_string();
                found.insert(path, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

/// A request that a fake server got: method, path, and the headers that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub authorization: Option<String>,
    pub range: Option<String>,
}

/// What a fake server answers.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Send only this many bytes of the body, then close.
    pub cut: Option<usize>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: None }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn cut(mut self, length: usize) -> Self {
        self.cut = Some(length);
        self
    }
}

/// A server whose every answer is a function of the request and of how often the same was asked before. It speaks HTTP by hand, so that
/// it can be as wrong as a test wants it.
pub struct Fake {
    pub authority: String,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    pub fn start(answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(listener(), answer)
    }

    pub fn on(listener: TcpListener, answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let authority = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (noted, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (noted, answer, stream) = (Arc::clone(&noted), Arc::clone(&answer), stream.unwrap());
                std::thread::spawn(move || converse(stream, &noted, &*answer));
            }
        });
        Self { authority, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.authority)
    }

    pub fn count(&self, path: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|seen| seen.path == path).count()
    }
}

fn converse(stream: std::net::TcpStream, noted: &Mutex<Vec<Seen>>, answer: &dyn Fn(&Seen, usize) -> Reply) {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let mut words = lines[0].split(' ');
    let header = |name: &str| {
        let of_name = |line: &String| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        lines.iter().find_map(of_name)
    };
    let seen = Seen {
        method: words.next().unwrap().to_owned(),
        path: words.next().unwrap().to_owned(),
        authorization: header("authorization"),
        range: header("range"),
    };
    let before = {
        let mut noted = noted.lock().unwrap();
        let before =
            noted.iter().filter(|other| other.path == seen.path && other.method == seen.method).count();
        noted.push(seen.clone());
        before
    };
    let reply = answer(&seen, before);
    let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", reply.status);
    if !reply.headers.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding") {
        head += &format!("content-length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = stream;
    let body = &reply.body[..reply.cut.unwrap_or(reply.body.len())];
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(b"\r\n"));
    if seen.method != "HEAD" {
        let _ = stream.write_all(body);
    }
}
