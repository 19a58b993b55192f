//! What OpenCode gets of the environment beside what the user has. Owns which variables are set to what;
//! whatever other programs read too is lent, and taken back before tools start.

use crate::carrier::Carrier;
use crate::environment::Environment;
use crate::failure::trace;
use crate::output::{Output, Wanted};
use alloc::vec::Vec;
use linkmap::EnvValue;

/// Variables of OpenCode's own namespace need not be taken back: no other program reads them.
const OPENCODE_PREFIX: &str = "OPENCODE_";

/// By which programs learn that requests go through a proxy.
const PROXIES: [&[u8]; 6] =
    [b"HTTP_PROXY", b"HTTPS_PROXY", b"ALL_PROXY", b"http_proxy", b"https_proxy", b"all_proxy"];

/// Makes the environment OpenCode's: the map's defaults where the user has none, the `places` of its directories,
/// no proxy for this machine; and the plugin that takes back what must not reach tools. Without a carrier for the plugin nothing is set that would have to be.
pub fn prepare(
    environment: &mut Environment<'_>,
    output: &Output,
    wanted: &Wanted<'_>,
    carrier: Option<Carrier>,
    places: Vec<(&'static [u8], Vec<u8>)>,
) {
    let mut lent: Vec<(&[u8], Vec<u8>)> = Vec::new();
    for default in &wanted.env {
        let name = default.name.as_bytes();
        if environment.get(name).is_some() {
            trace(&[b"variable ", name, b": the user's own"]);
            continue;
        }
        let value = match default.value {
            EnvValue::Text(text) => text.as_bytes().to_vec(),
            EnvValue::OutputPath(path) => output.path(path),
        };
        match default.name.starts_with(OPENCODE_PREFIX) {
            true => {
                trace(&[b"variable ", name, b" set to ", &value]);
                environment.set(name, &value);
            }
            false => lent.push((name, value)),
        }
    }
    let Some((carrier, restore)) = carrier.zip(wanted.map.restore()) else {
        trace(&[b"nothing is lent: every variable that could name the restore plugin is the user's"]);
        return;
    };
    lent.extend(places);
    lent.extend(without_proxy(environment));
    if !lent.is_empty() {
        lent.push((carrier.variable(), carrier.value(output, restore)));
        for (name, value) in &lent {
            trace(&[b"variable ", name, b" lent: ", value]);
        }
        environment.lend(&lent);
    }
}

/// OpenCode talks to itself, and to models on this machine, by loopback: through a proxy that cannot be.
/// Every variable that the user has gets what is missing, since programs differ in which one they read.
fn without_proxy(environment: &Environment<'_>) -> Vec<(&'static [u8], Vec<u8>)> {
    let is_set = |name: &[u8]| environment.get(name).is_some_and(|value| !value.is_empty());
    if !PROXIES.into_iter().any(is_set) {
        return Vec::new();
    }
    let names: [&'static [u8]; 2] = [b"NO_PROXY", b"no_proxy"];
    let neither = names.iter().all(|name| environment.get(name).is_none());
    let wanted = names.into_iter().filter(|name| neither || environment.get(name).is_some());
    wanted
        .filter_map(|name| Some((name, with_loopback(environment.get(name).unwrap_or_default())?)))
        .collect()
}

/// A list of exceptions with loopback in it, each form by itself since none stands for another (bun 1.3.14);
/// `None` where it has that already.
fn with_loopback(users: &[u8]) -> Option<Vec<u8>> {
    let mut list = users.to_vec();
    for name in [b"localhost".as_slice(), b"127.0.0.1", b"[::1]"] {
        let has = |entry: &[u8]| entry.trim_ascii() == name || entry.trim_ascii() == b"*";
        if !users.split(|byte| *byte == b',').any(has) {
            if !list.is_empty() {
                list.push(b',');
            }
            list.extend_from_slice(name);
        }
    }
    (list != users).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::string::String;

    fn no_proxy(variables: &[&core::ffi::CStr]) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let lent = without_proxy(&Environment::new(variables.iter().copied()));
        lent.into_iter().map(|(name, value)| (text(name), text(&value))).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn loopback_is_added_only_behind_a_proxy_and_only_what_is_missing() {
        let all = "localhost,127.0.0.1,[::1]";
        assert_eq!(no_proxy(&[c"NO_PROXY=a"]), []);
        assert_eq!(no_proxy(&[c"HTTP_PROXY="]), []);
        assert_eq!(no_proxy(&[c"https_proxy=x"]), [pair("NO_PROXY", all), pair("no_proxy", all)]);
        let some = [c"HTTP_PROXY=x", c"no_proxy=corp, localhost"];
        assert_eq!(no_proxy(&some), [pair("no_proxy", "corp, localhost,127.0.0.1,[::1]")]);
        assert_eq!(no_proxy(&[c"HTTP_PROXY=x", c"NO_PROXY=*"]), []);
        let both = [c"HTTP_PROXY=x", c"NO_PROXY=localhost,127.0.0.1,[::1]", c"no_proxy="];
        assert_eq!(no_proxy(&both), [pair("no_proxy", all)]);
    }
}
