//! Bytes handed to a thread of its own, a few buffers behind whoever has them.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use crate::error::Result;

/// Bytes that are handed over at once.
const PIECE: usize = 256 * 1024;

/// How many of those may wait: enough that neither side waits for a moment of the other's.
const WAITING: usize = 8;

/// Has everything that `make` writes taken by `take`, on another thread; both have ended then.
pub(super) fn beside(
    mut take: impl FnMut(&[u8]) + Send,
    make: impl FnOnce(&mut Pieces) -> Result<()>,
) -> Result<()> {
    std::thread::scope(|scope| {
        let (full, pieces) = sync_channel::<Vec<u8>>(WAITING);
        let (emptying, emptied) = channel();
        let taker = scope.spawn(move || {
            for mut piece in pieces {
                take(&piece);
                piece.clear();
                // Nobody wants it back at the end.
                let _ = emptying.send(piece);
            }
        });
        let mut out = Pieces { piece: Vec::with_capacity(PIECE), full, emptied };
        let made = make(&mut out);
        out.send();
        drop(out);
        taker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        made
    })
}

/// What is written to is handed over piece by piece.
pub(super) struct Pieces {
    piece: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    emptied: Receiver<Vec<u8>>,
}

impl Pieces {
    fn send(&mut self) {
        let next = self.emptied.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE));
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
