//! A `CONNECT`: the proxy becomes the host that was asked for, speaks TLS with the client, and sees its requests.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use url::Url;

use super::{Authority, Hub, MAX_NOTES, Mode};
use crate::answer;
use crate::serve::{self, Body, Service};

/// Tunnels that are open at once.
const MAX_TUNNELS: usize = 512;
/// Time for a TLS handshake on loopback.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long a handshake may go on after a stop was asked for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Answers a `CONNECT`, and goes on in the background.
pub(super) fn open(hub: Arc<Hub>, request: Request<Incoming>) -> Response<Body> {
    let target = request
        .uri()
        .authority()
        .and_then(|authority| Some((authority.host().to_owned(), authority.port_u16()?)));
    let Some((host, port)) = target else {
        return answer::error(StatusCode::BAD_REQUEST, "CONNECT wants host:port");
    };
    let named = format!("{host}:{port}");
    if matches!(hub.mode, Mode::Block) {
        return hub.blocked(&named);
    }
    // The address that requests inside are below; 443 is left out, as clients do.
    let Ok(origin) = Url::parse(&format!("https://{named}/")) else {
        return answer::error(StatusCode::BAD_REQUEST, "CONNECT wants host:port");
    };
    let mut tunnels = hub.tunnels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    while tunnels.try_join_next().is_some() {}
    if tunnels.len() >= MAX_TUNNELS {
        return answer::error(StatusCode::SERVICE_UNAVAILABLE, "too many tunnels");
    }
    tunnels.spawn(converse(Arc::clone(&hub), request, host, origin));
    drop(tunnels);
    let mut response = Response::new(answer::empty());
    *response.status_mut() = StatusCode::OK;
    response
}

async fn converse(hub: Arc<Hub>, request: Request<Incoming>, host: String, origin: Url) {
    let mut stopped = hub.stop.subscribe();
    let greeting = greet(Arc::clone(&hub.authority), request, host);
    let mut greeting = pin!(greeting);
    let greeted = tokio::select! {
        greeted = &mut greeting => greeted,
        // A client that has just gone away in the middle of it shall still be noted.
        () = serve::asked_to_stop(&mut stopped) => match tokio::time::timeout(LAST_WORDS, greeting).await {
            Ok(greeted) => greeted,
            Err(_) => return,
        },
    };
    match greeted {
        Ok(stream) => {
            let activity = Arc::clone(&hub.activity);
            serve::connection(stream, Arc::new(Inside { hub, origin }), activity, stopped).await;
        }
        Err(why) => {
            let mut facts = hub.facts();
            if facts.broken.len() < MAX_NOTES {
                facts.broken.insert(crate::registry::upstream::host_and_port(&origin), why);
            }
        }
    }
}

/// Becomes the host: takes the connection over and speaks TLS. An error says why not, for a person.
async fn greet(
    authority: Arc<Authority>,
    request: Request<Incoming>,
    host: String,
) -> Result<TlsStream<TokioIo<Upgraded>>, String> {
    let config = authority.serve_as(host.trim_matches(['[', ']'])).map_err(|error| error.to_string())?;
    let upgraded = hyper::upgrade::on(request).await.map_err(|error| error.to_string())?;
    let accepted =
        tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(TokioIo::new(upgraded))).await;
    accepted.map_err(|late| late.to_string())?.map_err(|error| error.to_string())
}

/// What answers inside a tunnel.
struct Inside {
    hub: Arc<Hub>,
    origin: Url,
}

impl Service for Inside {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let mut url = self.origin.clone();
        url.set_path(request.uri().path());
        url.set_query(request.uri().query());
        self.hub.request(url, request).await
    }
}
