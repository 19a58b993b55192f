//! Frames of `application/vnd.amazon.eventstream`, as AWS documents them: everything big-endian, all of it covered by CRC-32.
//!
//! ```text
//! total length u32 · headers' length u32 · CRC of these 8 bytes
//! headers: name's length u8 · name · 7 (a string) · value's length u16 · value, …
//! payload · CRC of all before
//! ```

use serde_json::Value;

/// The content type of a stream of frames.
pub(super) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Bytes of a frame that are neither headers nor payload.
const OVERHEAD: usize = 16;
/// The type of a header's value that is a string.
const STRING: u8 = 7;

/// One event as a frame.
pub(super) fn frame(event: &str, payload: &Value) -> Vec<u8> {
    let payload = payload.to_string();
    let mut headers = Vec::new();
    for (name, value) in
        [(":event-type", event), (":content-type", "application/json"), (":message-type", "event")]
    {
        // Names and values are words of this file.
        headers.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        headers.extend(name.bytes());
        headers.push(STRING);
        headers.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        headers.extend(value.bytes());
    }
    let mut frame = Vec::new();
    frame.extend(be(headers.len() + payload.len() + OVERHEAD));
    frame.extend(be(headers.len()));
    frame.extend(crc32(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload.bytes());
    frame.extend(crc32(&frame).to_be_bytes());
    frame
}

/// A length as it is written. One over four gigabytes cannot be framed, and no script is so long.
fn be(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// CRC-32 (IEEE 802.3), bit by bit: a frame has some hundred bytes.
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn a_frame_says_how_long_it_is_and_ends_with_its_checksum() {
        let frame = frame("messageStop", &json!({ "stopReason": "end_turn" }));
        let number = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
        assert_eq!(number(0) as usize, frame.len());
        assert_eq!(number(8), crc32(&frame[..8]));
        assert_eq!(number(frame.len() - 4), crc32(&frame[..frame.len() - 4]));
        let payload = 12 + number(4) as usize;
        assert_eq!(&frame[payload..frame.len() - 4], br#"{"stopReason":"end_turn"}"#);
        assert_eq!(&frame[12..25], b"\x0b:event-type\x07");
    }
}
