//! Asking an API that is no registry's for a document: what it answers is the caller's to judge, head and all.

use bytes::{Bytes, BytesMut};
use hyper::header::{ETAG, HeaderMap};
use hyper::{Method, StatusCode};
use url::Url;

use super::Upstream;
use super::documents::{Known, MAX_DOCUMENT};
use super::error::{Error, host_of};
use super::send::Ask;

/// Largest body of an answer that is no success, in bytes: a sentence.
const MAX_REFUSAL: u64 = 64 * 1024;

/// What an API answered.
#[derive(Debug, Clone)]
pub struct Document {
    /// The status: 200, also where nothing had changed, or one of the 4xx.
    pub status: u16,
    /// The head.
    pub headers: HeaderMap,
    /// The body, of at most as many bytes as were allowed.
    pub body: Bytes,
}

impl Upstream {
    /// Asks for a document of at most `limit` bytes, with retries where the host fails or the answer breaks off, with the API's
    /// credentials where the address is below one's prefix, and with the mark of what was answered before.
    ///
    /// # Errors
    /// Where the host cannot be reached, fails at every try, or sends too much.
    pub async fn ask_api(&self, url: &Url, accept: &'static str, limit: u64) -> Result<Document, Error> {
        let mut patience = self.patience();
        let mut known = match &self.documents {
            Some(documents) => documents.find(url, accept).await,
            None => None,
        };
        loop {
            match self.try_api(url, accept, limit, known.as_ref()).await {
                Ok(document) => return Ok(document),
                Err(error) => patience.wait(error).await?,
            }
            // What is shown at a second try should not be what made the first one fail.
            known = None;
        }
    }

    async fn try_api(
        &self,
        url: &Url,
        accept: &'static str,
        limit: u64,
        known: Option<&Known>,
    ) -> Result<Document, Error> {
        let ask = Ask {
            method: Method::GET,
            url,
            accept,
            offset: 0,
            limit: Some(limit),
            mark: known.map(|known| &known.mark),
            is_api: true,
            stays: false,
        };
        let mut response = self.follow(&ask).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        if let (StatusCode::NOT_MODIFIED, Some(known)) = (status, known) {
            return Ok(Document { status: 200, headers, body: known.body.clone() });
        }
        if !status.is_success() && !status.is_client_error() || status == StatusCode::REQUEST_TIMEOUT {
            let (host, path) = (host_of(url), url.path().to_owned());
            return Err(Error::Status { host, path, status: status.as_u16(), after: None });
        }
        let limit = if status.is_success() { limit } else { MAX_REFUSAL };
        let mut body = BytesMut::new();
        let broken = |source| Error::transport(url, &self.ways.to(url), source);
        while let Some(piece) = response.chunk().await.map_err(broken)? {
            if (body.len() + piece.len()) as u64 > limit {
                return Err(Error::too_large(url, limit));
            }
            body.extend_from_slice(&piece);
        }
        let body = body.freeze();
        if let (Some(documents), StatusCode::OK, Some(mark)) = (&self.documents, status, headers.get(ETAG))
            && body.len() <= MAX_DOCUMENT
        {
            documents.keep(url, accept, Known { mark: mark.clone(), body: body.clone() }).await;
        }
        Ok(Document { status: status.as_u16(), headers, body })
    }
}

impl Document {
    /// A field of the head, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
