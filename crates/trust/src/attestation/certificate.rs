//! Who signed it: a certificate that Sigstore's authority (Fulcio) gave for ten minutes to a workflow that could show a token of
//! GitHub's or GitLab's, with what the token said of it.

use std::time::Duration;

use lock::Attestation;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::ring::{ECDSA_P256_SHA256, ECDSA_P384_SHA384};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::envelope::Envelope;
use super::{Fault, Sigstore, der};

/// Key usage "code signing": 1.3.6.1.5.5.7.3.3.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// What the authority and workflows sign with.
const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 2] = [ECDSA_P256_SHA256, ECDSA_P384_SHA384];

/// Whose tokens are believed to name a repository, and where its repositories are.
const ISSUERS: [(&str, &str); 2] = [
    ("https://token.actions.githubusercontent.com", "https://github.com/"),
    ("https://gitlab.com", "https://gitlab.com/"),
];

/// Sees that the certificate was good at `time` (seconds since 1970), and that its key signed the envelope; gives back whom it names.
pub(super) fn signer(
    sigstore: &Sigstore,
    certificate: &[u8],
    envelope: &Envelope,
    time: i64,
) -> Result<Attestation, Fault> {
    let der = CertificateDer::from(certificate);
    let leaf =
        EndEntityCert::try_from(&der).map_err(|_| Fault::Unverifiable("its certificate is not readable"))?;
    // Another one of Sigstore's has another key, and would say so.
    if der::issuer_key(certificate) != der::own_key(&sigstore.intermediate) {
        return Err(Fault::Unverifiable("its certificate was given by an authority that is not known"));
    }
    let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time).unwrap_or_default()));
    let root = CertificateDer::from(sigstore.root.as_slice());
    let anchors =
        [anchor_from_trusted_cert(&root).map_err(|_| Fault::Unverifiable("no authority is known"))?];
    let between = [CertificateDer::from(sigstore.intermediate.as_slice())];
    leaf.verify_for_usage(
        &ALGORITHMS,
        &anchors,
        &between,
        time,
        KeyUsage::required(CODE_SIGNING),
        None,
        None,
    )
    .map_err(|_| Fault::Forged("its certificate was not given by Sigstore's authority for that time"))?;
    let signed = envelope.signed();
    let is_signed = |one: &&dyn SignatureVerificationAlgorithm| {
        leaf.verify_signature(*one, &signed, &envelope.signature).is_ok()
    };
    if !ALGORITHMS.iter().any(is_signed) {
        return Err(Fault::Forged("it is not signed with its certificate's key"));
    }
    named(certificate, &leaf)
        .ok_or(Fault::Unverifiable("its certificate names no repository and workflow on GitHub or GitLab"))
}

/// Whom a certificate names. Old ones (until summer of 2023) have other extensions than new ones.
fn named(certificate: &[u8], leaf: &EndEntityCert<'_>) -> Option<Attestation> {
    let issuer = der::extension(certificate, 8).or_else(|| der::extension(certificate, 1))?;
    let (_, home) = ISSUERS.into_iter().find(|(known, _)| *known == issuer)?;
    let repository = match der::extension(certificate, 12) {
        Some(address) => address.to_owned(),
        // GitHub's only: the repository's name.
        None => format!("{home}{}", der::extension(certificate, 5)?),
    };
    let name = repository.strip_prefix(home).filter(|name| !name.is_empty())?;
    // The workflow's address, with `@` and the ref that it was taken from, which is another one at each release.
    let workflow = der::extension(certificate, 18).or_else(|| leaf.valid_uri_names().next())?;
    let workflow = workflow.rsplit_once('@').map_or(workflow, |(address, _)| address);
    let own = workflow.strip_prefix(home).and_then(|path| path.strip_prefix(name)?.strip_prefix('/'));
    // GitLab parts a repository and what is in it by two slashes.
    Attestation::new(&repository, own.map_or(workflow, |path| path.trim_start_matches('/'))).ok()
}
