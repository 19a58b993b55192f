//! Property: rendering and reading are inverse for every lock, text that is canonical stays as it is, adding an
//! exercise touches no other line, and no text whatever makes the reader panic.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use lock::{
    Algorithm, Archive, Artifact, ArtifactSource, Catalogue, Command, Date, Download, Exercise, ExerciseKind,
    ExerciseName, Field, HttpsUrl, Known, Lock, Package, PackageId, PackageManifest, PackageName, Proof,
    Reach, Reply, Signature, Spec, Sri, System, Version,
};
use proptest::{collection::*, option, prelude::*, sample::subsequence};
use serde_json::{Value, json};

fn sri() -> impl Strategy<Value = Sri> {
    let algorithms = prop_oneof![Just(Algorithm::Sha256), Just(Algorithm::Sha384), Just(Algorithm::Sha512)];
    (algorithms, any::<u32>()).prop_map(|(algorithm, seed)| Sri::of(algorithm, &seed.to_le_bytes()))
}

fn version() -> impl Strategy<Value = Version> {
    "[0-9]\\.[1-9][0-9]?\\.[0-9](-(alpha|rc\\.[0-9]))?(\\+b[0-9])?".prop_map(|text| text.parse().unwrap())
}

fn name() -> impl Strategy<Value = PackageName> {
    "(@[a-z]{1,3}/)?[a-zA-Z][a-z0-9._-]{0,4}".prop_map(|text| text.parse().unwrap())
}

fn id() -> impl Strategy<Value = PackageId> {
    (name(), version()).prop_map(|(name, version)| name.at(version))
}

/// Texts that need escaping, too. No slash: what looks like an address is refused in a package's manifest.
fn text() -> impl Strategy<Value = String> {
    "[a-z\"\\\\é{}\\[\\],: 🦀]{1,8}"
}

fn spec() -> impl Strategy<Value = Spec> {
    (name(), "(|@latest|@\\^1|@1\\.2\\.3)").prop_map(|(name, want)| format!("{name}{want}").parse().unwrap())
}

fn wanted() -> impl Strategy<Value = BTreeMap<PackageName, String>> {
    btree_map(name(), prop_oneof![Just("latest".to_owned()), Just("^1.2 || 3.x".to_owned())], 0..3)
}

fn url() -> impl Strategy<Value = HttpsUrl> {
    "https://[a-z]{1,5}\\.example(:[1-9]{3})?/[a-z/]{0,5}(\\?[a-z=&%]{0,5})?"
        .prop_map(|text| text.parse().unwrap())
}

fn value(field: Field) -> impl Strategy<Value = Value> {
    let entries = || btree_map("[a-z/@]{1,4}", "[a-z0-9^ |.*\"]{0,6}", 1..4);
    match field {
        Field::HasShrinkwrap | Field::HasInstallScript => Just(json!(true)).boxed(),
        Field::Bin => prop_oneof![text().prop_map(Value::from), entries().prop_map(|map| json!(map))].boxed(),
        Field::BundleDependencies => {
            prop_oneof![Just(json!(true)), vec(text(), 1..3).prop_map(Value::from)].boxed()
        }
        Field::Cpu | Field::Libc | Field::Os => {
            prop_oneof!["(!?)(linux|x64|any)".prop_map(Value::from), vec(text(), 1..3).prop_map(Value::from)]
                .boxed()
        }
        Field::Dependencies | Field::OptionalDependencies | Field::PeerDependencies => {
            entries().prop_map(|map| json!(map)).boxed()
        }
        Field::Deprecated => prop_oneof![Just(json!(true)), text().prop_map(Value::from)].boxed(),
        Field::Engines => {
            prop_oneof![entries().prop_map(|map| json!(map)), vec(text(), 1..3).prop_map(Value::from)].boxed()
        }
        Field::Funding | Field::License => {
            let funding = (text(), any::<f64>()).prop_map(
                |(text, number)| json!([{"url": "https://x.example", "type": text}, number, null, -1, []]),
            );
            prop_oneof![text().prop_map(Value::from), funding].boxed()
        }
        Field::PeerDependenciesMeta => {
            btree_map("[a-z]{1,4}", any::<bool>().prop_map(|optional| json!({"optional": optional})), 1..3)
                .prop_map(|map| json!(map))
                .boxed()
        }
    }
}

fn manifest() -> impl Strategy<Value = PackageManifest> {
    let fields = subsequence(Field::ALL.to_vec(), 0..6);
    let values = fields.prop_flat_map(|fields| {
        fields.into_iter().map(|field| value(field).prop_map(move |value| (field, value))).collect::<Vec<_>>()
    });
    values.prop_map(|values| {
        let mut manifest = PackageManifest::new();
        for (field, value) in values {
            manifest.set(field, value).unwrap();
        }
        manifest
    })
}

fn command() -> impl Strategy<Value = Command> {
    let replies = prop_oneof![
        text().prop_map(Reply::Text),
        (text(), btree_map(text(), text(), 0..3))
            .prop_map(|(tool, arguments)| Reply::Call { tool, arguments: json!(arguments) }),
    ];
    let env = btree_map("[A-Z_]{1,4}", text(), 0..3);
    let files = btree_map("[a-z]{1,3}(/[a-z]{1,3})?".prop_map(|path| path.parse().unwrap()), text(), 0..3);
    (vec(text(), 1..3), env, vec(replies, 0..3), files).prop_map(|(run, env, replies, files)| Command {
        run,
        env,
        replies,
        files,
    })
}

fn kind() -> impl Strategy<Value = (ExerciseName, ExerciseKind)> {
    let kinds = prop_oneof![
        wanted().prop_map(|dependencies| ExerciseKind::ConfigDir { dependencies }),
        spec().prop_map(|spec| ExerciseKind::Plugin { spec }),
        spec().prop_map(|spec| ExerciseKind::Provider { spec }),
        spec().prop_map(|spec| ExerciseKind::Executable { spec }),
        command().prop_map(ExerciseKind::Command),
        "[a-z.+#_-]{1,4}".prop_map(|server| ExerciseKind::LanguageServer { server }),
        btree_set("[a-z+#]{1,4}", 1..3).prop_map(|languages| ExerciseKind::Grammars { languages }),
        (vec(spec(), 0..3), wanted())
            .prop_map(|(specs, patched)| ExerciseKind::SharedTree { specs, patched }),
    ];
    (kinds, "[a-z]{1,4}", any::<bool>()).prop_map(|(kind, qualifier, qualified)| {
        let needed = qualified || matches!(kind, ExerciseKind::Command(_));
        (kind.name(needed.then_some(qualifier.as_str())).unwrap(), kind)
    })
}

fn exercise(ids: Vec<PackageId>) -> impl Strategy<Value = (ExerciseName, Exercise)> {
    let tags = btree_map(name(), btree_map(text(), version(), 0..3), 0..3);
    let bound = ids.len();
    let fills =
        btree_set("(cache|data)/[a-z]{1,3}(/[a-z@]{1,3})?".prop_map(|text| text.parse().unwrap()), 0..3);
    let proof = option::of(prop_oneof![Just(Proof::Answered), Just(Proof::Loads)]);
    (kind(), tags, btree_set(name(), 0..3), subsequence(ids, 0..=bound), fills, proof).prop_map(
        |((name, kind), tags, absent, packages, fills, proof)| {
            let proof = proof.filter(|_| matches!(kind, ExerciseKind::Provider { .. }));
            (name, Exercise { kind, tags, absent, packages: packages.into_iter().collect(), fills, proof })
        },
    )
}

fn systems(opencode: Version) -> impl Strategy<Value = BTreeMap<System, Artifact>> {
    let archive = prop_oneof![Just(Archive::Tgz), Just(Archive::Zip)];
    let artifact = (name(), sri(), any::<u64>(), archive, "[a-z]{1,4}/[a-z.]{1,3}x").prop_map(
        move |(package, integrity, size, archive, binary)| Artifact {
            source: ArtifactSource::Npm { package, version: opencode.clone() },
            integrity,
            size,
            archive,
            binary: binary.parse().unwrap(),
        },
    );
    btree_map(proptest::sample::select(System::ALL.to_vec()), artifact, 1..4)
}

fn downloads() -> impl Strategy<Value = BTreeMap<HttpsUrl, Download>> {
    let header = ("[a-z-]{1,6}", text());
    let file = (sri(), any::<u64>(), btree_map(header.0, header.1, 0..3))
        .prop_map(|(integrity, size, headers)| Download::File { integrity, size, headers });
    let written = (text(), btree_map(("[a-z-]{1,6}").prop_map(String::from), text(), 0..3))
        .prop_map(|(text, headers)| Download::Text { text, headers });
    let answer = prop_oneof![file, written, (400u16..500).prop_map(|status| Download::Absent { status })];
    (btree_map(url(), answer, 0..3), url(), 300u16..400).prop_map(|(mut downloads, from, status)| {
        if let Some(location) = downloads.keys().next().cloned() {
            downloads.entry(from).or_insert(Download::Redirect { status, location });
        }
        downloads
    })
}

prop_compose! {
    fn packages()(
        pinned in btree_map(id(), (sri(), any::<u64>(), option::of(any::<proptest::sample::Index>()), manifest()), 0..5),
        known in btree_map(id(), (option::of(sri()), manifest()), 0..3),
    )(
        exercises in btree_map_of_exercises(pinned.keys().chain(known.keys()).cloned().collect::<BTreeSet<_>>()),
        pinned in Just(pinned),
        known in Just(known),
    ) -> (BTreeMap<ExerciseName, Exercise>, Pinned, BTreeMap<PackageId, Known>) {
        let known = known.into_iter().filter(|(id, _)| !pinned.contains_key(id));
        let known = known.map(|(id, (integrity, manifest))| (id, Known { integrity, manifest })).collect();
        (exercises, pinned, known)
    }
}

type Pinned = BTreeMap<PackageId, (Sri, u64, Option<proptest::sample::Index>, PackageManifest)>;

fn btree_map_of_exercises(
    ids: BTreeSet<PackageId>,
) -> impl Strategy<Value = BTreeMap<ExerciseName, Exercise>> {
    vec(exercise(ids.into_iter().collect()), 0..4).prop_map(|exercises| exercises.into_iter().collect())
}

/// Programs, packages pinned by hand, the day, and the SDKs of providers.
type Rest = (
    BTreeMap<String, Artifact>,
    BTreeMap<PackageName, Version>,
    Option<Date>,
    BTreeMap<String, BTreeSet<String>>,
    Vec<Option<Signature>>,
);

fn rest() -> impl Strategy<Value = Rest> {
    let source = prop_oneof![
        url().prop_map(|url| ArtifactSource::Url { url }),
        (name(), version()).prop_map(|(package, version)| ArtifactSource::Npm { package, version }),
        ("([a-z]{1,3}\\.example(:[1-9][0-9]{0,3})?/)?[a-z]{1,4}/[a-z.]{1,3}x", "[a-z.+]{1,3}x", version())
            .prop_map(|(repository, asset, version)| ArtifactSource::Github {
                repository: repository.parse().unwrap(),
                asset,
                version
            }),
    ];
    let artifact = (source, sri(), any::<u64>()).prop_map(|(source, integrity, size)| Artifact {
        source,
        integrity,
        size,
        archive: Archive::Tgz,
        binary: "bin/rg".parse().unwrap(),
    });
    let before = option::of("20[0-9]{2}-0[1-9]-[12][0-8]".prop_map(|text| text.parse().unwrap()));
    let sdks = btree_set("[a-z/@]{1,6}", 1..3);
    let providers = btree_map("[a-z]{1,4}", sdks, 0..3);
    let state = prop_oneof![
        Just(Signature::Unsigned),
        "[A-C]{1,2}".prop_map(|key| Signature::Verified { key: key.parse().unwrap() }),
    ];
    let states = vec(option::of(state), 0..9);
    (btree_map("[a-z]{1,4}", artifact, 0..2), btree_map(name(), version(), 0..2), before, providers, states)
}

/// Some for every system that has a program.
fn libraries(
    programs: &BTreeMap<String, BTreeMap<System, Artifact>>,
) -> BTreeMap<System, BTreeMap<lock::DebianName, lock::DebianPackage>> {
    let artifacts = programs.values().flatten();
    let package = |artifact: &Artifact| lock::DebianPackage {
        version: "1:2.36~9+deb12u1".parse().unwrap(),
        path: "pool/main/g/glibc/libc6_2.36_amd64.deb".parse().unwrap(),
        integrity: artifact.integrity.clone(),
        size: artifact.size,
    };
    let packages = |artifact| BTreeMap::from([("libstdc++6".parse().unwrap(), package(artifact))]);
    artifacts.map(|(system, artifact)| (*system, packages(artifact))).collect()
}

fn any_lock() -> impl Strategy<Value = Lock> {
    version().prop_flat_map(|opencode| {
        let catalogue = option::of((sri(), any::<u64>(), url()));
        let models = btree_map(text(), any::<u32>(), 0..3);
        let parts = (systems(opencode.clone()), packages(), downloads(), catalogue, models, rest());
        (Just(opencode), parts).prop_map(
            |(opencode, (systems, (exercises, pinned, known), downloads, catalogue, models, rest))| {
                let reach = |index: Option<proptest::sample::Index>| match index {
                    None => Reach::Everywhere,
                    Some(index) => Reach::Only(BTreeSet::from([*index
                        .get(&systems.keys().collect::<Vec<_>>())
                        .to_owned()])),
                };
                let packages = pinned
                    .into_iter()
                    .map(|(id, (integrity, size, index, manifest))| {
                        (id, Package { integrity, size, reach: reach(index), manifest })
                    })
                    .collect();
                let catalogue = catalogue.map(|(integrity, size, url)| Catalogue { integrity, size, url });
                let (programs, pins, before, providers, states) = rest;
                let programs: BTreeMap<String, BTreeMap<_, _>> = programs
                    .into_iter()
                    .map(|(program, artifact)| {
                        (program, systems.keys().map(|system| (*system, artifact.clone())).collect())
                    })
                    .collect();
                let mut lock = Lock {
                    opencode,
                    systems,
                    exercises,
                    packages,
                    known,
                    downloads,
                    catalogue,
                    models,
                    variants: programs.clone(),
                    libraries: libraries(&programs),
                    programs,
                    pins,
                    before,
                    providers,
                    signatures: BTreeMap::new(),
                    attestations: BTreeMap::new(),
                };
                let pinned: Vec<PackageId> = lock.npm_pins().into_keys().collect();
                let stated = pinned.into_iter().zip(states);
                lock.signatures = stated.filter_map(|(id, state)| Some((id, state?))).collect();
                // Every other one, so that some have an attestation and some have none.
                let built = |id: PackageId| {
                    let by = lock::Attestation::new("https://git.example/acme/tool", ".ci/release.yml");
                    (id, by.unwrap())
                };
                lock.attestations = lock.npm_pins().into_keys().step_by(2).map(built).collect();
                lock.retain_referenced();
                lock
            },
        )
    })
}

/// Whether `lines` hold all of `part`, in order, commas at the end apart.
fn holds_in_order(lines: &str, part: &str) -> bool {
    let bare = |line: &str| line.trim_end_matches(',').to_owned();
    let mut lines = lines.lines().map(bare);
    part.lines().map(bare).all(|wanted| lines.any(|line| line == wanted))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_rendered_is_read_back(lock in any_lock()) {
        let text = lock.render();
        let read = Lock::parse(&text);
        prop_assert_eq!(read.as_ref(), Ok(&lock), "{}", text);
        prop_assert_eq!(read.unwrap().render(), text.clone());
        prop_assert_eq!(serde_json::from_str::<Value>(&text).is_ok(), true);
    }

    #[test]
    fn adding_an_exercise_leaves_every_other_line(lock in any_lock(), spec in spec(), id in id(), sri in sri()) {
        let mut more = lock.clone();
        let kind = ExerciseKind::Plugin { spec };
        let name = kind.name(None).unwrap();
        prop_assume!(!lock.exercises.contains_key(&name) && lock.pin(&id).is_none());
        let packages = BTreeSet::from([id.clone()]);
        more.exercises.insert(name, Exercise { kind, tags: BTreeMap::new(), absent: BTreeSet::new(), packages, fills: BTreeSet::new(), proof: None });
        let package = Package { integrity: sri, size: 1, reach: Reach::Everywhere, manifest: PackageManifest::new() };
        more.packages.insert(id, package);
        // An object that was empty opens up; nothing else may change.
        let before = lock.render().replace("\"exercises\": {}", "\"exercises\": {").replace("\"packages\": {}", "\"packages\": {");
        prop_assert!(holds_in_order(&more.render(), &before));
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = Lock::parse(&text);
        let _ = lock::Manifest::parse(&text);
    }

    #[test]
    fn a_lock_with_a_damaged_byte_is_read_or_refused_in_place(at in any::<proptest::sample::Index>(), byte in 0x20u8..0x7f) {
        let text = include_str!("../../../fixtures/lock/era-c/lock.json");
        let mut bytes = text.as_bytes().to_vec();
        let index = at.index(bytes.len());
        bytes[index] = byte;
        let damaged = String::from_utf8(bytes).unwrap();
        match Lock::parse(&damaged) {
            Ok(lock) => prop_assert_eq!(Lock::parse(&lock.render()), Ok(lock)),
            Err(error) => prop_assert!(error.at.line <= text.lines().count() + 1),
        }
    }
}
