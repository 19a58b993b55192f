//! What becomes of what a recorder saw, by npm's own keys, and of what a lock has already.

use super::*;
use lock::{KeyId, Package, PackageManifest, Reach};
use replay::registry::Packument;
use serde_json::json;
use std::sync::Arc;

/// A version of npm's public registry, with its real signature (`trust::verdict`'s tests say where it is from).
const ID: &str = "pnpm@10.1.0";
const INTEGRITY: &str =
    "sha512-yJhHsGZ92rUDlru9AIoqQ887WB79Wc9dmqiSPqH7S4EGwEHVQNCKywlQN1lNc+vFHh7InuQMiLMLimbA+uCsGw==";
const KEY: &str = "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U";
const SIGNATURE: &str =
    "MEUCIQDlkgmNyZjT7KUY8AO6jH7Gs3fyiXG8nbTnuLbd8fOS2AIgXyJ6SaYhumMFzUYQAZPJGhsnlaD5N0X2MZsbG+eS/Xo=";
const OTHER: &str =
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";

fn id() -> PackageId {
    ID.parse().unwrap()
}

fn recorded(integrity: &str, signatures: Value) -> BaseRecord {
    let version = json!({"version": "10.1.0", "dist": {"integrity": integrity, "signatures": signatures}});
    let document = json!({"name": "pnpm", "versions": {"10.1.0": version}});
    let packument = Packument::parse(&id().name, document.to_string().as_bytes()).unwrap();
    let packuments = BTreeMap::from([(id().name, Answer::Found(Arc::new(packument)))]);
    BaseRecord { packuments, ..BaseRecord::default() }
}

fn signed() -> Value {
    json!([{"keyid": KEY, "sig": SIGNATURE}])
}

/// The state, or the code of the error.
fn judged(policy: &Trust, locked: Option<&Lock>, pinned: &str, record: &BaseRecord) -> String {
    let mut judge = Judge::new(policy, locked);
    judge.recorded(&id(), &pinned.parse().unwrap(), record);
    let mut lock = locked.cloned().unwrap_or_else(any_lock);
    match judge.finish(&mut lock) {
        Ok(()) => lock.signatures[&id()].to_string(),
        Err(error) => error.code().to_owned(),
    }
}

fn any_lock() -> Lock {
    Lock::parse(include_str!("../../../../opencode.lock.json")).unwrap()
}

fn locked(integrity: &str, state: Signature) -> Lock {
    let mut lock = any_lock();
    let (integrity, reach) = (integrity.parse().unwrap(), Reach::Everywhere);
    lock.packages.insert(id(), Package { integrity, size: 1, reach, manifest: PackageManifest::new() });
    lock.signatures.insert(id(), state);
    lock
}

#[test]
fn what_a_recorder_saw_is_judged_by_npms_own_keys() {
    let prefer = Trust::default();
    let require = Trust { signatures: SignaturePolicy::Require, ..Trust::default() };
    for policy in [&prefer, &require] {
        let verified = format!("verified {KEY}");
        assert_eq!(judged(policy, None, INTEGRITY, &recorded(INTEGRITY, signed())), verified);
        // Packed anew by a mirror that keeps the signature.
        assert_eq!(judged(policy, None, OTHER, &recorded(OTHER, signed())), "signature-forged");
    }
    let stripped = recorded(INTEGRITY, json!([]));
    assert_eq!(judged(&prefer, None, INTEGRITY, &stripped), "unsigned");
    assert_eq!(judged(&require, None, INTEGRITY, &stripped), "signature-required");
    let excepted = Trust { unsigned: vec!["pnpm".parse().unwrap()], ..require };
    assert_eq!(judged(&excepted, None, INTEGRITY, &stripped), "unsigned");
    assert_eq!(judged(&excepted, None, OTHER, &recorded(OTHER, signed())), "signature-forged");
}

#[test]
fn what_is_locked_is_not_given_up() {
    let policy = Trust::default();
    let key: KeyId = KEY.parse().unwrap();
    let stripped = recorded(INTEGRITY, json!([]));
    let verified = locked(INTEGRITY, Signature::Verified { key });
    assert_eq!(judged(&policy, Some(&verified), INTEGRITY, &stripped), "signature-downgraded");
    let unsigned = locked(INTEGRITY, Signature::Unsigned);
    assert_eq!(judged(&policy, Some(&unsigned), INTEGRITY, &stripped), "unsigned");
    // Resolved anew, with other bytes; and kept, while the registry states others.
    let changed = recorded(OTHER, json!([]));
    assert_eq!(judged(&policy, Some(&unsigned), OTHER, &changed), "pin-changed-upstream");
    assert_eq!(judged(&policy, Some(&unsigned), INTEGRITY, &changed), "pin-changed-upstream");
    let mut judge = Judge::new(&policy, Some(&unsigned));
    judge.unchanged(&locked(OTHER, Signature::Unsigned));
    assert_eq!(judge.check().unwrap_err().code(), "pin-changed-upstream");
}

#[test]
fn a_refusal_names_what_each_reason_is_of() {
    let refusal = |what: String, reason: Reason| Refusal { what, reason };
    let mut refusals: Vec<Refusal> =
        (0..12).map(|number| refusal(format!("a{number:02}@1.0.0"), Reason::Required)).collect();
    refusals.push(refusal("b@1.0.0".into(), Reason::Forged { key: "SHA256:x".into() }));
    let error = Error { refusals };
    assert_eq!(error.code(), "signature-forged");
    insta::assert_snapshot!(error.to_string(), @r"
    pin 13 versions
      the signature is not that of the key whose name it bears: b@1.0.0 (SHA256:x)
      no signature is stated, and the manifest requires one: a00@1.0.0, a01@1.0.0, a02@1.0.0, a03@1.0.0, a04@1.0.0, a05@1.0.0, a06@1.0.0, a07@1.0.0, a08@1.0.0, a09@1.0.0 and 2 more
    ");
}
