//! Hashing a NAR on a thread of its own, a few buffers behind whoever makes it.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use crate::error::Result;

use super::{Hasher, NarHash};

/// Bytes that are handed over at once.
const PIECE: usize = 512 * 1024;

/// How many of those may wait: enough that neither side waits for a moment of the other's.
const WAITING: usize = 4;

/// The hash of what `make` writes.
pub(super) fn hash(make: impl FnOnce(&mut Pieces) -> Result<()>) -> Result<NarHash> {
    std::thread::scope(|scope| {
        let (full, pieces) = sync_channel::<Vec<u8>>(WAITING);
        let (emptied, empty) = channel();
        let hasher = scope.spawn(move || hash_all(&pieces, &emptied));
        let mut out = Pieces { piece: Vec::with_capacity(PIECE), full, empty };
        let made = make(&mut out);
        out.send();
        drop(out);
        let hashed = hasher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        made.map(|()| hashed)
    })
}

fn hash_all(pieces: &Receiver<Vec<u8>>, emptied: &Sender<Vec<u8>>) -> NarHash {
    let mut hasher = Hasher::default();
    for mut piece in pieces {
        // Writing to a hasher cannot fail.
        let _ = hasher.write_all(&piece);
        piece.clear();
        // Nobody wants it back at the end.
        let _ = emptied.send(piece);
    }
    hasher.finish()
}

/// What is written to is handed over piece by piece.
pub(super) struct Pieces {
    piece: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
}

impl Pieces {
    fn send(&mut self) {
        let next = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE));
        // The other end lives as long as this one, unless it panics, which is told when it is joined.
        let _ = self.full.send(std::mem::replace(&mut self.piece, next));
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..count]);
        if self.piece.len() == PIECE {
            self.send();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
