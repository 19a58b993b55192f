//! The HTTP/1 server under every loopback server of this crate: accepting, bounding, counting and stopping.
//!
//! It serves a listener that somebody else bound (usually in another network namespace) and never binds one itself.
//! It never looks at a request: that is the [`Service`]'s part.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Connections that are open at once. npm opens at most 15 to a host and bun 48; more than this means a runaway client.
const MAX_CONNECTIONS: usize = 1024;
/// How long a connection may idle or take to send its headers. Longer than any client keeps a connection, so that we never close one
/// that is about to be used again.
const HEADER_TIME: Duration = Duration::from_secs(300);
/// How long answers that are under way may take after a stop was asked for.
const GRACE: Duration = Duration::from_secs(2);
/// Pause after a failed `accept` (too many open files), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// The body of every answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What answers requests. One value serves all connections.
pub(crate) trait Service: Send + Sync + 'static {
    /// Answers one request. It never fails: an error is an answer too.
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;
}

/// How many requests are being answered, and since when nothing happened.
#[derive(Debug)]
pub(crate) struct Activity(Mutex<(usize, Instant)>);

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new((0, Instant::now()))))
    }

    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.note(|count| count.saturating_add(1));
        InFlight(Arc::clone(self))
    }

    fn note(&self, change: impl FnOnce(usize) -> usize) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (change(state.0), Instant::now());
    }

    /// Time since the last answer ended; zero while one is under way.
    fn quiet(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 == 0 { state.1.elapsed() } else { Duration::ZERO }
    }
}

/// Lives as long as a request is being answered, its body included.
pub(crate) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.note(|count| count.saturating_sub(1));
    }
}

/// A running server. Dropping it stops it without waiting.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    activity: Arc<Activity>,
}

impl Server {
    /// Serves `listener`. Must be called inside a tokio runtime.
    pub(crate) fn start<S: Service>(listener: TcpListener, service: Arc<S>) -> io::Result<Self> {
        Self::counting(listener, service, Activity::new())
    }

    /// As [`Self::start`], for a service that counts other connections together with these.
    pub(crate) fn counting<S: Service>(
        listener: TcpListener,
        service: Arc<S>,
        activity: Arc<Activity>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, service, Arc::clone(&activity), stopped));
        Ok(Self { address, stop, accepting, activity })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn quiet(&self) -> Duration {
        self.activity.quiet()
    }

    /// Stops accepting, lets answers under way end for a moment, closes every connection.
    pub(crate) async fn shutdown(self) {
        // No receiver left means that the server has already ended.
        let _ = self.stop.send(true);
        let _ = self.accepting.await;
    }
}

pub(crate) async fn asked_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that the server's handle was dropped, which is a request to stop as well.
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn accept<S: Service>(
    listener: tokio::net::TcpListener,
    service: Arc<S>,
    activity: Arc<Activity>,
    mut stopped: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = asked_to_stop(&mut stopped) => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let (service, activity, stopped) =
                    (Arc::clone(&service), Arc::clone(&activity), stopped.clone());
                connections.spawn(async move {
                    let _slot = slot;
                    // Headers and body leave in one write; without this the kernel would still hold back the last packet for 40 ms.
                    let _ = stream.set_nodelay(true);
                    connection(stream, service, activity, stopped).await;
                });
            }
            Err(error) => {
                tracing::debug!(%error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}

/// Serves one connection, of whatever kind of stream, to its end.
pub(crate) async fn connection<S, I>(
    stream: I,
    service: Arc<S>,
    activity: Arc<Activity>,
    mut stopped: watch::Receiver<bool>,
) where
    S: Service,
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |request| {
        let (service, in_flight) = (Arc::clone(&service), activity.begin());
        async move {
            let response = service.answer(request).await;
            Ok::<_, Infallible>(response.map(|body| Counted { body, _in_flight: in_flight }))
        }
    });
    let mut connection = pin!(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME)
            .serve_connection(TokioIo::new(stream), answer)
            .with_upgrades()
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = asked_to_stop(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection");
    }
}

/// A body that keeps its request counted until it was sent or dropped.
struct Counted {
    body: Body,
    _in_flight: InFlight,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
