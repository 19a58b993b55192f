//! The environment: the user's, and what OpenCode gets of it. Owns which variables are set and how
//! they are described to the restore plugin, which takes them back before tools start. Never reads a file.

use crate::output::Output;
use crate::roots::Roots;
use alloc::borrow::Cow;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use linkmap::{EnvValue, Map};

/// Names of what the plugin must take back, separated by `:`.
const SET: &[u8] = b"OPENCODE_CACHE_SET";
/// Followed by a name: the value that the user had. Absent where the user had none.
const USER_PREFIX: &[u8] = b"OPENCODE_CACHE_USER_";
/// Variables of OpenCode's own namespace need not be taken back: no other program reads them.
const OPENCODE_PREFIX: &str = "OPENCODE_";

/// Environment strings in the order in which they came, ours at the end.
pub struct Environment<'a> {
    variables: Vec<Cow<'a, CStr>>,
}

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

    const fn variable(self) -> &'static [u8] {
        match self {
            Carrier::Content => b"OPENCODE_CONFIG_CONTENT",
            Carrier::File => b"OPENCODE_CONFIG",
            Carrier::Directory => b"OPENCODE_CONFIG_DIR",
        }
    }

    fn value(self, output: &Output, restore: &str) -> Vec<u8> {
        let stem = restore.strip_suffix(".mjs").unwrap_or(restore);
        match self {
            Carrier::Content => {
                let url = file_url(&output.path(restore));
                format!("{{\"plugin\":[\"{url}\"]}}").into_bytes()
            }
            Carrier::File => output.path(&format!("{stem}.json")),
            Carrier::Directory => output.path(&format!("{stem}.d")),
        }
    }
}

impl<'a> Environment<'a> {
    /// The environment as it came.
    pub fn new(strings: &[&'a CStr]) -> Environment<'a> {
        let variables = strings.iter().map(|string| Cow::Borrowed(*string));
        Environment { variables: variables.collect() }
    }

    /// Every string, as `execve` takes them.
    pub fn variables(&self) -> impl Iterator<Item = &CStr> {
        self.variables.iter().map(AsRef::as_ref)
    }

    /// A variable's value.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.variables().find_map(|string| value_of(string, name))
    }

    /// Started by an OpenCode that has not yet taken back what an outer wrapper set: do it here, so
    /// that "the user's value" is the user's and not the outer wrapper's.
    pub fn undo_outer_wrapper(&mut self) {
        let Some(names) = self.get(SET).map(<[u8]>::to_vec) else {
            return;
        };
        for name in names.split(|byte| *byte == b':') {
            match self.get(&[USER_PREFIX, name].concat()).map(<[u8]>::to_vec) {
                Some(value) => self.set(name, &value),
                None => self.remove(name),
            }
        }
        let note =
            |string: &CStr| string.to_bytes().starts_with(USER_PREFIX) || value_of(string, SET).is_some();
        self.variables.retain(|string| !note(string));
    }

    /// Makes it OpenCode's: the map's defaults where the user has none, the cache home that was
    /// chosen, and where any of that must not reach tools, the plugin that takes it back.
    pub fn prepare(&mut self, output: &Output, map: &Map<'_>, roots: &Roots, carrier: Option<Carrier>) {
        let mut taken_back = Vec::new();
        for default in map.env() {
            let inner = default.name.starts_with(OPENCODE_PREFIX);
            let name = default.name.as_bytes();
            if self.get(name).is_some() || (!inner && carrier.is_none()) {
                continue;
            }
            let value = match default.value {
                EnvValue::Text(text) => text.as_bytes().to_vec(),
                EnvValue::OutputPath(path) => output.path(path),
            };
            match inner {
                true => self.set(name, &value),
                false => taken_back.push((name, value)),
            }
        }
        if let Some(home) = roots.cache_home() {
            taken_back.push((b"XDG_CACHE_HOME", home.to_vec()));
        }
        let Some((carrier, restore)) = carrier.zip(map.restore()) else {
            return;
        };
        if !taken_back.is_empty() {
            taken_back.push((carrier.variable(), carrier.value(output, restore)));
            self.lend(&taken_back);
        }
    }

    /// Sets variables and notes for the plugin what the user had in their place.
    fn lend(&mut self, variables: &[(&[u8], Vec<u8>)]) {
        let names: Vec<_> = variables.iter().map(|(name, _)| *name).collect();
        for (name, value) in variables {
            if let Some(own) = self.get(name).map(<[u8]>::to_vec) {
                self.set(&[USER_PREFIX, name].concat(), &own);
            }
            self.set(name, value);
        }
        self.set(SET, &names.join(b":".as_slice()));
    }

    fn set(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        // Names come from a checked map or from here, values from the environment: no NUL in either.
        if let Ok(string) = CString::new([name, b"=", value].concat()) {
            self.variables.push(Cow::Owned(string));
        }
    }

    fn remove(&mut self, name: &[u8]) {
        self.variables.retain(|string| value_of(string, name).is_none());
    }
}

fn value_of<'s>(string: &'s CStr, name: &[u8]) -> Option<&'s [u8]> {
    string.to_bytes().strip_prefix(name)?.strip_prefix(b"=")
}

/// `file://` and the path, percent-encoded: what comes out is plain ASCII without quotes or
/// backslashes, and so may stand in JSON as it is.
fn file_url(path: &[u8]) -> String {
    let mut url = String::from("file://");
    for byte in path {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => url.push(char::from(*byte)),
            byte => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(environment: &Environment<'_>) -> Vec<String> {
        let text = |string: &CStr| string.to_string_lossy().into_owned();
        environment.variables().map(text).collect()
    }

    #[test]
    fn a_url_survives_any_path() {
        assert_eq!(file_url(b"/a b/\"%\xff-1.0~_"), "file:///a%20b/%22%25%FF-1.0~_");
    }

    #[test]
    fn the_outer_wrapper_is_undone() {
        let given = [
            c"XDG_CACHE_HOME=/ours",
            c"OPENCODE_CACHE_USER_XDG_CACHE_HOME=/users",
            c"OPENCODE_CONFIG_CONTENT={}",
            c"OPENCODE_CACHE_SET=XDG_CACHE_HOME:OPENCODE_CONFIG_CONTENT",
            c"A=b",
        ];
        let mut environment = Environment::new(&given);
        environment.undo_outer_wrapper();
        assert_eq!(strings(&environment), ["A=b", "XDG_CACHE_HOME=/users"]);
    }

    #[test]
    fn what_is_lent_is_noted() {
        let mut environment = Environment::new(&[c"A=1", c"B=2"]);
        environment.lend(&[(b"A", b"x".to_vec()), (b"C", b"y".to_vec())]);
        let expected = ["B=2", "OPENCODE_CACHE_USER_A=1", "A=x", "C=y", "OPENCODE_CACHE_SET=A:C"];
        assert_eq!(strings(&environment), expected);
    }
}
