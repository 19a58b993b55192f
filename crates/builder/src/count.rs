//! Counting models: what `opencode models` lists per provider when every provider of the
//! catalogue has a key. Without keys OpenCode lists only its own few.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lock::Version;
use serde_json::Value;

use crate::stage::{self, Stage};
use crate::{catalogue, files, opencode};

/// How long listing may take. It takes about two seconds.
const TIME: Duration = Duration::from_secs(120);
/// The longest list, in bytes: 1.18 lists 6,000 models in some 250 kB.
const MAX_LIST: u64 = 16 << 20;
/// How much of what is said beside it is kept, in bytes.
const MAX_MESSAGES: usize = 64 * 1024;
/// Where the list is written, inside. A file and not a pipe: OpenCode ends without waiting until
/// a pipe is drained, and what did not fit into it (64 kB, a third of the list) is lost as soon as
/// the reader is a little late (seen with 1.18.18 on a busy machine).
const LIST: &str = "/tmp/models";
/// Where a pinned catalogue lies, inside.
const PINNED: &str = "/tmp/catalogue.json";
/// What stands in for every key. Nobody is ever shown it: there is no network.
const DUMMY: &str = "dummy";

/// Why the models could not be counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// OpenCode could not be run.
    #[error(transparent)]
    Stage(#[from] stage::Error),
    /// `opencode models` failed.
    #[error("run opencode models: {exit:?}\n{output}")]
    Failed {
        /// How it ended.
        exit: sandbox::Exit,
        /// What it printed last.
        output: String,
    },
    /// The pinned catalogue could not be read.
    #[error("read the catalogue {}: {reason}", path.display())]
    Catalogue {
        /// Its file.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// The server's list of providers is not what it was in every version that was looked at.
    #[error("read GET /provider: it names no providers")]
    Providers,
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stage(error) => error.code(),
            Self::Failed { .. } => "opencode-models",
            Self::Catalogue { .. } => "catalogue-unreadable",
            Self::Providers => "opencode-providers",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Stage(error) => error.hint(),
            _ => None,
        }
    }
}

/// What OpenCode's catalogue says of its providers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The variables that hold keys.
    pub keys: BTreeSet<String>,
    /// The hosts of the providers' own APIs. Some providers ask theirs as soon as there is a key
    /// (1.18.18: one of 184), which is the key's doing and not the cache's.
    pub hosts: BTreeSet<String>,
}

/// Reads the catalogue of a running server: `GET /provider` (1.0.152 and later).
pub async fn catalogue(server: &stage::Server, version: &Version) -> Result<Catalogue, Error> {
    if !opencode::lists_providers(version) {
        // What it does not know it asks a host of its own for. Only what needs no key is counted then.
        return Ok(Catalogue::default());
    }
    let answer = server.ask("GET", "/provider", None, TIME).await?;
    let providers = answer.get("all").and_then(Value::as_array).ok_or(Error::Providers)?;
    let mut catalogue = Catalogue::default();
    for provider in providers {
        let keys = provider.get("env").and_then(Value::as_array).into_iter().flatten();
        catalogue
            .keys
            .extend(keys.filter_map(Value::as_str).filter(|key| is_variable(key)).map(str::to_owned));
        let models = provider.get("models").and_then(Value::as_object).into_iter().flatten();
        catalogue.hosts.extend(models.filter_map(|(_, model)| host(model.pointer("/api/url")?.as_str()?)));
    }
    catalogue.keys.retain(|key| !opencode::key_installs(version, key));
    if providers.is_empty() { Err(Error::Providers) } else { Ok(catalogue) }
}

/// Counts on a stage of its own, with the binary at `binary`, in the catalogue at `pinned` or else in the binary's own.
pub async fn models(
    binary: &Path,
    version: &Version,
    pinned: Option<&Path>,
) -> Result<BTreeMap<String, u32>, Error> {
    let stage = Stage::open(binary, version, 0).await?;
    let mut env = stage.environment();
    env.extend(opencode::quiet_environment());
    // Nothing is installed for counting, so that nobody's registry is looked for.
    env.push(("npm_config_offline".into(), "true".into()));
    env.extend(opencode::alone_environment(version));
    if let Some(pinned) = pinned {
        let unreadable =
            |error: files::ReadError| Error::Catalogue { path: pinned.into(), reason: error.to_string() };
        let bytes = files::read_bounded(pinned, catalogue::MAX_BYTES).map_err(unreadable)?;
        // Its own place, for versions that know no other.
        let place =
            if opencode::reads_catalogue_variable(version) { PINNED } else { opencode::CATALOGUE_FILE };
        stage.sandbox().write(place, &bytes).map_err(stage::Error::from)?;
        let inside = stage.sandbox().inside(PINNED).display().to_string();
        env.push((opencode::CATALOGUE_VARIABLE.into(), inside));
    }
    let server = stage.serve(stage::BINARY, &env).await?;
    let catalogue = catalogue(&server, version).await;
    server.stop().await?;
    list(&stage, stage::BINARY, &env, &catalogue?).await
}

/// Runs `models` of the program at `program` (a path inside), with a dummy for every key.
pub async fn list(
    stage: &Stage,
    program: &str,
    env: &[(String, String)],
    catalogue: &Catalogue,
) -> Result<BTreeMap<String, u32>, Error> {
    let mut env = env.to_vec();
    env.extend(catalogue.keys.iter().map(|key| (key.clone(), DUMMY.to_owned())));
    let command = stage.command(program, &["models"], &env).stdout(stage.sandbox().inside(LIST));
    let sandbox = stage.sandbox().clone();
    let ran = tokio::task::spawn_blocking(move || {
        let output = sandbox.run(&command, TIME, MAX_MESSAGES)?;
        Ok((output, sandbox.read(LIST, MAX_LIST)?))
    });
    let (output, list) = ran.await.map_err(|_| stage::Error::Worker)?.map_err(stage::Error::Sandbox)?;
    if !output.exit.success() {
        let text = [output.stdout, output.stderr].concat();
        let tail = text.len().saturating_sub(4096);
        let output_text = String::from_utf8_lossy(&text[tail..]).into_owned();
        return Err(Error::Failed { exit: output.exit, output: output_text });
    }
    Ok(count(&String::from_utf8_lossy(&list)))
}

/// One `provider/model` a line; a model's own name may hold slashes.
fn count(list: &str) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for line in list.lines() {
        if let Some((provider, _)) = line.trim().split_once('/') {
            *counts.entry(provider.to_owned()).or_insert(0) += 1;
        }
    }
    counts
}

/// What may be a variable's name; a catalogue is foreign bytes, and this becomes an environment.
fn is_variable(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.len() < 128 && name.bytes().all(word) && !matches!(name, "HOME" | "PATH")
}

fn host(address: &str) -> Option<String> {
    Some(url::Url::parse(address).ok()?.host_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_counted_by_provider() {
        let counts = count("a/one\na/two/with/slash\n\nb/three\nnot a model\n");
        assert_eq!(counts, BTreeMap::from([("a".into(), 2), ("b".into(), 1)]));
    }
}
