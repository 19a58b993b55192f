//! Bytes → components. Every file belongs to exactly one, so that nothing can be altered unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use builder::inspect::{self, Inspection};
use builder::layout;
use builder::licences::{OPENCODE, RIPGREP, RIPGREP_NAME};
use builder::{Contents, contents};
use lock::{Algorithm, HttpsUrl, Licence, Lock, PackageId, Sri, System};
use serde_json::Value;

use crate::error::Error;
use crate::graph::Places;
use crate::inventory::{Component, Exercise, Inventory, Kind, Place};
use crate::source::{Source, is_licence, package_name};

/// The longest name or version that is told, in characters: what packages say of themselves is theirs.
const LONGEST: usize = 250;

/// What the copyright files of these packages of Debian's say of the libraries in them (bookworm).
const GNU: [(&str, &str); 2] =
    [("libc", "LGPL-2.1-or-later"), ("", "GPL-3.0-or-later WITH GCC-exception-3.1")];
/// This program's.
const LAUNCHER: &str = env!("CARGO_PKG_LICENSE");

/// What a file belongs to, before anything is known of it but its path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    kind: Kind,
    /// The directory or file that is the place.
    path: String,
    /// The name, where the path is not it.
    name: String,
}

/// The files of one place.
#[derive(Default)]
struct Held {
    lines: String,
    bytes: u64,
    files: usize,
    only: Option<String>,
}

/// Tells what `source` holds. `lock` and its text are used where it is the one that the output was built from.
pub fn collect(source: &Source, lock: Option<(&Lock, &str)>) -> Result<Inventory, Error> {
    let contents = contents_of(source)?;
    let is_its = |text: &str| Sri::of(Algorithm::Sha256, text.as_bytes()).to_string() == contents.lock;
    let lock = lock.filter(|(_, text)| is_its(text)).map(|(lock, _)| lock);
    let exercises = exercises(&contents);
    let mut held: BTreeMap<Owner, Held> = BTreeMap::new();
    let roots = package_roots(source);
    for entry in source.listing.entries() {
        let path = entry.path.as_str();
        let owner = owner(path, &roots, &contents, &exercises);
        let below =
            path.strip_prefix(&owner.path).map_or(path, |rest| rest.trim_start_matches('/')).to_owned();
        held.entry(owner).or_default().add(&entry.kind, &below);
    }
    held.retain(|_, held| held.files > 0);
    let mut components: BTreeMap<(Kind, String, Option<String>), Component> = BTreeMap::new();
    for (owner, held) in &held {
        let mut component = describe(owner, source, &contents, lock);
        component.exercises = brought_by(&owner.path, &exercises);
        component.places.push(held.place(&owner.path));
        let key = (component.kind, component.name.clone(), component.version.clone());
        match components.get_mut(&key) {
            Some(there) => {
                there.places.append(&mut component.places);
                there.exercises.append(&mut component.exercises);
                there.texts.append(&mut component.texts);
            }
            None => {
                components.insert(key, component);
            }
        }
    }
    let mut components: Vec<Component> = components.into_values().collect();
    components.extend(beside(source));
    components.extend(source.program.map(installer));
    components.sort_by(|a, b| (a.kind, &a.name, &a.version).cmp(&(b.kind, &b.name, &b.version)));
    let needs = relate(&mut components, source, &exercises);
    Ok(Inventory {
        digest: source.digest.clone(),
        opencode: contents.opencode.to_string(),
        system: contents.system.to_string(),
        profile: contents.profile.clone(),
        lock: contents.lock.clone(),
        with_lock: lock.is_some(),
        bytes: source.listing.size(),
        hosts: hosts(lock, &contents),
        components,
        exercises,
        needs,
    })
}

/// The same as [`builder::inspect::run`] tells of an output; `path` is where it lies, or the bundle.
pub fn inspection(source: &Source, path: &Path) -> Result<Inspection, Error> {
    let files = source.listing.entries().iter().filter_map(|entry| match entry.kind {
        bundle::Kind::File { size, .. } => Some((Path::new(entry.path.as_str()), size)),
        _ => None,
    });
    Ok(inspect::of_files(path, source.digest.clone(), contents_of(source)?, files))
}

fn contents_of(source: &Source) -> Result<Contents, Error> {
    let wrong = |reason: String| Error::Contents { path: layout::CONTENTS.into(), reason };
    let text = source.texts.get(layout::CONTENTS).ok_or_else(|| wrong("it is not there".into()))?;
    let contents: Contents = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
    if contents.version == contents::VERSION {
        Ok(contents)
    } else {
        Err(wrong(format!("version {} instead of {}", contents.version, contents::VERSION)))
    }
}

fn exercises(contents: &Contents) -> BTreeMap<String, Exercise> {
    let all = contents.exercises.iter().map(|(name, tree)| {
        let exercise = Exercise {
            path: tree.path.clone(),
            spec: tree.spec.clone(),
            proof: tree.proof.clone(),
            bytes: tree.bytes,
            packages: tree.packages.len(),
            scopes: scopes(tree),
        };
        (name.clone(), exercise)
    });
    all.collect()
}

/// How many different versions of each scope a tree has.
fn scopes(tree: &contents::Tree) -> BTreeMap<String, usize> {
    let ids: BTreeSet<&str> = tree.packages.iter().map(|package| package.id.as_str()).collect();
    let mut scopes = BTreeMap::new();
    for id in ids.into_iter().filter_map(|id| id.parse::<PackageId>().ok()) {
        let scope = id.name.scope().map(|scope| format!("@{scope}")).unwrap_or_default();
        *scopes.entry(scope).or_default() += 1;
    }
    scopes
}

/// The exercises in whose trees a path lies.
fn brought_by(path: &str, exercises: &BTreeMap<String, Exercise>) -> BTreeSet<String> {
    let within = exercises.iter().filter(|(_, exercise)| is_below(path, &exercise.path));
    within.map(|(name, _)| name.clone()).collect()
}

fn is_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The directories that hold a package: an installer's place, and a `package.json` in it.
fn package_roots(source: &Source) -> BTreeSet<&str> {
    let files = source.listing.entries().iter().map(|entry| entry.path.as_str());
    let manifests = files.filter_map(|path| path.strip_suffix("/package.json"));
    manifests.filter(|directory| package_name(directory).is_some()).collect()
}

fn owner(
    path: &str,
    roots: &BTreeSet<&str>,
    contents: &Contents,
    exercises: &BTreeMap<String, Exercise>,
) -> Owner {
    let mut at = Some(path);
    while let Some(directory) = at {
        if roots.contains(directory) {
            return Owner { kind: Kind::Package, path: directory.to_owned(), name: String::new() };
        }
        at = directory.rsplit_once('/').map(|(above, _)| above);
    }
    let of = |kind, path: &str, name: &str| Owner { kind, path: path.to_owned(), name: name.to_owned() };
    if path == layout::BINARY {
        return of(Kind::Opencode, path, "opencode");
    }
    if path == layout::CATALOGUE {
        return of(Kind::Catalogue, path, "models");
    }
    if let Some((name, program)) = contents.programs.iter().find(|(_, program)| is_below(path, &program.path))
    {
        return of(Kind::Program, &program.path, name);
    }
    if let Some(below) = path.strip_prefix(LIBRARIES).filter(|_| !contents.libraries.is_empty()) {
        return of(Kind::Library, LIBRARIES.trim_end_matches('/'), debian(below, contents));
    }
    // The longest, where one lies in another.
    let within = exercises.iter().filter(|(_, exercise)| is_below(path, &exercise.path));
    if let Some((name, exercise)) = within.max_by_key(|(_, exercise)| exercise.path.len()) {
        return of(Kind::Files, &exercise.path, &format!("files of {name}"));
    }
    of(Kind::Launcher, "", "opencode-cache")
}

/// Where the libraries of the C library lie, which are Debian's.
const LIBRARIES: &str = "lib/opencode/libc/";

/// The package of Debian's that a library is from; the copyright files lie in directories that say so.
fn debian<'c>(below: &'c str, contents: &'c Contents) -> &'c str {
    let documented = below.strip_prefix("doc/").and_then(|rest| rest.split('/').next());
    let library = ["libgcc_s", "libstdc++"].into_iter().find(|start| below.starts_with(start));
    let start = match library {
        Some("libgcc_s") => "libgcc",
        Some(start) => start,
        None => "libc6",
    };
    let found = contents.libraries.keys().find(|name| name.starts_with(start)).map(String::as_str);
    documented.or(found).unwrap_or("libc6")
}

impl Held {
    fn add(&mut self, kind: &bundle::Kind, below: &str) {
        match kind {
            bundle::Kind::Directory => return,
            bundle::Kind::File { hash, size, executable } => {
                let word = if *executable { 'x' } else { 'f' };
                self.lines.push_str(&format!("{word}\t{hash}\t{size}\t{below}\n"));
                self.bytes += size;
                self.only = below.is_empty().then(|| hash.to_string());
            }
            bundle::Kind::Link { target } => {
                self.lines.push_str(&format!("l\t{target}\t{below}\n"));
            }
        }
        self.files += 1;
    }

    fn place(&self, path: &str) -> Place {
        let content =
            self.only.clone().unwrap_or_else(|| bundle::Sha256::of(self.lines.as_bytes()).to_string());
        Place { path: path.to_owned(), content, bytes: self.bytes }
    }
}

fn blank(kind: Kind, name: &str) -> Component {
    Component {
        id: format!("{}:{name}", kind.as_str()),
        kind,
        name: name.to_owned(),
        version: None,
        purl: None,
        licence: Licence::Missing,
        from: None,
        archive: None,
        signature: None,
        attested: None,
        places: Vec::new(),
        exercises: BTreeSet::new(),
        needs: BTreeSet::new(),
        texts: Vec::new(),
    }
}

fn describe(owner: &Owner, source: &Source, contents: &Contents, lock: Option<&Lock>) -> Component {
    let mut component = blank(owner.kind, &owner.name);
    match owner.kind {
        Kind::Package => return package(&owner.path, source, lock),
        Kind::Opencode => {
            component.version = Some(contents.opencode.to_string());
            component.licence = Licence::of_text(OPENCODE);
            if let Some(artifact) = lock.and_then(|lock| lock.systems.get(&contents.system)) {
                published(&mut component, artifact, lock);
            }
        }
        Kind::Launcher => component.licence = Licence::of_text(LAUNCHER),
        Kind::Program => {
            let from =
                contents.programs.get(&owner.name).map(|program| program.from.as_str()).unwrap_or_default();
            component.from = from.parse::<HttpsUrl>().ok().map(|url| url.host().to_owned());
            if let Ok(id) = from.parse::<PackageId>() {
                component.from = Some(registry(&id));
                component.version = Some(id.version.to_string());
                component.purl = Some(purl(&id));
            }
            if owner.name == RIPGREP_NAME {
                component.licence = Licence::of_text(RIPGREP);
            }
            let artifacts = lock.and_then(|lock| lock.programs.get(&owner.name));
            if let Some(artifact) = artifacts.and_then(|systems| systems.get(&contents.system)) {
                published(&mut component, artifact, lock);
            }
        }
        Kind::Catalogue => {
            let url =
                contents.catalogue.as_ref().and_then(|catalogue| catalogue.url.parse::<HttpsUrl>().ok());
            component.from = url.map(|url| url.host().to_owned());
            component.version = contents.catalogue.as_ref().and_then(|catalogue| catalogue.newest.clone());
        }
        Kind::Library => {
            component.from = Some("Debian".to_owned());
            component.version = contents.libraries.get(&owner.name).cloned();
            let gnu = GNU.iter().find(|(start, _)| owner.name.starts_with(start));
            component.licence = gnu.map_or(Licence::Missing, |(_, licence)| Licence::of_text(licence));
            let encode = |text: &str| text.replace('+', "%2B").replace(':', "%3A").replace('~', "%7E");
            let version = component.version.as_deref().map(encode);
            component.purl =
                version.map(|version| format!("pkg:deb/debian/{}@{version}", encode(&owner.name)));
            let locked = lock.and_then(|lock| lock.libraries.get(&contents.system));
            let package =
                locked.and_then(|packages| packages.iter().find(|(name, _)| name.as_str() == owner.name));
            component.archive = package.map(|(_, package)| package.integrity.clone());
            let texts = source
                .texts
                .keys()
                .filter(|path| path.starts_with(&format!("{LIBRARIES}doc/{}/", owner.name)));
            component.texts = texts.cloned().collect();
        }
        Kind::Files => {}
    }
    if let Some(version) = &component.version {
        component.id = format!("{}@{version}", component.id);
    }
    component
}

/// What the lock says of an artifact.
fn published(component: &mut Component, artifact: &lock::Artifact, lock: Option<&Lock>) {
    component.archive = Some(artifact.integrity.clone());
    component.version =
        component.version.take().or_else(|| artifact.source.version().map(ToString::to_string));
    component.from = artifact.source.url().map(|url| url.host().to_owned()).or(component.from.take());
    if let lock::ArtifactSource::Npm { package, version } = &artifact.source {
        let id = package.at(version.clone());
        component.from = Some(registry(&id));
        component.purl = Some(purl(&id));
        vouched(component, &id, lock);
    }
}

/// What the lock says of who vouches for a version.
fn vouched(component: &mut Component, id: &PackageId, lock: Option<&Lock>) {
    let Some(lock) = lock else { return };
    let state =
        lock.signatures.get(id).map_or_else(|| lock::lockfile::NOT_ASKED.to_owned(), ToString::to_string);
    component.signature = Some(state);
    component.attested = lock.attestations.get(id).map(ToString::to_string);
}

/// A package, as it describes itself.
fn package(directory: &str, source: &Source, lock: Option<&Lock>) -> Component {
    let manifest = manifest(directory, source);
    let short = |text: &str| text.chars().filter(|one| !one.is_control()).take(LONGEST).collect::<String>();
    let word =
        |key: &str| manifest.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(short);
    let name = word("name").unwrap_or_else(|| short(package_name(directory).unwrap_or(directory)));
    let mut component = blank(Kind::Package, &name);
    component.version = word("version");
    component.licence = Licence::of_package(&manifest);
    let start = format!("{directory}/");
    let below = source.texts.range(start.clone()..).map(|(path, _)| path);
    let below = below.take_while(|path| path.starts_with(&start));
    let texts = below.filter(|path| {
        path.rsplit_once('/').is_some_and(|(above, name)| above == directory && is_licence(name))
    });
    component.texts = texts.cloned().collect();
    let id: Option<PackageId> =
        component.version.as_ref().and_then(|version| format!("{name}@{version}").parse().ok());
    match id {
        Some(id) => {
            component.id = purl(&id);
            component.purl = Some(purl(&id));
            if let Some(package) = lock.and_then(|lock| lock.packages.get(&id)) {
                component.archive = Some(package.integrity.clone());
                component.from = Some(registry(&id));
                vouched(&mut component, &id, lock);
            }
        }
        None => component.id = format!("package:{}", component.label()),
    }
    component
}

fn manifest(directory: &str, source: &Source) -> Value {
    let path =
        if directory.is_empty() { "package.json".to_owned() } else { format!("{directory}/package.json") };
    source.texts.get(&path).and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default()
}

/// Who has a package: which registry that is, npm's configuration says where somebody asks.
fn registry(id: &PackageId) -> String {
    match id.name.scope() {
        Some(scope) => format!("npm registry for @{scope}"),
        None => "npm registry".to_owned(),
    }
}

/// A package URL: `pkg:npm/%40scope/name@1.0.0`.
fn purl(id: &PackageId) -> String {
    let encode = |text: &str| text.replace('@', "%40").replace('+', "%2B");
    format!("pkg:npm/{}@{}", encode(id.name.as_str()), encode(&id.version.to_string()))
}

/// What a bundle has beside the output.
fn beside(source: &Source) -> impl Iterator<Item = Component> {
    source.beside.iter().map(|tree| {
        let (kind, name) = match tree.role {
            "tool" => (Kind::Program, "opencode-cache"),
            role => (Kind::Library, role),
        };
        let mut component = blank(kind, name);
        component.version = tree.facts.get(name).cloned();
        component.id = format!("{}:{}", tree.role, tree.digest);
        component.licence = if tree.role == "tool" { Licence::of_text(LAUNCHER) } else { Licence::Missing };
        let mut held = Held::default();
        for entry in tree.listing.entries() {
            held.add(&entry.kind, entry.path.as_str());
        }
        component.places.push(held.place(&format!("../{}-opencode-cache", tree.digest)));
        component
    })
}

/// The program that a bundle begins with.
fn installer((hash, bytes): (bundle::Sha256, u64)) -> Component {
    let mut component = blank(Kind::Program, "opencode-cache-installer");
    component.licence = Licence::of_text(LAUNCHER);
    component.places.push(Place { path: "../program".to_owned(), content: hash.to_string(), bytes });
    component
}

/// Fills in what needs what; what is left is what the whole needs.
fn relate(
    components: &mut [Component],
    source: &Source,
    exercises: &BTreeMap<String, Exercise>,
) -> BTreeSet<String> {
    let packages = components.iter().filter(|component| component.kind == Kind::Package);
    let ids: BTreeMap<String, String> = packages
        .flat_map(|package| package.places.iter().map(|place| (place.path.clone(), package.id.clone())))
        .collect();
    let places = Places { ids: ids.iter().map(|(path, id)| (path.as_str(), id.as_str())).collect() };
    for component in components.iter_mut().filter(|component| component.kind == Kind::Package) {
        let needs = component
            .places
            .iter()
            .flat_map(|place| places.needs(&place.path, &manifest(&place.path, source)));
        component.needs = needs.filter(|id| *id != component.id).collect();
    }
    let others = components.iter().filter(|component| component.kind != Kind::Package);
    let mut needs: BTreeSet<String> = others.map(|component| component.id.clone()).collect();
    for exercise in exercises.values() {
        needs.extend(places.needs(&exercise.path, &manifest(&exercise.path, source)));
    }
    // What nobody is seen to ask for is there all the same.
    let needed: BTreeSet<&String> =
        components.iter().flat_map(|component| &component.needs).chain(&needs).collect();
    let alone: Vec<String> = components
        .iter()
        .filter(|component| !needed.contains(&component.id))
        .map(|component| component.id.clone())
        .collect();
    needs.extend(alone);
    needs
}

/// The hosts that were asked while the lock was made, and for what.
fn hosts(lock: Option<&Lock>, contents: &Contents) -> BTreeMap<String, BTreeSet<String>> {
    let mut hosts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let Some(lock) = lock else { return hosts };
    let of_system = |system: &System| *system == contents.system;
    let mut artifact = |what: &str, artifact: &lock::Artifact| {
        if let Some(url) = artifact.source.url() {
            hosts.entry(url.host().to_owned()).or_default().insert(what.to_owned());
        }
    };
    lock.systems
        .iter()
        .filter(|(system, _)| of_system(system))
        .for_each(|(_, one)| artifact("OpenCode", one));
    for (name, systems) in &lock.programs {
        systems.iter().filter(|(system, _)| of_system(system)).for_each(|(_, one)| artifact(name, one));
    }
    if let Some(catalogue) = &lock.catalogue {
        hosts.entry(catalogue.url.host().to_owned()).or_default().insert("the catalogue of models".into());
    }
    for url in lock.downloads.keys() {
        hosts.entry(url.host().to_owned()).or_default().insert("downloads".into());
    }
    hosts
}
