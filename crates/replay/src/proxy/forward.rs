//! Asking the world on a client's behalf, while recording. Owns what is forwarded and what is kept of the answer.

use std::collections::{BTreeMap, BTreeSet};

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName};
use hyper::{Method, Request};
use url::Url;

use super::{Exchange, KEPT_HEADERS, Recorded, RecordedBody};
use crate::answer;
use crate::registry::npmrc::Settings;
use crate::registry::upstream::{self, Bounds, Clients, MAX_DOWNLOAD, PROXY_CREDENTIALS, Ways};
use crate::vendor::{self, Vendor};

/// Largest request body that is forwarded, in bytes.
const MAX_REQUEST: usize = 32 * 1024 * 1024;
/// Headers of a request that are not forwarded: those of the connection, and those that would make the answer a part or a "not
/// modified" of the body that is to be recorded.
const DROPPED_HEADERS: [&str; 17] = [
    "host",
    "connection",
    "proxy-connection",
    "proxy-authorization",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "accept-encoding",
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
];
/// Tries of a question that may be asked again.
const TRIES: u32 = 3;

/// Largest body that may be reduced, in bytes.
const MAX_REDUCED: u64 = 4 * 1024 * 1024;

/// What of an answer a client is to be shown, where not all of it: by its address and its body.
pub type Reduce = fn(&Url, &[u8]) -> Option<String>;

/// How a recording proxy reaches the world.
#[derive(Debug)]
pub struct Forward {
    clients: Clients,
    ways: Ways,
    vendor: Vendor,
    posts: BTreeSet<String>,
    reduce: Reduce,
    tries: u32,
}

impl Forward {
    /// Reaches the world in the ways and with the certificates of `settings`; bodies go into `vendor`. Requests that may change something
    /// (anything but GET and HEAD) are forwarded to the hosts in `posts` only.
    ///
    /// # Errors
    /// Where a certificate or proxy cannot be used.
    pub fn new(
        settings: &Settings,
        vendor: Vendor,
        posts: BTreeSet<String>,
    ) -> Result<Self, upstream::Error> {
        Self::bounded(settings, vendor, posts, Bounds::default())
    }

    /// As [`Self::new`], with other time bounds.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn bounded(
        settings: &Settings,
        vendor: Vendor,
        posts: BTreeSet<String>,
        bounds: Bounds,
    ) -> Result<Self, upstream::Error> {
        let clients =
            Clients::of(settings, bounds, false).map_err(|source| upstream::Error::Client { source })?;
        Ok(Self { clients, ways: Ways::of(settings), vendor, posts, reduce: |_, _| None, tries: TRIES })
    }

    /// The same, asking so many times what may be asked again.
    #[must_use]
    pub fn trying(self, tries: u32) -> Self {
        Self { tries, ..self }
    }

    /// The same, showing clients of an answer only what `reduce` says, where it says something.
    #[must_use]
    pub fn reducing(self, reduce: Reduce) -> Self {
        Self { reduce, ..self }
    }

    /// Forwards a request and keeps the answer; `None` where it is not to be forwarded.
    pub(super) async fn send(
        &self,
        url: &Url,
        request: Request<Incoming>,
    ) -> Result<Option<Exchange>, vendor::Error> {
        let (parts, body) = request.into_parts();
        let asks = parts.method == Method::GET || parts.method == Method::HEAD;
        let upgrades = parts.headers.contains_key(hyper::header::UPGRADE);
        if upgrades || !asks && !url.host_str().is_some_and(|host| self.posts.contains(host)) {
            return Ok(None);
        }
        let Some(body) = answer::read(body, MAX_REQUEST).await else { return Ok(None) };
        let headers = forwarded(&parts.headers);
        let mut left = if asks { self.tries.max(1) } else { 1 };
        let mut failed = 0;
        loop {
            left -= 1;
            let request = self
                .clients
                .to(url)
                .request(parts.method.clone(), url.clone())
                .headers(headers.clone())
                .body(body.clone());
            match self.keep(&parts.method, url, request).await {
                Ok(exchange) if exchange.status < 500 || left == 0 => return Ok(Some(exchange)),
                Err(error) if left == 0 || !passing(&error) => return Err(error),
                _ => {
                    failed += 1;
                    upstream::pause(failed).await;
                }
            }
        }
    }

    async fn keep(
        &self,
        method: &Method,
        url: &Url,
        request: reqwest::RequestBuilder,
    ) -> Result<Exchange, vendor::Error> {
        let what = format!("{}{}", url.host_str().unwrap_or_default(), url.path());
        let failed = |source| vendor::Error::Upstream { what: what.clone(), source };
        let way = self.ways.to(url);
        let response =
            request.send().await.map_err(|source| failed(upstream::Error::transport(url, &way, source)))?;
        let status = response.status().as_u16();
        // The proxy's word about us, and none of the host's.
        if status == PROXY_CREDENTIALS {
            return Err(failed(upstream::Error::proxy_credentials(url, &way)));
        }
        let headers = kept(response.headers());
        let download = upstream::Download::new(url, &way, response);
        let stored = self.vendor.put_download(&what, download, None, MAX_DOWNLOAD).await?;
        let mut exchange = Exchange {
            method: method.to_string(),
            url: url.clone(),
            status,
            headers,
            integrity: stored.integrity,
            size: stored.size,
            shown: None,
        };
        if method == Method::GET && status == 200 && stored.size <= MAX_REDUCED {
            let read = tokio::fs::read(&stored.path).await;
            let body = read.map_err(|source| vendor::Error::unreadable(&stored.path, source))?;
            exchange.shown = (self.reduce)(url, &body);
        }
        if exchange.shown.is_some() {
            // The others are about the whole.
            exchange.headers.retain(|name, _| name == "content-type");
        }
        Ok(exchange)
    }

    /// What a client is to see of an answer: exactly what a replay will show.
    pub(super) fn recorded(&self, exchange: &Exchange) -> Recorded {
        let file = || RecordedBody::File(self.vendor.path_of(&exchange.integrity), exchange.size);
        let whole = || (exchange.size > 0).then(file);
        let body = exchange.shown.clone().map(RecordedBody::Text).or_else(whole);
        Recorded { status: exchange.status, headers: exchange.headers.clone(), body }
    }
}

fn passing(error: &vendor::Error) -> bool {
    matches!(error, vendor::Error::Upstream { source, .. } if source.passing())
}

fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let dropped = |name: &HeaderName| DROPPED_HEADERS.contains(&name.as_str());
    let mut forwarded: HeaderMap = headers
        .iter()
        .filter(|(name, _)| !dropped(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    forwarded.insert(hyper::header::ACCEPT_ENCODING, hyper::header::HeaderValue::from_static("identity"));
    forwarded
}

fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |name: &&str| Some(((*name).to_owned(), headers.get(*name)?.to_str().ok()?.to_owned()));
    KEPT_HEADERS.iter().filter_map(text).collect()
}
