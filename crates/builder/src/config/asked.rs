//! What a configuration asks for, entry by entry: which keys imply a download or a program, and where each stands.

use lock::{PackageName, Spec, SpecKind};

use super::{Config, Error, Node, Source, Text, Tree, Wanted, is_local};
use crate::{opencode, started};

/// Something that a configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The key, as a dotted path.
    pub key: String,
    /// What is asked for there.
    pub what: What,
}

/// What a key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A provider's SDK, by its npm spec or address.
    Sdk {
        /// The provider.
        provider: String,
        /// The SDK.
        npm: Text,
    },
    /// A provider by its name alone.
    Provider {
        /// Its name.
        id: Text,
        /// Whether it is defined here, with models of its own.
        is_defined: bool,
    },
    /// A plugin.
    Plugin {
        /// Its npm spec, or its place on this machine.
        spec: Text,
    },
    /// A server of the model context protocol that OpenCode starts.
    McpCommand {
        /// Its name.
        name: String,
        /// Its command line.
        command: Vec<Text>,
    },
    /// One that it connects to.
    McpRemote {
        /// Its name.
        name: String,
        /// Its address.
        url: Text,
    },
    /// A language server: its command line, or OpenCode's own way to get it.
    LanguageServer {
        /// Its name.
        name: String,
        /// Its command line.
        command: Option<Vec<Text>>,
    },
    /// A formatter, likewise.
    Formatter {
        /// Its name.
        name: String,
        /// Its command line.
        command: Option<Vec<Text>>,
    },
    /// A text at an address that OpenCode reads at run time.
    Address {
        /// The address.
        url: Text,
    },
    /// A repository that OpenCode clones at run time.
    Repository {
        /// Its name.
        name: String,
        /// Where it is.
        repository: Text,
    },
}

const PLUGINS: &str = "a list of npm specs, or of [spec, options] pairs";

/// Reads everything that is asked for.
pub(super) fn read(source: &Source<'_>, root: &Node) -> Result<Vec<Asked>, Error> {
    let mut reader = Reader { source, asked: Vec::new() };
    if !matches!(root.value, Tree::Members(_)) {
        return Err(reader.shape(root, "the configuration", "an object"));
    }
    reader.providers(root)?;
    reader.models(root);
    reader.plugins(root)?;
    reader.servers(root);
    reader.texts(root);
    reader.asked.sort_by_key(|asked| (asked.line, asked.column));
    Ok(reader.asked)
}

struct Reader<'a> {
    source: &'a Source<'a>,
    asked: Vec<Asked>,
}

impl Reader<'_> {
    fn add(&mut self, node: &Node, key: impl Into<String>, what: What) {
        let (line, column) = self.source.position(node.at);
        self.asked.push(Asked { line, column, key: key.into(), what });
    }

    fn shape(&self, node: &Node, key: &str, expected: &'static str) -> Error {
        let (line, column) = self.source.position(node.at);
        Error::Shape { path: self.source.path.into(), line, column, key: key.into(), expected }
    }

    fn providers(&mut self, root: &Node) -> Result<(), Error> {
        let Some(providers) = root.get("provider") else { return Ok(()) };
        if !matches!(providers.value, Tree::Members(_)) {
            return Err(self.shape(providers, "provider", "an object of providers"));
        }
        for (id, provider) in providers.members() {
            let key = format!("provider.{}", id.text);
            if !matches!(provider.value, Tree::Members(_)) {
                return Err(self.shape(provider, &key, "an object"));
            }
            let models = provider.get("models");
            match provider.get("npm") {
                Some(npm) => self.sdk(&id.text, npm, &format!("{key}.npm"))?,
                None => {
                    let is_defined = models.is_some_and(|models| models.members().next().is_some());
                    self.add(provider, &key, What::Provider { id: id.clone(), is_defined });
                }
            }
            for (model, value) in models.into_iter().flat_map(Node::members) {
                if let Some(npm) = value.get("provider").and_then(|provider| provider.get("npm")) {
                    self.sdk(&id.text, npm, &format!("{key}.models.{}.provider.npm", model.text))?;
                }
            }
        }
        Ok(())
    }

    fn sdk(&mut self, provider: &str, npm: &Node, key: &str) -> Result<(), Error> {
        let Some(text) = npm.text() else { return Err(self.shape(npm, key, "a string")) };
        let what = What::Sdk { provider: provider.into(), npm: text.clone() };
        self.add(npm, key, what);
        Ok(())
    }

    /// Models are named `PROVIDER/MODEL`; the keys in the plural are of OpenCode's second generation, which 1.18.33
    /// reads too.
    fn models(&mut self, root: &Node) {
        for key in ["model", "small_model"] {
            self.model(root.get(key), key.to_owned());
        }
        for key in ["agent", "agents", "mode", "command", "commands"] {
            for (name, value) in root.get(key).into_iter().flat_map(Node::members) {
                self.model(value.get("model"), format!("{key}.{}.model", name.text));
            }
        }
        let enabled = root.get("enabled_providers").and_then(Node::items).unwrap_or_default();
        for item in enabled {
            if let Some(id) = item.text() {
                self.add(item, "enabled_providers", What::Provider { id: id.clone(), is_defined: false });
            }
        }
    }

    fn model(&mut self, node: Option<&Node>, key: String) {
        let Some((node, text)) = node.and_then(|node| Some((node, node.text()?))) else { return };
        // What a variable puts in may be all of it, or the model only.
        let (id, _) = text.text.split_once('/').unwrap_or((&text.text, ""));
        let is_replaced = text.is_replaced && (id.contains('{') || !text.text.contains('/'));
        if !id.is_empty() && (text.text.contains('/') || is_replaced) {
            let id = if is_replaced { text.text.clone() } else { id.to_owned() };
            self.add(node, key, What::Provider { id: Text { text: id, is_replaced }, is_defined: false });
        }
    }

    /// An entry is a spec, or since 1.14 a pair of a spec and the plugin's options.
    fn plugins(&mut self, root: &Node) -> Result<(), Error> {
        let Some(plugins) = root.get("plugin") else { return Ok(()) };
        let Some(items) = plugins.items() else { return Err(self.shape(plugins, "plugin", PLUGINS)) };
        for item in items {
            let spec = item.text().or_else(|| match item.items() {
                Some([spec, _]) => spec.text(),
                _ => None,
            });
            let Some(spec) = spec.cloned() else { return Err(self.shape(item, "plugin", PLUGINS)) };
            self.add(item, "plugin", What::Plugin { spec });
        }
        Ok(())
    }

    fn servers(&mut self, root: &Node) {
        for (name, server) in root.get("mcp").into_iter().flat_map(Node::members) {
            let key = format!("mcp.{}", name.text);
            let name = name.text.clone();
            if server.get("enabled").is_some_and(|enabled| enabled.is(false)) {
                continue;
            }
            if let Some(command) = command(server) {
                self.add(server, key, What::McpCommand { name, command });
            } else if let Some(url) = server.get("url").and_then(Node::text).cloned() {
                self.add(server, key, What::McpRemote { name, url });
            }
        }
        for section in ["lsp", "formatter"] {
            for (name, server) in root.get(section).into_iter().flat_map(Node::members) {
                if server.get("disabled").is_some_and(|disabled| disabled.is(true)) {
                    continue;
                }
                let (key, name, command) =
                    (format!("{section}.{}", name.text), name.text.clone(), command(server));
                let what = match section {
                    "lsp" => What::LanguageServer { name, command },
                    _ => What::Formatter { name, command },
                };
                self.add(server, key, what);
            }
        }
    }

    fn texts(&mut self, root: &Node) {
        let instructions = root.get("instructions").and_then(Node::items).unwrap_or_default();
        let skills = root.get("skills").and_then(|skills| skills.get("urls").or(Some(skills)));
        let skills = skills.and_then(Node::items).unwrap_or_default();
        for (key, items) in [("instructions", instructions), ("skills.urls", skills)] {
            for item in items {
                if let Some(url) = item.text().filter(|text| is_address(&text.text)) {
                    self.add(item, key, What::Address { url: url.clone() });
                }
            }
        }
        for key in ["references", "reference"] {
            for (name, value) in root.get(key).into_iter().flat_map(Node::members) {
                let short = value.text().filter(|text| !is_local(&text.text) && !text.text.starts_with('~'));
                let Some(repository) = short.or_else(|| value.get("repository")?.text()).cloned() else {
                    continue;
                };
                let what = What::Repository { name: name.text.clone(), repository };
                self.add(value, format!("{key}.{}", name.text), what);
            }
        }
    }
}

fn is_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

fn command(server: &Node) -> Option<Vec<Text>> {
    let words: Option<Vec<Text>> =
        server.get("command")?.items()?.iter().map(|word| word.text().cloned()).collect();
    words.filter(|words| !words.is_empty())
}

impl Asked {
    /// Adds what can be captured of it.
    pub(super) fn add_to(&self, wanted: &mut Wanted, config: &Config) -> Result<(), Error> {
        match &self.what {
            What::Sdk { provider, npm } => {
                wanted.defined.insert(provider.clone());
                if npm.is_replaced || config.is_disabled(provider) {
                    return Ok(());
                }
                match sdk(&npm.text) {
                    Sdk::Package(spec) => _ = wanted.providers.insert(spec),
                    Sdk::BuiltIn => _ = wanted.built_in.insert(npm.text.clone()),
                    Sdk::Local => {}
                    Sdk::Refused { reason, instead } => {
                        return Err(self.refused(config, &npm.text, reason, instead));
                    }
                }
            }
            What::Provider { id, is_defined } => {
                if *is_defined {
                    wanted.defined.insert(id.text.clone());
                }
                if !id.is_replaced && !config.is_disabled(&id.text) {
                    wanted.ids.insert(id.text.clone());
                }
            }
            What::Plugin { spec } if spec.is_replaced => {}
            What::Plugin { spec } => match plugin(&spec.text) {
                Plugin::Package(spec) => _ = wanted.plugins.insert(spec),
                Plugin::Local => wanted.local_plugins.push(spec.text.clone()),
                Plugin::PassedOver => {}
                Plugin::Refused { reason, instead } => {
                    return Err(self.refused(config, &spec.text, reason, instead));
                }
            },
            What::McpCommand { command, .. }
            | What::LanguageServer { command: Some(command), .. }
            | What::Formatter { command: Some(command), .. } => {
                wanted.commands.extend(started::run(command).map(|run| started::plain(&run.spec)));
            }
            _ => {}
        }
        Ok(())
    }

    fn refused(&self, config: &Config, spec: &str, reason: String, instead: &'static str) -> Error {
        Error::Spec {
            path: config.path.clone(),
            line: self.line,
            column: self.column,
            key: self.key.clone(),
            spec: without_secrets(spec),
            reason,
            instead,
        }
    }
}

/// What a provider's `npm` is.
pub(crate) enum Sdk {
    /// A package of a registry.
    Package(Spec),
    /// A path within a package: only what the binary has built in can be named so.
    BuiltIn,
    /// A file of this machine.
    Local,
    /// Nothing that can be captured.
    Refused { reason: String, instead: &'static str },
}

/// Tells the kinds of SDKs apart.
pub(crate) fn sdk(text: &str) -> Sdk {
    if text.starts_with("file://") {
        return Sdk::Local;
    }
    if is_path_in_package(text) {
        return Sdk::BuiltIn;
    }
    match package(text) {
        Ok(spec) => Sdk::Package(spec),
        Err((reason, _)) if is_local(text) => Sdk::Refused {
            reason,
            instead: "write it file:///… with the SDK's own file: OpenCode loads that in place",
        },
        Err((reason, instead)) => Sdk::Refused { reason, instead },
    }
}

/// What an entry of `plugin` is.
pub(crate) enum Plugin {
    /// A package of a registry.
    Package(Spec),
    /// A file or directory of this machine.
    Local,
    /// One that OpenCode has built in, and passes over.
    PassedOver,
    /// Nothing that can be captured.
    Refused { reason: String, instead: &'static str },
}

/// Tells the kinds of plugins apart.
pub(crate) fn plugin(text: &str) -> Plugin {
    if opencode::reads::BUILT_IN_PLUGINS.iter().any(|name| text.contains(name)) {
        return Plugin::PassedOver;
    }
    if is_local(text) {
        return Plugin::Local;
    }
    match package(text) {
        Ok(spec) => Plugin::Package(spec),
        Err((reason, instead)) => Plugin::Refused { reason, instead },
    }
}

fn package(text: &str) -> Result<Spec, (String, &'static str)> {
    const REGISTRY: &str = "use NAME, NAME@VERSION or NAME@TAG; a local plugin is written file:///… or ./…";
    let spec: Spec = text.parse().map_err(|error: lock::spec::Error| (error.to_string(), REGISTRY))?;
    let instead = match spec.kind() {
        SpecKind::Registry { .. } => return Ok(spec),
        SpecKind::Alias => "name the package itself: OpenCode uses no other name for it",
        SpecKind::Git => {
            "clone the repository and name its directory as file:///…, or name the package that it publishes"
        }
        SpecKind::Url => {
            "unpack the archive and name its directory as file:///…, or name the package that it publishes"
        }
        _ => REGISTRY,
    };
    Err((format!("{}: only packages of an npm registry are captured", of_kind(spec.kind())), instead))
}

fn of_kind(kind: &SpecKind) -> &'static str {
    match kind {
        SpecKind::Registry { .. } => "it is a package of a registry",
        SpecKind::Alias => "it is an alias",
        SpecKind::Git => "it is a git repository",
        SpecKind::Url => "it is the address of an archive",
        SpecKind::File => "it is a path in a form that OpenCode hands to npm",
        _ => "it is of an unknown kind",
    }
}

/// `@scope/name/path`.
fn is_path_in_package(text: &str) -> bool {
    let mut parts = text.splitn(3, '/');
    let (Some(scope), Some(name), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    scope.starts_with('@')
        && format!("{scope}/{name}").parse::<PackageName>().is_ok()
        && !path.is_empty()
        && path.split('/').all(|part| !part.is_empty() && !part.contains(['@', ':']))
}

/// An address without the user, the password and the query that it may hold.
pub(crate) fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let end = rest.find('/').unwrap_or(rest.len());
    let user = rest.get(..end).and_then(|host| host.rfind('@'));
    format!("{scheme}://{}", user.and_then(|at| rest.get(at + 1..)).unwrap_or(rest))
}
