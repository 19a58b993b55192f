//! What a registry on loopback states of who built a package, and what becomes of it. Authority, log and keys are made for the test.

use std::collections::BTreeMap;

use ::trust::Sigstore;
use lock::{Attestation, AttestationPolicy, Lock, PackageId, Trust};
use replay::registry::Upstream;
use replay::registry::npmrc::{Layer, Settings};
use serde_json::Value;
use testkit::attesting::{Made, Workshop};
use testkit::signing::{Signer, SigningRegistry};

use super::super::Judge;

const BY: &str = "https://github.com/acme/tool .github/workflows/release.yml";

/// A registry, and whoever attests what is in it.
struct World {
    registry: SigningRegistry,
    workshop: Workshop,
    lock: Lock,
    /// A package that the lock pins.
    id: PackageId,
}

impl World {
    fn new() -> Self {
        let lock = Lock::parse(include_str!("../../../../../opencode.lock.json")).unwrap();
        let id = lock.packages.keys().next().unwrap().clone();
        let registry = SigningRegistry::of(&lock, &Signer::new());
        Self { registry, workshop: Workshop::new(), lock, id }
    }

    fn made(&self) -> Made {
        Made::new(&self.id.to_string(), &self.lock.packages[&self.id].integrity.to_string())
    }

    /// States this of the package.
    fn state(&self, attestations: Option<Value>, at: Option<&str>) {
        self.registry.change(|id, published| {
            if *id == self.id {
                published.attestations = attestations.clone();
                published.attested_at = at.map(str::to_owned);
            }
            // Whose key nobody knows, which is another matter.
            published.signatures.clear();
        });
    }

    fn provenance(&self, made: &Made) -> Option<Value> {
        Some(self.workshop.document(&[self.workshop.provenance(made)]))
    }

    /// What a lock says of the package afterwards, or the code of the error; and what is told.
    fn judged(&self, policy: &Trust, locked: Option<&Lock>) -> (String, Vec<String>) {
        let npmrc = format!("registry={}\n", self.registry.url());
        let none = BTreeMap::new();
        let settings = Settings::layered(&[Layer::parse(&npmrc, &none)], &none).unwrap();
        let upstream = Upstream::new(&settings).unwrap();
        let [root, intermediate, log] = self.workshop.trusted();
        let mut judge = Judge::new(policy, locked);
        judge.sigstore = Sigstore::of(&root, &intermediate, &log);
        let pins = BTreeMap::from([(self.id.clone(), self.lock.packages[&self.id].integrity.clone())]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(judge.ask(pins, &upstream)).unwrap();
        let notes = judge.notes().map(str::to_owned).collect();
        let mut lock = self.lock.clone();
        match judge.finish(&mut lock) {
            Ok(()) => (lock.attestations.get(&self.id).map(ToString::to_string).unwrap_or_default(), notes),
            Err(error) => (error.code().to_owned(), notes),
        }
    }

    fn word(&self, locked: Option<&Lock>) -> String {
        self.judged(&Trust::default(), locked).0
    }

    /// A lock that says of a version that somebody built it.
    fn attested(&self, version: &str, by: &str) -> Lock {
        let mut lock = self.lock.clone();
        lock.attestations
            .insert(self.id.name.at(version.parse().unwrap()), by.parse::<Attestation>().unwrap());
        lock
    }
}

#[test]
fn who_built_a_package_is_asked_of_its_registry() {
    let world = World::new();
    world.state(None, None);
    assert_eq!(world.word(None), "");
    assert_eq!(world.registry.asked().len(), 1, "nobody is asked for what nobody states");
    world.state(world.provenance(&world.made()), None);
    assert_eq!(world.word(None), BY);
    assert!(world.registry.asked()[1].contains("/-/npm/v1/attestations/"));
    // A mirror that leaves the address as it was.
    world.state(world.provenance(&world.made()), Some("https://npm.example/-/npm/v1/attestations/x"));
    assert_eq!(world.word(None), "");
    world.state(world.provenance(&world.made()), None);
    let ignore = Trust { attestations: AttestationPolicy::Ignore, ..Trust::default() };
    assert_eq!(world.registry.asked().len(), 1, "no other host is asked, and no other address either");
    assert_eq!(world.judged(&ignore, None).0, "");
    assert_eq!(world.registry.asked().len(), 1);
}

#[test]
fn what_is_wrong_refuses() {
    let world = World::new();
    let other = Made::new("acme@1.0.0", &world.made().integrity.to_string());
    world.state(world.provenance(&other), None);
    assert_eq!(world.word(None), "attestation-of-other-bytes");
    let mut forged = world.provenance(&world.made()).unwrap();
    let signature = &mut forged["attestations"][0]["bundle"]["dsseEnvelope"]["signatures"][0]["sig"];
    *signature = serde_json::json!("AAAA");
    world.state(Some(forged), None);
    assert_eq!(world.word(None), "attestation-forged");
    // Another authority's says nothing, and that is told.
    let stranger = Workshop::new();
    world.state(Some(stranger.document(&[stranger.provenance(&world.made())])), None);
    let (word, notes) = world.judged(&Trust::default(), None);
    assert_eq!(word, "");
    assert!(notes.iter().any(|note| note.starts_with("attestation-unverifiable")), "{notes:?}");
}

#[test]
fn an_attestation_is_not_given_up() {
    let world = World::new();
    let own = world.id.version.to_string();
    world.state(None, None);
    assert_eq!(world.word(Some(&world.attested(&own, BY))), "attestation-lost");
    let excepted = Trust { unattested: vec![world.id.name.to_string().parse().unwrap()], ..Trust::default() };
    assert_eq!(world.judged(&excepted, Some(&world.attested(&own, BY))).0, "");
    // Of what was locked without one, beside one that had.
    assert_eq!(world.word(Some(&world.attested("0.0.1", BY))), "");
    let mut before = world.attested("0.0.1", BY);
    before.packages.remove(&world.id);
    assert_eq!(world.word(Some(&before)), "attestation-lost", "a new version without");
    let mut later = world.attested("999.0.0", BY);
    later.packages.remove(&world.id);
    assert_eq!(world.word(Some(&later)), "", "an old line of the package may never have had any");
    // By others than before.
    world.state(world.provenance(&world.made()), None);
    let moved = world.attested(&own, "https://github.com/elsewhere/tool release.yml");
    let (word, notes) = world.judged(&Trust::default(), Some(&moved));
    assert_eq!(word, BY);
    assert!(notes.iter().any(|note| note.starts_with("attestation-moved")), "{notes:?}");
}
