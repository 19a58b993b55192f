//! What a tar archive's extension headers say about the entry that follows them.

use super::Refusal;

/// Name, link and size from extension headers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

impl Extended {
    pub(super) fn set_path(&mut self, path: Vec<u8>) -> Result<(), Refusal> {
        once(&mut self.path, path, "two names")
    }

    pub(super) fn set_link(&mut self, link: Vec<u8>) -> Result<(), Refusal> {
        once(&mut self.link, link, "two targets of a link")
    }

    /// Takes in a pax header: records `LENGTH KEY=VALUE\n`, LENGTH being decimal and the record's
    /// own, itself included (POSIX, pax). Read by length and to the last byte: the tar crate ends
    /// at an empty line.
    pub(super) fn records(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let (record, rest) = split(bytes).ok_or(Refusal::Malformed { what: "pax record" })?;
            let equals = record.iter().position(|byte| *byte == b'=');
            let (key, value) = record.split_at(equals.ok_or(Refusal::Malformed { what: "pax record" })?);
            self.record(key, &value[1..])?;
            bytes = rest;
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), Refusal> {
        match key {
            b"path" => self.set_path(value.to_vec()),
            b"linkpath" => self.set_link(value.to_vec()),
            b"size" => {
                let size = decimal(value).ok_or(Refusal::Malformed { what: "pax record" })?;
                once(&mut self.size, size, "two different sizes")
            }
            key if key.starts_with(b"GNU.sparse") => Err(Refusal::Malformed { what: "sparse file" }),
            _ => Ok(()),
        }
    }
}

/// Sets what is given once, or twice alike.
fn once<T: PartialEq>(slot: &mut Option<T>, value: T, what: &'static str) -> Result<(), Refusal> {
    match slot {
        Some(earlier) if *earlier != value => Err(Refusal::Malformed { what }),
        slot => {
            *slot = Some(value);
            Ok(())
        }
    }
}

/// The first record, without its length and its newline, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let record = record.get(space + 1..)?;
    Some((record.strip_suffix(b"\n")?, rest))
}

/// Digits and nothing else, which `parse` alone would not ask for.
fn decimal(bytes: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(bytes).ok()?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
