//! From what a person wants (manifest, their configurations, their `package.json`) to the list of
//! exercises. A plan is a value: nothing here asks the network or runs anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lock::lockfile::{ExerciseKind, ExerciseName};
use lock::{Manifest, PackageName, Spec, Version};

use crate::by_name::{ByName, Sdks};
use crate::directories::ConfigDirs;
use crate::started::{self, plain};
use crate::{config, debian, files, opencode, pins, programs, releases, signatures, variants};

/// The largest manifest or `package.json` that is read, in bytes; both are written by hand.
const MAX_BYTES: u64 = 1 << 20;

/// What is wanted beside the manifest.
#[derive(Debug, Default, Clone)]
pub struct Beside {
    /// Configurations.
    pub configs: Vec<PathBuf>,
    /// Providers, by name or by SDK.
    pub providers: Vec<Spec>,
}

/// Everything the user wants, read once.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// The manifest as written.
    pub manifest: Manifest,
    /// Provider SDKs, of the manifest and of every configuration.
    pub providers: BTreeSet<Spec>,
    /// Providers that are named, and not their SDKs.
    pub by_name: ByName,
    /// Plugins, likewise.
    pub plugins: BTreeSet<Spec>,
    /// Packages whose programs are started by command.
    pub commands: BTreeSet<Spec>,
    /// What the user's own `package.json` files in config directories ask for.
    pub directories: ConfigDirs,
}

/// Why the wishes cannot be planned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is no regular file, or too large.
    #[error("read {}: not a regular file of at most {MAX_BYTES} bytes", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The manifest is wrong.
    #[error("parse {}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where and what.
        source: lock::manifest::Error,
    },
    /// A configuration is wrong.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// A `package.json` of a config directory is wrong.
    #[error("parse {}: {reason}", path.display())]
    PackageJson {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column where it is the syntax.
        reason: String,
    },
    /// Two config directories want different things of one package.
    #[error("{}: {package} is wanted as {second:?}, and as {first:?} by another config directory", path.display())]
    Conflict {
        /// The second `package.json`.
        path: PathBuf,
        /// The package.
        package: PackageName,
        /// What the first wants.
        first: String,
        /// What the second wants.
        second: String,
    },
    /// A language server cannot be captured.
    #[error(transparent)]
    Server(#[from] opencode::servers::Error),
    /// A provider or plugin of the manifest is no package of a registry.
    #[error("{key}: {spec} cannot be pinned: {reason}")]
    Spec {
        /// `providers`, `plugins` or `commands`.
        key: &'static str,
        /// The text.
        spec: Spec,
        /// Why not.
        reason: String,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "input-unreadable",
            Self::NotAFile { .. } => "input-not-a-file",
            Self::Manifest { source, .. } => source.code(),
            Self::Config(error) => error.code(),
            Self::PackageJson { .. } => "package-json-invalid",
            Self::Conflict { .. } => "config-dirs-conflict",
            Self::Server(error) => error.code(),
            Self::Spec { .. } => "manifest-spec",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Server(error) => error.hint(),
            Self::Manifest { source, .. } => source.hint(),
            Self::Spec { .. } => Some("write it NAME, NAME@VERSION or NAME@TAG".into()),
            Self::Conflict { .. } => Some("let both name the same version or range".into()),
            _ => None,
        }
    }
}

impl Wishes {
    /// Reads the manifest at `path` (a missing one wants the defaults), every file it names, and what is wanted
    /// beside it.
    pub fn read(path: &Path, beside: &Beside) -> Result<Self, Error> {
        let manifest = match read_text(path) {
            Ok(text) => {
                Manifest::parse(&text).map_err(|source| Error::Manifest { path: path.into(), source })?
            }
            Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Manifest::default()
            }
            Err(error) => return Err(error),
        };
        opencode::servers::check(&manifest.language_servers)?;
        let base = path.parent().unwrap_or(Path::new(""));
        let mut wishes = Self {
            providers: BTreeSet::new(),
            by_name: ByName::default(),
            plugins: registry_specs("plugins", &manifest.plugins)?,
            commands: registry_specs("commands", &manifest.commands.specs)?.iter().map(plain).collect(),
            directories: ConfigDirs::default(),
            manifest,
        };
        for spec in registry_specs("providers", &wishes.manifest.providers)? {
            match name_alone(&spec) {
                Some(name) => _ = wishes.by_name.ids_or_packages.insert(name, spec),
                None => _ = wishes.providers.insert(spec),
            }
        }
        for spec in registry_specs("--provider", &beside.providers)? {
            match name_alone(&spec) {
                Some(name) => _ = wishes.by_name.known.insert(name),
                None => _ = wishes.providers.insert(spec),
            }
        }
        let configs = wishes.manifest.config.iter().map(|file| base.join(file));
        for file in configs.chain(beside.configs.iter().cloned()).collect::<Vec<_>>() {
            wishes.add_config(config::read(&file)?);
        }
        for directory in wishes.manifest.config_dirs.clone() {
            for wanted in config::directory(&base.join(&directory))? {
                wishes.add_config(wanted);
            }
            wishes.directories.add(&directory, &base.join(&directory))?;
        }
        wishes.drop_served_commands();
        Ok(wishes)
    }

    /// A command that names no version takes the one that the manifest names.
    fn drop_served_commands(&mut self) {
        let named: BTreeSet<Spec> = self.manifest.commands.specs.iter().map(plain).collect();
        self.commands
            .retain(|spec| named.contains(spec) || !named.iter().any(|own| started::serves(own, None, spec)));
    }

    fn add_config(&mut self, wanted: config::Wanted) {
        self.providers.extend(wanted.providers);
        self.plugins.extend(wanted.plugins);
        if self.manifest.commands.all {
            self.commands.extend(wanted.commands);
        }
        self.by_name.ids.extend(wanted.ids);
        self.by_name.defined.extend(wanted.defined);
        self.by_name.built_in.extend(wanted.built_in);
    }

    /// The exercises that fill a cache with all of it, by name; `sdks` says which SDKs the providers have that are
    /// named.
    pub fn exercises(&self, opencode: &Version, sdks: &Sdks) -> BTreeMap<ExerciseName, ExerciseKind> {
        let mut kinds = self.directories.exercises(opencode);
        let plugin = |spec: &Spec| (ExerciseKind::Plugin { spec: spec.clone() }, None);
        let provider = |spec: &Spec| (ExerciseKind::Provider { spec: spec.clone() }, None);
        kinds.extend(self.plugins.iter().map(plugin));
        kinds.extend(self.providers.union(&self.by_name.packages(sdks)).map(provider));
        // What OpenCode itself loads though nobody names it.
        let own = |texts: &[&str]| texts.iter().filter_map(|text| text.parse().ok()).collect::<Vec<Spec>>();
        kinds.extend(own(opencode::own_plugins(opencode)).iter().map(plugin));
        kinds.extend(own(opencode::own_providers(opencode)).iter().map(provider));
        let command = |spec: &Spec| (ExerciseKind::Executable { spec: spec.clone() }, None);
        kinds.extend(self.commands.iter().map(command));
        let server = |id: &String| (ExerciseKind::LanguageServer { server: id.clone() }, None);
        kinds.extend(self.manifest.language_servers.iter().map(server));
        let languages = self.manifest.grammars.clone();
        kinds.extend((!languages.is_empty()).then_some((ExerciseKind::Grammars { languages }, None)));
        kinds.extend(
            self.manifest
                .exercises
                .iter()
                .map(|(name, exercise)| (ExerciseKind::Command(exercise.clone()), Some(name.as_str()))),
        );
        kinds.into_iter().filter_map(|(kind, qualifier)| Some((kind.name(qualifier).ok()?, kind))).collect()
    }

    /// What a lock lacks, or has too much, of what is wanted: one line each.
    pub fn missing_from(&self, lock: &lock::Lock) -> Vec<String> {
        let wanted = self.exercises(&lock.opencode, &lock.providers);
        let unwanted = lock.exercises.keys().filter(|name| !wanted.contains_key(*name));
        let unwanted = unwanted.map(|name| format!("{name} is in the lock, and is not wanted any more"));
        self.lacking_from(lock).into_iter().chain(self.by_name.surplus_of(lock)).chain(unwanted).collect()
    }

    /// What a lock lacks of what is wanted. Asks nobody, so that "latest" is whatever the lock says.
    pub fn lacking_from(&self, lock: &lock::Lock) -> Vec<String> {
        let mut reasons = Vec::new();
        if let lock::Wanted::Exact(version) = &self.manifest.opencode
            && *version != lock.opencode
        {
            reasons.push(format!("OpenCode {version} is wanted, the lock has {}", lock.opencode));
        }
        for system in self.manifest.wanted_systems().unwrap_or_default() {
            if !lock.systems.contains_key(&system) {
                reasons.push(format!("{system} is wanted, the lock does not have it"));
            }
        }
        reasons.extend(releases::other_source(&self.manifest, lock));
        reasons.extend(programs::missing_from(&self.manifest, lock));
        reasons.extend(variants::missing_from(&self.manifest, lock));
        reasons.extend(debian::missing_from(&self.manifest, lock));
        reasons.extend(self.by_name.lacking_from(lock));
        let wanted = self.exercises(&lock.opencode, &lock.providers);
        for (name, kind) in &wanted {
            match lock.exercises.get(name) {
                None => reasons.push(format!("{name} is wanted, the lock does not have it")),
                Some(exercise) if exercise.kind != *kind => {
                    reasons.push(format!("{name} has changed since the lock was written"));
                }
                Some(_) => {}
            }
        }
        reasons.extend(pins::other_pins(&self.manifest, lock));
        reasons.extend(pins::other_day(&self.manifest, lock));
        reasons.extend(signatures::missing_from(&self.manifest.trust, lock));
        reasons
    }
}

/// The name that a spec consists of, where it may be that of a provider.
fn name_alone(spec: &Spec) -> Option<String> {
    let alone = !spec.as_str().contains(['@', '/']);
    alone.then(|| spec.to_string())
}

fn registry_specs(key: &'static str, specs: &[Spec]) -> Result<BTreeSet<Spec>, Error> {
    let check = |spec: &Spec| match opencode::registry_spec(spec) {
        Ok(()) => Ok(spec.clone()),
        Err(reason) => Err(Error::Spec { key, spec: spec.clone(), reason }),
    };
    specs.iter().map(check).collect()
}

pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = files::read_bounded(path, MAX_BYTES).map_err(|error| match error {
        files::ReadError::Io(source) => Error::Read { path: path.into(), source },
        _ => Error::NotAFile { path: path.into() },
    })?;
    String::from_utf8(bytes).map_err(|error| Error::Read {
        path: path.into(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
    })
}
