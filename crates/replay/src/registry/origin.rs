//! The upstream registry with a memory: each packument and tarball is asked for once in the life of the process, however many
//! exercises want it and however many at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::packument::Packument;
use super::upstream::{self, Lookup, MAX_DOWNLOAD, Upstream};
use crate::vendor::{self, Stored, Vendor};
use lock::{PackageId, PackageName};

/// Upstream, vendor directory and what was learned so far. Clones share it.
#[derive(Debug, Clone)]
pub struct Origin(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    upstream: Upstream,
    vendor: Vendor,
    packuments: Once<PackageName, Lookup<Arc<Packument>>>,
    tarballs: Once<PackageId, Lookup<Stored>>,
}

impl Origin {
    /// An origin that has learned nothing yet; tarballs go into `vendor`.
    #[must_use]
    pub fn new(upstream: Upstream, vendor: Vendor) -> Self {
        Self(Arc::new(Inner { upstream, vendor, packuments: Once::default(), tarballs: Once::default() }))
    }

    /// The upstream.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.0.upstream
    }

    /// The vendor directory.
    #[must_use]
    pub fn vendor(&self) -> &Vendor {
        &self.0.vendor
    }

    /// Everything about a package; asked upstream the first time only. A failure is not remembered.
    ///
    /// # Errors
    /// As [`Upstream::packument`].
    pub async fn packument(&self, name: &PackageName) -> Result<Lookup<Arc<Packument>>, upstream::Error> {
        let ask = async || Ok(self.0.upstream.packument(name).await?.map(Arc::new));
        self.0.packuments.get(name, ask).await
    }

    /// A package's tarball, checked against the hash that the packument states; downloaded the first time only.
    ///
    /// # Errors
    /// Where packument or tarball cannot be had, or the hash is wrong.
    pub async fn tarball(&self, id: &PackageId) -> Result<Lookup<Stored>, vendor::Error> {
        self.0.tarballs.get(id, async || self.download(id).await).await
    }

    async fn download(&self, id: &PackageId) -> Result<Lookup<Stored>, vendor::Error> {
        let (upstream, vendor) = (&self.0.upstream, &self.0.vendor);
        let what = id.to_string();
        let failed = |source| vendor::Error::Upstream { what: what.clone(), source };
        let packument = match self.packument(&id.name).await.map_err(failed)? {
            Lookup::Found(packument) => packument,
            Lookup::Absent { status } => return Ok(Lookup::Absent { status }),
        };
        let Some(release) = packument.versions.get(&id.version) else {
            return Ok(Lookup::Absent { status: 404 });
        };
        let wanted = release.integrity.as_ref();
        if let Some((integrity, path)) = wanted.and_then(|wanted| Some((wanted, vendor.get(wanted)?)))
            && let Ok(size) = vendor.verify(integrity).await
        {
            return Ok(Lookup::Found(Stored { integrity: integrity.clone(), size, path }));
        }
        let mut tries = upstream.tries();
        // Where a mirror answers something else in its place, the address that it states.
        let mut stated = None;
        loop {
            let answer = match &stated {
                None => upstream.tarball(id, Some(release), 0).await,
                Some(url) => upstream.download(url, 0).await,
            };
            let download = match answer.map_err(failed)? {
                Lookup::Found(download) => download,
                Lookup::Absent { status } => return Ok(Lookup::Absent { status }),
            };
            tries = tries.saturating_sub(1);
            match vendor.put_download(&what, download, wanted, MAX_DOWNLOAD).await {
                Err(vendor::Error::Upstream { source, .. }) if source.passing() && tries > 0 => {}
                Err(error @ vendor::Error::WrongHash { .. }) if stated.is_none() => {
                    stated = upstream.stated(id, Some(release)).await.ok().flatten();
                    if stated.is_none() {
                        return Err(error);
                    }
                }
                done => return done.map(Lookup::Found),
            }
        }
    }
}

/// Answers by question; the same question asked at once is asked once. Failures are not kept.
#[derive(Debug)]
struct Once<K, V>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

impl<K, V> Default for Once<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Once<K, V> {
    async fn get<E>(&self, key: &K, ask: impl AsyncFnOnce() -> Result<V, E>) -> Result<V, E> {
        let cell =
            Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default());
        cell.get_or_try_init(|| ask()).await.cloned()
    }
}
