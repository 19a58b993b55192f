//! One piece of the tar as one frame of zstd's: the same bytes from the same bytes, whoever packs and on however many threads. And
//! the same for what differs from something that is there already (a patch).

use zstd::zstd_safe::{CCtx, CParameter, DCtx, DParameter, get_error_name};

use crate::error::{Error, Result};

/// zstd's highest level without `--ultra`.
pub const MAX_LEVEL: i32 = 19;

/// The level that is taken where none is named. Of a release binary of 185 MB (1.18.33): level 3 leaves 57.3 MB in 1.0 s of one
/// processor, 9 51.7 MB in 4.7 s, 12 51.3 MB in 10 s.
pub const LEVEL: i32 = 9;

/// The most that a patch is made against, in bytes: three blocks, the one that the new one should match, and one on each side.
pub const MAX_PREFIX: usize = 3 * crate::header::BLOCK;

/// zstd's number for a window of 64 MiB, which holds a block and its prefix.
const WINDOW_OF_PATCHES: u32 = 26;

/// zstd's number for a window of 16 MiB: a block, which is all that a frame can refer to.
const WINDOW: u32 = 24;

/// Packs one piece.
///
/// # Errors
/// [`Error::Io`] where zstd has no memory.
pub fn pack(bytes: &[u8], level: i32) -> Result<Vec<u8>> {
    compress(bytes, None, level)
}

/// Packs one piece as what differs from `prefix`.
///
/// # Errors
/// As [`pack`].
pub fn patch(bytes: &[u8], prefix: &[u8], level: i32) -> Result<Vec<u8>> {
    compress(bytes, Some(prefix), level)
}

fn compress(bytes: &[u8], prefix: Option<&[u8]>, level: i32) -> Result<Vec<u8>> {
    let level = level.clamp(1, MAX_LEVEL);
    let mut context = CCtx::try_create().ok_or_else(|| failed("pack", 0))?;
    let mut set = |parameter| context.set_parameter(parameter).map_err(|code| failed("pack", code));
    set(CParameter::CompressionLevel(level))?;
    // Hashes are checked before anything is unpacked.
    set(CParameter::ChecksumFlag(false))?;
    set(CParameter::ContentSizeFlag(true))?;
    if let Some(prefix) = prefix {
        set(CParameter::WindowLog(WINDOW_OF_PATCHES))?;
        set(CParameter::EnableLongDistanceMatching(true))?;
        context.ref_prefix(prefix).map_err(|code| failed("pack", code))?;
    }
    let mut packed = Vec::with_capacity(zstd::zstd_safe::compress_bound(bytes.len()));
    context.compress2(&mut packed, bytes).map_err(|code| failed("pack", code))?;
    Ok(packed)
}

/// Unpacks a frame that holds just so many bytes. No more memory is taken than those, whatever the frame says.
///
/// # Errors
/// [`Error::Malformed`] where it holds anything else.
pub fn unpack(packed: &[u8], size: usize) -> Result<Vec<u8>> {
    decompress(packed, None, size)
}

/// Unpacks what [`patch`] made, beside the same prefix.
///
/// # Errors
/// As [`unpack`]. Another prefix may give other bytes, and no error: their hash tells.
pub fn apply(packed: &[u8], prefix: &[u8], size: usize) -> Result<Vec<u8>> {
    decompress(packed, Some(prefix), size)
}

fn decompress(packed: &[u8], prefix: Option<&[u8]>, size: usize) -> Result<Vec<u8>> {
    let is_one =
        zstd::zstd_safe::find_frame_compressed_size(packed).is_ok_and(|length| length == packed.len());
    if !is_one {
        return Err(malformed("it is not one frame of zstd's"));
    }
    let mut context = DCtx::try_create().ok_or_else(|| failed("unpack", 0))?;
    let window = if prefix.is_some() { WINDOW_OF_PATCHES } else { WINDOW };
    context.set_parameter(DParameter::WindowLogMax(window)).map_err(|code| failed("unpack", code))?;
    if let Some(prefix) = prefix {
        context.ref_prefix(prefix).map_err(|code| failed("unpack", code))?;
    }
    let mut bytes = Vec::with_capacity(size);
    context.decompress(&mut bytes, packed).map_err(|code| malformed(get_error_name(code)))?;
    if bytes.len() == size { Ok(bytes) } else { Err(malformed("it holds fewer bytes than it should")) }
}

fn malformed(reason: &str) -> Error {
    Error::malformed("a frame", reason)
}

fn failed(verb: &'static str, code: usize) -> Error {
    Error::Io {
        verb,
        source: std::io::Error::other(if code == 0 { "no memory" } else { get_error_name(code) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that hardly compress, from a generator of Knuth's.
    fn noise(seed: u64, count: usize) -> Vec<u8> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn unpacks_what_was_packed_and_no_other_size() {
        for bytes in [noise(1, 100_000), vec![7; 100_000], vec![1]] {
            let packed = pack(&bytes, LEVEL).unwrap();
            assert_eq!(packed, pack(&bytes, LEVEL).unwrap());
            assert_eq!(unpack(&packed, bytes.len()).unwrap(), bytes);
            for size in [bytes.len() - 1, bytes.len() + 1] {
                assert_eq!(unpack(&packed, size).unwrap_err().code(), "bundle-malformed");
            }
            let twice = [packed.clone(), packed].concat();
            assert_eq!(unpack(&twice, 2 * bytes.len()).unwrap_err().code(), "bundle-malformed");
        }
    }

    #[test]
    fn a_patch_is_small_and_needs_its_prefix() {
        let old = noise(1, 300_000);
        let mut new = old.clone();
        new.splice(1000..1000, *b"something more");
        let packed = patch(&new, &old, LEVEL).unwrap();
        assert!(packed.len() < 1000, "{}", packed.len());
        assert_eq!(apply(&packed, &old, new.len()).unwrap(), new);
        assert!(unpack(&packed, new.len()).map_or(true, |bytes| bytes != new));
        assert!(apply(&packed, &noise(2, 300_000), new.len()).map_or(true, |bytes| bytes != new));
    }
}
