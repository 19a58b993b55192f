//! How an address is reached: directly, at another address, or through a proxy. Decides it; opens nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::error::host_and_port;
use crate::registry::npmrc::{Proxies, Settings};

/// How an address is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// As its name says.
    Direct,
    /// At an address that the user named instead of the host's own.
    Elsewhere(SocketAddr),
    /// Through the proxy at this host and port; never with its user and password.
    Proxy(String),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("directly"),
            // The port 0 stands for the scheme's own.
            Self::Elsewhere(address) if address.port() == 0 => write!(f, "at {}", address.ip()),
            Self::Elsewhere(address) => write!(f, "at {address}"),
            Self::Proxy(proxy) => write!(f, "through the proxy {proxy}"),
        }
    }
}

/// The ways out of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Ways {
    proxies: Proxies,
    connect_to: BTreeMap<String, SocketAddr>,
}

impl Ways {
    /// Those of `settings`.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self { proxies: settings.proxies.clone(), connect_to: settings.connect_to.clone() }
    }

    /// How `url` is reached.
    #[must_use]
    pub fn to(&self, url: &Url) -> Way {
        if let Some(address) = self.elsewhere(url) {
            return Way::Elsewhere(address);
        }
        self.proxy(url).map_or(Way::Direct, |proxy| Way::Proxy(host_and_port(&proxy)))
    }

    /// The proxy for an address, with its credentials, if it goes through one. A host that the user says is elsewhere does not: a proxy
    /// would look its name up.
    pub(super) fn proxy(&self, url: &Url) -> Option<Url> {
        let exempt = || self.proxies.none_for.iter().any(|rule| exempt(rule, url));
        if loopback(url) || self.elsewhere(url).is_some() || exempt() {
            return None;
        }
        let proxy = if url.scheme() == "http" { &self.proxies.http } else { &self.proxies.https };
        Url::parse(proxy.as_ref()?.reveal()).ok()
    }

    fn elsewhere(&self, url: &Url) -> Option<SocketAddr> {
        self.connect_to.get(url.host_str()?).copied()
    }
}

fn loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).to_canonical().is_loopback(),
        None => false,
    }
}

/// Whether a rule of `noproxy` covers an address, as curl and npm read it: `*`, a name (which covers its subdomains), an address, or a
/// range of addresses (`10.0.0.0/8`); a name or an address with an optional port.
fn exempt(rule: &str, url: &Url) -> bool {
    if rule == "*" {
        return true;
    }
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        _ => None,
    };
    if let Some((range, bits)) = rule.split_once('/') {
        let range = range.trim_matches(['[', ']']).parse().ok().zip(bits.parse().ok());
        return ip.zip(range).is_some_and(|(ip, (range, bits))| within(ip, range, bits));
    }
    let (name, port) = match rule.rsplit_once(':') {
        // More colons, and no brackets: an IPv6 address without a port.
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (rule, None),
    };
    if port.is_some_and(|port| port.parse().ok() != url.port_or_known_default()) {
        return false;
    }
    if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
        return ip.is_some_and(|ip| ip.to_canonical() == address.to_canonical());
    }
    let name =
        name.trim_start_matches('*').trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    !name.is_empty()
        && host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether an address begins with the first `bits` bits of `range`.
fn within(ip: IpAddr, range: IpAddr, bits: u32) -> bool {
    match (ip.to_canonical(), range.to_canonical()) {
        (IpAddr::V4(ip), IpAddr::V4(range)) => same(ip.to_bits().into(), range.to_bits().into(), 32, bits),
        (IpAddr::V6(ip), IpAddr::V6(range)) => same(ip.to_bits(), range.to_bits(), 128, bits),
        _ => false,
    }
}

fn same(one: u128, other: u128, width: u32, bits: u32) -> bool {
    // All bits differ where none is compared: a shift by the whole width is none.
    bits <= width && (one ^ other).checked_shr(width - bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::npmrc::Secret;

    fn ways(none_for: &[&str]) -> Ways {
        let none_for = none_for.iter().map(|rule| (*rule).to_owned()).collect();
        let https = Some(Secret::new("http://user:hunter2@proxy.invalid:3128"));
        Ways { proxies: Proxies { http: None, https, none_for }, connect_to: BTreeMap::new() }
    }

    fn proxied(ways: &Ways, url: &str) -> bool {
        ways.proxy(&Url::parse(url).unwrap()).is_some()
    }

    #[test]
    fn loopback_and_exempt_hosts_are_reached_directly() {
        let ways =
            ways(&["inner.invalid", ".dot.invalid", "*.star.invalid", "port.invalid:8443", "Upper.Invalid"]);
        for url in ["https://outer.invalid/", "https://notinner.invalid/", "https://port.invalid/"] {
            assert!(proxied(&ways, url), "{url}");
        }
        for url in [
            "http://outer.invalid/",
            "https://inner.invalid/",
            "https://a.inner.invalid/",
            "https://a.dot.invalid/",
            "https://a.star.invalid/",
            "https://port.invalid:8443/",
            "https://upper.invalid./",
            "https://127.0.0.1:1/",
            "https://localhost/",
            "https://[::1]/",
        ] {
            assert!(!proxied(&ways, url), "{url}");
        }
    }

    #[test]
    fn ranges_of_addresses_are_exempt() {
        let some = ways(&[
            "10.0.0.0/8",
            "192.0.2.7",
            "fd00::/8",
            "[2001:db8::1]:8443",
            "2001:db8::2",
            "198.51.100.0/x",
        ]);
        for url in [
            "https://11.0.0.1/",
            "https://192.0.2.70/",
            "https://[fe00::1]/",
            "https://[2001:db8::1]/",
            "https://198.51.100.1/",
            "https://10.0.0.0.invalid/",
        ] {
            assert!(proxied(&some, url), "{url}");
        }
        for url in [
            "https://10.255.0.1:9/",
            "https://192.0.2.7/",
            "https://[fdff::1]/",
            "https://[::ffff:10.1.2.3]/",
            "https://[2001:db8::1]:8443/",
            "https://[2001:db8::2]/",
        ] {
            assert!(!proxied(&some, url), "{url}");
        }
        for all in [&["*"][..], &["0.0.0.0/0"]] {
            assert!(!proxied(&ways(all), "https://203.0.113.1/"), "{all:?}");
        }
    }

    #[test]
    fn a_host_that_is_elsewhere_goes_through_no_proxy_and_no_way_shows_a_password() {
        let mut ways = ways(&[]);
        ways.connect_to.insert("here.invalid".into(), "127.0.0.1:0".parse().unwrap());
        let to = |url: &str| ways.to(&Url::parse(url).unwrap()).to_string();
        assert_eq!(to("https://here.invalid/"), "at 127.0.0.1");
        assert_eq!(to("https://there.invalid/"), "through the proxy proxy.invalid:3128");
        assert_eq!(to("http://there.invalid/"), "directly");
    }
}
