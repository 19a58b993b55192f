//! The HTTP client of a configuration: certificates, proxies, time bounds.

use std::time::Duration;

use reqwest::{Certificate, Client, Proxy, redirect};

use super::ways::Ways;
use crate::registry::npmrc::Settings;

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

/// The client of `settings`. It follows no redirects: who follows must decide anew which credential goes along.
pub(crate) fn client(settings: &Settings, bounds: Bounds, gzip: bool) -> Result<Client, reqwest::Error> {
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
    for (host, address) in &settings.connect_to {
        builder = builder.resolve(host, *address);
    }
    builder.build()
}
