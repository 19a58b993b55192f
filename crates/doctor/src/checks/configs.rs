//! The configurations that OpenCode will read: which files, and what is in them as JSON. Owns where they are
//! looked for; what they ask for is judged elsewhere.

use std::path::{Path, PathBuf};

use builder::config;
use builder::opencode::reads;
use serde_json::Value;

use crate::start::Start;
use crate::surroundings::Surroundings;

/// One configuration.
#[derive(Debug)]
pub struct Config {
    /// The file, or the variable that holds it.
    pub path: PathBuf,
    /// The directory that relative paths in it start from.
    pub base: PathBuf,
    /// What is in it.
    pub value: Result<Value, config::Error>,
}

impl Config {
    /// A list of names.
    pub fn names(&self, key: &str) -> Option<Vec<&str>> {
        Some(self.get(key)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    /// `provider.*.npm`, with the provider's name. Files on this machine are none of them.
    pub fn providers(&self) -> Vec<(String, String)> {
        let providers = self.get("provider").and_then(Value::as_object).into_iter().flatten();
        let npm = providers
            .filter_map(|(id, provider)| Some((id.clone(), provider.get("npm")?.as_str()?.to_owned())));
        npm.filter(|(_, spec)| !config::is_local(spec)).collect()
    }

    /// The providers that are named without an SDK: theirs is in the catalogue.
    pub fn catalogue_providers(&self) -> Vec<String> {
        let providers = self.get("provider").and_then(Value::as_object).into_iter().flatten();
        let mut names: Vec<String> = providers
            .filter(|(_, provider)| provider.get("npm").is_none())
            .map(|(id, _)| id.clone())
            .collect();
        let models = ["model", "small_model"].iter().filter_map(|key| self.get(key)?.as_str());
        names.extend(models.filter_map(|model| Some(model.split_once('/')?.0.to_owned())));
        names
    }

    /// `plugin`, as written: a spec, or the first of a pair of a spec and options.
    pub fn plugins(&self) -> Vec<String> {
        let plugins = self.get("plugin").and_then(Value::as_array).into_iter().flatten();
        let spec = |entry: &Value| entry.as_str().or_else(|| entry.get(0)?.as_str()).map(str::to_owned);
        plugins.filter_map(spec).collect()
    }

    /// A key of the configuration.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.value.as_ref().ok()?.get(key)
    }

    fn file(path: PathBuf, variables: config::Variables<'_>) -> Self {
        // What OpenCode refuses is refused; what only cannot be captured is judged package by package.
        let value = config::Config::read(&path, variables).map(|config| config.value());
        let base = path.parent().unwrap_or(Path::new("/")).to_path_buf();
        Self { path, base, value }
    }
}

/// All of them, each file once, and `more` that the user names.
pub fn gather(start: &Start, surroundings: &Surroundings, more: &[PathBuf]) -> Vec<Config> {
    let mut paths: Vec<PathBuf> = Vec::new();
    if let Some(directory) = &start.config {
        paths.extend(reads::GLOBAL_CONFIGS.iter().map(|name| directory.join(name)));
    }
    let (variable, usual) = reads::MANAGED_CONFIGS;
    let managed = surroundings.filled(variable).map_or(PathBuf::from(usual), PathBuf::from);
    paths.extend(reads::PROJECT_CONFIGS.iter().map(|name| managed.join(name)));
    if !surroundings.is_on("OPENCODE_DISABLE_PROJECT_CONFIG") {
        for directory in project(surroundings.directory()) {
            paths.extend(reads::PROJECT_CONFIGS.iter().map(|name| directory.join(name)));
        }
    }
    for directory in directories(start, surroundings).into_iter().skip(1) {
        paths.extend(reads::PROJECT_CONFIGS.iter().map(|name| directory.join(name)));
    }
    // What is not there is not read; what was named must be.
    paths.retain(|path| path.symlink_metadata().is_ok());
    let named = surroundings.filled("OPENCODE_CONFIG").map(PathBuf::from);
    let named = named.iter().chain(more).map(|path| surroundings.directory().join(path));
    paths.extend(named);

    let variables = |name: &str| Some(surroundings.get(name)?.to_string_lossy().into_owned());
    let mut configs: Vec<Config> = Vec::new();
    for path in paths {
        if !configs.iter().any(|config| config.path == path) {
            configs.push(Config::file(path, &variables));
        }
    }
    let content = surroundings.filled("OPENCODE_CONFIG_CONTENT");
    configs.extend(content.map(|text| {
        let path = PathBuf::from("OPENCODE_CONFIG_CONTENT");
        let base = surroundings.directory().to_path_buf();
        let value = config::Config::parse(&path, &base, &text.to_string_lossy(), &variables);
        Config { path, base, value: value.map(|config| config.value()) }
    }));
    configs
}

/// OpenCode's configuration directories: the global one first, then those of the project, of HOME, and a named one.
pub fn directories(start: &Start, surroundings: &Surroundings) -> Vec<PathBuf> {
    let mut directories = vec![start.config.clone().unwrap_or_default()];
    let mut add = |directory: PathBuf| {
        if directory.is_dir() && !directories.contains(&directory) {
            directories.push(directory);
        }
    };
    if !surroundings.is_on("OPENCODE_DISABLE_PROJECT_CONFIG") {
        project(surroundings.directory())
            .into_iter()
            .for_each(|above| add(above.join(reads::CONFIG_DIRECTORY)));
    }
    if let Some(home) = surroundings.home() {
        add(home.join(reads::CONFIG_DIRECTORY));
    }
    if let Some(named) = surroundings.filled("OPENCODE_CONFIG_DIR") {
        add(surroundings.directory().join(named));
    }
    directories
}

/// The working directory and those above it, up to git's work tree; without git, all of them.
fn project(directory: &Path) -> Vec<PathBuf> {
    let all: Vec<PathBuf> = directory.ancestors().map(Path::to_path_buf).collect();
    let tree = all.iter().position(|directory| directory.join(".git").exists());
    let count = tree.map_or(all.len(), |at| at + 1);
    all.into_iter().take(count).collect()
}
