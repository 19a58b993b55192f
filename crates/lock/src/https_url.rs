//! The address of a download. Owns which addresses may be pinned: `https`, complete, exact; never fetches one.

use std::{fmt, str::FromStr};

/// An `https` address as it was asked for, byte for byte: host, optional port, path, optional query. No user name
/// (a lock is public), no fragment (it never reaches a server).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpsUrl(String);

/// Longest address that is accepted, in bytes; signed redirect targets of release hosts stay below 2000.
pub const MAX_LENGTH: usize = 8192;

/// Why a text is no [`HttpsUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address does not begin with `https://`.
    #[error("the address `{url}` is not https")]
    NotHttps {
        /// The text as given.
        url: String,
    },
    /// Host, port or another part is missing, malformed or not allowed.
    #[error("the address {url:?} {problem}")]
    Malformed {
        /// The text as given, at most its first 200 characters.
        url: String,
        /// What is wrong, as the end of a sentence whose subject is the address.
        problem: &'static str,
    },
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "url-invalid"
    }
}

impl HttpsUrl {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, without the port.
    pub fn host(&self) -> &str {
        split_port(self.authority()).0
    }

    /// The port; 443 where the address names none.
    pub fn port(&self) -> u16 {
        split_port(self.authority()).1.and_then(|port| port.parse().ok()).unwrap_or(443)
    }

    /// What stands in the request line: path and query, beginning with `/`.
    pub fn path_and_query(&self) -> &str {
        let rest = &self.0["https://".len()..];
        rest.find('/').map_or("/", |slash| &rest[slash..])
    }

    /// Whether the path has the form under which npm registries serve package tarballs (`…/-/name-version.tgz`).
    /// Such bytes belong among a lock's packages, which name no registry.
    pub fn is_npm_tarball(&self) -> bool {
        let path = self.path_and_query();
        let path = path.split('?').next().unwrap_or(path);
        path.contains("/-/") && path.ends_with(".tgz")
    }

    fn authority(&self) -> &str {
        let rest = &self.0["https://".len()..];
        rest.find('/').map_or(rest, |slash| &rest[..slash])
    }
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn problem(text: &str, rest: &str) -> Option<&'static str> {
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let (host, port) = split_port(authority);
    let host_characters = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    if text.len() > MAX_LENGTH {
        Some("is too long")
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("holds a character that has to be percent-encoded")
    } else if text.contains('#') {
        Some("has a fragment")
    } else if authority.contains('@') {
        Some("holds a user name")
    } else if host.is_empty() || !host.chars().all(host_characters) {
        Some("has no valid host")
    } else if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        Some("has no valid port")
    } else if !rest[authority.len()..].starts_with('/') {
        Some("has no path")
    } else {
        None
    }
}

impl FromStr for HttpsUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some(rest) = text.strip_prefix("https://") else {
            return Err(Error::NotHttps { url: text.chars().take(200).collect() });
        };
        match problem(text, rest) {
            Some(problem) => Err(Error::Malformed { url: text.chars().take(200).collect(), problem }),
            None => Ok(HttpsUrl(text.to_owned())),
        }
    }
}

impl fmt::Display for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::macros::text_serde!(HttpsUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_an_address() {
        let url: HttpsUrl = "https://models.example:8443/api.json?x=1".parse().unwrap();
        assert_eq!((url.host(), url.port(), url.path_and_query()), ("models.example", 8443, "/api.json?x=1"));
        let url: HttpsUrl = "https://models.example/".parse().unwrap();
        assert_eq!((url.host(), url.port(), url.path_and_query()), ("models.example", 443, "/"));
        let url: HttpsUrl = "https://[::1]/x".parse().unwrap();
        assert_eq!((url.host(), url.port()), ("[::1]", 443));
    }

    #[test]
    fn refuses_what_cannot_be_pinned() {
        for bad in [
            "http://a.example/x",
            "HTTPS://a.example/x",
            "https:///x",
            "https://a.example",
            "https://a.example?x",
            "https://u:p@a.example/x",
            "https://a.example/x#y",
            "https://a.example/a b",
            "https://a.example:99999/",
            "https://a_b/ü",
            "",
        ] {
            assert!(bad.parse::<HttpsUrl>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn knows_the_form_of_an_npm_tarball() {
        assert!("https://any.example/npm/@s/a/-/a-1.0.0.tgz".parse::<HttpsUrl>().unwrap().is_npm_tarball());
        assert!(!"https://any.example/releases/a-1.0.0.tgz".parse::<HttpsUrl>().unwrap().is_npm_tarball());
    }
}
