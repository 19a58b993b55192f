//! Putting bytes into the vendor directory whose hash is not pinned yet: what the recorder downloads.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, pin_mut};

use super::error::{Error, Verb};
use super::part::{Part, make_parent};
use super::{Vendor, blocking, hash};
use crate::registry::upstream::{Download, Lookup, Upstream, host_of, pause};
use lock::{Algorithm, Sri};
use url::Url;

/// Age after which a file in `incoming/` belongs to a process that died. Far longer than any download may take.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// Tells the parts of one process apart.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A file that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its hash: sha512.
    pub integrity: Sri,
    /// Its size in bytes.
    pub size: u64,
    /// Where it lies.
    pub path: PathBuf,
}

impl Vendor {
    /// Stores bytes that are at hand.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub async fn put(&self, bytes: Bytes) -> Result<Stored, Error> {
        let limit = bytes.len() as u64;
        self.put_stream("bytes", futures_util::stream::iter([Ok(bytes)]), None, limit).await
    }

    /// Stores a stream of at most `limit` bytes under its sha512. Where a hash is `wanted` (from a registry's word), another one is an
    /// error and nothing is stored. `what` names it in errors.
    ///
    /// # Errors
    /// Where the stream fails, is too long or has the wrong hash, or the file cannot be written.
    pub async fn put_stream<S>(
        &self,
        what: &str,
        stream: S,
        wanted: Option<&Sri>,
        limit: u64,
    ) -> Result<Stored, Error>
    where
        S: Stream<Item = Result<Bytes, Error>> + Send,
    {
        let incoming = self.root.join("incoming");
        let path =
            incoming.join(format!("{}-{}.part", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
        let at = path.clone();
        let part = blocking(move || {
            make_parent(&at)?;
            sweep(&incoming);
            Part::open(&at, Algorithm::Sha512)?.ok_or(Error::Busy { path: at })?.reset()
        })
        .await?;
        let stored = self.receive(what, part, stream, wanted, limit).await;
        if stored.is_err() {
            // Nobody will ever go on with it.
            let _ = std::fs::remove_file(&path);
        }
        stored
    }

    async fn receive<S>(
        &self,
        what: &str,
        mut part: Part,
        stream: S,
        wanted: Option<&Sri>,
        limit: u64,
    ) -> Result<Stored, Error>
    where
        S: Stream<Item = Result<Bytes, Error>> + Send,
    {
        pin_mut!(stream);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            if part.length().saturating_add(chunk.len() as u64) > limit {
                return Err(Error::TooLarge { what: what.to_owned(), limit });
            }
            part = part.push(chunk).await?;
        }
        let size = part.length();
        let (part, integrity) = part.digest().await?;
        let whole = part.into_whole();
        if let Some(wanted) = wanted {
            let (at, algorithm) = (whole.path().to_owned(), wanted.algorithm());
            let got = match algorithm {
                Algorithm::Sha512 => integrity.clone(),
                _ => blocking(move || hash(&at, algorithm)).await?.0,
            };
            if got != *wanted {
                return Err(Error::WrongHash {
                    what: what.to_owned(),
                    host: String::new(),
                    wanted: wanted.clone(),
                    got,
                });
            }
        }
        let path = self.path_of(&integrity);
        if self.get(&integrity).is_some() {
            whole.discard();
        } else {
            whole.publish(path.clone()).await?;
        }
        Ok(Stored { integrity, size, path })
    }

    /// Downloads what has no pin, of exactly `size` bytes, with as many tries as any question has. What is shorter or longer is not kept.
    ///
    /// # Errors
    /// Where it cannot be had, has another size, or cannot be written.
    pub async fn put_whole(
        &self,
        upstream: &Upstream,
        what: &str,
        url: &Url,
        size: u64,
    ) -> Result<Stored, Error> {
        let mut failed = 0;
        loop {
            let error = match self.try_whole(upstream, what, url, size).await {
                Ok(stored) => return Ok(stored),
                Err(error) => error,
            };
            failed += 1;
            let may_pass = match &error {
                Error::Truncated { .. } => true,
                Error::Upstream { source, .. } => source.passing(),
                _ => false,
            };
            if !may_pass || failed >= upstream.tries() {
                return Err(error);
            }
            pause(failed).await;
        }
    }

    async fn try_whole(
        &self,
        upstream: &Upstream,
        what: &str,
        url: &Url,
        size: u64,
    ) -> Result<Stored, Error> {
        let failed = |source| Error::Upstream { what: what.to_owned(), source };
        let download = match upstream.download(url, 0).await.map_err(failed)? {
            Lookup::Found(download) => download,
            Lookup::Absent { status } => {
                return Err(Error::Absent { what: what.to_owned(), host: host_of(url), status });
            }
        };
        let host = download.host();
        let wrong = |got| Error::WrongSize { what: what.to_owned(), host: host.clone(), wanted: size, got };
        if let Some(got) = download.total().filter(|got| *got != size) {
            return Err(wrong(got));
        }
        // A body without an announced length ends early without a word.
        let whole = futures_util::stream::try_unfold((download, 0_u64), |(mut download, got)| async move {
            match download.next().await {
                Ok(Some(chunk)) => {
                    let got = got + chunk.len() as u64;
                    Ok(Some((chunk, (download, got))))
                }
                Ok(None) if got == size => Ok(None),
                _ => {
                    Err(Error::Truncated { what: what.to_owned(), host: download.host(), wanted: size, got })
                }
            }
        });
        self.put_stream(what, whole, None, size).await.map_err(|error| match error {
            Error::TooLarge { .. } => wrong(size.saturating_add(1)),
            other => other,
        })
    }

    /// Stores a download; see [`Self::put_stream`].
    ///
    /// # Errors
    /// As [`Self::put_stream`].
    pub async fn put_download(
        &self,
        what: &str,
        download: Download,
        wanted: Option<&Sri>,
        limit: u64,
    ) -> Result<Stored, Error> {
        let host = download.host();
        let chunks = futures_util::stream::try_unfold(download, |mut download| async move {
            let next =
                download.next().await.map_err(|source| Error::Upstream { what: String::new(), source })?;
            Ok(next.map(|chunk| (chunk, download)))
        });
        self.put_stream(what, chunks, wanted, limit).await.map_err(|error| match error {
            Error::Upstream { source, .. } => Error::Upstream { what: what.to_owned(), source },
            Error::WrongHash { what, wanted, got, .. } => Error::WrongHash { what, host, wanted, got },
            other => other,
        })
    }
}

/// Removes what died processes left. That it fails changes nothing but the space that is taken.
fn sweep(incoming: &std::path::Path) {
    let Ok(entries) = std::fs::read_dir(incoming) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|found| found.modified());
        let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if age.is_some_and(|age| age > STALE)
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::debug!(verb = %Verb::Remove, path = %entry.path().display(), %error, "incoming");
        }
    }
}
