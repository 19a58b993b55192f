//! What can go wrong out there, with the host in every case.

use url::Url;

use super::ways::Way;

/// The status of a proxy that wants to know who asks.
pub(crate) const PROXY_CREDENTIALS: u16 = 407;

/// What kept an answer from coming. Told from the texts of its causes, because the types of those are nobody's to name (hyper-util
/// 0.1, rustls 0.23); a test of each stands in `tests/behaviour/ways.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing came in time.
    Timeout,
    /// Its certificate is of no authority that is trusted here, or of another host, or out of date.
    Certificate,
    /// It wants a certificate that says who we are, or another one than it got.
    OwnCertificate,
    /// Nobody knows the host's name.
    Name,
    /// The proxy does not open a way to the host: it may not, or cannot.
    Proxy,
    /// The proxy wants other credentials than it got, or any.
    ProxyCredentials,
    /// No connection, or one that broke off.
    Connection,
}

/// What a host says in TLS that wants to know by certificate who asks (rustls 0.23's names).
const ABOUT_US: [&str; 8] = [
    "CertificateRequired",
    "BadCertificate",
    "CertificateUnknown",
    "CertificateExpired",
    "CertificateRevoked",
    "UnknownCA",
    "AccessDenied",
    "DecryptError",
];

impl Fault {
    fn of(error: &reqwest::Error) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = cause {
            let text = error.to_string();
            if text.contains("proxy authorization required") {
                return Self::ProxyCredentials;
            }
            if text.contains("tunnel error: unsuccessful") {
                return Self::Proxy;
            }
            if text.contains("invalid peer certificate") {
                return Self::Certificate;
            }
            if text
                .split_once("received fatal alert: ")
                .is_some_and(|(_, alert)| ABOUT_US.iter().any(|about| alert.starts_with(about)))
            {
                return Self::OwnCertificate;
            }
            if text.contains("failed to lookup address") {
                return Self::Name;
            }
            cause = error.source();
        }
        if error.is_timeout() { Self::Timeout } else { Self::Connection }
    }
}

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
    #[error("no answer from {host} about {path}{}", through(way))]
    Transport {
        /// Host and port.
        host: String,
        /// Path of the address.
        path: String,
        /// How it was to be reached.
        way: Way,
        /// What kept the answer from coming.
        fault: Fault,
        /// Why. Holds no address.
        #[source]
        source: reqwest::Error,
    },
    /// The proxy wants to know who asks, and was told nothing or something wrong.
    #[error(
        "no answer from {host}{}: it wants other credentials than it got, or any (status 407)",
        through(way)
    )]
    ProxyCredentials {
        /// Host and port.
        host: String,
        /// The proxy.
        way: Way,
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
            Self::Transport { fault, .. } => match fault {
                Fault::Timeout => "upstream-timeout",
                Fault::Certificate => "upstream-certificate",
                Fault::OwnCertificate => "upstream-client-certificate",
                Fault::Proxy => "proxy-refused",
                _ => "upstream-unreachable",
            },
            Self::ProxyCredentials { .. } => "proxy-credentials",
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
                "look at cafile, ca, certfile, keyfile, proxy and https-proxy in .npmrc, and at NODE_EXTRA_CA_CERTS".to_owned()
            }
            Self::Transport { host, way, fault, .. } => fault.hint(host, way),
            Self::ProxyCredentials { way, host } => Fault::ProxyCredentials.hint(host, way),
            Self::Malformed { host, .. } => {
                format!("is {host} a package registry, and does no login page answer in its place?")
            }
            Self::TooLarge { host, .. } => format!("ask the owner of {host} what it serves there"),
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
            | Self::ProxyCredentials { host, .. }
            | Self::Status { host, .. }
            | Self::TooLarge { host, .. }
            | Self::Malformed { host, .. }
            | Self::Redirect { host, .. } => Some(host),
        }
    }

    /// Whether the same question may be answered a moment later.
    pub(crate) fn passing(&self) -> bool {
        match self {
            Self::Transport { source, fault, .. } => {
                let lasts = matches!(
                    fault,
                    Fault::Certificate | Fault::OwnCertificate | Fault::Proxy | Fault::ProxyCredentials
                );
                !lasts && !source.is_builder()
            }
            Self::Status { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn transport(url: &Url, way: &Way, source: reqwest::Error) -> Self {
        let fault = Fault::of(&source);
        if fault == Fault::ProxyCredentials {
            return Self::proxy_credentials(url, way);
        }
        let (host, path) = (host_of(url), url.path().to_owned());
        Self::Transport { host, path, way: way.clone(), fault, source: source.without_url() }
    }

    pub(crate) fn proxy_credentials(url: &Url, way: &Way) -> Self {
        Self::ProxyCredentials { host: host_of(url), way: way.clone() }
    }

    pub(crate) fn too_large(url: &Url, limit: u64) -> Self {
        Self::TooLarge { host: host_of(url), path: url.path().to_owned(), limit }
    }
}

impl Fault {
    fn hint(self, host: &str, way: &Way) -> String {
        const TRUST: &str = "name its authority with cafile= in .npmrc, NODE_EXTRA_CA_CERTS or SSL_CERT_FILE";
        match (self, way) {
            (Self::Certificate, _) => format!("if {host} is the right host, {TRUST}"),
            (Self::OwnCertificate, _) => format!(
                "it wants a certificate of yours: name certificate and key with //{host}/:certfile= and //{host}/:keyfile= in .npmrc"
            ),
            (Self::ProxyCredentials, _) => {
                "put them into the proxy's address (http://USER:PASSWORD@HOST:PORT, special characters as %XX): HTTPS_PROXY, \
                 HTTP_PROXY, or https-proxy and proxy in .npmrc"
                    .to_owned()
            }
            (Self::Proxy, _) => {
                format!("ask its owner to let {host} through, or name {host} in NO_PROXY if it is reached without it")
            }
            (_, Way::Proxy(proxy)) => format!(
                "is the proxy {proxy} the right one, and up? It is named by HTTPS_PROXY or HTTP_PROXY, or https-proxy or proxy in \
                 .npmrc; hosts that need none are named in NO_PROXY"
            ),
            (_, Way::Elsewhere(_)) => format!("is {host} really there? --connect-to says so"),
            (_, Way::Direct) => format!(
                "is {host} reachable from here, and does a proxy have to be set (https-proxy, HTTPS_PROXY)?"
            ),
        }
    }
}

/// For the end of a sentence about a host: how it was to be reached, where that is not as its name says.
fn through(way: &Way) -> String {
    if *way == Way::Direct { String::new() } else { format!(" {way}") }
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
