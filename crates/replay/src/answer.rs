//! Building answers: JSON, errors, files. Owns how bytes get into a response; knows no protocol.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::serve::Body;

/// Files up to this many bytes are answered in one write. Most tarballs are smaller.
const WHOLE: u64 = 1024 * 1024;
/// Bytes read at once from a larger file: big enough that the thread switch for it costs nothing beside the copy.
const CHUNK: u64 = 1024 * 1024;

/// The content type of JSON.
pub(crate) const JSON: &str = "application/json";

/// An answer of bytes that are at hand.
pub(crate) fn bytes(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let body = body.into();
    let length = body.len() as u64;
    let full = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    head(status, content_type, length, full)
}

/// An answer in two parts with a pause between them; its length is not told.
pub(crate) fn in_two(
    content_type: &'static str,
    first: Vec<u8>,
    pause: Duration,
    rest: Vec<u8>,
) -> Response<Body> {
    let parts =
        stream::once(async move { Ok(Frame::data(Bytes::from(first))) }).chain(stream::once(async move {
            tokio::time::sleep(pause).await;
            Ok(Frame::data(Bytes::from(rest)))
        }));
    let mut response = Response::new(StreamBody::new(parts).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// No body.
pub(crate) fn empty() -> Body {
    Full::default().map_err(|never| match never {}).boxed_unsync()
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    bytes(status, JSON, value.to_string())
}

/// npm's answer to a question about something that is not there.
pub(crate) fn not_found() -> Response<Body> {
    bytes(StatusCode::NOT_FOUND, JSON, r#"{"error":"Not found"}"#)
}

/// An answer that says why there is none.
pub(crate) fn error(status: StatusCode, why: &str) -> Response<Body> {
    json(status, &serde_json::json!({ "error": why }))
}

fn head(status: StatusCode, content_type: &'static str, length: u64, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// The file at `path` as an answer; it must be a regular file of exactly `size` bytes.
pub(crate) async fn file(path: &Path, size: u64, content_type: &'static str) -> io::Result<Response<Body>> {
    let path = path.to_owned();
    let (file, whole) = blocking(move || open(&path, size)).await?;
    if let Some(whole) = whole {
        return Ok(bytes(StatusCode::OK, content_type, whole));
    }
    let chunks = stream::try_unfold((file, size), |(file, left)| async move {
        if left == 0 {
            return Ok::<_, io::Error>(None);
        }
        let (file, chunk) = blocking(move || chunk(file, left.min(CHUNK))).await?;
        let left = left.saturating_sub(chunk.len() as u64);
        Ok(Some((Frame::data(chunk), (file, left))))
    });
    let body = StreamBody::new(chunks.fuse()).boxed_unsync();
    Ok(head(StatusCode::OK, content_type, size, body))
}

fn open(path: &Path, size: u64) -> io::Result<(File, Option<Bytes>)> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.len() != size {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} bytes instead of {size}", found.len()),
        ));
    }
    if size > WHOLE {
        return Ok((file, None));
    }
    let (file, whole) = chunk(file, size)?;
    Ok((file, Some(whole)))
}

fn chunk(mut file: File, length: u64) -> io::Result<(File, Bytes)> {
    let mut chunk = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.by_ref().take(length).read_to_end(&mut chunk)?;
    if chunk.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((file, chunk.into()))
}

/// Runs file-system work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Reads a request's body to its end, at most `limit` bytes of it; `None` where it is longer or breaks off.
pub(crate) async fn read(body: Incoming, limit: usize) -> Option<Bytes> {
    Limited::new(body, limit).collect().await.ok().map(http_body_util::Collected::to_bytes)
}
