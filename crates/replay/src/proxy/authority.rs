//! The throw-away certificate authority of a proxy: made for one run, kept in memory, trusted by one child process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Hosts whose certificates are kept. A run meets a few dozen; beyond this they are made anew each time.
const MAX_HOSTS: usize = 1024;

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A key or certificate could not be made.
    #[error("no certificate could be made for {name}")]
    Certificate {
        /// The authority or host.
        name: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// The certificate cannot be served.
    #[error("the certificate for {name} cannot be served")]
    Tls {
        /// The host.
        name: String,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

impl AuthorityError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "proxy-certificate"
    }
}

/// A certificate authority whose key never leaves the memory.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    hosts: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// A new authority.
    ///
    /// # Errors
    /// Where no key can be made.
    pub fn new() -> Result<Self, AuthorityError> {
        const NAME: &str = "opencode-cache throw-away authority";
        let failed = |source| AuthorityError::Certificate { name: NAME.to_owned(), source };
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new([]).map_err(failed)?;
        params.distinguished_name = named(NAME);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem, hosts: Mutex::default() })
    }

    /// The certificate for the child to trust (`NODE_EXTRA_CA_CERTS`, `SSL_CERT_FILE`), as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.pem
    }

    /// What serves TLS as `host` (a name or an address).
    ///
    /// # Errors
    /// Where no certificate can be made for it.
    pub fn serve_as(&self, host: &str) -> Result<Arc<ServerConfig>, AuthorityError> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = hosts.get(host) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make(host)?);
        if hosts.len() < MAX_HOSTS {
            hosts.insert(host.to_owned(), Arc::clone(&config));
        }
        Ok(config)
    }

    fn make(&self, host: &str) -> Result<ServerConfig, AuthorityError> {
        let failed = |source| AuthorityError::Certificate { name: host.to_owned(), source };
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new([host.to_owned()]).map_err(failed)?;
        params.distinguished_name = named(host);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate: CertificateDer<'static> =
            params.signed_by(&key, &self.issuer).map_err(failed)?.into();
        let unusable = |source| AuthorityError::Tls { name: host.to_owned(), source };
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .map_err(unusable)
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    // The field holds 64 characters; the alternative name, which is what clients look at, is whole.
    distinguished.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    distinguished
}
