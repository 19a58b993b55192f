//! A registry that asks the upstream one and remembers what was asked: the recording side of the npm protocol.
//!
//! Clients see the same documents that a replay will show them later, reduced alike, with tarballs at our own address. A tarball is
//! given to the client when it is whole and its hash is checked, never before.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tokio::sync::watch;

use super::asked::Asked;
use super::base_path::BasePath;
use super::origin::Origin;
use super::packument::{Packument, Release};
use super::render::{self, Shown};
use super::replay::Question;
use super::route::{Route, split_base};
use super::sight::{Hidden, Sight};
use super::upstream::Lookup;
use crate::answer;
use crate::serve::{Body, Server, Service};
use crate::vendor::{self, Stored};
use lock::{PackageId, PackageName, Sri, Version};

/// Failures and unknown questions that are kept, of each; the first ones say what is wrong.
const MAX_NOTES: usize = 4096;
/// Longest audit request that is read to its end, in bytes.
const MAX_AUDIT: usize = 16 * 1024 * 1024;

/// What each exercise may see less than upstream has, by its base path.
pub type Bases = BTreeMap<BasePath, Sight>;

/// What upstream said about a package.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// What of it the exercise was shown.
    Found(Arc<Packument>),
    /// It answered with this status of the 4xx. 404 is part of the truth; 401 and 403 mean that credentials are missing or wrong.
    Absent {
        /// The HTTP status.
        status: u16,
    },
}

/// A tarball that was fetched; its bytes are in the vendor directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedTarball {
    /// Its hash.
    pub integrity: Sri,
    /// Its size in bytes.
    pub size: u64,
}

impl From<&Stored> for RecordedTarball {
    fn from(stored: &Stored) -> Self {
        Self { integrity: stored.integrity.clone(), size: stored.size }
    }
}

/// What was asked below one base path.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BaseRecord {
    /// Packages asked for, and the answer.
    pub packuments: BTreeMap<PackageName, Answer>,
    /// Tarballs fetched.
    pub tarballs: BTreeMap<PackageId, RecordedTarball>,
    /// Packages that upstream has and of which the exercise could be shown nothing. Not empty = the recording is not usable.
    pub hidden: BTreeMap<PackageName, Hidden>,
    /// Packages whose publish times cannot all be right, where they decided what was shown: a version, and an earlier one that was
    /// published later.
    pub unordered: BTreeMap<PackageName, (Version, Version)>,
}

/// A question that the outside world did not answer, or answered wrongly.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Whose question.
    pub base: BasePath,
    /// The package.
    pub package: PackageName,
    /// The version, where it was about a tarball.
    pub version: Option<Version>,
    /// What happened; it knows the host, a code and a hint.
    pub error: Arc<vendor::Error>,
}

/// What happened at a [`RecordRegistry`].
#[derive(Debug, Clone, Default)]
pub struct RecordFacts {
    /// Per base path what was asked; every base path that was given has an entry.
    pub bases: BTreeMap<BasePath, BaseRecord>,
    /// What the outside world failed to answer. Not empty = the recording is not usable.
    pub failures: Vec<Failure>,
    /// Questions that are none of a registry's that we know, each once; they were answered 404.
    pub unknown: Vec<Question>,
}

/// A running recording registry. Dropping it stops it.
#[derive(Debug)]
pub struct RecordRegistry {
    server: Server,
    recorder: Arc<Recorder>,
}

impl RecordRegistry {
    /// Serves `bases` at `http://<listener>/<base>/` from `origin`. Must be called inside a tokio runtime; the listener must be bound
    /// and listening.
    ///
    /// # Errors
    /// Where the listener cannot be used.
    pub fn serve(listener: TcpListener, origin: Origin, bases: Bases) -> io::Result<Self> {
        let authority = listener.local_addr()?.to_string();
        let facts = RecordFacts {
            bases: bases.keys().map(|base| (base.clone(), BaseRecord::default())).collect(),
            ..RecordFacts::default()
        };
        let bases =
            bases.into_iter().map(|(path, sight)| (path.as_str().to_owned(), Base { path, sight })).collect();
        let (failed, _) = watch::channel(false);
        let recorder = Arc::new(Recorder { authority, origin, bases, facts: Mutex::new(facts), failed });
        let server = Server::start(listener, Arc::clone(&recorder))?;
        Ok(Self { server, recorder })
    }

    /// The address that it serves at.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The registry URL of a base path, with its trailing slash, as `npm_config_registry` wants it.
    #[must_use]
    pub fn url(&self, base: &BasePath) -> String {
        format!("http://{}/{base}/", self.server.address())
    }

    /// How long nothing was asked; zero while an answer is under way.
    #[must_use]
    pub fn quiet(&self) -> Duration {
        self.server.quiet()
    }

    /// Ends when the outside world failed for the first time: the recording is lost, and the client would only try again.
    pub async fn failed(&self) {
        let mut failed = self.recorder.failed.subscribe();
        // The sender lives as long as we do.
        let _ = failed.wait_for(|failed| *failed).await;
    }

    /// What happened so far.
    #[must_use]
    pub fn facts(&self) -> RecordFacts {
        self.recorder.facts().clone()
    }

    /// Stops, and says what happened.
    pub async fn shutdown(self) -> RecordFacts {
        self.server.shutdown().await;
        std::mem::take(&mut *self.recorder.facts())
    }
}

#[derive(Debug)]
struct Recorder {
    authority: String,
    origin: Origin,
    bases: HashMap<String, Base>,
    facts: Mutex<RecordFacts>,
    failed: watch::Sender<bool>,
}

#[derive(Debug)]
struct Base {
    path: BasePath,
    sight: Sight,
}

impl Recorder {
    fn facts(&self) -> MutexGuard<'_, RecordFacts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, base: &Base, change: impl FnOnce(&mut BaseRecord)) {
        if let Some(record) = self.facts().bases.get_mut(&base.path) {
            change(record);
        }
    }

    fn unknown(&self, question: Question) -> Response<Body> {
        let mut facts = self.facts();
        if facts.unknown.len() < MAX_NOTES && !facts.unknown.contains(&question) {
            facts.unknown.push(question);
        }
        answer::not_found()
    }

    fn failure(
        &self,
        base: &Base,
        package: &PackageName,
        version: Option<&Version>,
        error: vendor::Error,
    ) -> Response<Body> {
        let response = answer::error(StatusCode::BAD_GATEWAY, &error.to_string());
        tracing::debug!(%error, "recording failed");
        let failure = Failure {
            base: base.path.clone(),
            package: package.clone(),
            version: version.cloned(),
            error: Arc::new(error),
        };
        let mut facts = self.facts();
        if facts.failures.len() < MAX_NOTES {
            facts.failures.push(failure);
        }
        drop(facts);
        self.failed.send_replace(true);
        response
    }

    /// What of a packument may be seen, noted; or that nothing may.
    fn show(
        &self,
        base: &Base,
        name: &PackageName,
        packument: &Arc<Packument>,
    ) -> Result<Arc<Packument>, Response<Body>> {
        match base.sight.of(packument) {
            Ok(seen) => {
                let answer = Answer::Found(Arc::clone(&seen.packument));
                self.note(base, |record| {
                    record.packuments.insert(name.clone(), answer);
                    record.unordered.extend(seen.unordered.map(|wrong| (name.clone(), wrong)));
                });
                Ok(seen.packument)
            }
            Err(hidden) => {
                self.note(base, |record| {
                    record.hidden.insert(name.clone(), hidden);
                });
                self.failed.send_replace(true);
                Err(answer::not_found())
            }
        }
    }

    /// The packument, noted; or the answer that says why there is none.
    async fn look_up(&self, base: &Base, name: &PackageName) -> Result<Arc<Packument>, Response<Body>> {
        match self.origin.packument(name).await {
            Ok(Lookup::Found(packument)) => self.show(base, name, &packument),
            Ok(Lookup::Absent { status }) => {
                self.note(base, |record| {
                    record.packuments.insert(name.clone(), Answer::Absent { status });
                });
                Err(refusal(status))
            }
            Err(source) => {
                let error = vendor::Error::Upstream { what: name.to_string(), source };
                Err(self.failure(base, name, None, error))
            }
        }
    }

    async fn packument(
        &self,
        base: &Base,
        name: &PackageName,
        asked: &Asked,
    ) -> Result<Response<Body>, Response<Body>> {
        let seen = self.look_up(base, name).await?;
        let place = asked.place(&self.authority, &base.path);
        let body = render::packument(place, name, &seen.tags, seen.versions.values().map(shown));
        Ok(answer::bytes(StatusCode::OK, asked.content_type, body))
    }

    async fn version(
        &self,
        base: &Base,
        name: &PackageName,
        wanted: &str,
        asked: &Asked,
    ) -> Result<Response<Body>, Response<Body>> {
        let seen = self.look_up(base, name).await?;
        let release = seen.pick(wanted).ok_or_else(answer::not_found)?;
        let document = render::version(asked.place(&self.authority, &base.path), name, &shown(release));
        Ok(answer::json(StatusCode::OK, &document))
    }

    async fn tarball(&self, base: &Base, id: &PackageId) -> Result<Response<Body>, Response<Body>> {
        let failed = |error| self.failure(base, &id.name, Some(&id.version), error);
        match self.origin.tarball(id).await.map_err(failed)? {
            Lookup::Found(stored) => {
                let served = answer::file(&stored.path, stored.size, "application/octet-stream").await;
                let served =
                    served.map_err(|source| failed(vendor::Error::unreadable(&stored.path, source)))?;
                self.note(base, |record| {
                    record.tarballs.insert(id.clone(), RecordedTarball::from(&stored));
                });
                Ok(served)
            }
            Lookup::Absent { status } => {
                let host = super::upstream::host_of(self.origin.upstream().registry(&id.name));
                Err(failed(vendor::Error::Absent { what: id.to_string(), host, status }))
            }
        }
    }
}

fn shown(release: &Release) -> Shown<'_> {
    Shown { version: &release.version, manifest: &release.manifest, integrity: release.integrity.as_ref() }
}

fn refusal(status: u16) -> Response<Body> {
    match StatusCode::from_u16(status) {
        Ok(status) if status != StatusCode::NOT_FOUND => {
            answer::error(status, status.canonical_reason().unwrap_or("refused"))
        }
        _ => answer::not_found(),
    }
}

impl Service for Recorder {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let asked = Asked::of(&request);
        let (parts, body) = request.into_parts();
        if parts.method == hyper::Method::POST {
            // Read it, so that the connection can be used again; what it says does not matter.
            let _ = answer::read(body, MAX_AUDIT).await;
        }
        let path = parts.uri.path();
        let (base_text, below) = split_base(path).unwrap_or(("", path));
        let Some(base) = self.bases.get(base_text) else {
            return self.unknown(Question::of(&parts, base_text, below));
        };
        let answered = match Route::parse(&parts.method, below) {
            Route::Packument(name) => self.packument(base, &name, &asked).await,
            Route::Version(name, wanted) => self.version(base, &name, &wanted, &asked).await,
            Route::Tarball(id) => self.tarball(base, &id).await,
            Route::Audit => Ok(answer::bytes(StatusCode::OK, answer::JSON, "{}")),
            Route::Unknown => Err(self.unknown(Question::of(&parts, base_text, below))),
        };
        answered.unwrap_or_else(|refused| refused)
    }
}
