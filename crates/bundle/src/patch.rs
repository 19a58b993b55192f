//! A file as what differs from another: piece by piece, each against the stretch of the old file around the same place. So neither
//! file has to be in memory, and a large one that grew a little is still found again.

use std::io::Read;

use crate::error::{Doing as _, Error, Result};
use crate::frame;
use crate::header::BLOCK;

/// The smallest file that is worth a patch, in bytes: smaller ones compress well enough beside each other.
pub const SMALLEST: u64 = 64 * 1024;

/// What makes `new` out of `old`: a frame of zstd's for each piece, one after another.
///
/// # Errors
/// [`Error::Io`].
pub fn make(new: impl Read, old: impl Read, level: i32) -> Result<Vec<u8>> {
    let (mut new, mut old) = (new, Window::new(old));
    let mut patch = Vec::new();
    let mut piece = Vec::with_capacity(BLOCK);
    loop {
        piece.clear();
        fill(&mut new, &mut piece, BLOCK)?;
        if piece.is_empty() {
            return Ok(patch);
        }
        patch.extend_from_slice(&frame::patch(&piece, old.next()?, level)?);
    }
}

/// Hands out the file of `size` bytes that `patch` makes out of `old`. That they are the right ones is for the caller to check: an old
/// file that is another gives others, or an error.
///
/// # Errors
/// [`Error::Malformed`] where it is no patch; [`Error::Io`]; what `to` says.
pub fn apply(patch: &[u8], old: impl Read, size: u64, to: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let (mut rest, mut old, mut left) = (patch, Window::new(old), size);
    let malformed = || Error::malformed("a patch", "it is for a file of another size");
    while left > 0 {
        let length = zstd::zstd_safe::find_frame_compressed_size(rest).map_err(|_| malformed())?;
        let (packed, later) = rest.split_at_checked(length).ok_or_else(malformed)?;
        let count = left.min(BLOCK as u64);
        to(&frame::apply(packed, old.next()?, count as usize)?)?;
        left -= count;
        rest = later;
    }
    if rest.is_empty() { Ok(()) } else { Err(malformed()) }
}

/// The stretch of the old file that belongs to a piece: the same place, and a piece before and behind it.
struct Window<R> {
    from: R,
    bytes: Vec<u8>,
    /// Which piece is next.
    piece: usize,
}

impl<R: Read> Window<R> {
    fn new(from: R) -> Self {
        Self { from, bytes: Vec::new(), piece: 0 }
    }

    fn next(&mut self) -> Result<&[u8]> {
        let more = if self.piece == 0 { 2 * BLOCK } else { BLOCK };
        if self.piece > 1 {
            self.bytes.drain(..BLOCK.min(self.bytes.len()));
        }
        self.piece += 1;
        fill(&mut self.from, &mut self.bytes, more)?;
        Ok(&self.bytes)
    }
}

/// Reads so many bytes more, or what there is.
fn fill(from: &mut impl Read, bytes: &mut Vec<u8>, more: usize) -> Result<()> {
    from.take(more as u64).read_to_end(bytes).map(drop).doing("read what belongs into")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that hardly compress.
    fn noise(count: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    fn round(new: &[u8], old: &[u8]) -> usize {
        let patch = make(new, old, 1).unwrap();
        let mut found = Vec::new();
        let mut keep = |bytes: &[u8]| {
            found.extend_from_slice(bytes);
            Ok(())
        };
        apply(&patch, old, new.len() as u64, &mut keep).unwrap();
        assert!(found == new);
        for size in [new.len() as u64 + 1, (new.len() as u64).saturating_sub(1)] {
            assert!(size == new.len() as u64 || apply(&patch, old, size, &mut |_| Ok(())).is_err());
        }
        patch.len()
    }

    #[test]
    fn a_file_that_grew_in_the_middle_is_found_again_beyond_a_pieces_end() {
        let old = noise(2 * BLOCK + 1000);
        let mut new = old.clone();
        new.splice(5000..5000, noise(200_000).into_iter().rev());
        let size = round(&new, &old);
        assert!(size < 220_000, "{size}");
    }

    #[test]
    fn shorter_longer_and_empty_files() {
        let old = noise(100_000);
        for new in [&old[..0], &old[..1], &old[50_000..], &old[..], &noise(BLOCK + 1)[..]] {
            round(new, &old);
            round(new, &[]);
        }
        assert!(round(&old[50_000..], &old) < 1000);
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        let patch = make(&b"new bytes"[..], &b"old bytes"[..], 1).unwrap();
        let apply = |patch: &[u8]| apply(patch, &b"old bytes"[..], 9, &mut |_| Ok(()));
        assert!(apply(&patch).is_ok());
        for length in 0..patch.len() {
            assert_eq!(apply(&patch[..length]).unwrap_err().code(), "bundle-malformed", "{length}");
        }
        assert!(apply(&[patch.as_slice(), &patch].concat()).is_err());
    }
}
