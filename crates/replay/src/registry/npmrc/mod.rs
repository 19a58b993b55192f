//! npm's configuration, as far as it says where packages come from: registries, credentials, certificates and proxies.
//!
//! Owns the `.npmrc` syntax (npm's ini dialect) and npm's order of layers. Pure but for [`Settings::load`], the one function that
//! reads files. It never shows a secret: [`Secret`] prints as `…`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use url::Url;

mod ini;
mod load;

pub use load::Sources;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key that must be a URL is none. The value is not shown: it may hold a password.
    #[error("{key} is not an http(s) address")]
    Address {
        /// The key, as npm spells it.
        key: String,
    },
    /// A proxy of a kind that is not spoken.
    #[error("{key} names a proxy of the kind {scheme}, which is not supported")]
    ProxyScheme {
        /// The key, as npm spells it.
        key: String,
        /// The address's scheme.
        scheme: String,
    },
    /// A credential that is not in the form that npm writes.
    #[error("{key} is not a valid credential")]
    Credential {
        /// The key, as npm spells it.
        key: String,
    },
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is larger than any configuration is.
    #[error("{path} is larger than {limit} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound in bytes.
        limit: u64,
    },
}

impl Error {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "npmrc-address",
            Self::ProxyScheme { .. } => "proxy-scheme",
            Self::Credential { .. } => "npmrc-credential",
            Self::Read { .. } => "npmrc-read",
            Self::TooLarge { .. } => "npmrc-too-large",
        }
    }
}

/// One layer of configuration: the text of one `.npmrc` file, parsed. Later lines win over earlier ones.
#[derive(Clone, Default)]
pub struct Layer(Vec<(String, String)>);

impl Layer {
    /// Parses an `.npmrc` text; `${NAME}` is expanded from `env` as npm does. Never fails, as npm never does.
    #[must_use]
    pub fn parse(text: &str, env: &BTreeMap<String, String>) -> Self {
        let expand = |text: String| ini::expand(&text, env);
        Self(ini::entries(text).map(|(key, value)| (expand(key), expand(value))).collect())
    }

    /// The layer of `npm_config_*` variables.
    #[must_use]
    pub fn environment(env: &BTreeMap<String, String>) -> Self {
        Self(
            env.iter()
                .filter_map(|(name, value)| Some((variable_key(name)?, value.clone())))
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        )
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets, and so may a credential's key be in a malformed file.
        write!(f, "Layer({} entries)", self.0.len())
    }
}

/// npm's rule for variables: any case, `_` means `-` but at the start, and keys of a host stay as they are.
fn variable_key(name: &str) -> Option<String> {
    let (prefix, key) = name.split_at_checked("npm_config_".len())?;
    if !prefix.eq_ignore_ascii_case("npm_config_") || key.is_empty() {
        return None;
    }
    if key.starts_with("//") {
        return Some(key.to_owned());
    }
    let first = key.chars().next()?.len_utf8();
    Some(format!("{}{}", &key[..first], key[first..].replace('_', "-")).to_lowercase())
}

/// A credential and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Host, with its port where the configuration names one, and path prefix: `host:port/path/`, always with a trailing slash.
    pub prefix: String,
    /// The value of the `Authorization` header.
    pub header: Secret,
}

/// A certificate that says who we are, with its key, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// As that of a [`Credential`].
    pub prefix: String,
    /// Certificate and key, as PEM.
    pub pem: Secret,
}

/// The files of an [`Identity`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFiles {
    /// As that of a [`Credential`].
    pub prefix: String,
    /// The certificate's.
    pub certificate: PathBuf,
    /// The key's.
    pub key: PathBuf,
}

/// Proxies for requests that leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http` addresses. A secret, since it may hold a password.
    pub http: Option<Secret>,
    /// For `https` addresses.
    pub https: Option<Secret>,
    /// Hosts that are reached directly: names, which cover their subdomains, and addresses, with an optional port; ranges of addresses;
    /// or `*`.
    pub none_for: Vec<String>,
}

/// Where packages come from, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The registry, where the configuration names one.
    pub registry: Option<Url>,
    /// Registries of single scopes, keyed by scope without the `@`.
    pub scopes: BTreeMap<String, Url>,
    /// Credentials; each is sent to the addresses below its prefix only.
    pub credentials: Vec<Credential>,
    /// Certificates that say who we are; each is shown to the hosts below its prefix only.
    pub identities: Vec<Identity>,
    /// Files of such certificates; [`Settings::load`] has read them into `identities`.
    pub identity_files: Vec<IdentityFiles>,
    /// Certificates to trust beside the system's own, as PEM.
    pub certificates: Vec<String>,
    /// Files of certificates to trust beside the system's own; [`Settings::load`] has read them into `certificates`.
    pub certificate_files: Vec<PathBuf>,
    /// Whether certificates are checked: npm's `strict-ssl`.
    pub strict_ssl: bool,
    /// Proxies.
    pub proxies: Proxies,
    /// Hosts that are reached at another address than their name's (port 0 = the scheme's own), and through no proxy. No file of npm's
    /// says so: it is the caller's to add.
    pub connect_to: BTreeMap<String, SocketAddr>,
}

impl Settings {
    /// Reads the files of `sources` (each at most 1 MiB; one that does not exist is empty) and layers them.
    ///
    /// # Errors
    /// Where a file cannot be read or a value is malformed.
    pub fn load(sources: &Sources<'_>) -> Result<Self, Error> {
        load::load(sources)
    }

    /// Layers configurations, the strongest first: environment, project, user, global. Pure.
    ///
    /// # Errors
    /// Where an address or a credential is malformed.
    pub fn layered(layers: &[Layer], env: &BTreeMap<String, String>) -> Result<Self, Error> {
        let get = |key: &str| {
            layers
                .iter()
                .find_map(|layer| layer.get(key))
                .filter(|value| !value.is_empty() && *value != "null")
        };
        let registry = get("registry").map(|text| address("registry", text)).transpose()?;
        let variable = |name: &str| {
            env.get(name).or_else(|| env.get(&name.to_lowercase())).filter(|value| !value.is_empty())
        };
        // `fallback` names what curl looks at last, whatever the scheme; npm does not.
        let any = |keys: [&str; 2], name: &str, fallback: &str| {
            keys.iter()
                .find_map(|key| get(key))
                .map(str::to_owned)
                .or_else(|| variable(name).or_else(|| variable(fallback)).cloned())
                .filter(|value| value != "false")
        };
        let http = any(["proxy", "http-proxy"], "HTTP_PROXY", "ALL_PROXY");
        let https = any(["https-proxy", "proxy"], "HTTPS_PROXY", "ALL_PROXY")
            .or_else(|| http.clone().filter(|_| get("proxy").is_some()));
        let none_for = any(["noproxy", "no-proxy"], "NO_PROXY", "NO_PROXY").unwrap_or_default();
        let ca = layers.iter().find_map(|layer| {
            let found: Vec<_> = layer
                .0
                .iter()
                .filter(|(key, _)| key == "ca" || key == "ca[]")
                .map(|(_, value)| value.replace("\\n", "\n"))
                .collect();
            (!found.is_empty()).then_some(found)
        });
        let extra = variable("NODE_EXTRA_CA_CERTS").map(PathBuf::from);
        Ok(Self {
            scopes: scopes(layers)?,
            credentials: credentials(layers, registry.as_ref())?,
            identities: inline_identity(get("cert"), get("key"), registry.as_ref()).into_iter().collect(),
            identity_files: identity_files(layers),
            registry,
            certificates: ca
                .unwrap_or_default()
                .into_iter()
                .filter(|pem| pem.contains("BEGIN CERTIFICATE"))
                .collect(),
            certificate_files: get("cafile").map(PathBuf::from).into_iter().chain(extra).collect(),
            strict_ssl: get("strict-ssl") != Some("false"),
            connect_to: BTreeMap::new(),
            proxies: Proxies {
                http: http.map(|text| proxy("proxy", &text)).transpose()?,
                https: https.map(|text| proxy("https-proxy", &text)).transpose()?,
                none_for: none_for
                    .split([',', ' '])
                    .filter(|host| !host.is_empty())
                    .map(str::to_owned)
                    .collect(),
            },
        })
    }
}

/// The keys that appear in any layer, each with the value of the strongest.
fn merged(layers: &[Layer]) -> BTreeMap<&str, &str> {
    let weakest_first = layers.iter().rev().flat_map(|layer| layer.0.iter());
    weakest_first.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn scopes(layers: &[Layer]) -> Result<BTreeMap<String, Url>, Error> {
    let of_scope = |(key, value): (&str, &str)| {
        let scope = key.strip_prefix('@')?.strip_suffix(":registry")?;
        Some(address(key, value).map(|url| (scope.to_owned(), url)))
    };
    merged(layers).into_iter().filter_map(of_scope).collect()
}

/// Parses an address and gives it the trailing slash that makes it a prefix.
pub(crate) fn address(key: &str, text: &str) -> Result<Url, Error> {
    let wrong = || Error::Address { key: key.to_owned() };
    let mut url = Url::parse(text.trim()).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong());
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// A proxy's address; without a scheme it is http. One that cannot be used is an error: to go without it could leave a network that
/// nothing is to leave directly.
fn proxy(key: &str, text: &str) -> Result<Secret, Error> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let scheme = with_scheme.split("://").next().unwrap_or_default().to_ascii_lowercase();
    if SOCKS.contains(&scheme.as_str()) {
        let url = Url::parse(with_scheme.trim()).ok().filter(|url| url.host_str().is_some());
        return url.map(|url| Secret(url.into())).ok_or_else(|| Error::Address { key: key.to_owned() });
    }
    if !matches!(scheme.as_str(), "http" | "https") {
        return Err(Error::ProxyScheme { key: key.to_owned(), scheme });
    }
    address(key, &with_scheme).map(|url| Secret(url.into()))
}

/// The kinds of SOCKS proxies, as curl calls them: with an `h` or `a` the proxy looks names up.
const SOCKS: [&str; 4] = ["socks4", "socks4a", "socks5", "socks5h"];

/// `cert` and `key` without a host: as with old credentials, they are the default registry's, and shown to nobody else.
fn inline_identity(cert: Option<&str>, key: Option<&str>, registry: Option<&Url>) -> Option<Identity> {
    let pem = format!("{}\n{}\n", cert?, key?).replace("\\n", "\n");
    Some(Identity { prefix: prefix_of(registry?), pem: Secret(pem) })
}

/// `//host/:certfile` and `//host/:keyfile`. One without the other is none, as with npm.
fn identity_files(layers: &[Layer]) -> Vec<IdentityFiles> {
    let all = merged(layers);
    let of_host = |(key, certificate): (&&str, &&str)| {
        let host = key.strip_prefix("//")?.strip_suffix(":certfile")?;
        let key = all.get(format!("//{host}:keyfile").as_str())?;
        let prefix = format!("{}/", host.trim_end_matches('/'));
        Some(IdentityFiles { prefix, certificate: certificate.into(), key: key.into() })
    };
    all.iter().filter_map(of_host).collect()
}

/// `host[:port]/path/` of an address, as npm keys its credentials.
pub(crate) fn prefix_of(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}{}", url.host_str().unwrap_or_default(), url.path())
}

/// Of things that are for the addresses below a prefix, the one of the longest prefix on the same host and port.
pub(crate) fn nearest<'t, T>(all: &'t [T], url: &Url, prefix: impl Fn(&T) -> &String) -> Option<&'t T> {
    let address = prefix_of(url);
    let covers = |one: &&T| address.starts_with(prefix(one)) || format!("{address}/") == *prefix(one);
    all.iter().filter(covers).max_by_key(|one| prefix(one).len())
}

#[derive(Default)]
struct Parts<'a> {
    token: Option<&'a str>,
    basic: Option<&'a str>,
    username: Option<&'a str>,
    password: Option<&'a str>,
}

fn credentials(layers: &[Layer], registry: Option<&Url>) -> Result<Vec<Credential>, Error> {
    let mut by_prefix: BTreeMap<String, Parts<'_>> = BTreeMap::new();
    for (key, value) in merged(layers) {
        let (prefix, field) = match key.strip_prefix("//").and_then(|key| key.rsplit_once(':')) {
            Some((prefix, field)) => (format!("{}/", prefix.trim_end_matches('/')), field),
            // Old npm kept credentials without a host: they are the default registry's, and nobody else's.
            None => match registry {
                Some(registry) if key.starts_with('_') || key == "username" => (prefix_of(registry), key),
                _ => continue,
            },
        };
        let parts = by_prefix.entry(prefix).or_default();
        match field {
            "_authToken" | "_authtoken" => parts.token = Some(value),
            "_auth" => parts.basic = Some(value),
            "username" => parts.username = Some(value),
            "_password" => parts.password = Some(value),
            _ => {}
        }
    }
    let header = |(prefix, parts): (String, Parts<'_>)| {
        parts.header(&prefix).transpose().map(|header| header.map(|header| Credential { prefix, header }))
    };
    by_prefix.into_iter().filter_map(header).collect()
}

impl Parts<'_> {
    fn header(&self, prefix: &str) -> Result<Option<Secret>, Error> {
        let engine = base64::engine::general_purpose::STANDARD;
        let wrong = |field: &str| Error::Credential { key: format!("//{prefix}:{field}") };
        let header = match (self.token, self.basic, self.username, self.password) {
            (Some(token), ..) => format!("Bearer {token}"),
            (None, Some(basic), ..) => format!("Basic {basic}"),
            (None, None, Some(username), Some(password)) => {
                let password = engine.decode(password).map_err(|_| wrong("_password"))?;
                let mut pair = format!("{username}:").into_bytes();
                pair.extend(password);
                format!("Basic {}", engine.encode(pair))
            }
            _ => return Ok(None),
        };
        let printable = header.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if printable { Ok(Some(Secret(header))) } else { Err(wrong("_auth")) }
    }
}

/// A path that a configuration names, relative to where it stands.
fn resolve(base: &Path, path: &Path) -> PathBuf {
    base.join(path)
}

#[cfg(test)]
mod tests;
