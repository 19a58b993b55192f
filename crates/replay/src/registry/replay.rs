//! A registry that gives recorded answers again, and at once. It asks nobody: what was never recorded is a 404 and a noted question.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};

use super::asked::Asked;
use super::base_path::BasePath;
use super::render::{self, Place, Shown};
use super::route::{Route, split_base};
use super::view::{PackumentView, RegistryView};
use crate::answer;
use crate::serve::{Body, Server, Service};
use lock::{PackageId, PackageName};

/// Unrecorded questions that are kept. A client that loops must not fill the memory; the first ones say what is wrong.
const MAX_QUESTIONS: usize = 4096;
/// Longest audit request that is read to its end, in bytes; npm's are a few kilobytes.
const MAX_AUDIT: usize = 16 * 1024 * 1024;

/// A question that no recording answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The base path's text; empty where there was none.
    pub base: String,
    /// The HTTP method.
    pub method: String,
    /// The path (and query) below the base path.
    pub path: String,
}

impl Question {
    pub(super) fn of(parts: &Parts, base: &str, below: &str) -> Self {
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        Self { base: base.to_owned(), method: parts.method.to_string(), path: format!("{below}{query}") }
    }
}

/// What was asked below one base path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseFacts {
    /// Packages whose packument (or a version's document) was served.
    pub packuments: BTreeSet<PackageName>,
    /// Packages that were asked for and are recorded as absent.
    pub absent: BTreeSet<PackageName>,
    /// Tarballs served.
    pub tarballs: BTreeSet<PackageId>,
}

/// What happened at a [`ReplayRegistry`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayFacts {
    /// Per base path what was asked; every base path that was given has an entry.
    pub bases: BTreeMap<BasePath, BaseFacts>,
    /// What was asked and never recorded, in order, each question once. Not empty = the lock does not fit what was run.
    pub unrecorded: Vec<Question>,
    /// Tarballs that could not be read from disk as pinned (missing, or of another size), with the reason.
    pub unreadable: BTreeMap<PathBuf, String>,
}

/// A running replay registry. Dropping it stops it.
#[derive(Debug)]
pub struct ReplayRegistry {
    server: Server,
    shelf: Arc<Shelf>,
}

impl ReplayRegistry {
    /// Serves `views` at `http://<listener>/<base>/`. Must be called inside a tokio runtime; the listener must be bound and listening.
    ///
    /// # Errors
    /// Where the listener cannot be used.
    pub fn serve(listener: TcpListener, views: BTreeMap<BasePath, RegistryView>) -> io::Result<Self> {
        let authority = listener.local_addr()?.to_string();
        let shelf = Arc::new(Shelf::new(authority, views));
        let server = Server::start(listener, Arc::clone(&shelf))?;
        Ok(Self { server, shelf })
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

    /// What happened so far.
    #[must_use]
    pub fn facts(&self) -> ReplayFacts {
        self.shelf.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops, and says what happened.
    pub async fn shutdown(self) -> ReplayFacts {
        self.server.shutdown().await;
        self.shelf.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The views with their documents rendered for the address that nearly every request names.
#[derive(Debug)]
struct Shelf {
    authority: String,
    views: HashMap<String, Base>,
    facts: Mutex<ReplayFacts>,
}

#[derive(Debug)]
struct Base {
    path: BasePath,
    view: RegistryView,
    rendered: HashMap<PackageName, Bytes>,
}

impl Shelf {
    fn new(authority: String, views: BTreeMap<BasePath, RegistryView>) -> Self {
        let facts = ReplayFacts {
            bases: views.keys().map(|base| (base.clone(), BaseFacts::default())).collect(),
            ..ReplayFacts::default()
        };
        let render = |(path, view): (BasePath, RegistryView)| {
            let place = Place { authority: &authority, base: &path };
            let rendered = view
                .packages
                .iter()
                .map(|(name, package)| (name.clone(), document(place, name, package)))
                .collect();
            (path.as_str().to_owned(), Base { path, view, rendered })
        };
        let views = views.into_iter().map(render).collect();
        Self { authority, views, facts: Mutex::new(facts) }
    }

    fn note(&self, base: &Base, change: impl FnOnce(&mut BaseFacts)) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = facts.bases.get_mut(&base.path) {
            change(facts);
        }
    }

    fn unrecorded(&self, question: Question) -> Response<Body> {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.unrecorded.len() < MAX_QUESTIONS && !facts.unrecorded.contains(&question) {
            tracing::debug!(?question, "never recorded");
            facts.unrecorded.push(question);
        }
        answer::not_found()
    }

    /// `None` where it was never recorded.
    async fn recorded(&self, base: &Base, route: Route, asked: &Asked) -> Option<Response<Body>> {
        match route {
            Route::Packument(name) => self.packument(base, name, asked),
            Route::Version(name, wanted) => self.version(base, name, &wanted, asked),
            Route::Tarball(id) => self.tarball(base, id).await,
            Route::Audit => Some(answer::bytes(StatusCode::OK, answer::JSON, "{}")),
            Route::Unknown => None,
        }
    }

    fn absent(&self, base: &Base, name: PackageName) -> Option<Response<Body>> {
        base.view.absent.contains(&name).then(|| {
            self.note(base, |facts| {
                facts.absent.insert(name);
            });
            answer::not_found()
        })
    }

    fn packument(&self, base: &Base, name: PackageName, asked: &Asked) -> Option<Response<Body>> {
        let Some(package) = base.view.packages.get(&name) else { return self.absent(base, name) };
        let body = match &asked.authority {
            Some(other) if *other != self.authority => {
                document(Place { authority: other, base: &base.path }, &name, package)
            }
            _ => base.rendered.get(&name)?.clone(),
        };
        self.note(base, |facts| {
            facts.packuments.insert(name);
        });
        Some(answer::bytes(StatusCode::OK, asked.content_type, body))
    }

    fn version(&self, base: &Base, name: PackageName, wanted: &str, asked: &Asked) -> Option<Response<Body>> {
        let Some(package) = base.view.packages.get(&name) else { return self.absent(base, name) };
        let version = package.tags.get(wanted).cloned().or_else(|| wanted.parse().ok())?;
        let view = package.versions.get(&version)?;
        let shown = Shown { version: &version, manifest: &view.manifest, integrity: view.integrity.as_ref() };
        let document = render::version(asked.place(&self.authority, &base.path), &name, &shown);
        self.note(base, |facts| {
            facts.packuments.insert(name);
        });
        Some(answer::json(StatusCode::OK, &document))
    }

    async fn tarball(&self, base: &Base, id: PackageId) -> Option<Response<Body>> {
        let tarball = base.view.packages.get(&id.name)?.versions.get(&id.version)?.tarball.as_ref()?;
        match answer::file(&tarball.path, tarball.size, "application/octet-stream").await {
            Ok(response) => {
                self.note(base, |facts| {
                    facts.tarballs.insert(id);
                });
                Some(response)
            }
            Err(error) => {
                let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
                facts.unreadable.insert(tarball.path.clone(), error.to_string());
                // Not a 5xx: npm would repeat the question for half a minute.
                Some(answer::not_found())
            }
        }
    }
}

fn document(place: Place<'_>, name: &PackageName, package: &PackumentView) -> Bytes {
    let versions = package.versions.iter().map(|(version, view)| Shown {
        version,
        manifest: &view.manifest,
        integrity: view.integrity.as_ref(),
    });
    render::packument(place, name, &package.tags, versions)
}

impl Service for Shelf {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let asked = Asked::of(&request);
        let (parts, body) = request.into_parts();
        if parts.method == hyper::Method::POST {
            // Read it, so that the connection can be used again; what it says does not matter.
            let _ = answer::read(body, MAX_AUDIT).await;
        }
        let path = parts.uri.path();
        let (base, below) = split_base(path).unwrap_or(("", path));
        if let Some(base) = self.views.get(base)
            && let Some(response) = self.recorded(base, Route::parse(&parts.method, below), &asked).await
        {
            return response;
        }
        self.unrecorded(Question::of(&parts, base, below))
    }
}
