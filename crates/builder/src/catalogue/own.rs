//! The catalogue inside a release binary, for the versions that do not find it themselves ([`opencode::HIDDEN_CATALOGUE`]): a text of
//! JavaScript's, taken out of the binary's code.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::path::Path;

use lock::Version;
use memchr::memmem::Finder;

use super::{MAX_BYTES, fault};
use crate::opencode;

/// Bytes that are read at once.
const BUFFER: usize = 1 << 20;
/// The most that is read of a binary, in bytes: five times a real one.
const MOST: u64 = 1 << 30;
/// How far the catalogue stands behind what it is found by, in bytes: names of the compiler's making lie between.
const NEAR: usize = 128;

/// The catalogue of the binary at `path`, where its version needs it laid out.
///
/// # Errors
/// Where the binary cannot be read, or has none.
pub fn own(path: &Path, version: &Version) -> io::Result<Option<Vec<u8>>> {
    if !opencode::hides_catalogue(version) {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let text = find(&mut file)?;
    let bytes = text.filter(|bytes| fault(bytes).is_none());
    bytes.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no catalogue of models in it"))
}

/// The first text behind what it is found by.
fn find(file: &mut (impl Read + Seek)) -> io::Result<Option<Vec<u8>>> {
    let [before, quote] = opencode::HIDDEN_CATALOGUE;
    let (finder, quotes) = (Finder::new(before), Finder::new(quote));
    let mut buffer = vec![0; BUFFER];
    let (mut kept, mut behind) = (0, 0_u64);
    while behind < MOST {
        let read = file.read(buffer.get_mut(kept..).unwrap_or_default())?;
        let filled = buffer.get(..kept + read).unwrap_or_default();
        for place in finder.find_iter(filled) {
            let near = filled.get(place..).unwrap_or_default();
            let near = near.get(..NEAR.min(near.len())).unwrap_or_default();
            if let Some(at) = quotes.find(near) {
                file.seek(SeekFrom::Start(behind + (place + at + quote.len()) as u64))?;
                return literal(io::BufReader::new(file).take(MAX_BYTES)).map(Some);
            }
        }
        if read == 0 {
            break;
        }
        // What the buffer's end would cut in two is looked at twice.
        let rest = filled.len().saturating_sub(before.len() + NEAR);
        let filled = filled.len();
        buffer.copy_within(rest..filled, 0);
        (kept, behind) = (filled - rest, behind + rest as u64);
    }
    Ok(None)
}

/// What a text in single quotes says, whose first quote was read.
fn literal(code: impl BufRead) -> io::Result<Vec<u8>> {
    let cut = || io::Error::new(io::ErrorKind::InvalidData, "its catalogue of models has no end");
    let mut bytes = code.bytes();
    let mut next = || bytes.next().transpose()?.ok_or_else(cut);
    // UTF-16, as JavaScript counts: a sign beyond its first plane is written as two.
    let mut units: Vec<u16> = Vec::new();
    loop {
        match next()? {
            b'\'' => break,
            b'\\' => {
                let digits = match next()? {
                    b'x' => 2,
                    b'u' => 4,
                    other => {
                        units.push(match other {
                            b'n' => 10,
                            b'r' => 13,
                            b't' => 9,
                            b'b' => 8,
                            b'f' => 12,
                            b'v' => 11,
                            b'0' => 0,
                            other => other.into(),
                        });
                        continue;
                    }
                };
                let mut unit = 0;
                for _ in 0..digits {
                    let digit = char::from(next()?).to_digit(16).ok_or_else(cut)?;
                    unit = unit * 16 + u16::try_from(digit).unwrap_or_default();
                }
                units.push(unit);
            }
            // The code is Latin-1 as it lies in the binary.
            other => units.push(other.into()),
        }
    }
    Ok(String::from_utf16_lossy(&units).into_bytes())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_catalogue_is_taken_out_of_code() {
        let [before, quote] = opencode::HIDDEN_CATALOGUE;
        let text = r#"{"a":{"models":{"b":{"name":"it\'s \\"ü\\" \uD83D\uDE00 \xFC"}}}}'; more"#;
        let code = format!(
            "{}{before} other(data) }}\n{before}\n  const json3{quote}{text}",
            "x".repeat(BUFFER - 40)
        );
        let found = find(&mut Cursor::new(latin1(&code))).unwrap().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&found).unwrap();
        assert_eq!(value["a"]["models"]["b"]["name"], "it's \"ü\" 😀 ü");
        assert_eq!(find(&mut Cursor::new(b"nothing of it")).unwrap(), None);
        assert!(find(&mut Cursor::new(format!("{before}{quote}{{\"never ends"))).is_err());
    }

    fn latin1(text: &str) -> Vec<u8> {
        text.chars().map(|sign| u8::try_from(u32::from(sign)).unwrap()).collect()
    }
}
