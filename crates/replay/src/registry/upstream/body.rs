//! An answer's body, parsed while it comes: what is held of it is a few pieces of the network's making, whatever its length.

use std::io::{self, BufReader, Read};

use bytes::{Buf as _, Bytes, BytesMut};
use reqwest::Response;
use tokio::sync::mpsc;

/// Pieces that may wait for the parser. A piece is what the network gave at once, some 16 kB.
const WAITING: usize = 16;

/// Why a body was not parsed.
pub(super) enum Error {
    /// It is longer than it may be.
    TooLarge,
    /// The connection broke off.
    Broken(reqwest::Error),
    /// It is not what was expected.
    Malformed(serde_json::Error),
}

/// Parses a body that was kept.
pub(super) async fn again<T, P>(body: Bytes, parse: P) -> Result<T, serde_json::Error>
where
    T: Send + 'static,
    P: FnOnce(&mut dyn Read) -> Result<T, serde_json::Error> + Send + 'static,
{
    let parsing = tokio::task::spawn_blocking(move || parse(&mut body.reader()));
    parsing.await.map_err(serde::de::Error::custom)?
}

/// Parses a body of at most `limit` bytes, on a thread where that may take long. Gives it back too where it has at most `kept` bytes.
pub(super) async fn parse<T, P>(
    mut response: Response,
    limit: u64,
    kept: usize,
    parse: P,
) -> Result<(T, Option<Bytes>), Error>
where
    T: Send + 'static,
    P: FnOnce(&mut dyn Read) -> Result<T, serde_json::Error> + Send + 'static,
{
    let (sender, pieces) = mpsc::channel(WAITING);
    let parsing = tokio::task::spawn_blocking(move || {
        parse(&mut BufReader::new(Pieces { pieces, current: Bytes::new() }))
    });
    let mut length = 0_u64;
    let mut body = (kept > 0).then(BytesMut::new);
    while let Some(piece) = response.chunk().await.map_err(Error::Broken)? {
        length = length.saturating_add(piece.len() as u64);
        if length > limit {
            return Err(Error::TooLarge);
        }
        match &mut body {
            Some(body) if body.len() + piece.len() <= kept => body.extend_from_slice(&piece),
            _ => body = None,
        }
        // A parser that has heard enough says why below.
        if sender.send(piece).await.is_err() {
            // What it did not hear is not whole.
            body = None;
            break;
        }
    }
    drop(sender);
    let parsed = parsing.await.map_err(|panic| Error::Malformed(serde::de::Error::custom(panic)))?;
    parsed.map(|parsed| (parsed, body.map(BytesMut::freeze))).map_err(Error::Malformed)
}

/// What has come, as a reader. Ends where the sender does: early, where that has failed, which is what counts then.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        buffer[..length].copy_from_slice(&self.current[..length]);
        self.current.advance(length);
        Ok(length)
    }
}
