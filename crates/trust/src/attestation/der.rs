//! As much of DER as it takes to find the extensions of a certificate that has been verified. Reads nothing else, and judges nothing.

/// Where Fulcio's own extensions are: 1.3.6.1.4.1.57264.1, and a number after it (github.com/sigstore/fulcio, docs/oid-info.md).
const FULCIO: [u8; 9] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01];

/// 2.5.29.35 and 2.5.29.14: the key identifiers of who signed, and of who is certified (RFC 5280).
const AUTHORITY_KEY: [u8; 3] = [0x55, 0x1d, 0x23];
const SUBJECT_KEY: [u8; 3] = [0x55, 0x1d, 0x0e];

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
const UTF8: u8 = 0x0c;
/// `[0]` of an authority's key identifier.
const KEY_ID: u8 = 0x80;
/// `[3]` of a certificate's body: its extensions.
const EXTENSIONS: u8 = 0xa3;

/// A value, and what follows it.
struct Read<'a> {
    tag: u8,
    value: &'a [u8],
    rest: &'a [u8],
}

/// The first value of `bytes`.
fn read(bytes: &[u8]) -> Option<Read<'_>> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Up to 16 MB, of which a certificate has a thousandth.
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some(Read { tag, value, rest })
}

/// What is inside, where `bytes` begin with that tag.
fn inside(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    read(bytes).filter(|found| found.tag == tag).map(|found| found.value)
}

/// The value of a certificate's extension, by its object identifier.
fn value<'a>(certificate: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let mut body = inside(inside(certificate, SEQUENCE)?, SEQUENCE)?;
    let mut extensions = loop {
        let found = read(body)?;
        if found.tag == EXTENSIONS {
            break inside(found.value, SEQUENCE)?;
        }
        body = found.rest;
    };
    while let Some(one) = read(extensions) {
        extensions = one.rest;
        let id = read(one.value).filter(|id| id.tag == OBJECT_ID)?;
        if id.value == wanted {
            let after = read(id.rest)?;
            return inside(if after.tag == BOOLEAN { after.rest } else { id.rest }, OCTETS);
        }
    }
    None
}

/// The value of Fulcio's extension number `which`: a text. Those up to 6 are the text itself, the later ones hold it as DER.
pub(super) fn extension(certificate: &[u8], which: u8) -> Option<&str> {
    let value = value(certificate, &[&FULCIO[..], &[which]].concat())?;
    std::str::from_utf8(if which <= 6 { value } else { inside(value, UTF8)? }).ok()
}

/// What a certificate calls the key that signed it.
pub(super) fn issuer_key(certificate: &[u8]) -> Option<&[u8]> {
    inside(inside(value(certificate, &AUTHORITY_KEY)?, SEQUENCE)?, KEY_ID)
}

/// What a certificate calls its own key.
pub(super) fn own_key(certificate: &[u8]) -> Option<&[u8]> {
    inside(value(certificate, &SUBJECT_KEY)?, OCTETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_too_early_is_nothing() {
        let whole = [0x30, 0x81, 0x02, 0x04, 0x00];
        assert_eq!(inside(&whole, SEQUENCE), Some(&[0x04, 0x00][..]));
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_none(), "{end}");
            assert_eq!(extension(&whole[..end], 1), None);
        }
        assert!(read(&[0x30, 0x80, 0, 0]).is_none() && read(&[0x30, 0x84, 0, 0, 0, 0]).is_none());
    }
}
