//! One question to the outside: credentials, redirects, retries, bounds.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Read;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_NONE_MATCH, LOCATION, RANGE, RETRY_AFTER,
};
use hyper::{Method, StatusCode};
use reqwest::Response;
use url::Url;

use super::documents::{Known, MAX_DOCUMENT};
use super::error::{Error, PROXY_CREDENTIALS, host_of};
use super::ways::Way;
use super::{Lookup, Retry, Upstream, body};
use crate::registry::npmrc::{Credential, nearest};

/// Redirects that are followed. Release downloads take two.
const MAX_REDIRECTS: usize = 10;
/// Longest wait that a host's `Retry-After` can ask for, in seconds.
const MAX_AFTER: u64 = 30;

/// A question.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    pub(crate) accept: &'static str,
    /// Start at this byte.
    pub(crate) offset: u64,
    /// For a document: the bound of its size in bytes. A file's bound is its reader's matter.
    pub(crate) limit: Option<u64>,
    /// The mark of what was answered before.
    pub(crate) mark: Option<&'a HeaderValue>,
    /// Asked of an API that is no registry's, which has credentials of its own.
    pub(crate) is_api: bool,
    /// Answered by the very host that is asked, or not at all: no redirect leads away from it.
    pub(crate) stays: bool,
}

impl<'a> Ask<'a> {
    pub(crate) fn json(url: &'a Url, limit: u64) -> Self {
        Self { accept: "application/json", limit: Some(limit), ..Self::file(url, 0) }
    }

    pub(crate) fn file(url: &'a Url, offset: u64) -> Self {
        Self {
            method: Method::GET,
            url,
            accept: "*/*",
            offset,
            limit: None,
            mark: None,
            is_api: false,
            stays: false,
        }
    }
}

impl Upstream {
    /// Asks for a document and parses it while it comes, with retries.
    pub(super) async fn ask_json<T, P>(&self, ask: &Ask<'_>, parse: P) -> Result<Lookup<T>, Error>
    where
        T: Send + 'static,
        P: Fn(&mut dyn Read) -> Result<T, serde_json::Error> + Clone + Send + 'static,
    {
        let mut patience = self.patience();
        loop {
            match self.parsed(ask, parse.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => patience.wait(error).await?,
            }
        }
    }

    async fn parsed<T, P>(&self, ask: &Ask<'_>, parse: P) -> Result<Lookup<T>, Error>
    where
        T: Send + 'static,
        P: FnOnce(&mut dyn Read) -> Result<T, serde_json::Error> + Send + 'static,
    {
        let known = match &self.documents {
            Some(documents) => documents.find(ask.url, ask.accept).await,
            None => None,
        };
        let marked = Ask { mark: known.as_ref().map(|known| &known.mark), ..ask.clone() };
        let response = match self.once(&marked).await? {
            Lookup::Found(response) => response,
            Lookup::Absent { status } => return Ok(Lookup::Absent { status }),
        };
        let malformed =
            |source| Error::Malformed { host: host_of(ask.url), path: ask.url.path().to_owned(), source };
        if let (StatusCode::NOT_MODIFIED, Some(known)) = (response.status(), known) {
            let parsed = body::again(known.body, parse).await.map(Lookup::Found).map_err(malformed);
            if let (Err(_), Some(documents)) = (&parsed, &self.documents) {
                documents.forget(ask.url, ask.accept);
            }
            return parsed;
        }
        let limit = ask.limit.unwrap_or(super::MAX_DOWNLOAD);
        let mark = response.headers().get(ETAG).cloned().filter(|_| self.documents.is_some());
        let kept = mark.as_ref().map_or(0, |_| MAX_DOCUMENT);
        match body::parse(response, limit, kept, parse).await {
            Ok((parsed, body)) => {
                if let (Some(documents), Some(mark), Some(body)) = (&self.documents, mark, body) {
                    documents.keep(ask.url, ask.accept, Known { mark, body }).await;
                }
                Ok(Lookup::Found(parsed))
            }
            Err(body::Error::TooLarge) => Err(Error::too_large(ask.url, limit)),
            Err(body::Error::Broken(source)) => {
                Err(Error::transport(ask.url, &self.ways.to(ask.url), source))
            }
            Err(body::Error::Malformed(source)) => Err(malformed(source)),
        }
    }

    /// Asks, with retries, for a successful answer whose body is still to come.
    pub(super) async fn ask_retrying(&self, ask: &Ask<'_>) -> Result<Lookup<Response>, Error> {
        let mut patience = self.patience();
        loop {
            match self.once(ask).await {
                Ok(answer) => return Ok(answer),
                Err(error) => patience.wait(error).await?,
            }
        }
    }

    pub(super) async fn first_status(&self, ask: &Ask<'_>) -> Result<u16, Error> {
        match self.send(ask, ask.url).await?.status().as_u16() {
            PROXY_CREDENTIALS => Err(Error::proxy_credentials(ask.url, &self.ways.to(ask.url))),
            status => Ok(status),
        }
    }

    pub(super) fn patience(&self) -> Patience {
        Patience {
            left: self.retry.tries.saturating_sub(1),
            wait: self.retry.wait,
            end: Instant::now() + self.total,
        }
    }

    /// One try: follows redirects, sorts the status.
    async fn once(&self, ask: &Ask<'_>) -> Result<Lookup<Response>, Error> {
        let response = self.follow(ask).await?;
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED && ask.mark.is_some() {
            return Ok(Lookup::Found(response));
        }
        let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        if status.is_client_error() && !passing {
            return Ok(Lookup::Absent { status: status.as_u16() });
        }
        let after = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
        let (host, path) = (host_of(response.url()), response.url().path().to_owned());
        Err(Error::Status { host, path, status: status.as_u16(), after })
    }

    /// Asks, and follows redirects.
    pub(super) async fn follow(&self, ask: &Ask<'_>) -> Result<Response, Error> {
        let mut url = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(ask, &url).await?;
            let status = response.status();
            if status.as_u16() == PROXY_CREDENTIALS {
                return Err(Error::proxy_credentials(&url, &self.ways.to(&url)));
            }
            if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            url = target(&url, &response)?;
            if ask.stays && url.origin() != ask.url.origin() {
                break;
            }
        }
        Err(Error::Redirect { host: host_of(ask.url), path: ask.url.path().to_owned() })
    }

    async fn send(&self, ask: &Ask<'_>, url: &Url) -> Result<Response, Error> {
        let way = self.ways.to(url);
        // Without the query, which may hold a signature.
        tracing::debug!(method = %ask.method, host = host_of(url), path = url.path(), %way, "ask");
        let clients = if ask.limit.is_some() { &self.text } else { &self.plain };
        let mut request = clients.to(url).request(ask.method.clone(), url.clone()).header(ACCEPT, ask.accept);
        if ask.limit.is_none() {
            request = request.header(ACCEPT_ENCODING, "identity");
        }
        if ask.offset > 0 {
            request = request.header(RANGE, format!("bytes={}-", ask.offset));
        }
        if let Some(mark) = ask.mark {
            request = request.header(IF_NONE_MATCH, mark);
        }
        let credentials = if ask.is_api { &self.api } else { &self.credentials };
        if let Some(credential) = credential_for(credentials, url)
            && !(ask.is_api && url.scheme() != "https")
            && let Ok(mut value) = HeaderValue::from_str(credential.header.reveal())
        {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request.send().await.map_err(|source| Error::transport(url, &way, source))
    }
}

/// The credential for an address.
fn credential_for<'a>(credentials: &'a [Credential], url: &Url) -> Option<&'a Credential> {
    nearest(credentials, url, |credential| &credential.prefix)
}

/// Where a redirect leads. Never from https to http: what was asked for under TLS is not taken without.
fn target(url: &Url, response: &Response) -> Result<Url, Error> {
    let failed = || Error::Redirect { host: host_of(url), path: url.path().to_owned() };
    let location =
        response.headers().get(LOCATION).and_then(|location| location.to_str().ok()).ok_or_else(failed)?;
    let target = url.join(location).map_err(|_| failed())?;
    let safe = match target.scheme() {
        "https" => true,
        "http" => url.scheme() == "http",
        _ => false,
    };
    if safe { Ok(target) } else { Err(failed()) }
}

/// The tries that are left.
pub(super) struct Patience {
    left: u32,
    wait: Duration,
    /// When no try is begun any more: a host that took a request's whole time would take it again.
    end: Instant,
}

impl Patience {
    /// Waits before the next try; gives the error back where there is none or where it would not help.
    pub(super) async fn wait(&mut self, error: Error) -> Result<(), Error> {
        if self.left == 0 || !error.passing() || Instant::now() >= self.end {
            return Err(error);
        }
        let asked = match &error {
            Error::Status { after: Some(seconds), .. } => Duration::from_secs((*seconds).min(MAX_AFTER)),
            _ => Duration::ZERO,
        };
        tracing::debug!(%error, "trying again");
        tokio::time::sleep(jittered(self.wait).max(asked)).await;
        self.left -= 1;
        self.wait *= 4;
        Ok(())
    }
}

/// Waits before a try again, for a caller that counts its tries itself; `failed` = how many there were.
pub(crate) async fn pause(failed: u32) {
    let wait = Retry::default().wait;
    tokio::time::sleep(jittered(wait * 4_u32.saturating_pow(failed.saturating_sub(1)))).await;
}

/// The wait with up to a half of it added at random.
fn jittered(wait: Duration) -> Duration {
    // A new RandomState is seeded anew: all the randomness that spreading retries needs.
    let random = RandomState::new().build_hasher().finish() % 1024;
    wait + wait.mul_f64(random as f64 / 2048.0)
}

/// A download under way.
#[derive(Debug)]
pub struct Download {
    url: Url,
    way: Way,
    response: Response,
    offset: u64,
    total: Option<u64>,
}

impl Download {
    pub(crate) fn new(url: &Url, way: &Way, response: Response) -> Self {
        let range =
            response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok()).and_then(range);
        let (offset, total) = match (response.status(), range) {
            (StatusCode::PARTIAL_CONTENT, Some((start, total))) => (start, total),
            _ => (0, response.content_length()),
        };
        Self { url: url.clone(), way: way.clone(), response, offset, total }
    }

    /// The byte that it starts at: what was asked for, or 0 where the server ignored that.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The size of the whole in bytes, where the server says it.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Whether it is a page for people, as some mirrors answer in the place of what they do not have.
    pub(super) fn is_page(&self) -> bool {
        is_page(self.response.headers())
    }

    /// The host (and port) that was asked.
    #[must_use]
    pub fn host(&self) -> String {
        host_of(&self.url)
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// Where the connection breaks off or stays silent.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.response.chunk().await.map_err(|source| Error::transport(&self.url, &self.way, source))
    }
}

/// Whether an answer is HTML.
pub(super) fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

/// Start and total of a `Content-Range: bytes 5-9/10`.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.parse().ok()?;
    Some((start, total.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::npmrc::Secret;

    #[test]
    fn a_credential_goes_to_its_own_host_port_and_path_only() {
        let credential = |prefix: &str| Credential { prefix: prefix.to_owned(), header: Secret::new(prefix) };
        let all = [credential("a.invalid/"), credential("a.invalid/team/"), credential("b.invalid:8080/")];
        let chosen =
            |url: &str| credential_for(&all, &Url::parse(url).unwrap()).map(|found| found.prefix.as_str());
        assert_eq!(chosen("https://a.invalid/x"), Some("a.invalid/"));
        assert_eq!(chosen("https://a.invalid/team/x"), Some("a.invalid/team/"));
        assert_eq!(chosen("https://a.invalid/team"), Some("a.invalid/team/"));
        assert_eq!(chosen("https://a.invalid/teamwork/x"), Some("a.invalid/"));
        assert_eq!(chosen("http://b.invalid:8080/x"), Some("b.invalid:8080/"));
        for other in [
            "https://a.invalid:444/",
            "https://b.invalid/x",
            "https://a.invalid.evil.invalid/",
            "https://xa.invalid/",
        ] {
            assert_eq!(chosen(other), None, "{other}");
        }
    }

    #[test]
    fn content_ranges() {
        assert_eq!(range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(range("bytes */10"), None);
        assert_eq!(range("lines 1-2/3"), None);
    }
}
