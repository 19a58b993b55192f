//! A maker of attestations, as Sigstore's authority and log are together, with keys made for a test. What it makes is right, and the
//! test's to spoil.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lock::{PackageId, Sri};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, SanType, SigningKey as _, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::signing::Signer;

/// The instant at which everything is signed: 2026-02-01, 00:00 UTC, in seconds since 1970.
pub const SIGNED: i64 = 1_769_904_000;
/// How long a signer's certificate is good, in seconds.
const GOOD: u64 = 600;
/// What an envelope holds.
const PAYLOAD: &str = "application/vnd.in-toto+json";
/// That a registry has published it.
const PUBLISH: &str = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1";

/// An authority and a log.
pub struct Workshop {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
    log: Signer,
}

/// What is attested.
#[derive(Debug, Clone)]
pub struct Made {
    /// The version.
    pub id: PackageId,
    /// Its tarball.
    pub integrity: Sri,
    /// The repository's name: `acme/tool`.
    pub repository: String,
    /// The workflow's path in it.
    pub workflow: String,
    /// Whether it is as it was before the summer of 2023: other extensions, another form of the log's entry and of the bundle.
    pub is_old: bool,
    /// How many seconds after the certificate was given the log has it.
    pub after: u64,
}

impl Made {
    /// A version built by `acme/tool`.
    ///
    /// # Panics
    /// Where the words are none.
    #[must_use]
    pub fn new(id: &str, integrity: &str) -> Self {
        Self {
            id: id.parse().expect("a package's id"),
            integrity: integrity.parse().expect("an integrity"),
            repository: "acme/tool".to_owned(),
            workflow: ".github/workflows/release.yml".to_owned(),
            is_old: false,
            after: 1,
        }
    }

    fn statement(&self, kind: &str) -> String {
        let name = self.id.name.as_str().replace('@', "%40");
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{
                "name": format!("pkg:npm/{name}@{}", self.id.version),
                "digest": {"sha512": self.integrity.hex()},
            }],
            "predicateType": kind,
            "predicate": {},
        })
        .to_string()
    }

    fn certificate(&self, issuer: &CertifiedIssuer<'static, KeyPair>, key: &KeyPair) -> Vec<u8> {
        let address = format!("https://github.com/{}", self.repository);
        let workflow = format!("{address}/{}@refs/tags/v1", self.workflow);
        let token = "https://token.actions.githubusercontent.com";
        let told: Vec<(u64, &str)> = if self.is_old {
            vec![(1, token), (5, &self.repository)]
        } else {
            vec![(1, token), (5, "not/looked-at"), (8, token), (12, &address), (18, &workflow)]
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(workflow.as_str().try_into().expect("an address"))];
        params.not_before = date_time_ymd(2026, 2, 1);
        params.not_after = params.not_before + Duration::from_secs(GOOD);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = told.into_iter().map(|(which, text)| extension(which, text)).collect();
        params.signed_by(key, issuer).expect("sign a certificate").der().to_vec()
    }
}

impl Workshop {
    /// A new one.
    ///
    /// # Panics
    /// Where the system has no randomness.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "no two are the same")]
    pub fn new() -> Self {
        Self::of(KeyIdMethod::Sha256)
    }

    /// A new one whose authority calls its key so.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn named(key: &[u8]) -> Self {
        Self::of(KeyIdMethod::PreSpecified(key.to_vec()))
    }

    fn of(name: KeyIdMethod) -> Self {
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("make a key");
        let authority = |name: &str, after: BasicConstraints| {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(after);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params.not_before = date_time_ymd(2022, 1, 1);
            params.not_after = date_time_ymd(2031, 1, 1);
            params
        };
        let root = authority("root", BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(root, key()).expect("sign itself");
        let mut between = authority("intermediate", BasicConstraints::Constrained(0));
        between.key_identifier_method = name;
        between.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let intermediate = CertifiedIssuer::signed_by(between, key(), &root).expect("sign a certificate");
        Self { root, intermediate, log: Signer::new() }
    }

    /// What is to be trusted: the root, what it signs with, and the log's key, each base64 of its DER form.
    #[must_use]
    pub fn trusted(&self) -> [String; 3] {
        let [root, intermediate] = [&self.root, &self.intermediate].map(|one| STANDARD.encode(one.der()));
        [root, intermediate, self.log.key()]
    }

    /// A document of a version's attestations, as a registry states them.
    #[must_use]
    pub fn document(&self, attestations: &[Value]) -> Value {
        json!({"attestations": attestations})
    }

    /// Provenance: signed by a workflow, with a certificate of the authority's.
    ///
    /// # Panics
    /// Where the system has no randomness.
    #[must_use]
    pub fn provenance(&self, made: &Made) -> Value {
        let kind =
            if made.is_old { "https://slsa.dev/provenance/v0.2" } else { "https://slsa.dev/provenance/v1" };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("make a key");
        let certificate = made.certificate(&self.intermediate, &key);
        let payload = made.statement(kind);
        let signature = key.sign(signed(&payload).as_bytes()).expect("sign");
        let one = json!({"rawBytes": STANDARD.encode(&certificate)});
        let material = if made.is_old {
            json!({"x509CertificateChain": {"certificates": [one]}})
        } else {
            json!({"certificate": one})
        };
        let pem = pem("CERTIFICATE", &certificate);
        self.bundled(made, kind, material, &payload, &signature, &pem)
    }

    /// A registry's own attestation, signed with its key.
    ///
    /// # Panics
    /// Where the system has no randomness.
    #[must_use]
    pub fn publish(&self, made: &Made, signer: &Signer) -> Value {
        let payload = made.statement(PUBLISH);
        let (hint, signature) = signer.sign(&signed(&payload));
        let signature = STANDARD.decode(signature).expect("a signature");
        let key = STANDARD.decode(signer.key()).expect("a key");
        let material = json!({"publicKey": {"hint": hint}});
        self.bundled(made, PUBLISH, material, &payload, &signature, &pem("PUBLIC KEY", &key))
    }

    fn bundled(
        &self,
        made: &Made,
        kind: &str,
        mut material: Value,
        payload: &str,
        signature: &[u8],
        verifier: &str,
    ) -> Value {
        let (text, verifier) = (STANDARD.encode(signature), STANDARD.encode(verifier));
        let hash = json!({"algorithm": "sha256", "value": hex(digest(&SHA256, payload.as_bytes()).as_ref())});
        let body = if made.is_old {
            let one = json!({"publicKey": verifier, "sig": STANDARD.encode(&text)});
            let envelope = json!({"payloadType": PAYLOAD, "signatures": [one]});
            let content = json!({"envelope": envelope, "payloadHash": hash});
            json!({"apiVersion": "0.0.2", "kind": "intoto", "spec": {"content": content}})
        } else {
            let one = json!({"signature": text, "verifier": verifier});
            json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {"payloadHash": hash, "signatures": [one]}})
        };
        let body = STANDARD.encode(body.to_string());
        let time = SIGNED + i64::try_from(made.after).expect("a few seconds");
        let log = digest(&SHA256, &STANDARD.decode(self.log.key()).expect("a key"));
        let promise = format!(
            r#"{{"body":"{body}","integratedTime":{time},"logID":"{}","logIndex":7}}"#,
            hex(log.as_ref())
        );
        material["tlogEntries"] = json!([{
            "logIndex": "7",
            "logId": {"keyId": STANDARD.encode(log.as_ref())},
            "integratedTime": time.to_string(),
            "inclusionPromise": {"signedEntryTimestamp": self.log.sign(&promise).1},
            "canonicalizedBody": body,
        }]);
        json!({
            "predicateType": kind,
            "bundle": {
                "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "verificationMaterial": material,
                "dsseEnvelope": {
                    "payload": STANDARD.encode(payload),
                    "payloadType": PAYLOAD,
                    "signatures": [{"sig": text, "keyid": ""}],
                },
            },
        })
    }
}

/// What is signed of a payload.
fn signed(payload: &str) -> String {
    format!("DSSEv1 {} {PAYLOAD} {} {payload}", PAYLOAD.len(), payload.len())
}

/// An extension of Fulcio's.
fn extension(which: u64, text: &str) -> CustomExtension {
    let length = u8::try_from(text.len()).expect("a short text");
    let start: &[u8] = match (which, length) {
        (..=6, _) => &[],
        (_, ..=127) => &[0x0c, length],
        _ => &[0x0c, 0x81, length],
    };
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, which], [start, text.as_bytes()].concat())
}

fn pem(what: &str, der: &[u8]) -> String {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", STANDARD.encode(der))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
