//! What is signed: an envelope (DSSE v1) around a statement (in-toto v0.1 or v1) about one package's bytes.

use lock::{Algorithm, PackageId, Sri};
use serde_json::Value;

use super::{Fault, base64, text};

/// What an attestation's envelope holds.
const PAYLOAD: &str = "application/vnd.in-toto+json";
/// The forms of a statement.
const STATEMENTS: [&str; 2] = ["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"];

/// A statement, and one signature over it. Nobody has looked at either.
pub(super) struct Envelope {
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl Envelope {
    pub(super) fn of(bundle: &Value) -> Result<Self, Fault> {
        let read = || {
            let envelope = bundle.get("dsseEnvelope")?;
            let signatures = envelope.get("signatures")?.as_array()?;
            let [signature] = &signatures[..] else { return None };
            let is_statement = text(envelope, "payloadType")? == PAYLOAD;
            let (payload, signature) = (base64(envelope, "payload")?, base64(signature, "sig")?);
            is_statement.then_some(Self { payload, signature })
        };
        read().ok_or(Fault::Unverifiable("it is no signed statement of a form that is known"))
    }

    /// What the signature is over: DSSE's pre-authentication encoding.
    pub(super) fn signed(&self) -> Vec<u8> {
        let mut signed = format!("DSSEv1 {} {PAYLOAD} {} ", PAYLOAD.len(), self.payload.len()).into_bytes();
        signed.extend_from_slice(&self.payload);
        signed
    }

    /// Sees that the statement is of this kind, and about just these bytes under this name. To be asked once the signature is good.
    pub(super) fn is_about(&self, kind: &str, id: &PackageId, integrity: &Sri) -> Result<(), Fault> {
        let statement: Value = serde_json::from_slice(&self.payload)
            .map_err(|_| Fault::Unverifiable("its statement is not readable"))?;
        if !STATEMENTS.contains(&text(&statement, "_type").unwrap_or_default()) {
            return Err(Fault::Unverifiable("its statement is of a form that is not known"));
        }
        if text(&statement, "predicateType") != Some(kind) {
            return Err(Fault::Forged("it is signed for another purpose than it is shown for"));
        }
        if integrity.algorithm() != Algorithm::Sha512 {
            return Err(Fault::Unverifiable(
                "it is about a SHA-512, and the package is pinned with another hash",
            ));
        }
        let subjects =
            statement.get("subject").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let [subject] = subjects else { return Err(Fault::OtherBytes("not one package".to_owned())) };
        let name = text(subject, "name").unwrap_or_default();
        let hash = subject.get("digest").and_then(|digest| text(digest, "sha512")).unwrap_or_default();
        if name == package_url(id) && hash == integrity.hex() {
            return Ok(());
        }
        let shown = |text: &str| text.chars().filter(|one| !one.is_control()).take(200).collect::<String>();
        Err(Fault::OtherBytes(format!("{} with the SHA-512 {}", shown(name), shown(hash))))
    }
}

/// What npm calls a package in a statement: its package URL, with only the scope's `@` written otherwise (npm 9.5's `toPurl`).
fn package_url(id: &PackageId) -> String {
    let name = id.name.as_str();
    let name = name.strip_prefix('@').map_or_else(|| name.to_owned(), |rest| format!("%40{rest}"));
    format!("pkg:npm/{name}@{}", id.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_says_how_long_its_parts_are() {
        let envelope = Envelope { payload: b"hello".to_vec(), signature: Vec::new() };
        assert_eq!(envelope.signed(), b"DSSEv1 28 application/vnd.in-toto+json 5 hello");
    }

    #[test]
    fn packages_are_called_as_npm_calls_them() {
        assert_eq!(package_url(&"zod@4.1.8".parse().unwrap()), "pkg:npm/zod@4.1.8");
        assert_eq!(package_url(&"@acme/x@1.0.0-rc.1".parse().unwrap()), "pkg:npm/%40acme/x@1.0.0-rc.1");
    }
}
