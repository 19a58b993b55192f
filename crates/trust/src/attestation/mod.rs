//! From what a registry states of who built a version to a verdict.
//!
//! npm packages that were published from a workflow have a document of Sigstore bundles (v0.1 to v0.3): *provenance* (SLSA v0.2 or v1),
//! signed by the workflow with a certificate of Sigstore's, and npm's own *publish* attestation, signed with a key of the registry's. Who
//! built it is taken from the certificate, never from what the statement says of itself: the authority has seen the workflow's token, and
//! the statement is what somebody wrote.
//!
//! Nothing is thought worse of than what could have been left out as well: a form that is not known counts as no attestation. What
//! contradicts itself is forged, since no registry states such a thing by accident.

mod certificate;
mod der;
mod envelope;
mod log;
mod sigstore;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests;

use ::base64::{Engine as _, engine::general_purpose::STANDARD};
use lock::{Attestation, Instant, PackageId, Sri};
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::Value;

use crate::keys::Keys;
use envelope::Envelope;
pub use sigstore::Sigstore;

/// How a version was built.
const PROVENANCE: [&str; 2] = ["https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1"];
/// That the registry has published it.
const PUBLISH: &str = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1";
/// Most attestations of one version that are looked at; npm's registry states two.
const MOST: usize = 16;

/// What becomes of the attestations of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attested {
    /// This workflow of this repository built and signed just these bytes.
    By(Attestation),
    /// There is no provenance.
    Not,
    /// There is one, of a form of which this program cannot say anything.
    Unverifiable {
        /// Why not.
        why: &'static str,
    },
    /// It is not what it says that it is.
    Forged {
        /// Why not.
        why: &'static str,
    },
    /// It is well signed, and about another package or other bytes.
    OfOtherBytes {
        /// About what.
        about: String,
    },
}

/// Why an attestation is not believed.
enum Fault {
    Unverifiable(&'static str),
    Forged(&'static str),
    OtherBytes(String),
}

impl Keys {
    /// Judges the document that a registry has of the attestations of `id`, whose tarball is pinned as `integrity`.
    #[must_use]
    pub fn attested(
        &self,
        sigstore: &Sigstore,
        id: &PackageId,
        integrity: &Sri,
        document: &Value,
    ) -> Attested {
        let stated = document.get("attestations").and_then(Value::as_array).into_iter().flatten().take(MOST);
        let mut best = Attested::Not;
        for one in stated {
            let (Some(kind), Some(bundle)) = (text(one, "predicateType"), one.get("bundle")) else {
                continue;
            };
            let found = if PROVENANCE.contains(&kind) {
                built(sigstore, kind, id, integrity, bundle).map(Attested::By)
            } else if kind == PUBLISH {
                // It says nothing of who built it: only a wrong one counts.
                self.published(sigstore, id, integrity, bundle).map(|()| Attested::Not)
            } else {
                continue;
            };
            let found = match found {
                Err(Fault::Unverifiable(_)) if kind == PUBLISH => Attested::Not,
                found => found.unwrap_or_else(Attested::from),
            };
            if found.weight() > best.weight() {
                best = found;
            }
        }
        best
    }

    /// Judges the registry's own attestation, by the keys that sign versions.
    fn published(
        &self,
        sigstore: &Sigstore,
        id: &PackageId,
        integrity: &Sri,
        bundle: &Value,
    ) -> Result<(), Fault> {
        let envelope = Envelope::of(bundle)?;
        let material = bundle.get("verificationMaterial").unwrap_or(&Value::Null);
        let hint = material.get("publicKey").and_then(|key| text(key, "hint")).unwrap_or_default();
        let keys = self.of(&id.name);
        let Some(key) = keys.iter().find(|key| key.id.as_str() == hint) else {
            return Err(Fault::Unverifiable("it is signed with a key that is not known"));
        };
        let verifier = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.key.point());
        if verifier.verify(&envelope.signed(), &envelope.signature).is_err() {
            return Err(Fault::Forged("the registry's attestation is not signed with the registry's key"));
        }
        if let Some(until) = key.until {
            let der = STANDARD.decode(key.key.to_string()).unwrap_or_default();
            let time = log::taken_in(sigstore, material, &envelope, &der)?;
            if Instant::from_unix(time) > Instant::end_of(until) {
                return Err(Fault::Forged(
                    "the registry's attestation is signed with a key that had come to its end",
                ));
            }
        }
        envelope.is_about(PUBLISH, id, integrity)
    }
}

/// Judges provenance.
fn built(
    sigstore: &Sigstore,
    kind: &str,
    id: &PackageId,
    integrity: &Sri,
    bundle: &Value,
) -> Result<Attestation, Fault> {
    let envelope = Envelope::of(bundle)?;
    let material = bundle.get("verificationMaterial").unwrap_or(&Value::Null);
    // v0.1 and v0.2 have a chain, whose first is the signer's; v0.3 has only that.
    let chain = material.get("x509CertificateChain").and_then(|chain| chain.get("certificates")?.get(0));
    let certificate = material.get("certificate").or(chain).and_then(|one| base64(one, "rawBytes"));
    let certificate = certificate.ok_or(Fault::Unverifiable("it has no certificate"))?;
    let time = log::taken_in(sigstore, material, &envelope, &certificate)?;
    let by = certificate::signer(sigstore, &certificate, &envelope, time)?;
    envelope.is_about(kind, id, integrity)?;
    Ok(by)
}

impl From<Fault> for Attested {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unverifiable(why) => Self::Unverifiable { why },
            Fault::Forged(why) => Self::Forged { why },
            Fault::OtherBytes(about) => Self::OfOtherBytes { about },
        }
    }
}

impl Attested {
    /// Which of several counts.
    fn weight(&self) -> u8 {
        match self {
            Self::Not => 0,
            Self::Unverifiable { .. } => 1,
            Self::By(_) => 2,
            Self::OfOtherBytes { .. } => 3,
            Self::Forged { .. } => 4,
        }
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

fn base64(value: &Value, key: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text(value, key)?).ok()
}

/// A number, which the JSON form of protocol buffers writes as a text.
fn number(value: &Value, key: &str) -> Option<i64> {
    let found = value.get(key)?;
    found.as_i64().or_else(|| found.as_str()?.parse().ok())
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
