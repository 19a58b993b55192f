//! Documents that were answered before, each with the mark (`ETag`) that its server gave it, so that a server need not send again what
//! has not changed. Nothing of it is believed without asking: whoever has a document shows its mark, and the server says whether it holds.
//!
//! Bounded, and safe to delete at any time; a file that is damaged counts as not there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use hyper::header::HeaderValue;
use lock::{Algorithm, Sri};
use url::Url;

/// Largest document that is kept, in bytes: a package with thousands of versions.
pub(super) const MAX_DOCUMENT: usize = 8 * 1024 * 1024;
/// All documents together, in bytes. The oldest go first.
const MAX_ALL: u64 = 64 * 1024 * 1024;
/// Longest mark that is kept, in bytes. GitHub's have 69, npm's 34.
const MAX_MARK: usize = 256;

/// Tells the files of one process apart.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The documents below a directory.
#[derive(Debug, Clone)]
pub(super) struct Documents {
    root: PathBuf,
}

/// A document from before.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Its mark.
    pub(super) mark: HeaderValue,
    /// The document.
    pub(super) body: Bytes,
}

impl Documents {
    pub(super) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// What was answered to the same question before.
    pub(super) async fn find(&self, url: &Url, accept: &str) -> Option<Known> {
        let path = self.path(url, accept);
        tokio::task::spawn_blocking(move || read(&path)).await.ok().flatten()
    }

    /// Keeps an answer. That it cannot be kept costs a longer answer next time.
    pub(super) async fn keep(&self, url: &Url, accept: &str, known: Known) {
        let (root, path) = (self.root.clone(), self.path(url, accept));
        let kept = tokio::task::spawn_blocking(move || write(&root, &path, &known)).await;
        if let Ok(Err(error)) = kept {
            tracing::debug!(%error, root = %self.root.display(), "keep a document");
        }
    }

    /// Forgets what turned out to be of no use.
    pub(super) fn forget(&self, url: &Url, accept: &str) {
        // Where it stays, it is of no use again.
        let _ = fs::remove_file(self.path(url, accept));
    }

    /// Who asks is no part of the name: each answer is asked for again, with that user's own rights.
    fn path(&self, url: &Url, accept: &str) -> PathBuf {
        self.root.join(Sri::of(Algorithm::Sha256, format!("{accept} {url}").as_bytes()).hex())
    }
}

/// A file is the mark, the body's hash, and the body, a line each.
fn read(path: &Path) -> Option<Known> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take((MAX_DOCUMENT + MAX_MARK + 128) as u64).read_to_end(&mut bytes).ok()?;
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let mark = HeaderValue::from_bytes(parts.next()?).ok()?;
    let wanted = parts.next()?;
    let body = parts.next()?;
    let is_whole = Sri::of(Algorithm::Sha256, body).to_string().as_bytes() == wanted;
    is_whole.then(|| Known { mark, body: Bytes::copy_from_slice(body) })
}

fn write(root: &Path, path: &Path, known: &Known) -> io::Result<()> {
    if known.mark.len() > MAX_MARK || known.body.len() > MAX_DOCUMENT {
        return Ok(());
    }
    fs::create_dir_all(root)?;
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let aside = root.join(format!("{}-{number}.part", std::process::id()));
    // It may be a private registry's.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    let hash = Sri::of(Algorithm::Sha256, &known.body).to_string();
    let parts: [&[u8]; 5] = [known.mark.as_bytes(), b"\n", hash.as_bytes(), b"\n", &known.body];
    let written =
        parts.iter().try_for_each(|part| file.write_all(part)).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // The next sweep removes it where this does not.
        let _ = fs::remove_file(&aside);
    }
    written.and_then(|()| sweep(root))
}

/// Removes the oldest files beyond the bound.
fn sweep(root: &Path) -> io::Result<()> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if let Ok(found) = entry.metadata()
            && found.is_file()
        {
            files.push((found.modified()?, found.len(), entry.path()));
        }
    }
    let mut all: u64 = files.iter().map(|(_, size, _)| size).sum();
    files.sort_unstable();
    for (_, size, path) in files {
        if all <= MAX_ALL {
            break;
        }
        fs::remove_file(path)?;
        all -= size;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(mark: &'static str, body: Vec<u8>) -> Known {
        Known { mark: HeaderValue::from_static(mark), body: body.into() }
    }

    #[tokio::test]
    async fn what_is_kept_is_found_unless_it_is_damaged() {
        let place = tempfile::tempdir().unwrap();
        let documents = Documents::at(place.path().join("documents"));
        let url: Url = "https://a.example/x".parse().unwrap();
        assert!(documents.find(&url, "a/b").await.is_none());
        documents.keep(&url, "a/b", known("W/\"1\"", b"line\nline\n".to_vec())).await;
        let found = documents.find(&url, "a/b").await.unwrap();
        assert_eq!((found.mark.as_bytes(), &found.body[..]), (&b"W/\"1\""[..], &b"line\nline\n"[..]));
        assert!(documents.find(&url, "other/form").await.is_none());
        let path = documents.path(&url, "a/b");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(documents.find(&url, "a/b").await.is_none());
    }

    #[tokio::test]
    async fn all_of_it_stays_within_the_bound() {
        let place = tempfile::tempdir().unwrap();
        let documents = Documents::at(place.path().to_path_buf());
        for number in 0..10 {
            let url: Url = format!("https://a.example/{number}").parse().unwrap();
            documents.keep(&url, "a/b", known("\"x\"", vec![0; MAX_DOCUMENT - 1024])).await;
        }
        let sizes = fs::read_dir(place.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
        assert!(sizes.sum::<u64>() <= MAX_ALL);
        let last: Url = "https://a.example/9".parse().unwrap();
        assert!(documents.find(&last, "a/b").await.is_some());
        let too_large = known("\"x\"", vec![0; MAX_DOCUMENT + 1]);
        documents.keep(&last, "c/d", too_large).await;
        assert!(documents.find(&last, "c/d").await.is_none());
    }
}
