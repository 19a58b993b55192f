//! A repository on GitHub, or on a GitHub Enterprise host. Owns how one is written and which addresses follow from that (GitHub's
//! REST API of 2022-11-28); never asks one.

use std::{fmt, str::FromStr};

/// The host of whoever names none.
const PUBLIC: &str = "github.com";
/// Hosts below this name are GitHub's own for enterprises, with an API at a host of its own.
const TENANTS: &str = ".ghe.com";

/// `owner/name`, or `host/owner/name` where it is not on the public GitHub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    host: Option<String>,
    owner: String,
    name: String,
}

/// A text that names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no repository")]
pub struct Error {
    /// The text as given, at most its first 80 characters.
    pub text: String,
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "repository-invalid"
    }
}

impl Repository {
    /// The host that people open, with the port where one is named.
    pub fn host(&self) -> &str {
        self.host.as_deref().unwrap_or(PUBLIC)
    }

    /// Whether it is on the public GitHub.
    pub fn is_public(&self) -> bool {
        self.host.is_none()
    }

    /// Where its API is, without a slash at the end: a host of its own for the public GitHub and for tenants of it, a path of the same
    /// host elsewhere.
    pub fn api(&self) -> String {
        match self.host() {
            PUBLIC => format!("https://api.{PUBLIC}"),
            host if host.ends_with(TENANTS) => format!("https://api.{host}"),
            host => format!("https://{host}/api/v3"),
        }
    }

    /// What its API has about it, without a slash at the end.
    pub fn document(&self) -> String {
        format!("{}/repos/{}/{}", self.api(), self.owner, self.name)
    }

    /// Where a file of a release is downloaded; GitHub redirects from there to a host for files.
    pub fn download(&self, tag: &str, asset: &str) -> String {
        format!("https://{}/{}/{}/releases/download/{tag}/{asset}", self.host(), self.owner, self.name)
    }
}

impl FromStr for Repository {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.split('/').collect();
        let (host, owner, name) = match parts[..] {
            [owner, name] => (None, owner, name),
            [host, owner, name] if is_host(host) => (Some(host), owner, name),
            _ => return Err(Error { text: text.chars().take(80).collect() }),
        };
        if !is_owner(owner) || !is_name(name) {
            return Err(Error { text: text.chars().take(80).collect() });
        }
        let host = host.filter(|host| *host != PUBLIC).map(str::to_owned);
        Ok(Repository { host, owner: owner.to_owned(), name: name.to_owned() })
    }
}

/// A name with a dot in it, in lower case, and perhaps a port.
fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.len() <= 255
        && name.contains('.')
        && name.split('.').all(label)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port))
}

/// Letters, digits and hyphens, at most 39 of them; accounts of enterprises have an underscore too.
fn is_owner(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=39).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('-')
}

/// Letters, digits, hyphens, underscores and dots, at most 100 of them.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=100).contains(&text.len()) && text.bytes().all(fits) && text != "." && text != ".."
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        write!(f, "{}/{}", self.owner, self.name)
    }
}

crate::macros::text_serde!(Repository);

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(text: &str) -> Repository {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_follow_from_the_host() {
        let public = repository("owner/name");
        assert_eq!(public.document(), "https://api.github.com/repos/owner/name");
        assert_eq!(
            public.download("v1.0.0", "a.zip"),
            "https://github.com/owner/name/releases/download/v1.0.0/a.zip"
        );
        let own = repository("git.example:8443/owner/name.x");
        assert_eq!(own.document(), "https://git.example:8443/api/v3/repos/owner/name.x");
        assert_eq!(own.download("v1", "a"), "https://git.example:8443/owner/name.x/releases/download/v1/a");
        assert_eq!(repository("corp.ghe.com/owner/name").api(), "https://api.corp.ghe.com");
    }

    #[test]
    fn the_public_host_need_not_be_named() {
        assert_eq!(repository("github.com/owner/name"), repository("owner/name"));
        assert_eq!(repository("github.com/owner/name").to_string(), "owner/name");
        assert_eq!(repository("git.example/owner/name").to_string(), "git.example/owner/name");
        assert!(repository("owner/name").is_public() && !repository("git.example/owner/name").is_public());
    }

    #[test]
    fn refuses_what_would_become_another_address() {
        for bad in [
            "",
            "name",
            "owner/",
            "/name",
            "owner/..",
            "owner/na me",
            "owner/name?x",
            "owner/name#x",
            "own.er/name",
            "-owner/name",
            "a/owner/name",
            "a..b/owner/name",
            "user@git.example/owner/name",
            "git.example:x/owner/name",
            "git.example:080/owner/name",
            "GIT.example/owner/name",
            "https://git.example/owner/name",
            "git.example/owner/name/more",
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad:?}");
        }
    }
}
