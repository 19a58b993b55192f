//! What registries state is believed only with a good signature by a key that is known beforehand, and only as long as it stays what it
//! was. Each way to be wrong has a code of its own. The registry and its keys are made for the test.

use std::time::Duration;

use lock::{Lock, PackageId, Signature};
use testkit::signing::{Signer, SigningRegistry};
use testkit::site::{Ran, Running, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("what_is_pinned_is_rechecked", what_is_pinned_is_rechecked),
    case("who_built_a_package_is_rechecked", who_built_a_package_is_rechecked),
    case("keys_end_and_are_rotated", keys_end_and_are_rotated),
    case("nothing_is_locked_that_is_not_believed", nothing_is_locked_that_is_not_believed),
    case("the_registry_of_this_machine_is_rechecked", the_registry_of_this_machine_is_rechecked),
];

/// Six versions of a registry's: two artifacts and four packages.
const LOCK: &str = include_str!("../../fixtures/lock/era-c/lock.json");

/// Real provenance of npm's, and what it is of (`trust::attestation`'s tests say where it is from).
const PROVENANCE: &str = include_str!("../../crates/trust/src/attestation/sigstore-2.0.0.json");
const BUILT: (&str, &str) = (
    "sigstore@2.0.0",
    "sha512-RtTi90xIdzFmQAAKb9+Ki1nx4IR2Z5c+mFn3dN0xuPHgk3gTt3f7ZqKsZ9UFQP40ZAlm7un8LMyjhwgrTIXNPA==",
);

/// A user with that lock.
struct User {
    site: Site,
    lock: Lock,
    signer: Signer,
    registry: SigningRegistry,
}

impl User {
    /// One whose registry signs everything, and whose lock says so.
    fn new() -> Self {
        let (mut lock, signer) = (Lock::parse(LOCK).unwrap(), Signer::new());
        let verified = Signature::Verified { key: signer.id().parse().unwrap() };
        lock.signatures = lock.npm_pins().into_keys().map(|id| (id, verified.clone())).collect();
        let registry = SigningRegistry::of(&lock, &signer);
        let user = Self { site: Site::empty(), lock, signer, registry };
        user.write_lock(&user.lock);
        user.trust("", &[&user.signer], None);
        user
    }

    fn write_lock(&self, lock: &Lock) {
        self.site.write("opencode.lock.json", &lock.render()).unwrap();
    }

    /// A lock that says of everything that it is unsigned.
    fn unsigned(&self) -> Lock {
        let mut lock = self.lock.clone();
        lock.signatures.values_mut().for_each(|state| *state = Signature::Unsigned);
        lock
    }

    fn names(&self) -> Vec<String> {
        self.lock.npm_pins().into_keys().map(|id| id.name.to_string()).collect()
    }

    /// A manifest that trusts keys for all packages.
    fn trust(&self, policy: &str, signers: &[&Signer], until: Option<&str>) {
        let keys: Vec<String> = signers.iter().map(|signer| signer.trusted(&self.names(), until)).collect();
        self.manifest("1.18.18", policy, &keys.join("\n"));
    }

    fn manifest(&self, version: &str, policy: &str, keys: &str) {
        let systems = "systems = [\"x86_64-linux\", \"aarch64-linux\"]";
        let text = format!("opencode = \"{version}\"\n{systems}\n[trust]\n{policy}\n{keys}");
        self.site.write("opencode-cache.toml", &text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--registry", self.registry.url()]);
        self.site.run(&arguments).unwrap()
    }

    /// What a recheck finds of `id`, or that nothing is wrong with anything.
    fn found(&self, id: &PackageId) -> String {
        let before = self.site.read("opencode.lock.json").unwrap();
        let ran = self.run(&["lock", "--recheck"]);
        assert_eq!(self.site.read("opencode.lock.json").unwrap(), before);
        if ran.stdout.is_empty() {
            assert_eq!(ran.code, Some(0), "{ran:?}");
            return "nothing".to_owned();
        }
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let line = ran.stdout.lines().find_map(|line| line.strip_prefix(&format!("{id}: ")));
        line.unwrap_or_else(|| panic!("{ran:?}")).split(':').next().unwrap().to_owned()
    }

    /// The code of the error that `lock` ends with; it has written nothing then.
    fn refused(&self, arguments: &[&str]) -> String {
        let before = self.site.read("opencode.lock.json").unwrap();
        let ran = self.run(arguments);
        assert_eq!((ran.code, self.site.read("opencode.lock.json").unwrap()), (Some(4), before), "{ran:?}");
        let code = ran.stderr.lines().find_map(|line| line.strip_prefix("error[")?.split(']').next());
        code.unwrap_or_else(|| panic!("{ran:?}")).to_owned()
    }
}

fn id(text: &str) -> PackageId {
    text.parse().unwrap()
}

/// Other bytes than any that are pinned.
const OTHER: &str =
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";

fn what_is_pinned_is_rechecked() {
    let user = User::new();
    let zod = id("zod@4.1.8");
    // Good, with one small document for each version.
    assert_eq!(user.found(&zod), "nothing");
    let asked = user.registry.asked();
    assert_eq!(asked.len(), 6, "{asked:?}");
    assert!(asked.contains(&"GET /zod/4.1.8".to_owned()), "{asked:?}");

    // Each fault, what it is called, and that it is none any more when it is gone.
    type Change = fn(&Signer, &PackageId, &mut testkit::signing::Published);
    let faults: [(&str, Change); 5] = [
        ("signature-forged", |signer, _, published| {
            published.signatures = vec![signer.sign("zod@4.1.8:sha512-something else")];
        }),
        ("signature-downgraded", |_, _, published| published.signatures.clear()),
        ("signature-key-unknown", |_, id, published| {
            published.signatures = vec![Signer::new().sign(&format!("{id}:{}", published.integrity))];
        }),
        // With a good signature or with the old one: what was pinned is not what is there.
        ("pin-changed-upstream", |_, _, published| published.integrity = OTHER.to_owned()),
        ("pin-changed-upstream", |signer, id, published| {
            published.integrity = OTHER.to_owned();
            published.signatures = vec![signer.sign(&format!("{id}:{OTHER}"))];
        }),
    ];
    let integrity = user.lock.packages[&zod].integrity.to_string();
    for (code, change) in faults {
        user.registry.change(|id, published| {
            if *id == zod {
                change(&user.signer, id, published);
            }
        });
        assert_eq!(user.found(&zod), code);
        user.registry.publish(&zod, &integrity, &user.signer);
    }
    user.registry.take_away(&zod);
    assert_eq!(user.found(&zod), "pin-yanked");
    user.registry.publish(&zod, &integrity, &user.signer);
    user.registry.change(|_, published| published.deprecated = Some("use another".to_owned()));
    let ran = user.run(&["lock", "--recheck"]);
    assert!(ran.stderr.contains("pin-deprecated: zod@4.1.8") && ran.code == Some(0), "{ran:?}");

    // A mirror that strips signatures: well, where none was there before, and refused by the policy.
    user.registry.change(|_, published| published.signatures.clear());
    user.write_lock(&user.unsigned());
    let ran = user.run(&["lock", "--recheck", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((said["asked"].clone(), said["signatures"]["unsigned"].clone()), (6.into(), 6.into()));
    user.trust("signatures = \"require\"", &[&user.signer], None);
    assert_eq!(user.found(&zod), "signature-required");
    let ran = user.run(&["lock", "--check"]);
    assert!(ran.code == Some(1) && ran.stdout.contains("signatures are required"), "{ran:?}");
    user.trust(&format!("signatures = \"require\"\nunsigned = {:?}", user.names()), &[], None);
    assert_eq!(user.found(&zod), "nothing");
    assert!(!user.run(&["lock", "--check"]).stdout.contains("signatures are required"));
}

fn who_built_a_package_is_rechecked() {
    let mut user = User::new();
    let (zod, built) = (id("zod@4.1.8"), id(BUILT.0));
    let mut package = user.lock.packages[&zod].clone();
    package.integrity = BUILT.1.parse().unwrap();
    user.lock.packages.insert(built.clone(), package);
    let with_zod =
        user.lock.exercises.values_mut().find(|exercise| exercise.packages.contains(&zod)).unwrap();
    with_zod.packages.insert(built.clone());
    let verified = user.lock.signatures[&zod].clone();
    user.lock.signatures.insert(built.clone(), verified);
    user.write_lock(&user.lock);
    user.trust("", &[&user.signer], None);
    user.registry.publish(&built, BUILT.1, &user.signer);
    let real: serde_json::Value = serde_json::from_str(PROVENANCE).unwrap();
    let state = |of: &PackageId, document: Option<&serde_json::Value>| {
        user.registry.change(|id, published| {
            if id == of {
                published.attestations = document.cloned();
            }
        });
    };
    state(&built, Some(&real));
    let ran = user.run(&["lock", "--recheck"]);
    assert!(ran.code == Some(0) && ran.stderr.contains("of 1 it is attested who built them"), "{ran:?}");
    let asked = user.registry.asked();
    assert_eq!(asked.len(), 8, "a document for each of seven, and one of attestations: {asked:?}");

    let mut forged = real.clone();
    forged["attestations"][0]["bundle"]["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA".into();
    state(&built, Some(&forged));
    assert_eq!(user.found(&built), "attestation-forged");
    state(&built, None);
    assert_eq!(user.found(&built), "nothing", "nobody had said that it has one");
    state(&zod, Some(&real));
    assert_eq!(user.found(&zod), "attestation-of-other-bytes");
    state(&zod, None);

    let mut attested = user.lock.clone();
    let by = lock::Attestation::new("https://git.example/zod", "release.yml").unwrap();
    attested.attestations.insert(zod.clone(), by);
    user.write_lock(&attested);
    assert_eq!(user.found(&zod), "attestation-lost");
    user.trust("unattested = [\"zod\"]", &[&user.signer], None);
    assert_eq!(user.found(&zod), "nothing");
    user.trust("attestations = \"ignore\"", &[&user.signer], None);
    assert_eq!(user.found(&zod), "nothing");
}

fn keys_end_and_are_rotated() {
    let user = User::new();
    let zod = id("zod@4.1.8");
    // All was published on 2026-01-31.
    user.trust("", &[&user.signer], Some("2026-01-31"));
    assert_eq!(user.found(&zod), "nothing");
    user.trust("", &[&user.signer], Some("2026-01-30"));
    assert_eq!(user.found(&zod), "signature-expired");
    user.registry.change(|_, published| published.time = None);
    assert_eq!(user.found(&zod), "signature-undated");

    // A new key: unknown until somebody names it, and then told.
    let new = Signer::new();
    user.registry.change(|id, published| {
        published.signatures = vec![new.sign(&format!("{id}:{}", published.integrity))];
    });
    user.trust("", &[&user.signer], None);
    assert_eq!(user.found(&zod), "signature-key-unknown");
    user.trust("", &[&user.signer, &new], None);
    assert_eq!(user.found(&zod), "nothing");
    let ran = user.run(&["lock", "--recheck"]);
    assert!(ran.stderr.contains("signature-rotated: zod@4.1.8") && ran.stderr.contains(&new.id()), "{ran:?}");
    // Where none was verified before, an unknown key is told and counts as none.
    user.write_lock(&user.unsigned());
    user.trust("", &[&user.signer], None);
    let ran = user.run(&["lock", "--recheck"]);
    let told = format!("note: the registry signs with the key {}", new.id());
    assert!(ran.code == Some(0) && ran.stderr.contains(&told), "{ran:?}");
}

/// The release's own packages are judged before anything of them is run.
fn nothing_is_locked_that_is_not_believed() {
    let user = User::new();
    let names = ["opencode-linux-x64", "opencode-linux-arm64"];
    for name in names {
        user.registry.publish(&id(&format!("{name}@1.18.19")), OTHER, &user.signer);
    }
    let keys = user.signer.trusted(&user.names(), None);
    let to_next = |policy: &str| user.manifest("1.18.19", policy, &keys);
    // Believed: what fails then is that there is no such tarball.
    to_next("signatures = \"require\"");
    assert_eq!(user.refused(&["lock"]), "fetch-absent");

    user.registry.change(|id, published| {
        if id.version.to_string() == "1.18.19" {
            published.signatures = vec![user.signer.sign("something else")];
        }
    });
    to_next("");
    assert_eq!(user.refused(&["lock"]), "signature-forged");
    user.registry.change(|_, published| published.signatures.clear());
    assert_eq!(user.refused(&["lock"]), "signature-downgraded");
    user.write_lock(&user.unsigned());
    to_next("signatures = \"require\"");
    assert_eq!(user.refused(&["lock"]), "signature-required");

    // The version of the lock, resolved anew: it has to be what it was, and to be there.
    user.manifest("1.18.18", "", &keys);
    user.registry.change(|_, published| published.integrity = OTHER.to_owned());
    assert_eq!(user.refused(&["lock", "--refresh"]), "pin-changed-upstream");
    user.registry.take_away(&id("opencode-linux-x64@1.18.18"));
    user.registry.take_away(&id("opencode-linux-arm64@1.18.18"));
    assert_eq!(user.refused(&["lock", "--refresh"]), "pin-yanked");
}

/// The repository's own lock against the registry that the tests are run with: what it states is what is pinned, and the policy takes it
/// at its word. One that serves no signatures is refused as such; one that does has good ones by npm's own keys.
fn the_registry_of_this_machine_is_rechecked() {
    let site = Site::empty();
    let recheck = || {
        let command = site.command_online(&["lock", "--recheck", "--json"]);
        let ran = Running::start(command).unwrap().end(Duration::from_secs(120)).unwrap();
        let report: serde_json::Value =
            serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
        (ran.code, report)
    };
    let (code, report) = recheck();
    assert_eq!((code, &report["findings"]), (Some(0), &serde_json::json!([])), "{report}");
    let (asked, unsigned) = (report["asked"].as_u64().unwrap(), report["signatures"]["unsigned"].as_u64());

    let manifest = site.read("opencode-cache.toml").unwrap();
    site.write("opencode-cache.toml", &format!("{manifest}\n[trust]\nsignatures = \"require\"\n")).unwrap();
    let (code, report) = recheck();
    let refused = report["findings"].as_array().unwrap();
    assert_eq!(
        (code, refused.len() as u64),
        (Some(i32::from(unsigned.is_some())), unsigned.unwrap_or(0)),
        "{report}"
    );
    assert!(refused.iter().all(|finding| finding["code"] == "signature-required"), "{report}");
    assert!(asked > 40);
}
