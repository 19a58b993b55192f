//! From TOML to [`Manifest`]: every key by name, every value as a word, every fault with its place. Owns which keys
//! there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::PathBuf,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    command::is_id,
    date::Date,
    manifest::{
        Commands, Error, Libraries, MAX_BYTES, Manifest, Problem, Profile, Ripgrep, Source, Wanted, commands,
        licences, trust,
    },
    nearest::nearest,
    package::PackageName,
    position::Position,
    repository::Repository,
    spec::Spec,
    system::System,
    version::Version,
};

/// A problem at a byte offset; it becomes an [`Error`] once the text is at hand.
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) problem: Problem,
}

pub(super) type Outcome<T> = Result<T, Fault>;
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

const KEYS: &[&str] = &[
    "opencode",
    "systems",
    "source",
    "repository",
    "profile",
    "config",
    "config_dirs",
    "providers",
    "plugins",
    "packages",
    "freeze",
    "before",
    "ripgrep",
    "libraries",
    "variants",
    "language_servers",
    "commands",
    "grammars",
    "exercises",
    "trust",
    "licences",
];

pub(super) fn parse(text: &str) -> Result<Manifest, Error> {
    let located = |fault: Fault| Error { at: Position::of_offset(text, fault.at), problem: fault.problem };
    if text.len() > MAX_BYTES {
        return Err(located(Fault {
            at: 0,
            problem: Problem::TooLarge { found: text.len(), bound: MAX_BYTES },
        }));
    }
    let table = DeTable::parse(text).map_err(|error| located(syntax(&error)))?;
    read(table.get_ref()).map_err(located)
}

fn syntax(error: &toml::de::Error) -> Fault {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    Fault { at: error.span().map_or(0, |Range { start, .. }| start), problem: Problem::Syntax { message } }
}

pub(super) fn fault<T>(at: usize, problem: Problem) -> Outcome<T> {
    Err(Fault { at, problem })
}

fn read(table: &DeTable<'_>) -> Outcome<Manifest> {
    known_keys(table, "the manifest", KEYS)?;
    let mut manifest = Manifest::default();
    if let Some(value) = table.get("opencode") {
        manifest.opencode = opencode(value)?;
    }
    if let Some(value) = table.get("systems") {
        manifest.systems = Some(systems(value)?);
    }
    if let Some(value) = table.get("source") {
        manifest.source = source(value)?;
    }
    if let Some(value) = table.get("repository") {
        manifest.repository = Some(repository(value, manifest.source)?);
    }
    if let Some(value) = table.get("profile") {
        manifest.profile = profile(value)?;
    }
    manifest.config = paths(table, "config")?;
    manifest.config_dirs = paths(table, "config_dirs")?;
    manifest.providers = specs(table, "providers")?;
    manifest.plugins = specs(table, "plugins")?;
    if let Some(value) = table.get("packages") {
        manifest.packages = packages(value)?;
    }
    manifest.freeze = freeze(table)?;
    if let Some(value) = table.get("before") {
        manifest.before = Some(before(value)?);
    }
    if let Some(value) = table.get("ripgrep") {
        manifest.ripgrep = ripgrep(value)?;
    }
    if let Some(value) = table.get("libraries") {
        manifest.libraries = libraries(value)?;
    }
    manifest.variants = variants(table)?;
    manifest.language_servers = ids(table, "language_servers")?;
    manifest.commands = started(table, "commands")?;
    manifest.grammars = ids(table, "grammars")?;
    if let Some(value) = table.get("exercises") {
        manifest.exercises = commands::exercises(value)?;
    }
    if let Some(value) = table.get("trust") {
        manifest.trust = trust::trust(value)?;
    }
    if let Some(value) = table.get("licences") {
        manifest.licences = licences::licences(value)?;
    }
    Ok(manifest)
}

pub(super) fn known_keys(table: &DeTable<'_>, within: &str, known: &[&'static str]) -> Outcome<()> {
    // The table is sorted by key; the first unknown key in the text is the one to name.
    let unknown = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
    let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(()) };
    let nearest =
        nearest(key.get_ref(), known).and_then(|near| known.iter().copied().find(|word| *word == near));
    let problem = Problem::UnknownKey {
        key: key.get_ref().to_string(),
        within: within.to_owned(),
        nearest,
        known: known.join(", "),
    };
    fault(key.span().start, problem)
}

pub(super) fn wrong_type<T>(value: &Value<'_>, key: &str, expected: &'static str) -> Outcome<T> {
    let found = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    fault(value.span().start, Problem::WrongType { key: key.to_owned(), expected, found })
}

pub(super) fn string<'v>(value: &'v Value<'_>, key: &str) -> Outcome<&'v str> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text),
        _ => wrong_type(value, key, "a string"),
    }
}

/// The strings of a list and where each begins.
pub(super) fn strings<'v>(value: &'v Value<'_>, key: &str) -> Outcome<Vec<(usize, &'v str)>> {
    let DeValue::Array(items) = value.get_ref() else { return wrong_type(value, key, "a list of strings") };
    items
        .iter()
        .map(|item| match item.get_ref() {
            DeValue::String(text) => Ok((item.span().start, text.as_ref())),
            _ => wrong_type(item, key, "a list of strings only"),
        })
        .collect()
}

fn opencode(value: &Value<'_>) -> Outcome<Wanted> {
    match string(value, "opencode")? {
        "latest" => Ok(Wanted::Latest),
        version => version
            .parse()
            .map(Wanted::Exact)
            .or_else(|source| fault(value.span().start, Problem::OpencodeVersion { source })),
    }
}

fn systems(value: &Value<'_>) -> Outcome<BTreeSet<System>> {
    let mut systems = BTreeSet::new();
    for (at, text) in strings(value, "systems")? {
        let system: System = text.parse().or_else(|source| fault(at, Problem::System { source }))?;
        if !systems.insert(system) {
            return fault(at, Problem::Repeated { key: "systems", item: text.to_owned() });
        }
    }
    if systems.is_empty() {
        return fault(value.span().start, Problem::Empty { key: "systems".to_owned() });
    }
    Ok(systems)
}

fn source(value: &Value<'_>) -> Outcome<Source> {
    match string(value, "source")? {
        "npm" => Ok(Source::Npm),
        "github" => Ok(Source::Github),
        other => fault(
            value.span().start,
            Problem::Unknown { key: "source", found: other.to_owned(), known: "npm, github" },
        ),
    }
}

fn repository(value: &Value<'_>, source: Source) -> Outcome<Repository> {
    let at = value.span().start;
    if source != Source::Github {
        return fault(at, Problem::RepositoryOfNpm);
    }
    string(value, "repository")?.parse().or_else(|source| fault(at, Problem::Repository { source }))
}

fn profile(value: &Value<'_>) -> Outcome<Profile> {
    match string(value, "profile")? {
        "offline" => Ok(Profile::Offline),
        "online" => Ok(Profile::Online),
        other => {
            let problem =
                Problem::Unknown { key: "profile", found: other.to_owned(), known: "offline, online" };
            fault(value.span().start, problem)
        }
    }
}

fn paths(table: &DeTable<'_>, key: &'static str) -> Outcome<Vec<PathBuf>> {
    let Some(value) = table.get(key) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = Vec::new();
    for (at, text) in strings(value, key)? {
        let problem = if text.is_empty() {
            Some("is empty")
        } else if text.chars().any(char::is_control) {
            Some("holds a control character")
        } else if text == "~" || text.starts_with("~/") {
            Some("begins with `~`, which nothing expands here")
        } else {
            None
        };
        if let Some(problem) = problem {
            return fault(at, Problem::Path { key, path: text.to_owned(), problem });
        }
        if paths.iter().any(|path| path.as_os_str() == text) {
            return fault(at, Problem::Repeated { key, item: text.to_owned() });
        }
        paths.push(PathBuf::from(text));
    }
    Ok(paths)
}

fn specs(table: &DeTable<'_>, key: &'static str) -> Outcome<Vec<Spec>> {
    let Some(value) = table.get(key) else { return Ok(Vec::new()) };
    specs_of(strings(value, key)?, key)
}

/// Specs, and `*` for whatever the configurations name.
fn started(table: &DeTable<'_>, key: &'static str) -> Outcome<Commands> {
    let Some(value) = table.get(key) else { return Ok(Commands::default()) };
    let (stars, named): (Vec<_>, Vec<_>) =
        strings(value, key)?.into_iter().partition(|(_, text)| *text == "*");
    if let Some((at, text)) = stars.get(1) {
        return fault(*at, Problem::Repeated { key, item: (*text).to_owned() });
    }
    Ok(Commands { all: !stars.is_empty(), specs: specs_of(named, key)? })
}

fn specs_of(texts: Vec<(usize, &str)>, key: &'static str) -> Outcome<Vec<Spec>> {
    let mut specs: Vec<Spec> = Vec::new();
    for (at, text) in texts {
        let spec: Spec = text.parse().or_else(|source| fault(at, Problem::Spec { key, source }))?;
        if specs.contains(&spec) {
            return fault(at, Problem::Repeated { key, item: text.to_owned() });
        }
        specs.push(spec);
    }
    Ok(specs)
}

fn packages(value: &Value<'_>) -> Outcome<BTreeMap<PackageName, Version>> {
    let DeValue::Table(table) = value.get_ref() else { return wrong_type(value, "packages", "a table") };
    let package = |(name, value): (&Spanned<std::borrow::Cow<'_, str>>, &Value<'_>)| {
        let package: PackageName = name
            .get_ref()
            .parse()
            .or_else(|source| fault(name.span().start, Problem::Package { key: "packages", source }))?;
        let version = string(value, &format!("packages.{package}"))?.parse().or_else(|source| {
            fault(value.span().start, Problem::PackageVersion { name: package.to_string(), source })
        })?;
        Ok((package, version))
    };
    table.iter().map(package).collect()
}

fn freeze(table: &DeTable<'_>) -> Outcome<BTreeSet<PackageName>> {
    let Some(value) = table.get("freeze") else { return Ok(BTreeSet::new()) };
    let mut names = BTreeSet::new();
    for (at, text) in strings(value, "freeze")? {
        let name: PackageName =
            text.parse().or_else(|source| fault(at, Problem::Package { key: "freeze", source }))?;
        if !names.insert(name) {
            return fault(at, Problem::Repeated { key: "freeze", item: text.to_owned() });
        }
    }
    Ok(names)
}

/// A day as a text, or as TOML writes one.
fn before(value: &Value<'_>) -> Outcome<Date> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        _ => return wrong_type(value, "before", "a day"),
    };
    text.parse().or_else(|source| fault(value.span().start, Problem::Date { key: "before", source }))
}

fn ripgrep(value: &Value<'_>) -> Outcome<Ripgrep> {
    match string(value, "ripgrep")? {
        "npm" => Ok(Ripgrep::Npm),
        "github" => Ok(Ripgrep::Github),
        "none" => Ok(Ripgrep::None),
        other => {
            let known = "npm, github, none";
            fault(value.span().start, Problem::Unknown { key: "ripgrep", found: other.to_owned(), known })
        }
    }
}

fn libraries(value: &Value<'_>) -> Outcome<Libraries> {
    match string(value, "libraries")? {
        "debian" => Ok(Libraries::Debian),
        "none" => Ok(Libraries::None),
        other => {
            let known = "debian, none";
            fault(value.span().start, Problem::Unknown { key: "libraries", found: other.to_owned(), known })
        }
    }
}

/// As npm's packages of the release are called (1.14 and later).
fn variants(table: &DeTable<'_>) -> Outcome<BTreeSet<String>> {
    let variants = ids(table, "variants")?;
    let known = "baseline, baseline-musl, musl";
    match variants.iter().find(|variant| !known.split(", ").any(|word| word == *variant)) {
        None => Ok(variants),
        Some(other) => {
            let at = table.get("variants").map_or(0, |value| value.span().start);
            fault(at, Problem::Unknown { key: "variants", found: other.clone(), known })
        }
    }
}

fn ids(table: &DeTable<'_>, key: &'static str) -> Outcome<BTreeSet<String>> {
    let Some(value) = table.get(key) else { return Ok(BTreeSet::new()) };
    let mut ids = BTreeSet::new();
    for (at, text) in strings(value, key)? {
        if !is_id(text) {
            return fault(at, Problem::Id { key, id: text.to_owned() });
        }
        if !ids.insert(text.to_owned()) {
            return fault(at, Problem::Repeated { key, item: text.to_owned() });
        }
    }
    Ok(ids)
}
