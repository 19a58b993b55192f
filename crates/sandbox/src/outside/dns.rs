//! The question of a DNS message (RFC 1035, section 4.1). Never answers one.

/// The header's length.
const HEADER: usize = 12;

/// The longest name in bytes (RFC 1035, 2.3.4).
const LONGEST: usize = 255;

/// Marks an answer in the header's third byte.
const IS_ANSWER: u8 = 0x80;

/// The name that a message asks for, in lower case and without the dot at its end; `None` where it asks for nothing or is no DNS
/// message. Bytes that are not printable ASCII come as `\ddd`.
pub fn question(message: &[u8]) -> Option<String> {
    let flags = *message.get(2)?;
    let questions = u16::from_be_bytes([*message.get(4)?, *message.get(5)?]);
    if flags & IS_ANSWER != 0 || questions == 0 {
        return None;
    }
    let mut name = String::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*message.get(at)?);
        if length == 0 {
            break;
        }
        // Lengths above 63 are pointers, which a first question cannot have.
        if length > 63 || at - HEADER + length > LONGEST {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        for byte in message.get(at + 1..at + 1 + length)? {
            push(&mut name, *byte);
        }
        at += 1 + length;
    }
    Some(if name.is_empty() { ".".into() } else { name })
}

fn push(name: &mut String, byte: u8) {
    if byte.is_ascii_graphic() && byte != b'.' && byte != b'\\' {
        name.push(char::from(byte.to_ascii_lowercase()));
    } else {
        name.push_str(&format!("\\{byte:03}"));
    }
}

#[cfg(test)]
mod tests {
    use super::question;

    fn ask(name: &[&[u8]]) -> Vec<u8> {
        let mut message = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name {
            message.push(label.len() as u8);
            message.extend(*label);
        }
        message.extend([0, 0, 1, 0, 1]);
        message
    }

    #[test]
    fn the_name_is_read_and_made_printable() {
        assert_eq!(question(&ask(&[b"Example", b"test"])).unwrap(), "example.test");
        assert_eq!(question(&ask(&[b"a.b\n", b"c"])).unwrap(), "a\\046b\\010.c");
        assert_eq!(question(&ask(&[])).unwrap(), ".");
    }

    #[test]
    fn nonsense_is_no_question_and_no_panic() {
        let whole = ask(&[b"example", b"test"]);
        for end in 0..whole.len() - 4 {
            assert_eq!(question(&whole[..end]), None, "{end} bytes");
        }
        let mut answer = whole.clone();
        answer[2] |= 0x80;
        assert_eq!(question(&answer), None);
        assert_eq!(question(&[0xff; 64]), None);
        assert_eq!(question(&ask(&[&[b'x'; 63][..]; 5])), None);
    }
}
