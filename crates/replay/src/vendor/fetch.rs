//! Downloading what is pinned: resumed where it broke off, hashed while it streams, never longer than its pinned size.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use url::Url;

use super::error::Error;
use super::part::{Part, make_parent};
use super::{Vendor, blocking};
use crate::registry::upstream::{Download, Lookup, Upstream};
use lock::{PackageId, Sri};

/// Times that one file's download is taken up again after it broke off.
const MAX_RESUMES: u32 = 4;
/// How often a file that another process is downloading is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How long another process's download is waited for: as long as one may take, and a bit.
const MAX_WAIT: Duration = Duration::from_secs(660);

/// Where a pinned file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An npm package's tarball, from whatever registry the configuration names.
    Package(PackageId),
    /// An address.
    Url(Url),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(id) => id.fmt(f),
            // Without query, which may hold a signature.
            Self::Url(url) => write!(f, "{}{}", url.host_str().unwrap_or_default(), url.path()),
        }
    }
}

/// What a file must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned<'a> {
    /// Its hash.
    pub integrity: &'a Sri,
    /// Its size in bytes.
    pub size: u64,
}

impl Vendor {
    /// The file of a pin, downloaded where it is not there yet. `progress` is told the bytes of each chunk that arrived.
    ///
    /// A download that broke off is taken up where it stopped, also by a later process. Several processes may fetch the same file at
    /// once: one downloads, the others wait for it.
    ///
    /// # Errors
    /// Where it cannot be downloaded or written, or is not what is pinned.
    pub async fn fetch(
        &self,
        upstream: &Upstream,
        source: &Source,
        pinned: Pinned<'_>,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<PathBuf, Error> {
        let part = match self.claim(pinned.integrity).await? {
            Claim::Done(path) => return Ok(path),
            Claim::Mine(part) => part,
        };
        let mut fetch = Fetch { upstream, source, stated: None, pinned, progress };
        // The part of an earlier run may be what is wrong.
        let mut resumed = part.length() > 0;
        let mut part = part;
        loop {
            let (left, error, is_wrong) = match fetch.complete(part).await? {
                Outcome::Right(whole) => return whole.publish(self.path_of(pinned.integrity)).await,
                Outcome::Wrong(left, error) => (left, error, true),
                Outcome::Short(left, error) => (left, error, false),
            };
            let again = is_wrong && std::mem::take(&mut resumed);
            if !again && !fetch.go_elsewhere().await {
                if is_wrong {
                    left.discard();
                }
                return Err(error);
            }
            part = left.reset()?;
        }
    }

    /// The finished file, or the right to make it.
    async fn claim(&self, integrity: &Sri) -> Result<Claim, Error> {
        let since = Instant::now();
        let path = self.path_of(integrity).with_extension("part");
        while since.elapsed() < MAX_WAIT {
            if let Some(done) = self.get(integrity) {
                return Ok(Claim::Done(done));
            }
            let (at, algorithm) = (path.clone(), integrity.algorithm());
            let opened = blocking(move || {
                make_parent(&at)?;
                Part::open(&at, algorithm)
            });
            match opened.await? {
                // Somebody may have finished it while we waited for the lock.
                Some(part) => match self.get(integrity) {
                    Some(done) => {
                        part.discard();
                        return Ok(Claim::Done(done));
                    }
                    None => return Ok(Claim::Mine(part)),
                },
                None => tokio::time::sleep(POLL).await,
            }
        }
        Err(Error::Busy { path })
    }
}

enum Claim {
    Done(PathBuf),
    Mine(Part),
}

enum Outcome {
    Right(super::part::Whole),
    /// Something else than is pinned.
    Wrong(Part, Error),
    /// Less than is pinned, which may be its beginning.
    Short(Part, Error),
}

struct Fetch<'a> {
    upstream: &'a Upstream,
    source: &'a Source,
    /// Where the registry says that a package is, once it was found to be something else where it should be.
    stated: Option<Url>,
    pinned: Pinned<'a>,
    progress: &'a (dyn Fn(u64) + Send + Sync),
}

impl Fetch<'_> {
    /// Goes on with the address that a registry states for a package; whether there is one that was not tried.
    async fn go_elsewhere(&mut self) -> bool {
        if let (Source::Package(id), None) = (self.source, &self.stated) {
            self.stated = self.upstream.stated(id, None).await.ok().flatten();
            return self.stated.is_some();
        }
        false
    }

    /// Downloads what is missing of `part`.
    async fn complete(&self, mut part: Part) -> Result<Outcome, Error> {
        let size = self.pinned.size;
        if part.length() > size {
            part = part.reset()?;
        }
        let mut host = self.host();
        let mut resumes = 0;
        while part.length() < size || size == 0 && resumes == 0 {
            let download = match self.start(part.length()).await? {
                Lookup::Found(download) => download,
                // The part is longer than what the server has: it is of something else.
                Lookup::Absent { status: 416 } if part.length() > 0 => {
                    part = part.reset()?;
                    continue;
                }
                Lookup::Absent { status } => return Err(Error::Absent { what: self.what(), host, status }),
            };
            host = download.host();
            if let Some(got) = download.total().filter(|total| *total != size) {
                let error = Error::WrongSize { what: self.what(), host, wanted: size, got };
                return Ok(Outcome::Wrong(part, error));
            }
            if download.offset() != part.length() {
                part = part.reset()?;
                if download.offset() != 0 {
                    resumes += 1;
                    continue;
                }
            }
            let (received, ended) = self.receive(part, download).await?;
            part = received.flush().await?;
            match ended {
                Ended::TooLong(got) => {
                    let error = Error::WrongSize { what: self.what(), host, wanted: size, got };
                    return Ok(Outcome::Wrong(part, error));
                }
                _ if part.length() == size => break,
                _ if resumes < MAX_RESUMES => resumes += 1,
                Ended::Broken(source) => return Err(Error::Upstream { what: self.what(), source }),
                Ended::Short => {
                    let got = part.length();
                    let error = Error::Truncated { what: self.what(), host, wanted: size, got };
                    return Ok(Outcome::Short(part, error));
                }
            }
        }
        self.check(part, host).await
    }

    async fn check(&self, part: Part, host: String) -> Result<Outcome, Error> {
        let wanted = self.pinned.integrity;
        let (part, got) = part.digest().await?;
        if got == *wanted {
            return Ok(Outcome::Right(part.into_whole()));
        }
        let error = Error::WrongHash { what: self.what(), host, wanted: wanted.clone(), got };
        Ok(Outcome::Wrong(part, error))
    }

    async fn start(&self, offset: u64) -> Result<Lookup<Download>, Error> {
        let started = match (self.source, &self.stated) {
            (_, Some(url)) => self.upstream.download(url, offset).await,
            (Source::Package(id), None) => self.upstream.tarball(id, None, offset).await,
            (Source::Url(url), None) => self.upstream.download(url, offset).await,
        };
        started.map_err(|source| Error::Upstream { what: self.what(), source })
    }

    async fn receive(&self, mut part: Part, mut download: Download) -> Result<(Part, Ended), Error> {
        loop {
            match download.next().await {
                Ok(Some(chunk)) => {
                    let length = chunk.len() as u64;
                    let got = part.length().saturating_add(length);
                    if got > self.pinned.size {
                        return Ok((part, Ended::TooLong(got)));
                    }
                    part = part.push(chunk).await?;
                    (self.progress)(length);
                }
                Ok(None) => return Ok((part, Ended::Short)),
                Err(error) => return Ok((part, Ended::Broken(error))),
            }
        }
    }

    fn what(&self) -> String {
        self.source.to_string()
    }

    fn host(&self) -> String {
        match self.source {
            Source::Package(id) => crate::registry::upstream::host_of(self.upstream.registry(&id.name)),
            Source::Url(url) => crate::registry::upstream::host_of(url),
        }
    }
}

/// How a download's body ended.
enum Ended {
    /// As it should, or early.
    Short,
    /// Cut off by us, at this size in bytes.
    TooLong(u64),
    /// By the network.
    Broken(crate::registry::upstream::Error),
}
