//! Asking the registry that the user's npm configuration names: packuments, single versions, tarballs.
//!
//! Every request is bounded in time and size, repeated where that may help, and carries a credential only to the addresses that the
//! credential is for. Nothing here knows an address of its own.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use serde_json::Value;
use url::Url;

use super::npmrc::{Credential, Settings};
use super::packument::{Packument, Release};
use super::route::tarball_path;
use lock::{PackageId, PackageName};

mod body;
mod client;
mod document;
mod documents;
mod error;
mod send;
mod ways;

pub use client::Bounds;
pub(crate) use client::Clients;
pub use document::Document;
use documents::Documents;
pub use error::{Error, Fault};
pub(crate) use error::{PROXY_CREDENTIALS, host_and_port, host_of};
use send::Ask;
pub use send::Download;
pub(crate) use send::pause;
pub use ways::{Way, Ways};

/// Largest packument, in bytes after decompression. The largest ones of real packages are a tenth of it. It is reduced while it comes:
/// what is held of it is what a resolver needs.
pub const MAX_PACKUMENT: u64 = 256 * 1024 * 1024;
/// Largest single-version document, in bytes. Read-mes are in it.
pub const MAX_VERSION: u64 = 32 * 1024 * 1024;
/// Largest document of attestations, in bytes. npm's have some 15 kB for two.
pub const MAX_ATTESTATIONS: u64 = 1024 * 1024;
/// Largest tarball or other download, in bytes.
pub const MAX_DOWNLOAD: u64 = 1024 * 1024 * 1024;

/// How often a request is made, and how long is waited in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, at least one.
    pub tries: u32,
    /// Wait before the second try; each further one waits four times as long. Up to a half is added at random, so that parallel
    /// requests do not come back at the same instant.
    pub wait: Duration,
}

impl Default for Retry {
    /// Three tries, half a second: what a short fault of a registry lasts, and far less than npm's own minute.
    fn default() -> Self {
        Self { tries: 3, wait: Duration::from_millis(500) }
    }
}

/// A thing that is there, or the registry's word that it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T> {
    /// It is there.
    Found(T),
    /// The registry answered, with this status of the 4xx (404, 401, 403, …).
    Absent {
        /// The HTTP status.
        status: u16,
    },
}

impl<T> Lookup<T> {
    /// The thing, where it is there.
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Absent { .. } => None,
        }
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Found(found) => Lookup::Found(change(found)),
            Self::Absent { status } => Lookup::Absent { status },
        }
    }
}

/// The registries of a configuration, and a client that reaches them. Cheap to clone. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Upstream {
    default: Url,
    scopes: BTreeMap<String, Url>,
    credentials: Vec<Credential>,
    ways: Ways,
    /// For one request as a whole.
    total: Duration,
    /// Decompresses, for JSON.
    text: Clients,
    /// Never decompresses, for files.
    plain: Clients,
    retry: Retry,
    known: Known,
    /// What was answered before, where it is kept.
    documents: Option<Documents>,
    /// Credentials for APIs that are no registry's.
    api: Vec<Credential>,
    /// Where packages of a distribution come from, where somebody said so.
    mirror: Option<String>,
}

/// Versions that were answered in the life of the process: what a version is does not change while one command runs, and it is asked
/// for its pin, for its signature and for where it lies. Clones share it.
#[derive(Clone, Default)]
struct Known(Arc<Mutex<HashMap<PackageId, Release>>>);

impl Known {
    /// So many are kept; more are asked for again.
    const MOST: usize = 4096;

    fn get(&self, id: &PackageId) -> Option<Release> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn put(&self, id: PackageId, release: &Release) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < Self::MOST {
            known.insert(id, release.clone());
        }
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

impl Upstream {
    /// The registries that `settings` name.
    ///
    /// # Errors
    /// Where no registry is named, or a certificate or proxy cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        Self::bounded(settings, Bounds::default())
    }

    /// As [`Self::new`], with other time bounds.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn bounded(settings: &Settings, bounds: Bounds) -> Result<Self, Error> {
        let default = settings.registry.clone().ok_or(Error::NoRegistry)?;
        let client =
            |gzip: bool| Clients::of(settings, bounds, gzip).map_err(|source| Error::Client { source });
        Ok(Self {
            default,
            scopes: settings.scopes.clone(),
            credentials: settings.credentials.clone(),
            ways: Ways::of(settings),
            total: bounds.total,
            text: client(true)?,
            plain: client(false)?,
            retry: Retry::default(),
            known: Known::default(),
            documents: None,
            api: Vec::new(),
            mirror: None,
        })
    }

    /// The same with other retries.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The same with a mirror or directory of a distribution's packages. It is carried along for whoever fetches them; nothing here
    /// asks it.
    #[must_use]
    pub fn with_mirror(mut self, mirror: Option<String>) -> Self {
        self.mirror = mirror;
        self
    }

    /// That mirror or directory, as it was given.
    #[must_use]
    pub fn mirror(&self) -> Option<&str> {
        self.mirror.as_deref()
    }

    /// The same with a directory where documents are kept with the marks that their servers gave them, so that what has not changed is
    /// not sent again.
    #[must_use]
    pub fn with_documents(mut self, directory: impl Into<PathBuf>) -> Self {
        self.documents = Some(Documents::at(directory.into()));
        self
    }

    /// The same with credentials for [`Self::ask_api`], each for the https addresses below its prefix only.
    #[must_use]
    pub fn with_api_credentials(mut self, credentials: Vec<Credential>) -> Self {
        self.api = credentials;
        self
    }

    /// Whether the API at an address is told who asks.
    #[must_use]
    pub fn knows_api(&self, url: &Url) -> bool {
        super::npmrc::nearest(&self.api, url, |credential| &credential.prefix).is_some()
    }

    /// Tries in all.
    pub(crate) fn tries(&self) -> u32 {
        self.retry.tries
    }

    /// The registry of a package: its scope's, or the default one.
    #[must_use]
    pub fn registry(&self, name: &PackageName) -> &Url {
        name.scope().and_then(|scope| self.scopes.get(scope)).unwrap_or(&self.default)
    }

    /// The host of the registry that has what no scope's has, with its port where one is named.
    #[must_use]
    pub fn default_host(&self) -> String {
        host_of(&self.default)
    }

    /// The registry host of a package, with its port where one is named.
    #[must_use]
    pub fn host(&self, name: &PackageName) -> String {
        host_of(self.registry(name))
    }

    /// Where a package's document is.
    #[must_use]
    pub fn address(&self, name: &PackageName) -> Url {
        self.document(name, None)
    }

    /// The status of the first answer to one question about an address, whatever it is; the body is not read, and no redirect
    /// followed.
    ///
    /// # Errors
    /// Where there is no answer, or a proxy's own.
    pub async fn status(&self, url: &Url) -> Result<u16, Error> {
        self.first_status(&Ask::file(url, 0)).await
    }

    /// Every registry host (with its port, where one is named), for messages and for lists of what may be contacted.
    pub fn hosts(&self) -> impl Iterator<Item = String> {
        let urls = std::iter::once(&self.default).chain(self.scopes.values());
        urls.map(host_of).collect::<std::collections::BTreeSet<_>>().into_iter()
    }

    /// Everything about a package. Asks for the full document: the abbreviated one lacks `license` and `funding`, which npm writes
    /// into lock files.
    ///
    /// # Errors
    /// Where the registry cannot be reached, fails, or answers what is no packument.
    pub async fn packument(&self, name: &PackageName) -> Result<Lookup<Packument>, Error> {
        let url = self.document(name, None);
        let ask = Ask::json(&url, MAX_PACKUMENT);
        let wanted = name.clone();
        let parse = move |text: &mut dyn Read| Packument::parse(&wanted, text);
        self.ask_json(&ask, parse).await
    }

    /// One version, by exact version or tag. Falls back to the packument where the registry does not answer such questions.
    ///
    /// # Errors
    /// As [`Self::packument`].
    pub async fn version(&self, name: &PackageName, version_or_tag: &str) -> Result<Lookup<Release>, Error> {
        match self.exact(name, version_or_tag).await? {
            Lookup::Found(Some(release)) => return Ok(Lookup::Found(release)),
            Lookup::Absent { status } if status != 404 && status != 405 => {
                return Ok(Lookup::Absent { status });
            }
            _ => {}
        }
        let picked = self.packument(name).await?.map(|packument| packument.pick(version_or_tag).cloned());
        Ok(match picked {
            Lookup::Found(Some(release)) => Lookup::Found(release),
            Lookup::Found(None) => Lookup::Absent { status: 404 },
            Lookup::Absent { status } => Lookup::Absent { status },
        })
    }

    /// One version, by exact version or tag, where the registry answers such questions; `Found(None)` where it answers something else.
    ///
    /// # Errors
    /// As [`Self::packument`].
    pub async fn exact(
        &self,
        name: &PackageName,
        version_or_tag: &str,
    ) -> Result<Lookup<Option<Release>>, Error> {
        let asked = version_or_tag.parse().ok().map(|version| name.at(version));
        if let Some(known) = asked.as_ref().and_then(|id| self.known.get(id)) {
            return Ok(Lookup::Found(Some(known)));
        }
        let url = self.document(name, Some(version_or_tag));
        let parse = |text: &mut dyn Read| {
            serde_json::from_reader::<_, Value>(text).map(|document| Release::parse(&document))
        };
        let answer = self.ask_json(&Ask::json(&url, MAX_VERSION), parse).await?;
        if let (Some(id), Lookup::Found(Some(release))) = (asked, &answer) {
            self.known.put(id, release);
        }
        Ok(answer)
    }

    /// What the registry of a package has at `url`, where it says that attestations are. Only the registry itself is asked: what another
    /// host has, by name or by redirect, is absent.
    ///
    /// # Errors
    /// Where the registry cannot be reached, fails, or answers what is no JSON.
    pub async fn attestations(&self, name: &PackageName, url: &Url) -> Result<Lookup<Value>, Error> {
        if url.origin() != self.registry(name).origin() {
            return Ok(Lookup::Absent { status: 404 });
        }
        let ask = Ask { stays: true, ..Ask::json(url, MAX_ATTESTATIONS) };
        match self.ask_json(&ask, |text: &mut dyn Read| serde_json::from_reader(text)).await {
            Err(Error::Redirect { .. }) => Ok(Lookup::Absent { status: 404 }),
            answer => answer,
        }
    }

    /// Starts the download of a package's tarball at byte `offset`: from the registry's conventional address, else from where the
    /// registry says that it is. `release` saves the question where it was asked already.
    ///
    /// # Errors
    /// Where the registry cannot be reached or fails. The body's own errors come from the [`Download`].
    pub async fn tarball(
        &self,
        id: &PackageId,
        release: Option<&Release>,
        offset: u64,
    ) -> Result<Lookup<Download>, Error> {
        let first = self.nearest(id, release);
        let answer = self.download(&first, offset).await?;
        if matches!(&answer, Lookup::Found(download) if !download.is_page()) {
            return Ok(answer);
        }
        match self.other(id, release, &first).await? {
            Some(url) => self.download(&url, offset).await,
            None => Ok(answer),
        }
    }

    /// The size in bytes of a package's tarball, where the server says it; asked where [`Self::tarball`] would fetch it, so that a
    /// mirror's documents that name another host lead to no question there.
    ///
    /// # Errors
    /// Where the registry cannot be reached or fails.
    pub async fn tarball_size(
        &self,
        id: &PackageId,
        release: Option<&Release>,
    ) -> Result<Lookup<Option<u64>>, Error> {
        let first = self.nearest(id, release);
        let answer = self.head(&first).await?;
        if matches!(answer, Lookup::Found(Head { is_page: false, .. })) {
            return Ok(answer.map(|head| head.size));
        }
        match self.other(id, release, &first).await? {
            Some(url) => self.head_size(&url).await,
            None => Ok(answer.map(|head| head.size)),
        }
    }

    /// Where a tarball is looked for first. A mirror's documents may still name the host that it mirrors; the mirror is asked first.
    fn nearest(&self, id: &PackageId, release: Option<&Release>) -> Url {
        let registry = self.registry(&id.name);
        let stated = release.and_then(|release| release.tarball.as_ref());
        match stated.filter(|url| same_host(url, registry)) {
            Some(url) => url.clone(),
            None => join(registry, &tarball_path(&id.name, &id.version)),
        }
    }

    /// Where the registry says that a package's tarball is, where that is not where it is looked for first.
    ///
    /// # Errors
    /// Where the registry cannot be reached or fails.
    pub async fn stated(&self, id: &PackageId, release: Option<&Release>) -> Result<Option<Url>, Error> {
        self.other(id, release, &self.nearest(id, release)).await
    }

    /// Where else a tarball may be.
    async fn other(
        &self,
        id: &PackageId,
        release: Option<&Release>,
        first: &Url,
    ) -> Result<Option<Url>, Error> {
        let stated = match release {
            Some(release) => release.tarball.clone(),
            None => self
                .version(&id.name, &id.version.to_string())
                .await?
                .found()
                .and_then(|release| release.tarball),
        };
        Ok(stated.filter(|url| url != first))
    }

    /// Starts the download of any address at byte `offset`. The server may ignore the offset: see [`Download::offset`].
    ///
    /// # Errors
    /// Where the host cannot be reached or fails.
    pub async fn download(&self, url: &Url, offset: u64) -> Result<Lookup<Download>, Error> {
        self.ask_retrying(&Ask::file(url, offset))
            .await
            .map(|answer| answer.map(|response| Download::new(url, &self.ways.to(url), response)))
    }

    /// The size in bytes of what an address holds, where the server says it.
    ///
    /// # Errors
    /// Where the host cannot be reached or fails.
    pub async fn head_size(&self, url: &Url) -> Result<Lookup<Option<u64>>, Error> {
        Ok(self.head(url).await?.map(|head| head.size))
    }

    async fn head(&self, url: &Url) -> Result<Lookup<Head>, Error> {
        let ask = Ask { method: Method::HEAD, ..Ask::file(url, 0) };
        match self.ask_retrying(&ask).await? {
            Lookup::Found(response) => {
                let length = response.headers().get(hyper::header::CONTENT_LENGTH);
                let size = length.and_then(|length| length.to_str().ok()?.parse().ok());
                Ok(Lookup::Found(Head { size, is_page: send::is_page(response.headers()) }))
            }
            // Some servers know no HEAD: the head of a GET tells the same, and its body is never read.
            Lookup::Absent { status: 403..=405 } => Ok(self
                .download(url, 0)
                .await?
                .map(|download| Head { size: download.total(), is_page: download.is_page() })),
            Lookup::Absent { status } => Ok(Lookup::Absent { status }),
        }
    }

    fn document(&self, name: &PackageName, version_or_tag: Option<&str>) -> Url {
        let mut url = self.registry(name).clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(name.as_str());
            segments.extend(version_or_tag);
        }
        url
    }
}

/// What the head of an answer says.
struct Head {
    size: Option<u64>,
    is_page: bool,
}

fn same_host(one: &Url, other: &Url) -> bool {
    one.host_str() == other.host_str() && one.port_or_known_default() == other.port_or_known_default()
}

fn join(registry: &Url, path: &str) -> Url {
    let mut url = registry.clone();
    url.set_path(&format!("{}{path}", registry.path()));
    url
}
