//! Asking the world on a client's behalf, while recording. Owns what is forwarded and what is kept of the answer.

use std::collections::{BTreeMap, BTreeSet};

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName};
use hyper::{Method, Request};
use url::Url;

use super::{Exchange, KEPT_HEADERS, Recorded};
use crate::answer;
use crate::registry::npmrc::Settings;
use crate::registry::upstream::{self, Bounds, MAX_DOWNLOAD, PROXY_CREDENTIALS, Ways};
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

/// How a recording proxy reaches the world.
#[derive(Debug)]
pub struct Forward {
    client: reqwest::Client,
    ways: Ways,
    vendor: Vendor,
    posts: BTreeSet<String>,
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
        let client = upstream::client(settings, Bounds::default(), false)
            .map_err(|source| upstream::Error::Client { source })?;
        Ok(Self { client, ways: Ways::of(settings), vendor, posts })
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
        let mut left = if asks { TRIES } else { 1 };
        loop {
            left -= 1;
            let request = self
                .client
                .request(parts.method.clone(), url.clone())
                .headers(headers.clone())
                .body(body.clone());
            match self.keep(&parts.method, url, request).await {
                Ok(exchange) if exchange.status < 500 || left == 0 => return Ok(Some(exchange)),
                Err(error) if left == 0 || !passing(&error) => return Err(error),
                _ => upstream::pause(TRIES - left).await,
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
        Ok(Exchange {
            method: method.to_string(),
            url: url.clone(),
            status,
            headers,
            integrity: stored.integrity,
            size: stored.size,
        })
    }

    /// What a client is to see of an answer: exactly what a replay will show.
    pub(super) fn recorded(&self, exchange: &Exchange) -> Recorded {
        let body = (exchange.size > 0).then(|| (self.vendor.path_of(&exchange.integrity), exchange.size));
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
