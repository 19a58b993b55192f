//! The HTTP client of a configuration: certificates, proxies, time bounds.

use std::time::Duration;

use reqwest::{Certificate, Client, Identity, Proxy, redirect};
use url::Url;

use super::ways::Ways;
use crate::registry::npmrc::{Settings, nearest};

/// How long the outside may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// To connect, TLS included.
    pub connect: Duration,
    /// Between two bytes.
    pub idle: Duration,
    /// For one request as a whole.
    pub total: Duration,
}

impl Default for Bounds {
    /// 10 s to connect: a host that takes longer is down. 30 s without a byte: the connection is dead. 10 minutes in all: 1 GiB at 2 MB/s.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), idle: seconds(30), total: seconds(600) }
    }
}

/// The clients of a configuration: one for everybody, and one for each certificate that says who we are. Such a certificate is a
/// matter of a client's connections, so who is not to see it is asked by another client.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    everybodys: Client,
    /// By the prefix of the addresses that they are for.
    own: Vec<(String, Client)>,
}

impl Clients {
    /// Those of `settings`.
    pub(crate) fn of(settings: &Settings, bounds: Bounds, gzip: bool) -> Result<Self, reqwest::Error> {
        let mut own = Vec::new();
        for identity in &settings.identities {
            let pem = Identity::from_pem(identity.pem.reveal().as_bytes())?;
            own.push((identity.prefix.clone(), client(settings, bounds, gzip, Some(pem))?));
        }
        Ok(Self { everybodys: client(settings, bounds, gzip, None)?, own })
    }

    /// The one for an address.
    pub(crate) fn to(&self, url: &Url) -> &Client {
        nearest(&self.own, url, |(prefix, _)| prefix).map_or(&self.everybodys, |(_, client)| client)
    }
}

/// A client of `settings`. It follows no redirects: who follows must decide anew which credential goes along.
fn client(
    settings: &Settings,
    bounds: Bounds,
    gzip: bool,
    identity: Option<Identity>,
) -> Result<Client, reqwest::Error> {
    let ways = Ways::of(settings);
    let mut builder = Client::builder()
        .user_agent(concat!("opencode-cache/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(bounds.connect)
        .read_timeout(bounds.idle)
        .timeout(bounds.total)
        .gzip(gzip)
        .danger_accept_invalid_certs(!settings.strict_ssl)
        .no_proxy()
        .proxy(Proxy::custom(move |url| ways.proxy(url)));
    for pem in &settings.certificates {
        for certificate in Certificate::from_pem_bundle(pem.as_bytes())? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    if let Some(identity) = identity {
        builder = builder.identity(identity);
    }
    for (host, address) in &settings.connect_to {
        builder = builder.resolve(host, *address);
    }
    builder.build()
}
