//! A registry on loopback that serves the tarballs of one lock, and misbehaves as it is told: cuts
//! an answer off, or lets it hang.
//!
//! It knows tarballs and byte ranges, and no packument: enough for `fetch`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lock::{ArtifactSource, Lock, PackageId};
use replay::vendor::Vendor;

/// The longest request line or header that is read, in bytes.
const MAX_LINE: u64 = 16 * 1024;

/// How long a client may take to get to where an answer hangs.
const STALL_WITHIN: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The path, percent signs decoded.
    pub path: String,
    /// The first byte that is wanted.
    pub offset: u64,
    /// How often this path was asked for before.
    pub before: usize,
}

/// How an answer is to go wrong, after so many bytes of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    None,
    /// The connection is closed.
    Cut(u64),
    /// Nothing more comes, until the client is gone.
    Stall(u64),
}

/// A running server. It ends with the test's process.
pub struct Tarballs {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    stalled: Receiver<Asked>,
}

/// What decides about faults.
type Plan = dyn Fn(&Asked) -> Fault + Send + Sync;

impl Tarballs {
    /// Serves what `lock` pins out of `vendor`.
    ///
    /// # Errors
    /// Where no port can be had.
    pub fn serve(
        lock: &Lock,
        vendor: &Vendor,
        plan: impl Fn(&Asked) -> Fault + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/", listener.local_addr()?);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (tell, stalled) = channel();
        let shelf =
            Arc::new(Shelf { files: files(lock, vendor), plan: Box::new(plan), asked: asked.clone() });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shelf, tell) = (shelf.clone(), tell.clone());
                // A client that has gone is what the tests make it do.
                std::thread::spawn(move || shelf.converse(stream, &tell).is_ok());
            }
        });
        Ok(Self { url, asked, stalled })
    }

    /// Its address, as `npm_config_registry` wants it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything that was asked for so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until an answer hangs.
    ///
    /// # Panics
    /// Where none does within a minute.
    #[must_use]
    pub fn next_stall(&self) -> Asked {
        self.stalled.recv_timeout(STALL_WITHIN).expect("an answer hangs")
    }
}

/// The path of a package's tarball, as npm's protocol has it.
#[must_use]
pub fn path_of(id: &PackageId) -> String {
    format!("/{}/-/{}-{}.tgz", id.name, id.name.base_name(), id.version)
}

fn files(lock: &Lock, vendor: &Vendor) -> BTreeMap<String, PathBuf> {
    let packages =
        lock.packages.iter().map(|(id, package)| (path_of(id), vendor.path_of(&package.integrity)));
    let programs = lock.programs.values().flat_map(BTreeMap::values);
    let artifacts = lock.systems.values().chain(programs).filter_map(|artifact| match &artifact.source {
        ArtifactSource::Npm { package, version } => {
            Some((path_of(&package.at(version.clone())), vendor.path_of(&artifact.integrity)))
        }
        _ => None,
    });
    packages.chain(artifacts).collect()
}

struct Shelf {
    files: BTreeMap<String, PathBuf>,
    plan: Box<Plan>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Shelf {
    fn converse(&self, mut stream: TcpStream, tell: &Sender<Asked>) -> std::io::Result<()> {
        let Some((path, offset)) = request(&stream)? else { return Ok(()) };
        let asked = self.note(path, offset);
        let Some(place) = self.files.get(&asked.path) else {
            return stream
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        };
        let mut file = File::open(place)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(offset))?;
        let rest = size.saturating_sub(offset);
        let (status, range) = match offset {
            0 => ("200 OK", String::new()),
            _ => ("206 Partial Content", format!("content-range: bytes {offset}-{}/{size}\r\n", size - 1)),
        };
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {rest}\r\n{range}connection: close\r\n\r\n")?;
        let fault = (self.plan)(&asked);
        let most = match fault {
            Fault::None => rest,
            Fault::Cut(bytes) | Fault::Stall(bytes) => bytes.min(rest),
        };
        std::io::copy(&mut file.take(most), &mut stream)?;
        if matches!(fault, Fault::Stall(_)) {
            // Nobody may be waiting for this one.
            let _unheard = tell.send(asked);
            // Ends when the client does.
            let _gone = stream.read(&mut [0])?;
        }
        Ok(())
    }

    fn note(&self, path: String, offset: u64) -> Asked {
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.iter().filter(|asked| asked.path == path).count();
        let asked = Asked { path, offset, before };
        all.push(asked.clone());
        asked
    }
}

/// The path and the first byte of a `GET`; `None` for a connection without one.
fn request(stream: &TcpStream) -> std::io::Result<Option<(String, u64)>> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut path, mut offset) = (None, 0);
    loop {
        let mut line = String::new();
        if reader.by_ref().take(MAX_LINE).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        match path {
            None => path = line.split(' ').nth(1).map(|path| path.replace("%2f", "/").replace("%2F", "/")),
            Some(path) if line.is_empty() => return Ok(Some((path, offset))),
            Some(_) => {
                let lower = line.to_ascii_lowercase();
                if let Some(range) = lower.strip_prefix("range: bytes=") {
                    offset = range.trim_end_matches('-').parse().unwrap_or(0);
                }
            }
        }
    }
}
