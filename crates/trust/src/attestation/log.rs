//! When it was signed: the entry of Sigstore's public log (Rekor v1), whose operator promises with its own signature to have taken in
//! just this at that time. Whether it has kept the promise, the log's tree, is not looked at.

use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::Value;

use super::envelope::Envelope;
use super::{Fault, Sigstore, base64, hex, number, sha256, text};
use ::base64::{Engine as _, engine::general_purpose::STANDARD};

/// Sees that a known log promises to have taken in `envelope`, signed with `verifier` (DER: a certificate or a key), and gives back when,
/// in seconds since 1970.
pub(super) fn taken_in(
    sigstore: &Sigstore,
    material: &Value,
    envelope: &Envelope,
    verifier: &[u8],
) -> Result<i64, Fault> {
    let entries = material.get("tlogEntries").and_then(Value::as_array).map(Vec::as_slice);
    let [entry] = entries.unwrap_or_default() else {
        return Err(Fault::Unverifiable("it is not in just one log"));
    };
    let log = entry.get("logId").and_then(|log| base64(log, "keyId")).unwrap_or_default();
    let Some(key) = sigstore.log(&log) else {
        return Err(Fault::Unverifiable("it is in a log that is not known"));
    };
    let promised = || {
        let promise = base64(entry.get("inclusionPromise")?, "signedEntryTimestamp")?;
        let body = base64(entry, "canonicalizedBody")?;
        Some((promise, body, number(entry, "integratedTime")?, number(entry, "logIndex")?))
    };
    let (promise, body, time, index) =
        promised().ok_or(Fault::Unverifiable("its log promises nothing of it that is known"))?;
    // JSON in the one form that Rekor signs (RFC 8785): no blank, keys in order.
    let signed = format!(
        r#"{{"body":"{}","integratedTime":{time},"logID":"{}","logIndex":{index}}}"#,
        STANDARD.encode(&body),
        hex(&log)
    );
    let is_promised = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.point())
        .verify(signed.as_bytes(), &promise)
        .is_ok();
    if !is_promised {
        return Err(Fault::Forged("the log's promise is not signed by the log"));
    }
    let entered =
        Entered::of(&body).ok_or(Fault::Unverifiable("the log has it in a form that is not known"))?;
    let is_this = entered.payload == hex(&sha256(&envelope.payload))
        && entered.signature == envelope.signature
        && entered.verifier == verifier;
    if is_this { Ok(time) } else { Err(Fault::Forged("the log has taken in something else")) }
}

/// What an entry says that was taken in.
struct Entered {
    /// The payload's SHA-256, hexadecimal.
    payload: String,
    signature: Vec<u8>,
    /// Certificate or key, DER.
    verifier: Vec<u8>,
}

impl Entered {
    /// Of the two kinds that hold an envelope: `intoto` 0.0.2 and `dsse` 0.0.1.
    fn of(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let spec = body.get("spec")?;
        let (within, signatures, signature, verifier) =
            match (text(&body, "kind")?, text(&body, "apiVersion")?) {
                ("intoto", "0.0.2") => {
                    let content = spec.get("content")?;
                    (content, content.get("envelope")?.get("signatures")?, "sig", "publicKey")
                }
                ("dsse", "0.0.1") => (spec, spec.get("signatures")?, "signature", "verifier"),
                _ => return None,
            };
        let hash = within.get("payloadHash")?;
        let [one] = &signatures.as_array()?[..] else { return None };
        let mut found = base64(one, signature)?;
        if signature == "sig" {
            // The kind `intoto` writes base64 of base64.
            found = STANDARD.decode(found).ok()?;
        }
        let payload = (text(hash, "algorithm")? == "sha256").then(|| text(hash, "value"))??;
        Some(Self { payload: payload.to_owned(), signature: found, verifier: pem(&base64(one, verifier)?)? })
    }
}

/// The DER form of the one thing in a PEM text.
fn pem(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let inside = text.strip_prefix("-----BEGIN ")?.split_once("-----")?.1.rsplit_once("-----END ")?.0;
    STANDARD.decode(inside.split_whitespace().collect::<String>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_holds_one_thing() {
        assert_eq!(pem(b"-----BEGIN X-----\nAAEC\nAwQF\n-----END X-----\n"), Some(vec![0, 1, 2, 3, 4, 5]));
        for bad in ["", "AAEC", "-----BEGIN X-----\nAAEC", "-----BEGIN X-----\n!\n-----END X-----"] {
            assert_eq!(pem(bad.as_bytes()), None, "{bad}");
        }
    }
}
