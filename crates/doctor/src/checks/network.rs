//! How requests leave the machine: proxies, exceptions from them, and additional authorities. Shows no user and
//! no password of a proxy.

use std::path::Path;

use builder::files::read_bounded;
use memchr::memmem;

use crate::case::Case;
use crate::finding::{Finding, without_secrets};

/// By which programs learn that requests go through a proxy.
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// By which they learn what does not.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// Files of authorities that OpenCode trusts (1.18.33: both).
const AUTHORITIES: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"];

/// How OpenCode's own server, and models on this machine, are reached.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The largest file of authorities that is read, in bytes: a system's whole store has a quarter of a million.
const MOST: u64 = 16 << 20;

/// Looks at the variables.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let set = |name: &&str| case.surroundings.filled(name).is_some();
    let mut findings = Vec::new();
    for name in PROXIES.iter().filter(|name| set(name)) {
        let value = case.surroundings.filled(name).unwrap_or_default().to_string_lossy();
        findings.push(Finding::note(
            "proxy",
            name,
            format!("requests go through {}", without_secrets(&value)),
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("proxy-none", "proxy", "none is set"));
    } else {
        findings.push(exceptions(case));
    }
    for name in AUTHORITIES {
        findings.extend(case.surroundings.filled(name).map(|path| authority(name, Path::new(path))));
    }
    if case.surroundings.get("NODE_TLS_REJECT_UNAUTHORIZED").is_some_and(|value| value == "0") {
        let text = "certificates are not checked by some of OpenCode's requests";
        findings.push(
            Finding::note("tls-unchecked", "NODE_TLS_REJECT_UNAUTHORIZED", text)
                .next("unset it, and name your authority in NODE_EXTRA_CA_CERTS"),
        );
    }
    findings
}

/// OpenCode talks to itself by loopback, which no proxy can do for it.
fn exceptions(case: &Case<'_>) -> Finding {
    let lists: Vec<String> = EXCEPTIONS
        .iter()
        .filter_map(|name| Some(case.surroundings.get(name)?.to_string_lossy().into_owned()))
        .collect();
    let whole = |list: &String| {
        let has = |wanted: &str| list.split(',').map(str::trim).any(|entry| entry == "*" || entry == wanted);
        LOOPBACK.into_iter().all(has)
    };
    if !lists.is_empty() && lists.iter().all(whole) {
        return Finding::ok("loopback-direct", "NO_PROXY", "loopback is excepted");
    }
    let text = "loopback is not excepted from the proxy";
    if case.start.can_lend {
        let text = format!(
            "{text}: a start adds {} for OpenCode, and takes it back before tools start",
            LOOPBACK.join(",")
        );
        return Finding::note("loopback-added", "NO_PROXY", text);
    }
    Finding::problem("loopback-through-proxy", "NO_PROXY", format!("{text}: OpenCode may not reach itself"))
        .next(format!("add {} to NO_PROXY", LOOPBACK.join(",")))
}

fn authority(name: &str, path: &Path) -> Finding {
    let place = path.display();
    let problem = |reason: String| {
        Finding::problem("authority-unusable", name, format!("{place} {reason}"))
            .next("correct the path: a file of certificates as PEM")
    };
    match read_bounded(path, MOST) {
        Ok(bytes) => match memmem::find_iter(&bytes, b"-----BEGIN CERTIFICATE-----").count() {
            0 => problem("holds no certificate".into()),
            count => Finding::ok("authority", name, format!("{place} holds {count} certificates")),
        },
        Err(error) => problem(format!("cannot be read: {error}")),
    }
}
