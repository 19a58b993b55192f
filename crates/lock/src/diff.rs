//! What changed from one thing to another, as a value: a dry run is a diff that is printed, an update that changes nothing is a
//! diff that is empty. Owns the comparison, of locks and of whatever else is told in [`Fact`]s; never prints it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::PackageName;
use crate::lockfile::{Artifact, Download, Exercise, Lock, Proof};

/// One thing that can be said of a lock or of an output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// What it is about.
    pub about: About,
    /// Its name among its like; empty where there is one only.
    pub name: String,
    /// What is said, for people: a version, a number.
    pub value: String,
    /// What else has to be the same, and is nothing to read: hashes.
    pub detail: String,
    /// How large it is, where that means something.
    pub bytes: Option<u64>,
}

/// What a fact is about, in the order in which people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// OpenCode's version.
    Opencode,
    /// The system that an output is for.
    System,
    /// Whether OpenCode may ask the network.
    Profile,
    /// The day as of which was resolved.
    Before,
    /// A package that was pinned by hand.
    Pin,
    /// A release artifact.
    Artifact,
    /// A program that OpenCode starts.
    Program,
    /// The SDKs of a provider.
    Provider,
    /// What was run, or the tree that it left.
    Exercise,
    /// How far an SDK was seen to work.
    Proof,
    /// A package.
    Package,
    /// A package of which only metadata is known.
    Known,
    /// For how much of what is pinned registries vouched, by state.
    Signatures,
    /// A package for which the registry vouches otherwise than it did.
    Signature,
    /// Of how many versions it is attested who built them.
    Attested,
    /// A package that others built than before.
    Attestation,
    /// Another download.
    Download,
    /// A host that is asked for downloads.
    Host,
    /// The catalogue of models.
    Catalogue,
    /// How many models a provider has.
    Models,
    /// How much it is altogether.
    Size,
    /// The lock that an output was built from.
    Lock,
    /// The output as a whole.
    Output,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Diff {
    /// One row for each thing, in the order of [`About`] and then by name.
    pub rows: Vec<Row>,
}

/// One thing that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What it is.
    pub about: About,
    /// Its name; empty where there is one only.
    pub name: String,
    /// What was said before; `None`: it was not there. The same as after: only its content is another.
    pub from: Option<String>,
    /// What is said now; `None`: it is gone.
    pub to: Option<String>,
    /// How many bytes it grew by, where it has a size.
    pub bytes: Option<i64>,
}

impl About {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            About::Opencode => "opencode",
            About::System => "system",
            About::Profile => "profile",
            About::Before => "before",
            About::Pin => "pin",
            About::Artifact => "artifact",
            About::Program => "program",
            About::Provider => "provider",
            About::Exercise => "exercise",
            About::Proof => "proof",
            About::Package => "package",
            About::Known => "known",
            About::Signatures => "signatures",
            About::Signature => "signature",
            About::Attested => "attested",
            About::Attestation => "attestation",
            About::Download => "download",
            About::Host => "host",
            About::Catalogue => "catalogue",
            About::Models => "models",
            About::Size => "size",
            About::Lock => "lock",
            About::Output => "output",
        }
    }

    /// A fact of this kind.
    pub fn fact(self, name: impl ToString, value: impl ToString) -> Fact {
        let (name, value) = (name.to_string(), value.to_string());
        Fact { about: self, name, value, detail: String::new(), bytes: None }
    }
}

impl Fact {
    /// The same, with what else has to be the same.
    #[must_use]
    pub fn detail(self, detail: impl ToString) -> Self {
        Self { detail: detail.to_string(), ..self }
    }

    /// The same, with a size.
    #[must_use]
    pub fn bytes(self, bytes: u64) -> Self {
        Self { bytes: Some(bytes), ..self }
    }
}

/// Compares two locks.
pub fn diff(old: &Lock, new: &Lock) -> Diff {
    let (was, is) = (states(old), states(new));
    let moved = |name: &&PackageName| is.get(*name).is_some_and(|state| was.get(*name) != Some(state));
    // What came or went brings its state along; that is no change of it.
    let moved: Vec<&PackageName> = was.keys().copied().filter(moved).collect();
    let signatures = |states: &BTreeMap<&PackageName, BTreeSet<String>>| -> Vec<Fact> {
        let all = moved
            .iter()
            .flat_map(|name| states.get(*name).into_iter().flatten().map(move |state| (name, state)));
        all.map(|(name, state)| About::Signature.fact(name, state)).collect()
    };
    let [old_facts, new_facts] = [(old, &was), (new, &is)].map(|(lock, states)| {
        let counts = lock.signature_counts();
        let counts = counts.iter().filter(|_| !lock.signatures.is_empty());
        let counts = counts.map(|(state, count)| About::Signatures.fact(state, count));
        facts(lock)
            .into_iter()
            .chain(counts)
            .chain(signatures(states))
            .chain(attested(lock, old, new))
            .collect::<Vec<_>>()
    });
    compare(old_facts, new_facts)
}

/// How many versions have an attestation, and, of packages that had one and are still there, who built them where that has changed.
fn attested(lock: &Lock, old: &Lock, new: &Lock) -> Vec<Fact> {
    let stays: BTreeSet<PackageName> = new.npm_pins().into_keys().map(|id| id.name).collect();
    let by = |lock: &Lock, name: &PackageName| -> BTreeSet<String> {
        let of_name = lock.attestations.iter().filter(|(id, _)| id.name == *name);
        of_name.map(|(_, by)| by.to_string()).collect()
    };
    let had: BTreeSet<&PackageName> = old.attestations.keys().map(|id| &id.name).collect();
    let moved = had.into_iter().filter(|name| stays.contains(*name) && by(old, name) != by(new, name));
    let rows =
        moved.flat_map(|name| by(lock, name).into_iter().map(move |by| About::Attestation.fact(name, by)));
    let count = lock.attestations.len();
    rows.chain((count > 0).then(|| About::Attested.fact("", count))).collect()
}

/// The signatures' states of each package, whatever its versions.
fn states(lock: &Lock) -> BTreeMap<&PackageName, BTreeSet<String>> {
    let mut states: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (id, state) in &lock.signatures {
        states.entry(&id.name).or_default().insert(state.to_string());
    }
    states
}

/// Compares what is said of two things. What one name has one value of on either side, has changed; of several, some have gone
/// and some have come.
pub fn compare(old: impl IntoIterator<Item = Fact>, new: impl IntoIterator<Item = Fact>) -> Diff {
    let mut names: BTreeMap<(About, String), [BTreeSet<Fact>; 2]> = BTreeMap::new();
    for fact in old {
        names.entry((fact.about, fact.name.clone())).or_default()[0].insert(fact);
    }
    for fact in new {
        names.entry((fact.about, fact.name.clone())).or_default()[1].insert(fact);
    }
    let mut rows = Vec::new();
    for [old, new] in names.into_values() {
        let gone: Vec<&Fact> = old.difference(&new).collect();
        let come: Vec<&Fact> = new.difference(&old).collect();
        match (&gone[..], &come[..]) {
            ([from], [to]) => rows.push(Row::of(Some(from), Some(to))),
            _ => {
                rows.extend(gone.into_iter().map(|fact| Row::of(Some(fact), None)));
                rows.extend(come.into_iter().map(|fact| Row::of(None, Some(fact))));
            }
        }
    }
    Diff { rows: rows.into_iter().flatten().collect() }
}

impl Row {
    fn of(from: Option<&Fact>, to: Option<&Fact>) -> Option<Self> {
        let either = to.or(from)?;
        let bytes = |fact: Option<&Fact>| fact.map_or(Some(0), |fact| i64::try_from(fact.bytes?).ok());
        Some(Self {
            about: either.about,
            name: either.name.clone(),
            from: from.map(|fact| fact.value.clone()),
            to: to.map(|fact| fact.value.clone()),
            bytes: bytes(to).zip(bytes(from)).map(|(to, from)| to - from),
        })
    }

    /// `+` (added), `-` (removed) or `~` (changed).
    pub fn sign(&self) -> char {
        match (&self.from, &self.to) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        }
    }
}

impl Diff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What changed, for people: one line each.
    pub fn lines(&self) -> Vec<String> {
        let line = |row: &Row| {
            let words = [row.about.as_str().to_owned(), row.name.clone(), row.told()];
            let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
            format!("{} {}", row.sign(), words.join(" "))
        };
        self.rows.iter().map(line).collect()
    }
}

impl Row {
    /// What was said and what is said.
    pub fn told(&self) -> String {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) if from != to => format!("{from} -> {to}"),
            (from, to) => to.as_ref().or(from.as_ref()).cloned().unwrap_or_default(),
        }
    }
}

/// What can be said of a lock.
pub fn facts(lock: &Lock) -> Vec<Fact> {
    let mut facts = vec![About::Opencode.fact("", &lock.opencode)];
    facts.extend(lock.before.iter().map(|day| About::Before.fact("", day)));
    facts.extend(lock.pins.iter().map(|(name, version)| About::Pin.fact(name, version)));
    for (system, artifact) in &lock.systems {
        facts.push(artifact_fact(About::Artifact, system.to_string(), artifact));
        let bytes = bytes_for(lock, *system);
        facts.push(About::Size.fact(system, bytes).bytes(bytes));
    }
    for (program, systems) in &lock.programs {
        let of = |(system, artifact)| artifact_fact(About::Program, format!("{program} {system}"), artifact);
        facts.extend(systems.iter().map(of));
    }
    for (variant, systems) in &lock.variants {
        let of = |(system, artifact)| artifact_fact(About::Artifact, format!("{system} {variant}"), artifact);
        facts.extend(systems.iter().map(of));
    }
    for (system, packages) in &lock.libraries {
        facts.extend(packages.iter().map(|(name, package)| {
            let detail = format!("{} {}", package.integrity, package.path);
            About::Program
                .fact(format!("{name} {system}"), &package.version)
                .detail(detail)
                .bytes(package.size)
        }));
    }
    for (provider, sdks) in &lock.providers {
        let sdks: Vec<&str> = sdks.iter().map(String::as_str).collect();
        facts.push(About::Provider.fact(provider, sdks.join(" ")));
    }
    for (name, exercise) in &lock.exercises {
        facts.push(About::Exercise.fact(name, "").detail(exercise_detail(exercise)));
        facts.extend(exercise.proof.map(|proof: Proof| About::Proof.fact(name, proof.as_str())));
    }
    for (id, package) in &lock.packages {
        let detail = format!("{} {:?} {:?}", package.integrity, package.reach, package.manifest);
        facts.push(About::Package.fact(&id.name, &id.version).detail(detail).bytes(package.size));
    }
    for (id, known) in &lock.known {
        facts.push(About::Known.fact(&id.name, &id.version).detail(format!("{known:?}")));
    }
    for (url, download) in &lock.downloads {
        let fact = match download {
            Download::File { integrity, size, headers } => {
                let detail = format!("{integrity} {headers:?}");
                About::Download.fact(url, 200).detail(detail).bytes(*size)
            }
            Download::Text { text, headers } => {
                About::Download.fact(url, 200).detail(format!("{text} {headers:?}"))
            }
            Download::Redirect { status, location } => {
                About::Download.fact(url, format!("{status} {location}"))
            }
            Download::Absent { status } => About::Download.fact(url, status),
        };
        facts.push(fact);
    }
    facts.extend(hosts(lock).into_iter().map(|host| About::Host.fact(host, "")));
    if let Some(catalogue) = &lock.catalogue {
        let fact = About::Catalogue.fact("", &catalogue.url);
        facts.push(fact.detail(&catalogue.integrity).bytes(catalogue.size));
    }
    facts.extend(lock.models.iter().map(|(provider, number)| About::Models.fact(provider, number)));
    facts
}

/// An exercise but for its proof, which is told apart.
fn exercise_detail(exercise: &Exercise) -> String {
    let Exercise { kind, tags, absent, packages, fills, proof: _ } = exercise;
    format!("{kind:?} {tags:?} {absent:?} {packages:?} {fills:?}")
}

fn artifact_fact(about: About, name: String, artifact: &Artifact) -> Fact {
    let detail = format!("{} {} {}", artifact.integrity, artifact.archive.as_str(), artifact.binary);
    about.fact(name, &artifact.source).detail(detail).bytes(artifact.size)
}

/// The hosts that downloads come from; packages come from whatever registry the user has.
fn hosts(lock: &Lock) -> BTreeSet<String> {
    let artifacts = lock.systems.values().chain(lock.programs.values().flat_map(BTreeMap::values));
    let addresses = artifacts.filter_map(|artifact| artifact.source.url());
    let catalogue = lock.catalogue.as_ref().map(|catalogue| &catalogue.url);
    let others = lock.downloads.keys().chain(catalogue).map(|url| url.host().to_owned());
    addresses.map(|url| url.host().to_owned()).chain(others).collect()
}

/// How much a system has to fetch, in bytes.
fn bytes_for(lock: &Lock, system: crate::System) -> u64 {
    let artifacts = lock.systems.get(&system).into_iter();
    let programs = lock.programs.values().filter_map(|systems| systems.get(&system));
    let downloads = lock.downloads.values().map(|download| match download {
        Download::File { size, .. } => *size,
        _ => 0,
    });
    let packages = lock.pinned_for(system).map(|(_, package)| package.size);
    let libraries = lock.libraries.get(&system).into_iter().flatten().map(|(_, package)| package.size);
    artifacts
        .chain(programs)
        .map(|artifact| artifact.size)
        .chain(packages)
        .chain(downloads)
        .chain(libraries)
        .sum()
}
