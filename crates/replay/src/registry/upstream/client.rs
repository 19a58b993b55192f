//! The HTTP client of a configuration: certificates, proxies, time bounds. Decides what goes through which proxy.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Certificate, Client, Proxy, redirect};
use url::{Host, Url};

use crate::registry::npmrc::{Proxies, Settings};

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

/// The client of `settings`, for a caller that has more to say. It follows no redirects: who follows must decide anew which credential
/// goes along.
pub(crate) fn builder(
    settings: &Settings,
    bounds: Bounds,
    gzip: bool,
) -> Result<reqwest::ClientBuilder, reqwest::Error> {
    let proxies = settings.proxies.clone();
    let mut builder = Client::builder()
        .user_agent(concat!("opencode-cache/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(bounds.connect)
        .read_timeout(bounds.idle)
        .timeout(bounds.total)
        .gzip(gzip)
        .danger_accept_invalid_certs(!settings.strict_ssl)
        .no_proxy()
        .proxy(Proxy::custom(move |url| proxy_for(&proxies, url)));
    for pem in &settings.certificates {
        for certificate in Certificate::from_pem_bundle(pem.as_bytes())? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    Ok(builder)
}

/// The proxy for an address, if it goes through one.
fn proxy_for(proxies: &Proxies, url: &Url) -> Option<Url> {
    if loopback(url) || proxies.none_for.iter().any(|rule| exempt(rule, url)) {
        return None;
    }
    let proxy = if url.scheme() == "http" { &proxies.http } else { &proxies.https };
    Url::parse(proxy.as_ref()?.reveal()).ok()
}

fn loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).to_canonical().is_loopback(),
        None => false,
    }
}

/// Whether a rule of `noproxy` covers an address: `*`, a name (which covers its subdomains), with an optional port.
fn exempt(rule: &str, url: &Url) -> bool {
    let (name, port) = match rule.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, port.parse().ok()),
        _ => (rule, None),
    };
    if port.is_some() && port != url.port_or_known_default() {
        return false;
    }
    let name = name.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase();
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let covers =
        || host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    rule.starts_with('*') && name.is_empty() || !name.is_empty() && covers()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::npmrc::Secret;

    #[test]
    fn loopback_and_exempt_hosts_are_reached_directly() {
        let proxies = Proxies {
            http: None,
            https: Some(Secret::new("http://proxy.invalid:3128")),
            none_for: ["inner.invalid", ".dot.invalid", "*.star.invalid", "port.invalid:8443"]
                .map(str::to_owned)
                .to_vec(),
        };
        let proxied = |url: &str| proxy_for(&proxies, &Url::parse(url).unwrap()).is_some();
        for url in ["https://outer.invalid/", "https://notinner.invalid/", "https://port.invalid/"] {
            assert!(proxied(url), "{url}");
        }
        for url in [
            "http://outer.invalid/",
            "https://inner.invalid/",
            "https://a.inner.invalid/",
            "https://a.dot.invalid/",
            "https://a.star.invalid/",
            "https://port.invalid:8443/",
            "https://127.0.0.1:1/",
            "https://localhost/",
            "https://[::1]/",
        ] {
            assert!(!proxied(url), "{url}");
        }
        let all = Proxies { none_for: vec!["*".to_owned()], ..proxies.clone() };
        assert!(proxy_for(&all, &Url::parse("https://outer.invalid/").unwrap()).is_none());
    }
}
