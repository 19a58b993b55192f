//! Canonical trees → output: lays out wrapper, binary, npm's configuration, trees, link map and
//! `manifest.json` in a staging directory, and commits it to the store under its digest.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use linkmap::{LinkMap, Root};
use lock::{
    Algorithm, Exercise, ExerciseKind, ExerciseName, Fill, FillRoot, Lock, Profile, Sri, System, Version,
};
use replay::vendor::Vendor;

use crate::catalogue;
use crate::contents::{self, Catalogue, Contents, Placed, Program, Tree};
use crate::downloads::Body;
use crate::opencode::{Era, NpmVariable};
use crate::settle::{self, Installed};
use crate::{
    binary, bun_lock, commands, debian, files, fills, layout, modules, opencode, programs, servers, shared,
    tree_sitter,
};

/// What an output is made of, beside the trees.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The lock.
    pub lock: &'a Lock,
    /// Its text, byte for byte.
    pub lock_text: &'a str,
    /// The system that the output is for.
    pub system: System,
    /// The profile.
    pub profile: Profile,
    /// The wrapper's bytes.
    pub wrapper: &'a [u8],
    /// The restore plugin.
    pub restore: Restore,
    /// The release binary.
    pub binary: &'a Path,
    /// The pinned bytes.
    pub vendor: &'a Vendor,
    /// The catalogue's bytes, where the lock pins one.
    pub catalogue: Option<&'a [u8]>,
}

/// The restore plugin and the two other ways to name it, as files.
#[derive(Debug, Clone, Copy)]
pub struct Restore {
    /// The plugin.
    pub plugin: &'static str,
    /// What it loads: see [`layout::MODULES`].
    pub modules: &'static str,
    /// What that one loads: see [`layout::COMMANDS`].
    pub commands: &'static str,
    /// A configuration that names it from beside it.
    pub config: &'static str,
    /// The configuration of a config directory beside it.
    pub directory: &'static str,
}

/// Why an output could not be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no.
    #[error("{verb} {}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The link map would be refused by the wrapper.
    #[error("write the link map: {fault:?}")]
    LinkMap {
        /// What the wrapper would say.
        fault: linkmap::Fault,
    },
    /// A program could not be unpacked.
    #[error(transparent)]
    Program(#[from] binary::Error),
    /// The C library cannot be laid out.
    #[error(transparent)]
    Debian(#[from] debian::Error),
    /// A captured tree is no good.
    #[error(transparent)]
    Settle(#[from] settle::Error),
    /// The tree could not be hashed or stored.
    #[error(transparent)]
    Tree(#[from] tree::Error),
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "output-write",
            Self::LinkMap { .. } => "output-linkmap",
            Self::Program(error) => error.code(),
            Self::Debian(error) => error.code(),
            Self::Settle(_) => "tree-not-whole",
            Self::Tree(error) => error.code(),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Program(error) => error.hint(),
            Self::Debian(error) => error.hint(),
            Self::Tree(error) => error.hint(),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some("free disk space, or put the store elsewhere with XDG_STATE_HOME".into())
            }
            _ => None,
        }
    }
}

/// Fills `root`, in which the trees lie already, with everything else.
pub fn complete(root: &Path, parts: &Parts<'_>) -> Result<(), Error> {
    let read =
        |source| Error::Io { verb: "take the catalogue of models out of", path: parts.binary.into(), source };
    let own = match parts.catalogue {
        Some(_) => None,
        None => catalogue::own(parts.binary, &parts.lock.opencode).map_err(read)?,
    };
    let parts = &Parts { catalogue: parts.catalogue.or(own.as_deref()), ..*parts };
    write(root, layout::WRAPPER, parts.wrapper, 0o555)?;
    write(root, layout::NPMRC, opencode::npmrc(parts.profile).as_bytes(), 0o444)?;
    write(root, layout::RESTORE, parts.restore.plugin.as_bytes(), 0o444)?;
    write(root, layout::MODULES, parts.restore.modules.as_bytes(), 0o444)?;
    write(root, layout::MODULES_INDEX, modules::index(parts.lock).as_bytes(), 0o444)?;
    if let Some(text) = opencode::alone(&parts.lock.opencode) {
        write(root, layout::ALONE, text.as_bytes(), 0o444)?;
    }
    write(root, layout::COMMANDS, parts.restore.commands.as_bytes(), 0o444)?;
    if let Some(index) = commands::index(root, parts.lock)? {
        write(root, layout::COMMANDS_INDEX, index.as_bytes(), 0o444)?;
    }
    write(root, layout::RESTORE_CONFIG, parts.restore.config.as_bytes(), 0o444)?;
    write(root, layout::RESTORE_DIR_CONFIG, parts.restore.directory.as_bytes(), 0o444)?;
    rest(root, layout::RESTORE_DIR)?;
    place_binary(parts.binary, &root.join(layout::BINARY))?;
    if let Some(catalogue) = parts.catalogue {
        write(root, layout::CATALOGUE, catalogue, 0o444)?;
    }
    if let Some(cache) = opencode::cache_version(&parts.lock.opencode) {
        // Also where nothing else is shared: what is laid beside it is to stay.
        write(root, &format!("{}/{}", layout::SHARED, opencode::VERSION_FILE), cache.as_bytes(), 0o444)?;
    }
    let colours = place_tree_sitter(root, parts)?;
    for (_, path, artifact) in programs::placed(parts.lock, parts.system) {
        place_binary(&binary::unpacked(parts.vendor, artifact)?, &root.join(path))?;
    }
    for (name, program) in servers::programs(parts.lock, parts.system) {
        if let servers::Program::Script(text) = program {
            write(root, &layout::program(name), text.as_bytes(), 0o555)?;
        }
    }
    debian::place(root, parts.lock, parts.system, parts.vendor)?;
    let map = link_map(root, parts, colours)?;
    write(root, layout::LINKMAP, map.as_bytes(), 0o444)?;
    make_fallback(root, &map)?;
    let contents = describe(root, parts)?;
    write(root, layout::CONTENTS, contents.render().as_bytes(), 0o444)
}

/// The bytes of the pinned catalogue, which lie in the vendor directory and were hashed there.
pub fn catalogue(lock: &Lock, vendor: &Vendor) -> Result<Option<Vec<u8>>, Error> {
    let Some(pinned) = &lock.catalogue else { return Ok(None) };
    let path = vendor.path_of(&pinned.integrity);
    match files::read_bounded(&path, catalogue::MAX_BYTES) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) => Err(Error::Io { verb: "read", path, source: std::io::Error::other(error) }),
    }
}

/// Makes a config directory one that OpenCode has nothing to do in.
fn rest(root: &Path, directory: &str) -> Result<(), Error> {
    for (name, content) in opencode::CONFIG_DIR_AT_REST {
        write(root, &format!("{directory}/{name}"), content.as_bytes(), 0o444)?;
    }
    let path = root.join(directory).join(opencode::CONFIG_DIR_MODULES);
    fs::create_dir(&path).map_err(|source| Error::Io { verb: "create", path, source })
}

/// Which tree an exercise leaves. `None`: it leaves none, because of its kind or because what it
/// is about is built into OpenCode.
pub fn tree_of(opencode: &Version, name: &ExerciseName, exercise: &Exercise) -> Option<String> {
    if exercise.packages.is_empty() {
        return None;
    }
    if opencode::shares(opencode, &exercise.kind) {
        return Some(layout::SHARED.to_owned());
    }
    match &exercise.kind {
        ExerciseKind::ConfigDir { .. } => Some(modules::tree(name)),
        ExerciseKind::Plugin { spec } => Some(layout::package_tree(&opencode::plugin_directory(spec))),
        ExerciseKind::Provider { spec } => Some(layout::package_tree(&opencode::provider_directory(spec))),
        ExerciseKind::Executable { spec } => Some(layout::command_tree(&opencode::plugin_directory(spec))),
        _ => None,
    }
}

/// Lays out what runs before the worker that colours code; whether there is any need of it.
fn place_tree_sitter(root: &Path, parts: &Parts<'_>) -> Result<bool, Error> {
    let grammars = tree_sitter::grammars(parts.lock);
    // Online, what was not captured is OpenCode's own business.
    if grammars.is_empty() && parts.profile == Profile::Online {
        return Ok(false);
    }
    let read = |source| Error::Io { verb: "read", path: parts.binary.into(), source };
    let Some(worker) = tree_sitter::worker(parts.binary).map_err(read)? else { return Ok(false) };
    for (path, text) in tree_sitter::files(&worker, &grammars, parts.profile) {
        write(root, &path, text.as_bytes(), 0o444)?;
    }
    for body in grammars.values() {
        let bytes = match body {
            Body::File(integrity) => {
                let from = parts.vendor.path_of(integrity);
                fs::read(&from).map_err(|source| Error::Io { verb: "read", path: from, source })?
            }
            Body::Text(text) => text.as_bytes().to_vec(),
        };
        write(root, &format!("{}/{}", layout::TREE_SITTER, tree_sitter::grammar(body)), &bytes, 0o444)?;
    }
    Ok(true)
}

fn link_map(root: &Path, parts: &Parts<'_>, colours: bool) -> Result<String, Error> {
    let version = &parts.lock.opencode;
    let mut map = LinkMap::new(layout::BINARY, &layout::cache_root(version));
    map.restore(layout::RESTORE).fallback(layout::FALLBACK);
    let quiet = opencode::quiet_environment();
    for (name, value) in &quiet {
        let online = parts.profile == Profile::Online && name != "OPENCODE_DISABLE_AUTOUPDATE";
        if !online {
            map.env(name, value);
        }
    }
    // OpenCode before 1.14 has no npm inside.
    let npm = if Era::known(version).is_shared() { &[] } else { opencode::npm_variables(parts.profile) };
    for (name, value) in npm {
        match value {
            NpmVariable::Npmrc => map.env_path(name, layout::NPMRC),
            NpmVariable::Text(text) => map.env(name, text),
        };
    }
    if colours {
        map.env_path(opencode::TREE_SITTER_VARIABLE, layout::TREE_SITTER_WORKER);
    }
    if let Some(catalogue) = parts.catalogue {
        match parts.profile {
            Profile::Offline if opencode::reads_catalogue_variable(version) => {
                map.env_path(opencode::CATALOGUE_VARIABLE, layout::CATALOGUE);
            }
            // Where OpenCode reads it first, and may put a newer one.
            _ => {
                map.copy(Root::Cache, opencode::CATALOGUE_NAME, layout::CATALOGUE, catalogue);
            }
        }
    }
    // OpenCode makes it at every start and puts programs there.
    let programs = if opencode::programs_in_data(version) { Root::Data } else { Root::Cache };
    map.keep(programs, "bin");
    for (_, path, _) in programs::placed(parts.lock, parts.system) {
        map.link(programs, path.trim_start_matches("cache/"), &path);
    }
    if root.join(layout::SHARED).exists() {
        link_shared(root, &mut map)?;
    }
    for (name, program) in servers::programs(parts.lock, parts.system) {
        let source = match &program {
            servers::Program::Script(_) => name,
            servers::Program::Captured(file) => file,
        };
        map.link(Root::Cache, &format!("bin/{name}"), &layout::program(source));
    }
    for (_, fill) in fills::placed(parts.lock) {
        let root = match fill.root {
            FillRoot::Cache => Root::Cache,
            FillRoot::Data => Root::Data,
        };
        map.link(root, fill.path.as_str(), &fill.to_string());
    }
    // Before OpenCode, so that it is in time for local plugins (the compiled bun of 1.14.34 to 1.18.33).
    let first = if opencode::alone(version).is_some() { layout::ALONE } else { layout::MODULES };
    map.env_path("BUN_INSPECT_PRELOAD", first);
    for (name, exercise) in &parts.lock.exercises {
        if tree_of(&parts.lock.opencode, name, exercise).is_none() {
            continue;
        }
        match &exercise.kind {
            kind if opencode::shares(version, kind) => {}
            ExerciseKind::Provider { spec } => {
                let directory = opencode::provider_directory(spec);
                map.link(Root::Cache, &format!("packages/{directory}"), &layout::package_tree(&directory));
            }
            ExerciseKind::Plugin { spec } => {
                let (directory, alias) = layout::plugin_directories(spec);
                let tree = layout::package_tree(&directory);
                map.link(Root::Cache, &format!("packages/{directory}"), &tree);
                // A provider's SDK of the same name has that directory already.
                let taken = |alias: &String| root.join(layout::package_tree(alias)).exists();
                if let Some(alias) = alias.filter(|alias| !taken(alias)) {
                    map.link(Root::Cache, &format!("packages/{alias}"), &tree);
                }
            }
            // A project's is found through the index; in the project nothing is laid.
            ExerciseKind::ConfigDir { .. } if name.qualifier().is_none() => link_config_dir(root, &mut map)?,
            _ => {}
        }
    }
    map.render().map_err(|fault| Error::LinkMap { fault })
}

/// The tree that all share, and what keeps OpenCode from removing it.
fn link_shared(root: &Path, map: &mut LinkMap) -> Result<(), Error> {
    let source = |name: &str| format!("{}/{name}", layout::SHARED);
    map.link(Root::Cache, "node_modules", &source("node_modules"));
    map.force(Root::Cache, opencode::VERSION_FILE, &source(opencode::VERSION_FILE));
    for name in ["package.json", bun_lock::NAME] {
        copy(root, map, Root::Cache, name, &source(name))?;
    }
    Ok(())
}

/// A copy, of what is there.
fn copy(root: &Path, map: &mut LinkMap, to: Root, name: &str, source: &str) -> Result<(), Error> {
    let path = root.join(source);
    match fs::read(&path) {
        Ok(content) => {
            map.copy(to, name, source, &content);
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::Io { verb: "read", path, source }),
    }
}

/// The cache root as the wrapper would lay it, inside the output. OpenCode 1.18.18 answers from it read-only
/// as long as `bin` is there, which it makes at every start.
fn make_fallback(root: &Path, map: &str) -> Result<(), Error> {
    let map = linkmap::Map::parse(map.as_bytes()).map_err(|fault| Error::LinkMap { fault })?;
    let cache = root.join(layout::FALLBACK).join(map.root());
    let failed = |verb, path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Io { verb, path, source }
    };
    for entry in map.entries().filter(|entry| entry.root == Root::Cache) {
        let place = cache.join(entry.dest);
        let above = place.parent().unwrap_or(&cache);
        fs::create_dir_all(above).map_err(failed("create", above))?;
        let Some(source) = entry.action.source() else {
            fs::create_dir_all(&place).map_err(failed("create", &place))?;
            continue;
        };
        // Relative, so that no byte of an output says where it lies.
        let depth = above.strip_prefix(root).unwrap_or(above).components().count();
        let target = Path::new(&"../".repeat(depth)).join(source);
        std::os::unix::fs::symlink(&target, &place).map_err(failed("link", &place))?;
    }
    Ok(())
}

/// `node_modules` is a link, what OpenCode may write are copies.
fn link_config_dir(root: &Path, map: &mut LinkMap) -> Result<(), Error> {
    map.link(Root::Config, "node_modules", &format!("{}/node_modules", layout::CONFIG_DIR));
    for name in [".gitignore", "package.json", "package-lock.json", bun_lock::NAME] {
        copy(root, map, Root::Config, name, &format!("{}/{name}", layout::CONFIG_DIR))?;
    }
    Ok(())
}

fn describe(root: &Path, parts: &Parts<'_>) -> Result<Contents, Error> {
    let mut exercises = BTreeMap::new();
    for (name, exercise) in &parts.lock.exercises {
        if let Some(path) = tree_of(&parts.lock.opencode, name, exercise) {
            exercises.insert(name.to_string(), describe_tree(root, parts.lock, exercise, path)?);
        }
    }
    for (name, fill) in fills::placed(parts.lock) {
        exercises.insert(format!("{name} {fill}"), describe_fill(root, fill)?);
    }
    Ok(Contents {
        version: contents::VERSION,
        opencode: parts.lock.opencode.clone(),
        system: parts.system,
        profile: contents::profile_text(parts.profile),
        lock: Sri::of(Algorithm::Sha256, parts.lock_text.as_bytes()).to_string(),
        catalogue: parts.lock.catalogue.as_ref().zip(parts.catalogue).map(|(pinned, bytes)| Catalogue {
            integrity: pinned.integrity.to_string(),
            url: pinned.url.to_string(),
            newest: catalogue::newest(bytes),
        }),
        models: parts.lock.models.clone(),
        exercises,
        programs: describe_programs(root, parts)?,
        libraries: match parts.lock.libraries.get(&parts.system) {
            None => BTreeMap::new(),
            Some(packages) => {
                packages.iter().map(|(name, one)| (name.to_string(), one.version.to_string())).collect()
            }
        },
        signatures: match parts.lock.signatures.is_empty() {
            true => BTreeMap::new(),
            false => parts.lock.signature_counts(),
        },
        attested: Some(parts.lock.attestations.len()).filter(|number| *number > 0),
    })
}

fn describe_programs(root: &Path, parts: &Parts<'_>) -> Result<BTreeMap<String, Program>, Error> {
    let mut programs = BTreeMap::new();
    for (name, path, artifact) in programs::placed(parts.lock, parts.system) {
        let file = root.join(&path);
        let bytes = tree::scan(&file)?.bytes();
        let digest = package_digest(&file)?;
        programs.insert(name.to_owned(), Program { path, from: binary::describe(artifact), bytes, digest });
    }
    Ok(programs)
}

fn describe_tree(root: &Path, lock: &Lock, exercise: &Exercise, path: String) -> Result<Tree, Error> {
    let tree = root.join(&path);
    let mut installed = settle::installed(&tree)?;
    let shared = opencode::shares(&lock.opencode, &exercise.kind);
    if shared {
        let own = settle::places(&tree, &exercise.kind)?;
        installed.retain(|one| own.contains(&one.path));
    }
    let bytes = match shared {
        true => shared::bytes(&tree, &installed),
        false => tree::scan(&tree)?.bytes(),
    };
    let patched = opencode::patched(&lock.opencode, &exercise.kind).filter(|_| shared);
    let patched = patched.map(|(_, wanted)| wanted);
    let packages: Result<Vec<Placed>, Error> =
        installed.into_iter().map(|installed| place(&tree, installed)).collect();
    let spec = match &exercise.kind {
        ExerciseKind::Plugin { spec }
        | ExerciseKind::Provider { spec }
        | ExerciseKind::Executable { spec } => Some(spec.to_string()),
        _ => None,
    };
    let proof = exercise.proof.map(|proof| proof.as_str().to_owned());
    Ok(Tree { bytes, spec, proof, patched, packages: packages?, path })
}

fn describe_fill(root: &Path, fill: &Fill) -> Result<Tree, Error> {
    let path = fill.to_string();
    let tree = root.join(&path);
    let installed = if fills::is_tree(fill) { settle::installed(&tree)? } else { Vec::new() };
    let packages: Result<Vec<Placed>, Error> =
        installed.into_iter().map(|installed| place(&tree, installed)).collect();
    Ok(Tree {
        bytes: tree::scan(&tree)?.bytes(),
        spec: None,
        proof: None,
        patched: None,
        packages: packages?,
        path,
    })
}

fn place(tree: &Path, installed: Installed) -> Result<Placed, Error> {
    let digest = package_digest(&tree.join(&installed.path))?;
    Ok(contents::placed(installed.path, &installed.id, digest))
}

/// The digest of one package's directory, nested packages included.
pub fn package_digest(path: &Path) -> Result<String, tree::Error> {
    Ok(tree::Digest::of(&tree::nar_hash(path)?).to_string())
}

pub(crate) fn write(root: &Path, path: &str, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let path = root.join(path);
    let io = |verb: &'static str| {
        let path = path.clone();
        move |source| Error::Io { verb, path, source }
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io("create the directory of"))?;
    }
    fs::write(&path, bytes).map_err(io("write"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(io("set the mode of"))
}

/// Copies the binary: a reflink where the file system has them. Not a hard link: the store's files
/// carry their own times and modes, and an edit in one place must not reach another.
fn place_binary(from: &Path, to: &Path) -> Result<(), Error> {
    let io = |verb, path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Io { verb, path, source }
    };
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(io("create", parent))?;
    }
    fs::copy(from, to).map_err(io("copy", from))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o555)).map_err(io("set the mode of", to))
}
