//! Whom an attestation is believed: Sigstore's public authority and log, pinned here.
//!
//! To rotate: a second row beside the first, after comparing it in two places that are independent of each other; then release the tool.
//! What another authority or log vouches for counts as not attested until then.

use ::base64::{Engine as _, engine::general_purpose::STANDARD};
use lock::PublicKey;

use super::sha256;

/// The root of Fulcio, in use since 2022-04-13: base64 of the DER form.
///
/// This and the next two stand in Sigstore's `trusted_root.json`, byte for byte the same in what the npm package `@sigstore/tuf` 4.0.2
/// carries (`seeds.json`) and in what the Python package `sigstore` 4.5.1 does. The root before it (until 2022-12-31) is left out: npm had
/// no attestations then. So is the log of 2025 (Rekor v2), whose entries bear no promise.
const ROOT: &str = "MIIB9zCCAXygAwIBAgIUALZNAPFdxHPwjeDloDwyYChAO/4wCgYIKoZIzj0EAwMwKjEVMBMGA1UEChMMc2lnc3RvcmUuZGV2MREwDwYDVQQDEwhzaWdzdG9yZTAeFw0yMTEwMDcxMzU2NTlaFw0zMTEwMDUxMzU2NThaMCoxFTATBgNVBAoTDHNpZ3N0b3JlLmRldjERMA8GA1UEAxMIc2lnc3RvcmUwdjAQBgcqhkjOPQIBBgUrgQQAIgNiAAT7XeFT4rb3PQGwS4IajtLk3/OlnpgangaBclYpsYBr5i+4ynB07ceb3LP0OIOZdxexX69c5iVuyJRQ+Hz05yi+UF3uBWAlHpiS5sh0+H2GHE7SXrk1EC5m1Tr19L9gg92jYzBhMA4GA1UdDwEB/wQEAwIBBjAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBRYwB5fkUWlZql6zJChkyLQKsXF+jAfBgNVHSMEGDAWgBRYwB5fkUWlZql6zJChkyLQKsXF+jAKBggqhkjOPQQDAwNpADBmAjEAj1nHeXZp+13NWBNa+EDsDP8G1WWg1tCMWP/WHPqpaVo0jhsweNFZgSs0eE7wYI4qAjEA2WB9ot98sIkoF3vZYdd3/VtWB5b9TNMea7Ix/stJ5TfcLLeABLE4BNJOsQ4vnBHJ";

/// What it signs certificates with, likewise.
const INTERMEDIATE: &str = "MIICGjCCAaGgAwIBAgIUALnViVfnU0brJasmRkHrn/UnfaQwCgYIKoZIzj0EAwMwKjEVMBMGA1UEChMMc2lnc3RvcmUuZGV2MREwDwYDVQQDEwhzaWdzdG9yZTAeFw0yMjA0MTMyMDA2MTVaFw0zMTEwMDUxMzU2NThaMDcxFTATBgNVBAoTDHNpZ3N0b3JlLmRldjEeMBwGA1UEAxMVc2lnc3RvcmUtaW50ZXJtZWRpYXRlMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE8RVS/ysH+NOvuDZyPIZtilgUF9NlarYpAd9HP1vBBH1U5CV77LSS7s0ZiH4nE7Hv7ptS6LvvR/STk798LVgMzLlJ4HeIfF3tHSaexLcYpSASr1kS0N/RgBJz/9jWCiXno3sweTAOBgNVHQ8BAf8EBAMCAQYwEwYDVR0lBAwwCgYIKwYBBQUHAwMwEgYDVR0TAQH/BAgwBgEB/wIBADAdBgNVHQ4EFgQU39Ppz1YkEZb5qNjpKFWixi4YZD8wHwYDVR0jBBgwFoAUWMAeX5FFpWapesyQoZMi0CrFxfowCgYIKoZIzj0EAwMDZwAwZAIwPCsQK4DYiZYDPIaDi5HFKnfxXx6ASSVmERfsynYBiX2X6SJRnZU84/9DZdnFvvxmAjBOt6QpBlc4J/0DxvkTCqpclvziL6BCCPnjdlIB3Pu3BxsPmygUY7Ii2zbdCdliiow=";

/// The key of Rekor, in use since 2021-01-12, likewise.
const LOG: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwrkBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==";

/// An authority that gives certificates to workflows, and a log of what they signed.
#[derive(Debug, Clone)]
pub struct Sigstore {
    pub(super) root: Vec<u8>,
    pub(super) intermediate: Vec<u8>,
    log: Option<(Vec<u8>, PublicKey)>,
}

impl Sigstore {
    /// The public one.
    #[must_use]
    pub fn public() -> Self {
        Self::of(ROOT, INTERMEDIATE, LOG)
    }

    /// One of a root's certificate, an intermediate one and a log's key: base64 of the DER form each. What is none vouches for nothing.
    #[must_use]
    pub fn of(root: &str, intermediate: &str, log: &str) -> Self {
        let der = |text: &str| STANDARD.decode(text).unwrap_or_default();
        let key = log.parse().ok().map(|key| (sha256(&der(log)), key));
        Self { root: der(root), intermediate: der(intermediate), log: key }
    }

    /// The key of a log, by its id: the SHA-256 of the key.
    pub(super) fn log(&self, id: &[u8]) -> Option<&PublicKey> {
        self.log.as_ref().filter(|(own, _)| own == id).map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The log's id, as `trusted_root.json` has it beside the key.
    const LOG_ID: &str = "wNI9atQGlz+VWfO6LRygH4QUfY/8W4RFwiT5i5WRgB0=";

    #[test]
    fn what_is_pinned_is_whole() {
        let public = Sigstore::public();
        assert!(public.log(&STANDARD.decode(LOG_ID).unwrap()).is_some());
        assert!(public.log(&[0; 32]).is_none());
        let root = rustls_pki_types::CertificateDer::from(public.root.as_slice());
        assert!(webpki::anchor_from_trusted_cert(&root).is_ok());
        let intermediate = rustls_pki_types::CertificateDer::from(public.intermediate.as_slice());
        assert!(webpki::EndEntityCert::try_from(&intermediate).is_ok());
    }
}
