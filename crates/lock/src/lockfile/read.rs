//! From text to [`Lock`]: every key by name, every value as a word, every fault with its place. Owns which keys there
//! are; what has to agree between them is checked in `check`.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    command::is_id,
    debian::DebianPackage,
    json::{self, Json, Node},
    lockfile::{
        Archive, Artifact, ArtifactSource, Catalogue, Download, EVERY_OTHER, Error, ExerciseName, Field,
        Known, Lock, MAX_BYTES, NOT_ASKED, Package, PackageManifest, Problem, Reach, WordError, check,
        read_exercise,
        record::{
            Fault, Outcome, Record, fault, items, key_word, map, members, plain, set, string, whole, word,
        },
        upgrade,
    },
    package::PackageId,
    position::Position,
    signature::Signature,
};

pub(super) fn parse(text: &str) -> Result<Lock, Error> {
    let located = |fault: Fault| Error { at: Position::of_offset(text, fault.at), problem: fault.problem };
    if text.len() > MAX_BYTES {
        return Err(located(Fault {
            at: 0,
            problem: Problem::TooLarge { found: text.len(), bound: MAX_BYTES },
        }));
    }
    let root = json::parse(text).map_err(|error| located(syntax(text, error)))?;
    read(root).map_err(located)
}

fn syntax(text: &str, error: json::Error) -> Fault {
    match error {
        json::Error::Expected { at, expected } => {
            let rest = text.get(at..).unwrap_or_default();
            let conflict =
                ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|marker| rest.starts_with(marker));
            Fault { at, problem: Problem::Syntax { expected, conflict } }
        }
        json::Error::Malformed { at, what } => Fault { at, problem: Problem::Malformed { what } },
        json::Error::TooDeep { at } => Fault { at, problem: Problem::TooDeep },
        json::Error::Duplicate { at, key } => Fault { at, problem: Problem::DuplicateKey { key } },
    }
}

fn read(root: Node) -> Outcome<Lock> {
    let root = upgrade::upgrade(root)?;
    let keys = [
        "version",
        "opencode",
        "systems",
        "exercises",
        "packages",
        "known",
        "downloads",
        "catalogue",
        "models",
        "programs",
        "variants",
        "libraries",
        "pins",
        "before",
        "providers",
        "signatures",
        "attestations",
    ];
    let record = Record::of(&root, "the lock", &keys)?;
    let catalogue = record.required("catalogue")?;
    let mut lock = Lock {
        opencode: word(record.required("opencode")?, "`opencode`")?,
        systems: map(record.required("systems")?, "`systems`", |key, node| {
            Ok((key_word(key, "the system")?, artifact(node)?))
        })?,
        exercises: map(record.required("exercises")?, "`exercises`", |key, node| {
            let name: ExerciseName = key_word(key, "the exercise's name")?;
            let exercise = read_exercise::exercise(node)?;
            if name.fits(&exercise.kind) {
                return Ok((name, exercise));
            }
            fault(key.at, Problem::ExerciseName { name: name.to_string(), kind: exercise.kind.as_str() })
        })?,
        packages: map(record.required("packages")?, "`packages`", |key, node| {
            Ok((key_word(key, "the package's id")?, package(node)?))
        })?,
        known: map(record.required("known")?, "`known`", |key, node| {
            Ok((key_word(key, "the package's id")?, known(node)?))
        })?,
        downloads: map(record.required("downloads")?, "`downloads`", |key, node| {
            Ok((key_word(key, "the download's address")?, download(node)?))
        })?,
        catalogue: if catalogue.value == json::Json::Null { None } else { Some(read_catalogue(catalogue)?) },
        models: map(record.required("models")?, "`models`", |key, node| {
            Ok((plain(&key.text, key.at, "the provider")?, whole(node, "the number of models")?))
        })?,
        programs: optional_map(record.optional("programs"), "`programs`", |key, node| {
            let artifacts = map(node, "the program's systems", |key, node| {
                Ok((key_word(key, "the system")?, artifact(node)?))
            })?;
            Ok((id(&key.text, key.at, "the program")?, artifacts))
        })?,
        variants: optional_map(record.optional("variants"), "`variants`", |key, node| {
            let artifacts = map(node, "the variant's systems", |key, node| {
                Ok((key_word(key, "the system")?, artifact(node)?))
            })?;
            Ok((id(&key.text, key.at, "the variant")?, artifacts))
        })?,
        libraries: optional_map(record.optional("libraries"), "`libraries`", |key, node| {
            let packages = map(node, "the system's libraries", |key, node| {
                Ok((key_word(key, "the package's name")?, debian_package(node)?))
            })?;
            Ok((key_word(key, "the system")?, packages))
        })?,
        pins: optional_map(record.optional("pins"), "`pins`", |key, node| {
            Ok((key_word(key, "the package's name")?, word(node, "the package's version")?))
        })?,
        before: record.optional("before").map(|node| word(node, "`before`")).transpose()?,
        providers: optional_map(record.optional("providers"), "`providers`", |key, node| {
            Ok((plain(&key.text, key.at, "the provider")?, sdks(node)?))
        })?,
        signatures: BTreeMap::new(),
        attestations: BTreeMap::new(),
    };
    if let Some(node) = record.optional("signatures") {
        lock.signatures = signatures(node, &lock)?;
    }
    let pinned: BTreeSet<PackageId> = lock.npm_pins().into_keys().collect();
    lock.attestations = optional_map(record.optional("attestations"), "`attestations`", |key, node| {
        let id: PackageId = key_word(key, "the package's id")?;
        if !pinned.contains(&id) {
            return fault(key.at, Problem::SignatureOfNothing { id });
        }
        Ok((id, word(node, "the attestation")?))
    })?;
    check::check(&root, &lock)?;
    Ok(lock)
}

/// SDKs as a catalogue names them, which need not be packages; none where it does not know the provider.
fn sdks(node: &Node) -> Outcome<BTreeSet<String>> {
    let mut sdks = BTreeSet::new();
    for item in items(node, "the provider's SDKs")? {
        let sdk = plain(string(item, "the SDK")?, item.at, "the SDK")?;
        if !sdks.insert(sdk.clone()) {
            return fault(item.at, Problem::Repeated { item: sdk });
        }
    }
    Ok(sdks)
}

/// The states of all that is pinned: those that are listed, and of the rest the one that is said of every other.
fn signatures(node: &Node, lock: &Lock) -> Outcome<BTreeMap<PackageId, Signature>> {
    const WHAT: &str = "the signature's state";
    let pinned = lock.npm_pins();
    let mut states = BTreeMap::new();
    if let Some(rest) = node.member(EVERY_OTHER) {
        let rest: Signature = word(rest, WHAT)?;
        states.extend(pinned.keys().map(|id| (id.clone(), rest.clone())));
    }
    for (key, node) in members(node, "`signatures`")? {
        if key.text == EVERY_OTHER {
            continue;
        }
        let id: PackageId = key_word(key, "the package's id")?;
        if !pinned.contains_key(&id) {
            return fault(key.at, Problem::SignatureOfNothing { id });
        }
        if string(node, WHAT)? == NOT_ASKED {
            states.remove(&id);
        } else {
            states.insert(id, word(node, WHAT)?);
        }
    }
    Ok(states)
}

/// A map that may be left out, and then is empty.
pub(super) fn optional_map<K: Ord, V>(
    node: Option<&Node>,
    what: &'static str,
    entry: impl FnMut(&json::Key, &Node) -> Outcome<(K, V)>,
) -> Outcome<BTreeMap<K, V>> {
    node.map_or_else(|| Ok(BTreeMap::new()), |node| map(node, what, entry))
}

pub(super) fn id(text: &str, at: usize, what: &'static str) -> Outcome<String> {
    if is_id(text) {
        return Ok(text.to_owned());
    }
    fault(at, Problem::Word { what, source: WordError::Id { text: text.chars().take(80).collect() } })
}

/// The name of a release's file: what GitHub makes of any, and an address can hold.
fn file_name(text: &str, at: usize) -> Outcome<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    if (1..=255).contains(&text.len()) && text.bytes().all(fits) && text != "." && text != ".." {
        return Ok(text.to_owned());
    }
    let source = WordError::Asset { text: text.chars().take(80).collect() };
    fault(at, Problem::Word { what: "the artifact's asset", source })
}

fn artifact(node: &Node) -> Outcome<Artifact> {
    // The source decides which other keys there may be.
    let own_keys: &[&'static str] = match node.member("source").map(|source| &source.value) {
        Some(Json::String(source)) if source == "url" => &["url"],
        Some(Json::String(source)) if source == "github" => &["repository", "asset", "version"],
        _ => &["package", "version"],
    };
    let keys = [&["source", "integrity", "size", "archive", "binary"], own_keys].concat();
    let record = Record::of(node, "the artifact", &keys)?;
    let source = record.required("source")?;
    let source = match string(source, "the source")? {
        "npm" => ArtifactSource::Npm {
            package: word(record.required("package")?, "the artifact's package")?,
            version: word(record.required("version")?, "the artifact's version")?,
        },
        "github" => ArtifactSource::Github {
            repository: word(record.required("repository")?, "the artifact's repository")?,
            asset: {
                let asset = record.required("asset")?;
                file_name(string(asset, "the artifact's asset")?, asset.at)?
            },
            version: word(record.required("version")?, "the artifact's version")?,
        },
        "url" => ArtifactSource::Url { url: word(record.required("url")?, "the artifact's address")? },
        other => return unknown(source, "the source", other, "npm, github, url"),
    };
    let archive = record.required("archive")?;
    Ok(Artifact {
        source,
        integrity: word(record.required("integrity")?, "the integrity")?,
        size: whole(record.required("size")?, "the size")?,
        archive: match string(archive, "the archive")? {
            "tgz" => Archive::Tgz,
            "zip" => Archive::Zip,
            other => return unknown(archive, "the archive", other, "tgz, zip"),
        },
        binary: word(record.required("binary")?, "the binary's path")?,
    })
}

fn debian_package(node: &Node) -> Outcome<DebianPackage> {
    let record = Record::of(node, "the Debian package", &["version", "path", "integrity", "size"])?;
    Ok(DebianPackage {
        version: word(record.required("version")?, "the version")?,
        path: word(record.required("path")?, "the path")?,
        integrity: word(record.required("integrity")?, "the integrity")?,
        size: whole(record.required("size")?, "the size")?,
    })
}

pub(super) fn unknown<T>(node: &Node, what: &'static str, found: &str, known: &'static str) -> Outcome<T> {
    fault(node.at, Problem::Unknown { what, found: found.chars().take(80).collect(), known })
}

fn package(node: &Node) -> Outcome<Package> {
    let record = Record::of(node, "the package", &["integrity", "size", "systems", "manifest"])?;
    Ok(Package {
        integrity: word(record.required("integrity")?, "the integrity")?,
        size: whole(record.required("size")?, "the size")?,
        reach: match record.optional("systems") {
            None => Reach::Everywhere,
            Some(systems) => Reach::Only(set(systems, "`systems`", "the system")?),
        },
        manifest: manifest(record.required("manifest")?)?,
    })
}

fn known(node: &Node) -> Outcome<Known> {
    let record = Record::of(node, "the known package", &["integrity", "manifest"])?;
    Ok(Known {
        integrity: record.optional("integrity").map(|node| word(node, "the integrity")).transpose()?,
        manifest: manifest(record.required("manifest")?)?,
    })
}

fn manifest(node: &Node) -> Outcome<PackageManifest> {
    let mut manifest = PackageManifest::new();
    for (key, value) in members(node, "the package's manifest")? {
        let Some(field) = Field::from_key(&key.text) else {
            let (key_text, nearest) = (key.text.clone(), Field::nearest_to(&key.text));
            let problem = Problem::UnknownKey { key: key_text, within: "the package's manifest", nearest };
            return fault(key.at, problem);
        };
        let set = manifest.set(field, value.to_value());
        set.or_else(|source| fault(value.at, Problem::Field { source }))?;
    }
    Ok(manifest)
}

fn download(node: &Node) -> Outcome<Download> {
    const WHAT: &str = "the download";
    let status_node = match node.member("status") {
        Some(status) => status,
        None => Record::of(node, WHAT, &["status", "integrity", "size", "text", "headers", "location"])?
            .required("status")?,
    };
    match whole::<u16>(status_node, "the status")? {
        200 if node.member("text").is_some() => {
            let record = Record::of(node, WHAT, &["status", "text", "headers"])?;
            Ok(Download::Text {
                text: string(record.required("text")?, "the text")?.to_owned(),
                headers: headers(record.required("headers")?)?,
            })
        }
        200 => {
            let record = Record::of(node, WHAT, &["status", "integrity", "size", "headers"])?;
            Ok(Download::File {
                integrity: word(record.required("integrity")?, "the integrity")?,
                size: whole(record.required("size")?, "the size")?,
                headers: headers(record.required("headers")?)?,
            })
        }
        status @ 300..=399 => {
            let record = Record::of(node, WHAT, &["status", "location"])?;
            Ok(Download::Redirect { status, location: word(record.required("location")?, "the location")? })
        }
        status @ 400..=599 => {
            Record::of(node, WHAT, &["status"])?;
            Ok(Download::Absent { status })
        }
        other => unknown(status_node, "the status", &other.to_string(), "200, or from 300 to 599"),
    }
}

fn headers(node: &Node) -> Outcome<BTreeMap<String, String>> {
    map(node, "`headers`", |key, node| {
        let lower_case = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if key.text.is_empty() || !key.text.bytes().all(lower_case) {
            let source = WordError::Header { name: key.text.chars().take(80).collect() };
            return fault(key.at, Problem::Word { what: "the header's name", source });
        }
        Ok((key.text.clone(), plain(string(node, "the header")?, node.at, "the header")?))
    })
}

fn read_catalogue(node: &Node) -> Outcome<Catalogue> {
    let record = Record::of(node, "the catalogue", &["integrity", "size", "url"])?;
    Ok(Catalogue {
        integrity: word(record.required("integrity")?, "the integrity")?,
        size: whole(record.required("size")?, "the size")?,
        url: word(record.required("url")?, "the address")?,
    })
}
