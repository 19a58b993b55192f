//! The environment: the user's strings, and how what is lent to OpenCode is described to the restore plugin,
//! which takes it back before tools start. Which variables those are, `opencode` knows.

use alloc::borrow::Cow;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

/// Names of what the plugin must take back, separated by `:`.
const SET: &[u8] = b"OPENCODE_CACHE_SET";
/// Followed by a name: the value that the user had. Absent where the user had none.
const USER_PREFIX: &[u8] = b"OPENCODE_CACHE_USER_";

/// Environment strings in the order in which they came, ours at the end.
pub struct Environment<'a> {
    variables: Vec<Cow<'a, CStr>>,
}

impl<'a> Environment<'a> {
    /// The environment as it came.
    pub fn new(strings: impl Iterator<Item = &'a CStr>) -> Environment<'a> {
        // More than most have: one allocation.
        let mut variables = Vec::with_capacity(96);
        variables.extend(strings.map(Cow::Borrowed));
        Environment { variables }
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

    /// Whether a switch of ours is on.
    pub fn is_on(&self, name: &[u8]) -> bool {
        self.get(name) == Some(b"1")
    }

    /// Sets variables and notes for the plugin what the user had in their place.
    pub fn lend(&mut self, variables: &[(&[u8], Vec<u8>)]) {
        let names: Vec<_> = variables.iter().map(|(name, _)| *name).collect();
        for (name, value) in variables {
            if let Some(own) = self.get(name).map(<[u8]>::to_vec) {
                self.set(&[USER_PREFIX, name].concat(), &own);
            }
            self.set(name, value);
        }
        self.set(SET, &names.join(b":".as_slice()));
    }

    /// Sets a variable, at the end.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
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
    let bytes = string.to_bytes();
    // The cheaper question first: it is asked some thousand times at a start.
    match bytes.get(name.len()) {
        Some(b'=') if bytes.starts_with(name) => bytes.get(name.len() + 1..),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn strings(environment: &Environment<'_>) -> Vec<String> {
        let text = |string: &CStr| string.to_string_lossy().into_owned();
        environment.variables().map(text).collect()
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
        let mut environment = Environment::new(given.into_iter());
        environment.undo_outer_wrapper();
        assert_eq!(strings(&environment), ["A=b", "XDG_CACHE_HOME=/users"]);
    }

    #[test]
    fn what_is_lent_is_noted() {
        let mut environment = Environment::new([c"A=1", c"B=2"].into_iter());
        environment.lend(&[(b"A", b"x".to_vec()), (b"C", b"y".to_vec())]);
        let expected = ["B=2", "OPENCODE_CACHE_USER_A=1", "A=x", "C=y", "OPENCODE_CACHE_SET=A:C"];
        assert_eq!(strings(&environment), expected);
    }
}
