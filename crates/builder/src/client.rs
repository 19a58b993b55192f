//! A minimal HTTP client for an OpenCode server that runs inside a sandbox: one request, one
//! connection that the sandbox opened for us, one bounded JSON answer.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// The largest answer, in bytes: `GET /provider` of 1.18 lists 6,000 models in some 10 MB.
const MAX_BYTES: usize = 64 << 20;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection, or it broke.
    #[error("{method} {path}")]
    Connection {
        /// The method.
        method: &'static str,
        /// The path with its query.
        path: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer within the time.
    #[error("{method} {path}: no answer within {} s", limit.as_secs())]
    Timeout {
        /// The method.
        method: &'static str,
        /// The path with its query.
        path: String,
        /// The bound.
        limit: Duration,
    },
    /// The server answered something that is not success.
    #[error("{method} {path}: status {status}: {body}")]
    Status {
        /// The method.
        method: &'static str,
        /// The path with its query.
        path: String,
        /// The status.
        status: u16,
        /// The first part of the body.
        body: String,
    },
}

/// Sends one request over `stream` and reads the JSON answer (`Null` when the body is empty).
pub async fn request(
    stream: std::net::TcpStream,
    method: &'static str,
    path: &str,
    body: Option<&Value>,
    limit: Duration,
) -> Result<Value, Error> {
    let exchange = exchange(stream, method, path, body);
    match tokio::time::timeout(limit, exchange).await {
        Err(_) => Err(Error::Timeout { method, path: path.into(), limit }),
        Ok(Err(source)) => Err(Error::Connection { method, path: path.into(), source }),
        Ok(Ok((status, bytes))) if status >= 400 => {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
            Err(Error::Status { method, path: path.into(), status, body: text })
        }
        Ok(Ok((_, bytes))) if bytes.is_empty() => Ok(Value::Null),
        Ok(Ok((_, bytes))) => serde_json::from_slice(&bytes).map_err(|source| Error::Connection {
            method,
            path: path.into(),
            source: source.into(),
        }),
    }
}

async fn exchange(
    stream: std::net::TcpStream,
    method: &'static str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nonblocking(true)?;
    let host = stream.peer_addr()?.to_string();
    let stream = TokioIo::new(tokio::net::TcpStream::from_std(stream)?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    let connection = tokio::spawn(connection);
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("host", host)
        .header("content-type", "application/json")
        .header("connection", "close")
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let bytes = Limited::new(response.into_body(), MAX_BYTES).collect().await?.to_bytes();
    connection.abort();
    Ok((status, bytes))
}
