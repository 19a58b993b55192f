//! Output → proof: every byte hashed again, then OpenCode run on it, through the wrapper, with a
//! fresh HOME, once with each kind of network that leads nowhere, while every attempt to leave is
//! counted. Always in the offline profile; an output of the online one is run in that as well, and
//! the hosts that it asks for are listed.
//!
//! Namespaces keep it in, a seccomp supervisor counts, and both are required: where they are not
//! to be had, nothing weaker is done in their place.

mod acp;
mod attempts;
mod bundle;
mod bytes;
mod cache;
mod inside;
mod ledger;
mod models;
mod once;
mod outside;
mod pass;
mod serve;
mod specs;
mod tui;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lock::{Profile, System};
use sandbox::Isolation;
use serde::Serialize;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::JoinSet;

use crate::contents::{self, Contents};
use crate::error::{Kind, chain};
use crate::exercise;
use crate::progress::{Progress, timed};
use crate::{config, stage};

pub use attempts::Attempt;
pub use bundle::{BundleReport, BundleRequest, is_bundle, run_bundle};
pub use cache::{CacheReport, CacheRequest, Output, is_cache, run_cache};
pub use outside::Outside;
use pass::{Pass, Seen, Shared};

/// The longest that OpenCode may take for one step before that counts as a stall. A seeded start
/// answers within five seconds on two busy cores; an unseeded one takes over seventy.
const STALL: Duration = Duration::from_secs(60);

/// What is to be verified.
#[derive(Clone)]
pub struct Request {
    /// The output, or a link to it.
    pub output: PathBuf,
    /// Configurations of the user's, run beside what was captured.
    pub configs: Vec<PathBuf>,
    /// The kinds of network to run with, each once.
    pub networks: Vec<Outside>,
    /// Hosts that may be asked: what a plugin does by itself and can do without. By name, or as `ADDRESS:PORT`.
    pub allowed: Vec<String>,
    /// Whether hashes are all that is looked at, and OpenCode is not run.
    pub hashes_only: bool,
    /// Who is told.
    pub progress: Arc<dyn Progress>,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The output.
    pub path: PathBuf,
    /// What was looked at, in order.
    pub checks: Vec<Check>,
    /// Every attempt to leave.
    pub attempts: Vec<Attempt>,
    /// Attempts that a dummy key causes, and those at hosts that were allowed; they do not count.
    pub apart: Vec<Attempt>,
    /// Why OpenCode was not run, where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_run: Option<String>,
    /// What an output of the online profile asks for in that profile, and may: the host of the
    /// catalogue, and the registry that npm is configured with.
    pub hosts: Vec<Attempt>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// The profile that OpenCode was run in, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<&'static str>,
    /// The kind of network that it was run with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Outside>,
    /// How long it took, in seconds, to a tenth.
    pub seconds: f64,
    /// How often something tried to leave meanwhile.
    pub attempts: u64,
    /// What was seen.
    pub summary: String,
    /// What is wrong with it; nothing where it is right.
    pub problems: Vec<String>,
}

/// What one step saw.
#[derive(Default)]
struct Finding {
    summary: String,
    problems: Vec<String>,
}

impl Finding {
    fn failed(summary: &str, error: &dyn std::error::Error) -> Self {
        Self::wrong(summary, chain(error))
    }

    fn wrong(summary: &str, problem: impl Into<String>) -> Self {
        Self { summary: summary.into(), problems: vec![problem.into()] }
    }
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.attempts.is_empty() && self.checks.iter().all(|check| check.problems.is_empty())
    }
}

/// Why nothing could be said about an output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The output does not describe itself.
    #[error(transparent)]
    Contents(#[from] contents::Error),
    /// A configuration of the user's is wrong.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The output could not be read.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// A binary cache could not be looked through.
    #[error(transparent)]
    Cache(#[from] nixstore::Error),
    /// A bundle is none, or could not be read.
    #[error("verify {}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ::bundle::Error,
    },
    /// OpenCode cannot be run in isolation here.
    #[error("verify: no isolation can be had here: {why}")]
    Isolation {
        /// What is missing.
        why: String,
        /// What the user can do about it.
        hint: Option<String>,
    },
    /// OpenCode could not be run.
    #[error(transparent)]
    Stage(#[from] stage::Error),
    /// A worker ended abnormally.
    #[error("verify: a worker ended abnormally")]
    Worker,
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Contents(error) => error.code(),
            Self::Config(error) => error.code(),
            Self::Tree(error) => error.code(),
            Self::Cache(error) => error.code(),
            Self::Bundle { source, .. } => source.code(),
            Self::Isolation { .. } => "sandbox-unsupported",
            Self::Stage(error) => error.code(),
            Self::Worker => "bug-worker",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Contents(error) => error.hint(),
            Self::Config(error) => error.hint(),
            Self::Tree(error) => error.hint(),
            Self::Cache(error) => error.hint(),
            Self::Bundle { source, .. } => source.hint(),
            Self::Isolation { hint, .. } => hint.clone(),
            Self::Stage(error) => error.hint(),
            Self::Worker => None,
        }
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Contents(_) | Self::Config(_) | Self::Tree(tree::Error::NotInStore { .. }) => Kind::Input,
            Self::Cache(error) if error.is_input() => Kind::Input,
            Self::Bundle { source, .. } if source.is_input() => Kind::Input,
            Self::Worker => Kind::Bug,
            _ => Kind::Outside,
        }
    }
}

/// Verifies an output.
pub async fn run(request: Request) -> Result<Report, Error> {
    let stored = tree::StorePath::resolve(&request.output)?;
    let path = stored.path().to_path_buf();
    let progress = request.progress.clone();
    // What is no longer what its name says may not even describe itself.
    let hashed = timed(&*progress, "hash", async {
        let stored = stored.clone();
        tokio::task::spawn_blocking(move || bytes::check(&stored)).await.map_err(|_| Error::Worker)?
    });
    let bytes = hashed.await?;
    let mut report = Report {
        path,
        checks: vec![bytes],
        attempts: Vec::new(),
        apart: Vec::new(),
        not_run: None,
        hosts: Vec::new(),
    };
    if !report.is_good() || request.hashes_only {
        return Ok(report);
    }
    let contents = Contents::read(stored.path())?;
    if System::host() != Some(contents.system) {
        report.not_run = Some(format!("it is for {}, and this machine is not", contents.system));
        return Ok(report);
    }
    let mut wanted = config::Wanted::default();
    for path in &request.configs {
        let more = config::read(path)?;
        wanted.providers.extend(more.providers);
        wanted.plugins.extend(more.plugins);
        wanted.local_plugins.extend(more.local_plugins.iter().map(|plugin| absolute(path, plugin)));
    }
    match sandbox::probe() {
        Isolation::Namespaces => {}
        Isolation::LoopbackOnly => {
            let why = "attempts cannot be counted inside another sandbox".to_owned();
            let hint = Some("run `opencode-cache verify` outside, on the finished output".to_owned());
            return Err(Error::Isolation { why, hint });
        }
        Isolation::None { why, hint } => return Err(Error::Isolation { why, hint }),
    }
    let shared = Shared {
        output: report.path.clone(),
        contents,
        wanted,
        allowed: request.allowed,
        progress,
        permits: Semaphore::new(crate::parallel()),
        known: OnceCell::new(),
    };
    for seen in passes(request.networks, shared).await? {
        report.checks.extend(seen.checks);
        report.attempts.extend(seen.attempts);
        report.apart.extend(seen.apart);
        report.hosts.extend(seen.hosts);
    }
    Ok(report)
}

/// All passes at once, as many steps of them at a time as there are processors; what was seen, in the order of the passes.
async fn passes(mut networks: Vec<Outside>, shared: Shared) -> Result<Vec<Seen>, Error> {
    networks.sort();
    networks.dedup();
    let last = networks.last().copied();
    let offline = networks.into_iter().map(|outside| Pass {
        outside,
        profile: Profile::Offline,
        // Once is enough: where nobody wants to leave one network is like another. The last one is
        // the one that whoever does want to notices most.
        hour: Some(outside) == last,
    });
    // Which names are asked for does not depend on whether they are answered: without a network
    // that is seen soonest.
    let online = Pass { outside: Outside::None, profile: Profile::Online, hour: true };
    let online = (shared.contents.profile == Profile::Online.as_str()).then_some(online);
    let shared = Arc::new(shared);
    let mut running = JoinSet::new();
    for (number, pass) in offline.chain(online).enumerate() {
        let shared = shared.clone();
        running.spawn(async move { Ok::<_, Error>((number, pass.run(&shared).await?)) });
    }
    let mut seen = Vec::new();
    while let Some(ended) = running.join_next().await {
        seen.push(ended.map_err(|_| Error::Worker)??);
    }
    seen.sort_by_key(|(number, _)| *number);
    Ok(seen.into_iter().map(|(_, seen)| seen).collect())
}

/// In seconds, to a tenth: what a person compares.
fn tenths(took: Duration) -> f64 {
    (took.as_secs_f64() * 10.0).round() / 10.0
}

/// A local plugin as OpenCode finds it from anywhere: relative ones are relative to their file.
fn absolute(config: &std::path::Path, plugin: &str) -> String {
    let path = plugin.strip_prefix("file://").unwrap_or(plugin);
    let directory = config.parent().filter(|directory| !directory.as_os_str().is_empty());
    let joined = directory.unwrap_or(std::path::Path::new(".")).join(path);
    std::fs::canonicalize(&joined).unwrap_or(joined).display().to_string()
}

fn says(output: &[u8]) -> bool {
    String::from_utf8_lossy(output).contains(exercise::ANSWER)
}

fn tail(output: &[u8]) -> String {
    String::from_utf8_lossy(&output[output.len().saturating_sub(2000)..]).trim().to_owned()
}
