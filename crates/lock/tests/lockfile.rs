//! Property: a lock answers what a builder asks it, and differences between locks are told as a person would.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use lock::{ExerciseKind, Lock, Pin, System, diff};

const ERA_C: &str = include_str!("../../../fixtures/lock/era-c/lock.json");
const ERA_A: &str = include_str!("../../../fixtures/lock/era-a-1.0.152/lock.json");

fn era_c() -> Lock {
    Lock::parse(ERA_C).unwrap()
}

fn pinned(lock: &Lock, system: System) -> Vec<String> {
    lock.pinned_for(system).map(|(id, _)| id.to_string()).collect()
}

#[test]
fn a_system_gets_the_packages_that_reach_and_fit_it() {
    let all = ["@opencode-ai/plugin@1.18.18", "bun-pty@0.4.2", "opencode-pty@0.1.3", "zod@4.1.8"];
    assert_eq!(pinned(&era_c(), System::X86_64Linux), all);
    assert_eq!(pinned(&era_c(), System::Aarch64Linux), [all[0], all[2], all[3]]);
}

#[test]
fn an_exercise_has_pinned_and_known_packages() {
    let lock = era_c();
    let packages: Vec<(String, bool)> = lock
        .exercise_packages(&"plugin:opencode-pty@latest".parse().unwrap())
        .map(|(id, pin)| (id.to_string(), matches!(pin, Pin::Pinned(_))))
        .collect();
    let expected = [
        ("bun-pty@0.4.2", true),
        ("bun-pty-win32@0.4.2", false),
        ("opencode-pty@0.1.3", true),
        ("zod@4.1.8", true),
    ];
    assert_eq!(packages, expected.map(|(id, pinned)| (id.to_owned(), pinned)));
    assert_eq!(lock.exercise_packages(&"plugin:other".parse().unwrap()).count(), 0);
}

#[test]
fn what_no_exercise_names_can_be_dropped() {
    let mut lock = era_c();
    lock.exercises.remove(&"plugin:opencode-pty@latest".parse().unwrap());
    assert_eq!(Lock::parse(&lock.render()).unwrap_err().code(), "lock-unreferenced");
    lock.retain_referenced();
    assert_eq!(pinned(&lock, System::X86_64Linux), ["@opencode-ai/plugin@1.18.18", "zod@4.1.8"]);
    assert!(lock.known.is_empty());
    assert_eq!(Lock::parse(&lock.render()), Ok(lock));
}

#[test]
fn era_a_is_one_tree_of_several_specs() {
    let lock = Lock::parse(ERA_A).unwrap();
    let exercise = &lock.exercises[&"shared-tree".parse().unwrap()];
    let ExerciseKind::SharedTree { specs, patched } = &exercise.kind else { panic!("{:?}", exercise.kind) };
    // The order is OpenCode's: it decides the order of `package.json`.
    let specs: Vec<&str> = specs.iter().map(|spec| spec.as_str()).collect();
    assert_eq!(
        specs,
        ["opencode-copilot-auth@0.0.9", "opencode-anthropic-auth@0.0.5", "@ai-sdk/fireworks@latest"]
    );
    assert_eq!(patched[&"@ai-sdk/fireworks".parse().unwrap()], "latest");
}

#[test]
fn a_huge_text_is_refused_unread() {
    let error = Lock::parse(&" ".repeat(lock::lockfile::MAX_BYTES + 1)).unwrap_err();
    assert_eq!(error.code(), "lock-too-large");
}

#[test]
fn nothing_changed_is_nothing_to_tell() {
    let nothing = diff(&era_c(), &era_c());
    assert!(nothing.is_empty());
    assert!(nothing.lines().is_empty());
}

#[test]
fn a_diff_tells_what_changed() {
    let mut new = era_c();
    let id = |text: &str| text.parse().unwrap();
    let zod = new.packages.remove(&id("zod@4.1.8")).unwrap();
    new.packages.insert(id("zod@4.2.0"), zod.clone());
    new.packages.insert(id("extra@1.0.0"), zod);
    new.packages.get_mut(&id("opencode-pty@0.1.3")).unwrap().size += 1;
    new.known.clear();
    new.systems.remove(&System::Aarch64Linux);
    new.systems.get_mut(&System::X86_64Linux).unwrap().size += 1;
    new.opencode = "1.18.19".parse().unwrap();
    let agents = new.exercises.remove(&"command:agents".parse().unwrap()).unwrap();
    new.exercises.insert("command:other".parse().unwrap(), agents);
    new.catalogue = None;
    new.models.insert("openai".into(), 41);
    new.models.insert("xai".into(), 3);
    new.pins.insert("zod".parse().unwrap(), "4.2.0".parse().unwrap());
    let diff = diff(&era_c(), &new);
    let (sizes, lines): (Vec<_>, Vec<_>) = diff.lines().into_iter().partition(|line| line.contains(" size "));
    insta::assert_snapshot!(lines.join("\n"), @r"
    ~ opencode 1.18.18 -> 1.18.19
    + pin zod 4.2.0
    - artifact aarch64-linux opencode-linux-arm64@1.18.18
    ~ artifact x86_64-linux opencode-linux-x64@1.18.18
    - exercise command:agents
    + exercise command:other
    + package extra 1.0.0
    ~ package opencode-pty 0.1.3
    ~ package zod 4.1.8 -> 4.2.0
    - known bun-pty-win32 0.4.2
    - host models.example
    - catalogue https://models.example/api.json
    ~ models openai 40 -> 41
    + models xai 3
    ");
    assert!(sizes[0].starts_with("- size aarch64-linux ") && sizes[1].contains(" -> "), "{sizes:?}");
    let json = serde_json::to_value(&diff).unwrap();
    assert_eq!(
        json["rows"][0],
        serde_json::json!({"about": "opencode", "name": "", "from": "1.18.18", "to": "1.18.19", "bytes": null})
    );
}

#[test]
fn a_signature_that_is_lost_or_won_is_told_by_name_and_all_by_number() {
    let id = |text: &str| text.parse().unwrap();
    let verified = || lock::Signature::Verified { key: "SHA256:abc".parse().unwrap() };
    let mut old = era_c();
    old.signatures = old.npm_pins().into_keys().map(|id| (id, lock::Signature::Unsigned)).collect();
    assert_eq!(old.signature_counts(), [("unsigned".to_owned(), 6)].into());
    assert!(old.render().contains("  \"signatures\": {\n    \"*\": \"unsigned\"\n  }\n"));
    old.signatures.insert(id("zod@4.1.8"), verified());
    let mut new = old.clone();
    new.signatures.insert(id("zod@4.1.8"), lock::Signature::Unsigned);
    new.signatures.insert(id("opencode-pty@0.1.3"), verified());
    new.signatures.remove(&id("bun-pty@0.4.2"));
    insta::assert_snapshot!(diff(&old, &new).lines().join("\n"), @r"
    + signatures not asked 1
    ~ signatures unsigned 5 -> 4
    ~ signature opencode-pty unsigned -> verified SHA256:abc
    ~ signature zod verified SHA256:abc -> unsigned
    ");
    // Who built what stays, and of how much that is known.
    let by =
        |name: &str| lock::Attestation::new(&format!("https://git.example/{name}"), "release.yml").unwrap();
    let (mut unknown, mut known) = (era_c(), era_c());
    unknown.attestations.insert(id("zod@4.1.8"), by("zod"));
    known.attestations.insert(id("zod@4.1.8"), by("thief"));
    known.attestations.insert(id("opencode-pty@0.1.3"), by("pty"));
    insta::assert_snapshot!(diff(&unknown, &known).lines().join("\n"), @r"
    ~ attested 1 -> 2
    ~ attestation zod https://git.example/zod release.yml -> https://git.example/thief release.yml
    ");
    // A lock of before says nothing of signatures, and what is asked of it then is told in numbers.
    insta::assert_snapshot!(diff(&era_c(), &old).lines().join("\n"), @r"
    + signatures unsigned 5
    + signatures verified SHA256:abc 1
    ");
}

#[test]
fn an_attestation_is_expected_where_one_was_and_of_what_follows_it() {
    let mut lock = era_c();
    let id = |text: &str| text.parse().unwrap();
    let by = lock::Attestation::new("https://git.example/zod", "release.yml").unwrap();
    lock.attestations.insert(id("zod@4.1.8"), by);
    assert!(lock.expects_attestation(&id("zod@4.1.8")) && lock.expects_attestation(&id("zod@4.2.0")));
    assert!(!lock.expects_attestation(&id("zod@3.25.0")), "an older line");
    assert!(!lock.expects_attestation(&id("opencode-pty@0.1.3")), "another package");
}
