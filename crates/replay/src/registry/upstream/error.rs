//! What can go wrong out there, with the host in every case.

use url::Url;

/// Why the outside world gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration names no registry.
    #[error("no package registry is configured")]
    NoRegistry,
    /// No client could be made from the configuration: a certificate or a proxy that cannot be used.
    #[error("the certificates or proxies of the configuration cannot be used")]
    Client {
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The host could not be reached, or the connection broke off.
    #[error("no answer from {host} about {path}")]
    Transport {
        /// Host and port.
        host: String,
        /// Path of the address.
        path: String,
        /// Why. Holds no address.
        #[source]
        source: reqwest::Error,
    },
    /// The host answered with a failure, at every try.
    #[error("{host} answered {status} about {path}")]
    Status {
        /// Host and port.
        host: String,
        /// Path of the address.
        path: String,
        /// The HTTP status.
        status: u16,
        /// The `Retry-After` that it stated, in seconds.
        after: Option<u64>,
    },
    /// The answer is larger than any answer may be.
    #[error("{host} sent more than {limit} bytes for {path}")]
    TooLarge {
        /// Host and port.
        host: String,
        /// Path of the address.
        path: String,
        /// The bound in bytes.
        limit: u64,
    },
    /// The answer is not what was asked for.
    #[error("{host} answered something else than a registry's document about {path}")]
    Malformed {
        /// Host and port.
        host: String,
        /// Path of the address.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The host redirects without end, to nowhere, or from https to http.
    #[error("{host} redirects {path} to where it cannot be followed")]
    Redirect {
        /// Host and port.
        host: String,
        /// Path of the address.
        path: String,
    },
}

impl Error {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoRegistry => "registry-unknown",
            Self::Client { .. } => "upstream-client",
            Self::Transport { source, .. } if source.is_timeout() => "upstream-timeout",
            Self::Transport { .. } => "upstream-unreachable",
            Self::Status { .. } => "upstream-status",
            Self::TooLarge { .. } => "upstream-too-large",
            Self::Malformed { .. } => "upstream-malformed",
            Self::Redirect { .. } => "upstream-redirect",
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoRegistry => {
                "name one with --registry, npm_config_registry or `registry=` in .npmrc".to_owned()
            }
            Self::Client { .. } => {
                "look at cafile, ca, proxy and https-proxy in .npmrc, and at NODE_EXTRA_CA_CERTS".to_owned()
            }
            Self::Transport { host, .. } => format!(
                "is {host} reachable from here, and does a proxy have to be set (https-proxy, HTTPS_PROXY)?"
            ),
            Self::Status { .. } => "try again later".to_owned(),
            _ => return None,
        })
    }

    /// The host (and port) that failed, where one was asked.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::NoRegistry | Self::Client { .. } => None,
            Self::Transport { host, .. }
            | Self::Status { host, .. }
            | Self::TooLarge { host, .. }
            | Self::Malformed { host, .. }
            | Self::Redirect { host, .. } => Some(host),
        }
    }

    /// Whether the same question may be answered a moment later.
    pub(crate) fn passing(&self) -> bool {
        match self {
            Self::Transport { source, .. } => !source.is_builder(),
            Self::Status { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn transport(url: &Url, source: reqwest::Error) -> Self {
        Self::Transport { host: host_of(url), path: url.path().to_owned(), source: source.without_url() }
    }

    pub(crate) fn too_large(url: &Url, limit: u64) -> Self {
        Self::TooLarge { host: host_of(url), path: url.path().to_owned(), limit }
    }
}

/// Host and port, the scheme's own where the address names none.
pub(crate) fn host_and_port(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// Host and, where the address names one, port.
pub(crate) fn host_of(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}
