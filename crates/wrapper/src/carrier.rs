//! How OpenCode learns of the restore plugin. Owns which variable says it, and what it says.

use crate::environment::Environment;
use crate::output::Output;
use alloc::string::String;
use alloc::vec::Vec;
use linkmap::Map;

/// The variable through which OpenCode learns of the restore plugin: the first that the user left free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// `OPENCODE_CONFIG_CONTENT`: a configuration as text, merged with the user's.
    Content,
    /// `OPENCODE_CONFIG`: `<restore>.json` beside the plugin.
    File,
    /// `OPENCODE_CONFIG_DIR`: the directory `<restore>.d` beside the plugin.
    Directory,
}

impl Carrier {
    const ALL: [Carrier; 3] = [Carrier::Content, Carrier::File, Carrier::Directory];

    /// The first free one, where the map names a plugin at all.
    pub fn available(environment: &Environment<'_>, map: &Map<'_>) -> Option<Carrier> {
        map.restore()?;
        let free = |carrier: &Carrier| environment.get(carrier.variable()).is_none();
        Carrier::ALL.into_iter().find(free)
    }

    /// Its name.
    pub const fn variable(self) -> &'static [u8] {
        match self {
            Carrier::Content => b"OPENCODE_CONFIG_CONTENT",
            Carrier::File => b"OPENCODE_CONFIG",
            Carrier::Directory => b"OPENCODE_CONFIG_DIR",
        }
    }

    /// What it says, for the plugin `restore` of `output`.
    pub fn value(self, output: &Output, restore: &str) -> Vec<u8> {
        let stem = restore.strip_suffix(".mjs").unwrap_or(restore);
        match self {
            Carrier::Content => {
                let url = file_url(&output.path(restore));
                [b"{\"plugin\":[\"".as_slice(), url.as_bytes(), b"\"]}"].concat()
            }
            Carrier::File => [&output.path(stem), b".json".as_slice()].concat(),
            Carrier::Directory => [&output.path(stem), b".d".as_slice()].concat(),
        }
    }
}

/// `file://` and the path, percent-encoded: what comes out is plain ASCII without quotes or
/// backslashes, and so may stand in JSON as it is.
fn file_url(path: &[u8]) -> String {
    let mut url = String::from("file://");
    for byte in path {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => url.push(char::from(*byte)),
            byte => {
                url.push('%');
                url.extend([byte >> 4, byte & 15].map(hexadecimal));
            }
        }
    }
    url
}

fn hexadecimal(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_survives_any_path() {
        assert_eq!(file_url(b"/a b/\"%\xff-1.0~_"), "file:///a%20b/%22%25%FF-1.0~_");
    }
}
