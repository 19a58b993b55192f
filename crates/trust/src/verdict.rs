//! From what a registry states of a version to a verdict.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lock::{Date, Instant, KeyId, PackageId, Sri, StatedSignature};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use crate::keys::{Key, Keys};

/// What a registry states of one version.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The version.
    pub id: &'a PackageId,
    /// Its tarball's integrity: what gets pinned.
    pub integrity: &'a Sri,
    /// The signatures, as they are stated.
    pub signatures: &'a [StatedSignature],
    /// When it was published, as the registry writes it, where it says so. The registry's own word, and in no signature: it can
    /// make an expired key's signature pass for an old one, as npm's own client is told too.
    pub published: Option<&'a str>,
}

/// What becomes of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A trusted key signed just this, while it was in use.
    Verified {
        /// The key.
        key: KeyId,
    },
    /// No signature is stated.
    Unsigned,
    /// A signature is stated in the name of a trusted key, and is not that key's signature of this name, version and integrity.
    Forged {
        /// The key.
        key: KeyId,
    },
    /// It is a trusted key's, and the version was published after the key's end.
    Expired {
        /// The key.
        key: KeyId,
        /// The key's last day.
        until: Date,
        /// When the version was published.
        published: String,
    },
    /// It is a trusted key's that has come to its end, and the registry does not say when the version was published.
    Undated {
        /// The key.
        key: KeyId,
        /// The key's last day.
        until: Date,
    },
    /// Only keys that are not trusted for this package signed it.
    UnknownKey {
        /// The first one's name, at most its first 200 characters.
        key: String,
    },
}

impl Keys {
    /// Judges a claim, at the instant `now`.
    ///
    /// One good signature is enough beside unknown and expired ones, as in the weeks of a rotation; but none may be forged, since no
    /// registry states such a thing by accident.
    #[must_use]
    pub fn judge(&self, claim: &Claim<'_>, now: Instant) -> Verdict {
        let keys = self.of(&claim.id.name);
        let mut best = Verdict::Unsigned;
        for stated in claim.signatures {
            let found = match keys.iter().find(|key| key.id.as_str() == stated.key) {
                None => Verdict::UnknownKey { key: stated.key.chars().take(200).collect() },
                Some(key) => key.judge(stated, claim, now),
            };
            if found.weight() > best.weight() {
                best = found;
            }
        }
        best
    }
}

impl Key {
    fn judge(&self, stated: &StatedSignature, claim: &Claim<'_>, now: Instant) -> Verdict {
        let id = || self.id.clone();
        let signed = format!("{}:{}", claim.id, claim.integrity);
        let is_good = STANDARD.decode(&stated.text).is_ok_and(|signature| {
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.key.point());
            key.verify(signed.as_bytes(), &signature).is_ok()
        });
        if !is_good {
            return Verdict::Forged { key: id() };
        }
        // What was published at all was published by now.
        let Some(until) = self.until.filter(|until| Instant::end_of(*until) < now) else {
            return Verdict::Verified { key: id() };
        };
        match claim.published.and_then(|time| Some((time, time.parse::<Instant>().ok()?))) {
            Some((_, published)) if published <= Instant::end_of(until) => Verdict::Verified { key: id() },
            Some((time, _)) => {
                Verdict::Expired { key: id(), until, published: time.chars().take(40).collect() }
            }
            None => Verdict::Undated { key: id(), until },
        }
    }
}

impl Verdict {
    /// The stable code: of an error where it is one, of a row in a report in any case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Verdict::Verified { .. } => "signature-verified",
            Verdict::Unsigned => "signature-none",
            Verdict::Forged { .. } => "signature-forged",
            Verdict::Expired { .. } => "signature-expired",
            Verdict::Undated { .. } => "signature-undated",
            Verdict::UnknownKey { .. } => "signature-key-unknown",
        }
    }

    /// Which of several counts.
    fn weight(&self) -> u8 {
        match self {
            Verdict::Unsigned => 0,
            Verdict::UnknownKey { .. } => 1,
            Verdict::Undated { .. } => 2,
            Verdict::Expired { .. } => 3,
            Verdict::Verified { .. } => 4,
            Verdict::Forged { .. } => 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock::TrustedKey;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

    /// What stands before the point in a DER key of P-256.
    const PREFIX: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";

    const OLD: &str = "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA";
    const NEW: &str = "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U";

    /// Real signatures of npm's public registry: id, integrity, key, signature. pnpm's are quoted in reports of corepack's rotation of
    /// January 2025 and of a mirror that strips them; that of the old key stands in a test of another tool (`tool5`, published
    /// 2024-10-09), with the whole document.
    const REAL: [(&str, &str, &str, &str); 3] = [
        (
            "pnpm@10.1.0",
            "sha512-yJhHsGZ92rUDlru9AIoqQ887WB79Wc9dmqiSPqH7S4EGwEHVQNCKywlQN1lNc+vFHh7InuQMiLMLimbA+uCsGw==",
            NEW,
            "MEUCIQDlkgmNyZjT7KUY8AO6jH7Gs3fyiXG8nbTnuLbd8fOS2AIgXyJ6SaYhumMFzUYQAZPJGhsnlaD5N0X2MZsbG+eS/Xo=",
        ),
        (
            "pnpm@11.10.0",
            "sha512-C3+LmAYAMZBMAX46QesYehbUDuuCm5XE+MsDaBdh/Eq1PdIZEVubRH9NzhoFohR2RGHn03AzkqnzL5URzoyGyA==",
            NEW,
            "MEYCIQC28ef+LZSlyWSRFLk44cwrmdjEMJ7VNytbZfnsN7wSjQIhAPhNkyQC2olHzK5+OfnZVW17tBGT/OXwUD2NwReDg7zi",
        ),
        (
            "tool5@5.0.1",
            "sha512-gPClNFHEACDPrNPIY9nQ5CtgNzXLek1VKLkenI/RRKrrWSSyIVte0HloLzyQJFW0bXgFnv5TgtcUM+xHE7B6/w==",
            OLD,
            "MEYCIQDhX2SZFZyV3rBaQp/tH0NRk1YWw6rF2KrietBA6xDIFQIhANJcAYMSl+mvNefhpxjyApSUK/CXFEnCeUSEQf113OPI",
        ),
    ];

    fn stated(key: &str, text: &str) -> StatedSignature {
        StatedSignature { key: key.into(), text: text.into() }
    }

    fn now() -> Instant {
        "2026-11-21T20:00:00Z".parse().unwrap()
    }

    fn real(which: usize, integrity: &str, published: Option<&str>) -> Verdict {
        let (id, _, key, text) = REAL[which];
        let (id, integrity) = (id.parse().unwrap(), integrity.parse().unwrap());
        let signatures = [stated(key, text)];
        let claim = Claim { id: &id, integrity: &integrity, signatures: &signatures, published };
        Keys::with(&[]).judge(&claim, now())
    }

    #[test]
    fn real_signatures_of_npms_registry_are_verified() {
        for (which, (_, integrity, key, _)) in REAL.into_iter().enumerate() {
            let found = real(which, integrity, Some("2024-10-09T22:57:17.000Z"));
            assert_eq!(found, Verdict::Verified { key: key.parse().unwrap() });
        }
        // The current key has no end, so that no time is needed.
        assert_eq!(real(0, REAL[0].1, None).code(), "signature-verified");
        // Other bytes under the same name and version.
        assert_eq!(real(0, REAL[1].1, None).code(), "signature-forged");
    }

    #[test]
    fn a_keys_end_is_judged_by_when_a_version_was_published() {
        let code = |published| real(2, REAL[2].1, published).code();
        assert_eq!(code(Some("2025-01-28T23:59:59.999Z")), "signature-verified");
        assert_eq!(code(Some("2025-01-29T00:00:00.001Z")), "signature-expired");
        assert_eq!(code(Some("yesterday")), "signature-undated");
        assert_eq!(code(None), "signature-undated");
    }

    struct Signer {
        pair: EcdsaKeyPair,
        trusted: TrustedKey,
    }

    impl Signer {
        fn new(packages: &str) -> Self {
            let random = SystemRandom::new();
            let text = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
            let pair =
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, text.as_ref(), &random).unwrap();
            let mut der = STANDARD.decode(PREFIX).unwrap();
            der.extend(&pair.public_key().as_ref()[1..]);
            let key: lock::PublicKey = STANDARD.encode(der).parse().unwrap();
            let packages = vec![packages.parse().unwrap()];
            Self { pair, trusted: TrustedKey { id: key.fingerprint(), key, packages, until: None } }
        }

        fn sign(&self, text: &str) -> StatedSignature {
            let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
            stated(self.trusted.id.as_str(), &STANDARD.encode(signature))
        }
    }

    fn judged(keys: &[&Signer], id: &str, signatures: &[StatedSignature]) -> Verdict {
        let own: Vec<TrustedKey> = keys.iter().map(|signer| signer.trusted.clone()).collect();
        let (id, integrity) = (id.parse().unwrap(), REAL[0].1.parse().unwrap());
        let claim = Claim { id: &id, integrity: &integrity, signatures, published: None };
        Keys::with(&own).judge(&claim, now())
    }

    #[test]
    fn a_key_of_the_manifest_is_for_its_packages_and_no_other_is() {
        let signer = Signer::new("@acme/*");
        let of = |id: &str| judged(&[&signer], id, &[signer.sign(&format!("{id}:{}", REAL[0].1))]).code();
        assert_eq!(of("@acme/tool@1.0.0"), "signature-verified");
        assert_eq!(of("tool@1.0.0"), "signature-key-unknown");
        // npm's own signature is no good for a name of the private registry's.
        let pnpm = Signer::new("pnpm");
        let public = [stated(REAL[0].2, REAL[0].3)];
        assert_eq!(judged(&[&pnpm], REAL[0].0, &public).code(), "signature-key-unknown");
        assert_eq!(judged(&[&signer], REAL[0].0, &public).code(), "signature-verified");
    }

    #[test]
    fn one_good_signature_is_enough_and_a_forged_one_too_much() {
        let (one, other) = (Signer::new("a"), Signer::new("a"));
        let text = format!("a@1.0.0:{}", REAL[0].1);
        let (good, unknown) = (one.sign(&text), other.sign(&text));
        assert_eq!(judged(&[&one], "a@1.0.0", &[unknown.clone(), good.clone()]).code(), "signature-verified");
        assert_eq!(judged(&[&one], "a@1.0.0", &[unknown]).code(), "signature-key-unknown");
        assert_eq!(judged(&[&one], "a@1.0.0", &[]).code(), "signature-none");
        for forged in [one.sign("a@1.0.1:x"), stated(&good.key, "no base64"), stated(&good.key, "")] {
            assert_eq!(judged(&[&one], "a@1.0.0", &[good.clone(), forged]).code(), "signature-forged");
        }
    }

    #[test]
    fn a_key_that_has_not_ended_needs_no_time() {
        let mut signer = Signer::new("a");
        let good = [signer.sign(&format!("a@1.0.0:{}", REAL[0].1))];
        signer.trusted.until = Some("2026-11-21".parse().unwrap());
        assert_eq!(judged(&[&signer], "a@1.0.0", &good).code(), "signature-verified");
        signer.trusted.until = Some("2026-11-20".parse().unwrap());
        assert_eq!(judged(&[&signer], "a@1.0.0", &good).code(), "signature-undated");
    }
}
