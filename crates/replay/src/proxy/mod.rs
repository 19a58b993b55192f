//! A forward proxy that sees what passes through it: HTTP in absolute form, and HTTPS by standing in for each host with certificates of
//! a throw-away authority.
//!
//! Three modes: it records what the world answers, replays such a recording, or lets nothing through and notes who was asked for. It
//! never follows a redirect (the client does, and asks again), never opens a connection that it does not look into, and never shows a
//! header that may be a secret.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use lock::Sri;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use crate::answer;
use crate::registry::upstream;
use crate::serve::{Activity, Body, Server, Service};
use crate::vendor;

mod authority;
mod forward;
mod tunnel;

pub use authority::{Authority, AuthorityError};
pub use forward::{Forward, Reduce};

/// Notes of each kind that are kept; the first ones say what is wrong.
const MAX_NOTES: usize = 4096;
/// What is answered to a request that may change something out there.
const NOT_SENT: &str = "not forwarded while recording";
/// How long tunnels may take to end after a stop was asked for.
const GRACE: Duration = Duration::from_secs(2);
/// Headers of an answer that a client may need; all others are dropped, in a recording and in its replay.
const KEPT_HEADERS: [&str; 6] =
    ["content-type", "content-encoding", "content-disposition", "location", "etag", "last-modified"];

/// A recorded answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The HTTP status.
    pub status: u16,
    /// The headers that matter, in lower case: `content-type`, `content-encoding`, `content-disposition`, `location`, `etag`,
    /// `last-modified`.
    pub headers: BTreeMap<String, String>,
    /// The body; `None` = an empty one.
    pub body: Option<RecordedBody>,
}

/// The body of a recorded answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedBody {
    /// This file, of this pinned size in bytes.
    File(PathBuf, u64),
    /// This text.
    Text(String),
}

/// What the proxy does with a request.
#[derive(Debug)]
pub enum Mode {
    /// Asks the world, and notes what it answered.
    Record(Box<Forward>),
    /// Answers from a recording, by address.
    Replay(BTreeMap<Url, Recorded>),
    /// Refuses everything.
    Block,
}

/// An answer of the world, noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// The address.
    pub url: Url,
    /// The HTTP status.
    pub status: u16,
    /// The headers that matter, as [`Recorded::headers`].
    pub headers: BTreeMap<String, String>,
    /// The body's hash; its bytes are in the vendor directory.
    pub integrity: Sri,
    /// The body's size in bytes.
    pub size: u64,
    /// What the client was shown in place of the body: what matters of it.
    pub shown: Option<String>,
}

/// A request that got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The method.
    pub method: String,
    /// The address.
    pub url: String,
}

/// A request that the world failed to answer.
#[derive(Debug, Clone)]
pub struct ProxyFailure {
    /// The address.
    pub url: Url,
    /// Why; it knows the host, a code and a hint.
    pub error: Arc<vendor::Error>,
}

/// What happened at a [`Proxy`].
#[derive(Debug, Clone, Default)]
pub struct ProxyFacts {
    /// Recording: what the world answered, in order.
    pub exchanges: Vec<Exchange>,
    /// Requests that are not forwarded while recording (they could change something out there), nor answered by a recording, each
    /// once.
    pub refused: Vec<Attempt>,
    /// Recording: requests that the world failed to answer.
    pub failures: Vec<ProxyFailure>,
    /// Replay: requests that were never recorded, each once.
    pub unrecorded: Vec<Attempt>,
    /// Replay: answers that could not be read from disk as pinned, with the reason.
    pub unreadable: BTreeMap<PathBuf, String>,
    /// Block: `host:port` asked for, and how often.
    pub blocked: BTreeMap<String, u64>,
    /// Tunnels that ended before a request, by `host:port`, with the last reason: usually a client that does not trust the authority.
    pub broken: BTreeMap<String, String>,
}

/// A running proxy. Dropping it stops it.
#[derive(Debug)]
pub struct Proxy {
    server: Server,
    hub: Arc<Hub>,
}

impl Proxy {
    /// Serves as a proxy at `listener`. Must be called inside a tokio runtime; the listener must be bound and listening.
    ///
    /// # Errors
    /// Where the listener cannot be used.
    pub fn serve(listener: TcpListener, authority: Arc<Authority>, mode: Mode) -> io::Result<Self> {
        let hub = Arc::new(Hub {
            authority,
            mode,
            facts: Mutex::default(),
            tunnels: Mutex::new(JoinSet::new()),
            stop: watch::channel(false).0,
            activity: Activity::new(),
        });
        let server = Server::counting(listener, Arc::clone(&hub), Arc::clone(&hub.activity))?;
        Ok(Self { server, hub })
    }

    /// The address that it serves at.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What `HTTPS_PROXY` and `HTTP_PROXY` are to be set to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// How long nothing was asked; zero while an answer is under way.
    #[must_use]
    pub fn quiet(&self) -> Duration {
        self.server.quiet()
    }

    /// What happened so far.
    #[must_use]
    pub fn facts(&self) -> ProxyFacts {
        self.hub.facts().clone()
    }

    /// [`Proxy::facts`] for somebody who looks from time to time.
    pub fn observer(&self) -> impl Fn() -> ProxyFacts + Send + Sync + 'static {
        let hub = Arc::clone(&self.hub);
        move || hub.facts().clone()
    }

    /// Stops, and says what happened.
    pub async fn shutdown(self) -> ProxyFacts {
        self.hub.stop.send_replace(true);
        self.server.shutdown().await;
        let mut tunnels =
            std::mem::take(&mut *self.hub.tunnels.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = tokio::time::timeout(GRACE, async { while tunnels.join_next().await.is_some() {} }).await;
        tunnels.shutdown().await;
        std::mem::take(&mut *self.hub.facts())
    }
}

/// What all connections share.
#[derive(Debug)]
struct Hub {
    authority: Arc<Authority>,
    mode: Mode,
    facts: Mutex<ProxyFacts>,
    tunnels: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
    /// Of the proxy's own connections and of those inside the tunnels.
    activity: Arc<Activity>,
}

impl Hub {
    fn facts(&self) -> MutexGuard<'_, ProxyFacts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request whose whole address is known, from inside a tunnel or in absolute form.
    async fn request(&self, url: Url, request: Request<Incoming>) -> Response<Body> {
        match &self.mode {
            Mode::Block => self.blocked(&upstream::host_and_port(&url)),
            Mode::Replay(recording) => {
                let asks = request.method() == Method::GET || request.method() == Method::HEAD;
                match recording.get(&url) {
                    // What was not sent while recording gets the answer that it got then.
                    _ if !asks => {
                        once(&mut self.facts().refused, Attempt::of(&url, &request));
                        answer::error(StatusCode::BAD_GATEWAY, NOT_SENT)
                    }
                    Some(recorded) => self.replay(recorded).await,
                    None => {
                        once(&mut self.facts().unrecorded, Attempt::of(&url, &request));
                        answer::error(StatusCode::BAD_GATEWAY, "never recorded")
                    }
                }
            }
            Mode::Record(forward) => self.record(forward, url, request).await,
        }
    }

    async fn record(&self, forward: &Forward, url: Url, request: Request<Incoming>) -> Response<Body> {
        let attempt = Attempt::of(&url, &request);
        match forward.send(&url, request).await {
            Ok(Some(exchange)) => {
                let recorded = forward.recorded(&exchange);
                push(&mut self.facts().exchanges, exchange);
                self.replay(&recorded).await
            }
            Ok(None) => {
                once(&mut self.facts().refused, attempt);
                answer::error(StatusCode::BAD_GATEWAY, NOT_SENT)
            }
            Err(error) => {
                let response = answer::error(StatusCode::BAD_GATEWAY, &error.to_string());
                push(&mut self.facts().failures, ProxyFailure { url, error: Arc::new(error) });
                response
            }
        }
    }

    fn blocked(&self, target: &str) -> Response<Body> {
        let mut facts = self.facts();
        if facts.blocked.len() < MAX_NOTES || facts.blocked.contains_key(target) {
            *facts.blocked.entry(target.to_owned()).or_default() += 1;
        }
        answer::error(StatusCode::BAD_GATEWAY, "nothing may leave")
    }

    async fn replay(&self, recorded: &Recorded) -> Response<Body> {
        let Ok(status) = StatusCode::from_u16(recorded.status) else {
            return answer::error(StatusCode::BAD_GATEWAY, "not a status");
        };
        let mut response = match &recorded.body {
            None => answer::bytes(status, "application/octet-stream", ""),
            Some(RecordedBody::Text(text)) => answer::bytes(status, "application/octet-stream", text.clone()),
            Some(RecordedBody::File(path, size)) => {
                match answer::file(path, *size, "application/octet-stream").await {
                    Ok(response) => response,
                    Err(error) => {
                        self.facts().unreadable.insert(path.clone(), error.to_string());
                        return answer::error(StatusCode::BAD_GATEWAY, "the recorded body cannot be read");
                    }
                }
            }
        };
        *response.status_mut() = status;
        response.headers_mut().remove(hyper::header::CONTENT_TYPE);
        for (name, value) in &recorded.headers {
            let kept = KEPT_HEADERS.iter().find(|kept| *kept == name);
            if let (Some(name), Ok(value)) = (kept, value.parse()) {
                response.headers_mut().insert(*name, value);
            }
        }
        response
    }
}

impl Attempt {
    fn of(url: &Url, request: &Request<Incoming>) -> Self {
        Self { method: request.method().to_string(), url: url.to_string() }
    }
}

fn push<T>(notes: &mut Vec<T>, note: T) {
    if notes.len() < MAX_NOTES {
        notes.push(note);
    }
}

/// Notes an attempt that was not noted yet.
fn once(notes: &mut Vec<Attempt>, attempt: Attempt) {
    if !notes.contains(&attempt) {
        push(notes, attempt);
    }
}

impl Service for Hub {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        if request.method() == Method::CONNECT {
            return tunnel::open(self, request);
        }
        match Url::parse(&request.uri().to_string()) {
            Ok(url) if url.scheme() == "http" && url.has_host() => self.request(url, request).await,
            _ => answer::error(StatusCode::BAD_REQUEST, "this is a proxy"),
        }
    }
}
