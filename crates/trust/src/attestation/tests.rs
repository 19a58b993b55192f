//! What is right is believed, in each of its forms, and each thing that can be wrong with it has its own verdict. Keys are made for the
//! test.

use super::*;
use lock::TrustedKey;
use serde_json::json;
use testkit::attesting::{Made, Workshop};
use testkit::signing::Signer;

const BYTES: &str =
    "sha512-yJhHsGZ92rUDlru9AIoqQ887WB79Wc9dmqiSPqH7S4EGwEHVQNCKywlQN1lNc+vFHh7InuQMiLMLimbA+uCsGw==";
const OTHER: &str =
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
const SHA256_OF_NOTHING: &str = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// Real provenance of npm's, of `sigstore@2.0.0` (2023-08): what of its bundle is read here, as the Rust package `sigstore-verify` 0.15.1
/// has the whole among its tests (`sigstore.js@2.0.0-provenance.sigstore.json`).
const REAL: &str = include_str!("sigstore-2.0.0.json");
/// What that is of.
const REAL_BYTES: &str =
    "sha512-RtTi90xIdzFmQAAKb9+Ki1nx4IR2Z5c+mFn3dN0xuPHgk3gTt3f7ZqKsZ9UFQP40ZAlm7un8LMyjhwgrTIXNPA==";

fn made() -> Made {
    Made::new("@acme/tool@1.2.3", BYTES)
}

fn sigstore(workshop: &Workshop) -> Sigstore {
    let [root, intermediate, log] = workshop.trusted();
    Sigstore::of(&root, &intermediate, &log)
}

/// The keys of a registry of one's own.
fn keys(signer: &Signer, until: Option<&str>) -> Keys {
    let key: lock::PublicKey = signer.key().parse().unwrap();
    let packages = vec!["@acme/*".parse().unwrap()];
    let until = until.map(|day| day.parse().unwrap());
    Keys::with(&[TrustedKey { id: key.fingerprint(), key, packages, until }])
}

/// The verdict's word.
fn word(attested: &Attested) -> &'static str {
    match attested {
        Attested::By(_) => "by",
        Attested::Not => "not",
        Attested::Unverifiable { .. } => "unverifiable",
        Attested::Forged { .. } => "forged",
        Attested::OfOtherBytes { .. } => "other bytes",
    }
}

/// The verdict on a document of these, about `made`.
fn judged(workshop: &Workshop, attestations: &[Value], made: &Made) -> Attested {
    let document = workshop.document(attestations);
    Keys::with(&[]).attested(&sigstore(workshop), &made.id, &made.integrity, &document)
}

#[test]
fn provenance_names_who_built_it() {
    let workshop = Workshop::new();
    for is_old in [false, true] {
        let made = Made { is_old, ..made() };
        let found = judged(&workshop, &[workshop.provenance(&made)], &made);
        let Attested::By(by) = &found else { panic!("{is_old}: {found:?}") };
        assert_eq!(by.to_string(), "https://github.com/acme/tool .github/workflows/release.yml");
    }
    assert_eq!(judged(&workshop, &[], &made()), Attested::Not);
    let unknown = json!({"predicateType": "https://spdx.dev/Document", "bundle": {}});
    assert_eq!(judged(&workshop, &[unknown], &made()), Attested::Not);
}

#[test]
fn real_provenance_is_verified_by_what_is_pinned() {
    let document: Value = serde_json::from_str(REAL).unwrap();
    let judged = |id: &str, bytes: &str| {
        let (id, bytes) = (id.parse().unwrap(), bytes.parse().unwrap());
        Keys::with(&[]).attested(&Sigstore::public(), &id, &bytes, &document)
    };
    let found = judged("sigstore@2.0.0", REAL_BYTES);
    let Attested::By(by) = &found else { panic!("{found:?}") };
    assert_eq!(by.to_string(), "https://github.com/sigstore/sigstore-js .github/workflows/release.yml");
    assert_eq!(word(&judged("sigstore@2.0.1", REAL_BYTES)), "other bytes");
    assert_eq!(word(&judged("sigstore@2.0.0", OTHER)), "other bytes");
}

#[test]
fn it_is_of_these_bytes_under_this_name_only() {
    let (workshop, pinned) = (Workshop::new(), made());
    let others = [
        Made::new("@acme/tool@1.2.4", BYTES),
        Made::new("tool@1.2.3", BYTES),
        Made::new("@acme/tool@1.2.3", OTHER),
    ];
    for other in others {
        let found = judged(&workshop, &[workshop.provenance(&other)], &pinned);
        assert_eq!(word(&found), "other bytes", "{found:?}");
        // A good one beside it does not make up for it.
        let both = [workshop.provenance(&pinned), workshop.provenance(&other)];
        assert_eq!(word(&judged(&workshop, &both, &pinned)), "other bytes");
    }
    let weaker = Made { integrity: SHA256_OF_NOTHING.parse().unwrap(), ..made() };
    assert_eq!(word(&judged(&workshop, &[workshop.provenance(&pinned)], &weaker)), "unverifiable");
}

#[test]
fn nothing_of_it_can_be_changed() {
    let (workshop, made) = (Workshop::new(), made());
    let (good, other) =
        (workshop.provenance(&made), workshop.provenance(&Made { repository: "a/b".into(), ..made.clone() }));
    let parts = [
        "/bundle/dsseEnvelope/payload",
        "/bundle/dsseEnvelope/signatures/0/sig",
        "/bundle/verificationMaterial/certificate/rawBytes",
        "/bundle/verificationMaterial/tlogEntries/0/canonicalizedBody",
        "/bundle/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp",
        "/bundle/verificationMaterial/tlogEntries/0",
    ];
    for part in parts {
        let mut mixed = good.clone();
        *mixed.pointer_mut(part).unwrap() = other.pointer(part).unwrap().clone();
        if mixed == good {
            // The statement says nothing of who built it, and is the same.
            continue;
        }
        assert_eq!(word(&judged(&workshop, &[mixed], &made)), "forged", "{part}");
    }
    for (part, value) in [("integratedTime", json!("1769904002")), ("logIndex", json!("8"))] {
        let mut later = good.clone();
        later["bundle"]["verificationMaterial"]["tlogEntries"][0][part] = value;
        assert_eq!(word(&judged(&workshop, &[later], &made)), "forged", "{part}");
    }
    let mut purpose = good.clone();
    purpose["predicateType"] = json!("https://slsa.dev/provenance/v0.2");
    assert_eq!(word(&judged(&workshop, &[purpose], &made)), "forged");
}

#[test]
fn a_certificate_counts_while_it_is_good_and_of_the_authority() {
    let (workshop, other) = (Workshop::new(), Workshop::new());
    let late = Made { after: 601, ..made() };
    assert_eq!(word(&judged(&workshop, &[workshop.provenance(&late)], &late)), "forged");
    // All is another's: its log is not known, which says nothing.
    assert_eq!(word(&judged(&workshop, &[other.provenance(&made())], &made())), "unverifiable");
    // The log is known, and the authority is another, which says so or poses as the one.
    let judged = |workshop: &Workshop, other: &Workshop| {
        let ([root, intermediate, _], [_, _, log]) = (other.trusted(), workshop.trusted());
        let (document, made) = (workshop.document(&[workshop.provenance(&made())]), made());
        let mixed = Sigstore::of(&root, &intermediate, &log);
        word(&Keys::with(&[]).attested(&mixed, &made.id, &made.integrity, &document))
    };
    assert_eq!(judged(&workshop, &other), "unverifiable");
    assert_eq!(judged(&Workshop::named(b"same"), &Workshop::named(b"same")), "forged");
}

#[test]
fn a_registrys_own_attestation_only_takes_away() {
    let (workshop, made) = (Workshop::new(), made());
    let (signer, other) = (Signer::new(), Signer::new());
    let provenance = workshop.provenance(&made);
    let judged = |publish: &[Value], until: Option<&str>| {
        let document = workshop.document(&[publish, std::slice::from_ref(&provenance)].concat());
        word(&keys(&signer, until).attested(&sigstore(&workshop), &made.id, &made.integrity, &document))
    };
    let good = workshop.publish(&made, &signer);
    assert_eq!(judged(std::slice::from_ref(&good), None), "by");
    assert_eq!(judged(std::slice::from_ref(&good), Some("2026-02-01")), "by");
    assert_eq!(judged(std::slice::from_ref(&good), Some("2026-01-31")), "forged");
    assert_eq!(judged(&[workshop.publish(&made, &other)], None), "by", "an unknown key says nothing");
    let elsewhere = Made::new("@acme/tool@1.2.3", OTHER);
    assert_eq!(judged(&[workshop.publish(&elsewhere, &signer)], None), "other bytes");
    let mut named = workshop.publish(&made, &other);
    named["bundle"]["verificationMaterial"]["publicKey"]["hint"] = json!(signer.id());
    assert_eq!(judged(&[named], None), "forged");
    let alone = workshop.document(&[good]);
    let alone = keys(&signer, None).attested(&sigstore(&workshop), &made.id, &made.integrity, &alone);
    assert_eq!(alone, Attested::Not);
}

#[test]
fn what_is_not_readable_says_nothing() {
    let (workshop, made) = (Workshop::new(), made());
    let parts = [
        "/bundle/dsseEnvelope",
        "/bundle/dsseEnvelope/payloadType",
        "/bundle/verificationMaterial/certificate",
        "/bundle/verificationMaterial/tlogEntries",
        "/bundle/verificationMaterial/tlogEntries/0/inclusionPromise",
        "/bundle/verificationMaterial/tlogEntries/0/logId",
    ];
    for part in parts {
        let mut without = workshop.provenance(&made);
        *without.pointer_mut(part).unwrap() = Value::Null;
        assert_eq!(word(&judged(&workshop, &[without], &made)), "unverifiable", "{part}");
    }
    for document in [json!(null), json!([]), json!({"attestations": 1}), json!({"attestations": [1, {}]})] {
        let found = Keys::with(&[]).attested(&Sigstore::public(), &made.id, &made.integrity, &document);
        assert_eq!(found, Attested::Not, "{document}");
    }
}

#[test]
fn no_change_of_a_bit_names_anybody_else() {
    let (workshop, made) = (Workshop::new(), made());
    let sigstore = sigstore(&workshop);
    let document = workshop.document(&[workshop.provenance(&made)]);
    let judged = |document: &Value| Keys::with(&[]).attested(&sigstore, &made.id, &made.integrity, document);
    let good = judged(&document);
    assert_eq!(word(&good), "by");
    let text = document.to_string();
    for at in (0..text.len()).step_by(3) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        if let Ok(changed) = serde_json::from_slice::<Value>(&bytes) {
            let found = judged(&changed);
            assert!(found == good || word(&found) != "by", "{at}: {found:?}");
        }
    }
    let certificate = &document["attestations"][0]["bundle"]["verificationMaterial"]["certificate"];
    let certificate = base64(certificate, "rawBytes").unwrap();
    assert_eq!(der::extension(&certificate, 12), Some("https://github.com/acme/tool"));
    assert_eq!(der::extension(&certificate, 13), None);
    for end in 0..certificate.len() {
        let mut changed = certificate.clone();
        changed[end] ^= 0x81;
        // Whatever they are, they are read to an end.
        let _read = [der::extension(&certificate[..end], 12), der::extension(&changed, 12)];
    }
}
