//! The outside world on loopback: hosts of any name that speak TLS under one private authority, and the proxy of a company, which
//! wants to know who asks. Nothing of it is looked up or reached outside of this machine.
//!
//! Owns names, certificates and credentials, and remembers who was asked what; what the hosts answer is the test's.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use replay::proxy::Authority;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::{Acceptor, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// A request that a host got.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The host, as its TLS client named it.
    pub host: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The credential that came along.
    pub authorization: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
}

/// What a host answers.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers beside those of every answer.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// After how many bytes of it the connection breaks off, where it does.
    pub cut: Option<usize>,
}

impl Reply {
    /// An answer with a body.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: None }
    }

    /// The same with a connection that breaks off after so many bytes of the body.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes.min(self.body.len()));
        self
    }

    /// The same with a header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What all hosts answer.
pub type Answer = Arc<dyn Fn(Asked) -> BoxFuture<'static, Reply> + Send + Sync>;

/// The world. Its tasks end with the runtime that it was started in.
pub struct Internet {
    authority: Arc<Authority>,
    visitor: Arc<Visitor>,
    hosts: SocketAddr,
    proxy: SocketAddr,
    seen: Arc<Seen>,
}

/// Who is let in where it is asked by certificate who comes.
struct Visitor {
    certificate: CertificateDer<'static>,
    pem: String,
    key: String,
    /// The host that asks; others only look.
    host: Option<String>,
}

/// What was seen.
#[derive(Default)]
struct Seen {
    asked: Mutex<Vec<Asked>>,
    /// Hosts that were shown a certificate.
    shown: Mutex<BTreeSet<String>>,
    tunnels: Mutex<Vec<String>>,
}

impl fmt::Debug for Internet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Internet({}, {})", self.hosts, self.proxy)
    }
}

impl Internet {
    /// Starts hosts that answer `answer`, and a proxy that opens a way to every name below `example` and to `known` for who says
    /// `credentials` (`user:password`). Must be called inside a tokio runtime.
    ///
    /// # Panics
    /// Where no socket can be had.
    #[must_use]
    pub fn start(credentials: &str, known: &[&str], answer: Answer) -> Self {
        Self::demanding(credentials, known, None, answer)
    }

    /// The same with a host that lets in only who shows the certificate of [`Internet::write_identity`].
    ///
    /// # Panics
    /// As [`Internet::start`].
    #[must_use]
    pub fn demanding(credentials: &str, known: &[&str], host: Option<&str>, answer: Answer) -> Self {
        let visitor = Arc::new(Visitor::new(host));
        let authority = Arc::new(Authority::new().expect("make an authority"));
        let seen = Arc::new(Seen::default());
        let (hosts_socket, hosts) = listener();
        let (proxy_socket, proxy) = listener();
        let door = Door { authority: Arc::clone(&authority), visitor: Arc::clone(&visitor) };
        tokio::spawn(serve_hosts(hosts_socket, Arc::new(door), Arc::clone(&seen), answer));
        let pair = base64::engine::general_purpose::STANDARD.encode(credentials);
        let gate = Gate {
            credentials: format!("Basic {pair}"),
            known: known.iter().map(|name| (*name).to_owned()).collect(),
            hosts,
            seen: Arc::clone(&seen),
        };
        tokio::spawn(serve_proxy(proxy_socket, Arc::new(gate)));
        Self { authority, visitor, hosts, proxy, seen }
    }

    /// Where every host is, whatever its name.
    #[must_use]
    pub fn hosts(&self) -> SocketAddr {
        self.hosts
    }

    /// Where the proxy is.
    #[must_use]
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// Writes the authority's certificate to a file.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write_certificate(&self, path: &Path) {
        std::fs::write(path, self.authority.ca_pem()).expect("write the authority's certificate");
    }

    /// Writes the certificate that is let in, and its key.
    ///
    /// # Panics
    /// Where they cannot be written.
    pub fn write_identity(&self, certificate: &Path, key: &Path) {
        std::fs::write(certificate, &self.visitor.pem).expect("write the visitor's certificate");
        std::fs::write(key, &self.visitor.key).expect("write the visitor's key");
    }

    /// A part of that key that stands nowhere else.
    #[must_use]
    pub fn secret(&self) -> String {
        self.visitor.key.lines().nth(1).unwrap_or_default().to_owned()
    }

    /// The hosts that were shown a certificate.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        self.seen.shown.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// What the hosts were asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.seen.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The `host:port` of every way that the proxy was asked to open, granted or not.
    #[must_use]
    pub fn tunnels(&self) -> Vec<String> {
        self.seen.tunnels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("bind a socket on loopback");
    socket.set_nonblocking(true).expect("make a socket one of tokio's");
    let address = socket.local_addr().expect("a bound socket has an address");
    (TcpListener::from_std(socket).expect("make a socket one of tokio's"), address)
}

impl Visitor {
    fn new(host: Option<&str>) -> Self {
        let signed = rcgen::generate_simple_self_signed(["visitor".to_owned()]).expect("make a certificate");
        Self {
            certificate: signed.cert.der().clone(),
            pem: signed.cert.pem(),
            key: signed.signing_key.serialize_pem(),
            host: host.map(str::to_owned),
        }
    }
}

/// Who hosts are, and whom they let in.
struct Door {
    authority: Arc<Authority>,
    visitor: Arc<Visitor>,
}

impl Door {
    fn of(&self, host: &str) -> Arc<ServerConfig> {
        let own = self.authority.serve_as(host).expect("make a certificate");
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.visitor.certificate.clone()).expect("trust the visitor's certificate");
        let looking = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let demanding = self.visitor.host.as_deref() == Some(host);
        let looking = if demanding { looking } else { looking.allow_unauthenticated() };
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_client_cert_verifier(looking.build().expect("look at certificates"))
            .with_cert_resolver(Arc::clone(&own.cert_resolver));
        Arc::new(config)
    }
}

async fn serve_hosts(socket: TcpListener, door: Arc<Door>, seen: Arc<Seen>, answer: Answer) {
    while let Ok((stream, _)) = socket.accept().await {
        tokio::spawn(serve_host(stream, Arc::clone(&door), Arc::clone(&seen), Arc::clone(&answer)));
    }
}

/// One connection. A client that goes away, or trusts us not, is the client's matter.
async fn serve_host(stream: TcpStream, door: Arc<Door>, seen: Arc<Seen>, answer: Answer) {
    let Ok(started) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else { return };
    let host = started.client_hello().server_name().unwrap_or_default().to_owned();
    let Ok(stream) = started.into_stream(door.of(&host)).await else { return };
    if stream.get_ref().1.peer_certificates().is_some() {
        seen.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(host.clone());
    }
    let service = service_fn(|request: Request<Incoming>| {
        let asked = Asked {
            host: host.clone(),
            method: request.method().to_string(),
            path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            authorization: text(request.headers(), &AUTHORIZATION),
            headers: request.headers().clone(),
        };
        seen.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
        let reply = answer(asked);
        async move { Ok::<_, std::convert::Infallible>(response(reply.await)) }
    });
    let _ended =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The body of an answer.
type Body = Either<Full<Bytes>, StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>>;

fn response(reply: Reply) -> Response<Body> {
    let length = reply.body.len();
    let body = match reply.cut {
        None => Either::Left(Full::new(reply.body)),
        Some(after) => {
            let begun = Ok(Frame::data(reply.body.slice(..after)));
            let broken = Err(io::Error::from(io::ErrorKind::BrokenPipe));
            // What was begun has to leave before the connection breaks off.
            let later = tokio::time::sleep(Duration::from_millis(50));
            let broken = stream::once(async move {
                later.await;
                broken
            });
            Either::Right(StreamBody::new(stream::iter([begun]).chain(broken).boxed()))
        }
    };
    let mut response = Response::new(body);
    if reply.cut.is_some() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
    for (name, value) in reply.headers {
        let name: HeaderName = name.parse().expect("a header's name");
        response.headers_mut().append(name, HeaderValue::from_str(&value).expect("a header's value"));
    }
    response
}

/// What the proxy goes by.
struct Gate {
    credentials: String,
    known: Vec<String>,
    hosts: SocketAddr,
    seen: Arc<Seen>,
}

async fn serve_proxy(socket: TcpListener, gate: Arc<Gate>) {
    while let Ok((stream, _)) = socket.accept().await {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = open(&gate, request);
                async move { Ok::<_, std::convert::Infallible>(answer) }
            });
            let builder = hyper::server::conn::http1::Builder::new();
            let _ended = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}

fn open(gate: &Gate, request: Request<Incoming>) -> Response<Body> {
    let target = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    gate.seen.tunnels.lock().unwrap_or_else(PoisonError::into_inner).push(target.clone());
    if text(request.headers(), &PROXY_AUTHORIZATION).as_deref() != Some(gate.credentials.as_str()) {
        return response(Reply::new(407, "").header("proxy-authenticate", "Basic realm=\"company\""));
    }
    let host = target.rsplit_once(':').map_or(target.as_str(), |(host, _)| host);
    let is_known = host.ends_with(".example") || gate.known.iter().any(|known| known == host);
    if request.method() != Method::CONNECT || !is_known {
        return response(Reply::new(403, ""));
    }
    let hosts = gate.hosts;
    tokio::spawn(async move {
        let Ok(here) = hyper::upgrade::on(request).await else { return };
        let Ok(mut there) = TcpStream::connect(hosts).await else { return };
        let _ended = tokio::io::copy_bidirectional(&mut TokioIo::new(here), &mut there).await;
    });
    response(Reply::new(200, ""))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}
