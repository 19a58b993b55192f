//! Running OpenCode on an output: `models`, `run`, and `serve` with two directories of which the
//! second was never seeded. Always in the offline profile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use lock::Spec;
use replay::llm::{Script, ScriptedLlm};
use sandbox::{Bind, Sandbox};
use serde_json::{Value, json};

use super::attempts::{self, Attempt};
use super::{Check, Error, STALL};
use crate::config::Wanted;
use crate::contents::Contents;
use crate::names::NameServer;
use crate::progress::{Progress, timed};
use crate::stage::{self, Server, Stage};
use crate::{count, exercise, layout, opencode};

/// A directory that nobody seeded: it has a config directory of its own, and nothing in it.
const UNSEEDED: &str = "/home/user/unseeded";
/// The most of `run`'s output that is kept, in bytes.
const MAX_OUTPUT: usize = 1 << 20;

/// What was seen.
pub struct Seen {
    pub checks: Vec<Check>,
    pub attempts: Vec<Attempt>,
    pub apart: Vec<Attempt>,
}

/// Runs everything. `Err` only where nothing can be run; what OpenCode does wrong is in a check.
pub async fn run(
    output: &Path,
    contents: &Contents,
    wanted: &Wanted,
    progress: &dyn Progress,
) -> Result<Seen, Error> {
    let mut stage = open(output, wanted).await?;
    let names = NameServer::start(&mut stage);
    let listener = stage.take_listener().ok_or(Error::Worker)?;
    let llm = ScriptedLlm::serve(listener, Script::saying(exercise::ANSWER)).map_err(|_| Error::Worker)?;
    let specs = Specs::new(contents, wanted);
    let config = specs.config(&llm.url());
    stage
        .sandbox()
        .write(format!("{}/opencode.json", stage::CONFIG_DIR), config.to_string().as_bytes())
        .map_err(stage::Error::from)?;
    for directory in [stage::PROJECT, UNSEEDED] {
        stage.sandbox().make_directory(format!("{directory}/.opencode")).map_err(stage::Error::from)?;
    }
    let inside =
        Inside { stage: &stage, program: format!("{}/{}", output.display(), layout::WRAPPER), specs };
    let mut seen = Seen { checks: Vec::new(), attempts: Vec::new(), apart: Vec::new() };
    let mut ledger = Ledger { names: names.as_ref(), told: BTreeMap::new() };
    let mut own_hosts = BTreeSet::new();

    let (check, hosts) = timed(progress, "verify models", inside.models(contents)).await?;
    seen.checks.push(check);
    own_hosts.extend(hosts);
    let mut found = ledger.take("models", stage.sandbox());
    seen.checks.push(timed(progress, "verify run", inside.run()).await?);
    found.extend(ledger.take("run", stage.sandbox()));
    seen.checks.push(timed(progress, "verify serve", inside.serve()).await?);
    found.extend(ledger.take("serve", stage.sandbox()));
    llm.shutdown().await;

    let mut all = attempts::counted(stage.sandbox().attempts());
    for (exercise, asked) in found {
        attempts::add_names(&mut all, exercise, asked);
    }
    // With a dummy for every key some providers ask their own service for its models: that is the
    // key's doing, and a user without the key never sees it.
    let is_own = |attempt: &Attempt| attempt.exercise == "models" && own_hosts.contains(&attempt.to);
    (seen.apart, seen.attempts) = all.into_iter().partition(is_own);
    Ok(seen)
}

async fn open(output: &Path, wanted: &Wanted) -> Result<Stage, Error> {
    let mut spec = sandbox::Spec::new(stage::HOME);
    spec.binds.push(Bind::read_only(output, output));
    for plugin in &wanted.local_plugins {
        spec.binds.push(Bind::read_only(plugin, plugin));
    }
    spec.tcp_listeners = 1;
    spec.count = true;
    Ok(Stage::open_spec(spec).await?)
}

/// What the name server was asked, by exercise.
struct Ledger<'a> {
    names: Option<&'a NameServer>,
    told: BTreeMap<String, u64>,
}

impl Ledger<'_> {
    /// The names that are new since the last time, under the exercise that just ended.
    fn take(&mut self, exercise: &'static str, _: &Sandbox) -> Vec<(&'static str, Vec<(String, u64)>)> {
        let mut fresh = Vec::new();
        for (name, count) in self.names.map(NameServer::asked).unwrap_or_default() {
            let told = self.told.insert(name.clone(), count).unwrap_or(0);
            if count > told {
                fresh.push((name, count - told));
            }
        }
        vec![(exercise, fresh)]
    }
}

/// The specs that OpenCode is configured with.
struct Specs {
    providers: Vec<Spec>,
    plugins: Vec<Value>,
}

impl Specs {
    fn new(contents: &Contents, wanted: &Wanted) -> Self {
        let mut providers = contents.specs("provider");
        providers.extend(wanted.providers.iter().cloned());
        // Built into every version of era C.
        if providers.is_empty() {
            providers.extend("@ai-sdk/openai-compatible".parse());
        }
        providers.sort();
        providers.dedup();
        let mut plugins: Vec<Value> =
            contents.specs("plugin").iter().map(|spec| json!(spec.as_str())).collect();
        plugins.extend(wanted.plugins.iter().map(|spec| json!(spec.as_str())));
        plugins.extend(wanted.local_plugins.iter().map(|path| json!(format!("file://{path}"))));
        plugins.dedup();
        Self { providers, plugins }
    }

    /// One provider for each SDK, all of them the scripted model.
    fn config(&self, llm: &str) -> Value {
        let mut providers = serde_json::Map::new();
        for (number, spec) in self.providers.iter().enumerate() {
            let mut one = exercise::provider(spec, llm);
            providers.insert(self.id(number), one["provider"][exercise::PROVIDER].take());
        }
        json!({ "provider": providers, "plugin": self.plugins })
    }

    fn id(&self, number: usize) -> String {
        format!("{}-{number}", exercise::PROVIDER)
    }
}

/// A stage with an output in it.
struct Inside<'a> {
    stage: &'a Stage,
    /// The wrapper, as a path inside.
    program: String,
    specs: Specs,
}

impl Inside<'_> {
    fn environment(&self) -> Vec<(String, String)> {
        let mut env = self.stage.environment();
        env.retain(|(name, _)| !name.starts_with("npm_config_"));
        env.extend(opencode::quiet_environment());
        env.push(("npm_config_offline".into(), "true".into()));
        env
    }

    async fn models(&self, contents: &Contents) -> Result<(Check, BTreeSet<String>), Error> {
        self.stage.sandbox().label("models");
        let env = self.environment();
        let server = match self.stage.serve(&self.program, &env).await {
            Ok(server) => server,
            Err(error) => return Ok((count::Error::from(error).into(), BTreeSet::new())),
        };
        let catalogue = count::catalogue(&server).await;
        server.stop().await?;
        let catalogue = match catalogue {
            Ok(catalogue) => catalogue,
            Err(error) => return Ok((error.into(), BTreeSet::new())),
        };
        let counts = match count::list(self.stage, &self.program, &env, &catalogue).await {
            Ok(counts) => counts,
            Err(error) => return Ok((error.into(), catalogue.hosts)),
        };
        let total: u32 = counts.values().sum();
        let problems = fewer(&contents.models, &counts);
        let summary = format!("{total} models of {} providers", counts.len());
        Ok((Check { name: "models".into(), summary, problems }, catalogue.hosts))
    }

    /// A one-shot run through each SDK.
    async fn run(&self) -> Result<Check, Error> {
        self.stage.sandbox().label("run");
        let mut check = Check { name: "run".into(), summary: String::new(), problems: Vec::new() };
        let mut slowest = Duration::ZERO;
        for (number, spec) in self.specs.providers.iter().enumerate() {
            let model = format!("{}/{}", self.specs.id(number), exercise::MODEL);
            let command =
                self.stage.command(&self.program, &["run", "-m", &model, "hello"], &self.environment());
            let sandbox = self.stage.sandbox().clone();
            let start = Instant::now();
            let ran = tokio::task::spawn_blocking(move || sandbox.run(&command, STALL, MAX_OUTPUT));
            let problem = match ran.await.map_err(|_| Error::Worker)? {
                Ok(output) if says(&output.stdout) => None,
                Ok(output) => Some(format!(
                    "{spec}: no answer ({:?}): {}",
                    output.exit,
                    tail(&[output.stdout, output.stderr].concat())
                )),
                Err(error) => Some(format!("{spec}: {error}")),
            };
            slowest = slowest.max(start.elapsed());
            check.problems.extend(problem);
        }
        let count = self.specs.providers.len();
        check.summary = format!("{count} SDKs answered, the slowest in {:.1} s", slowest.as_secs_f64());
        Ok(check)
    }

    /// A server with a session in each of two directories.
    async fn serve(&self) -> Result<Check, Error> {
        self.stage.sandbox().label("serve");
        let mut check = Check { name: "serve".into(), summary: String::new(), problems: Vec::new() };
        let server = match self.stage.serve(&self.program, &self.environment()).await {
            Ok(server) => server,
            Err(error) => {
                check.summary = "not started".into();
                check.problems.push(error.to_string());
                return Ok(check);
            }
        };
        let mut times = Vec::new();
        for directory in [stage::PROJECT, UNSEEDED] {
            let start = Instant::now();
            if let Err(problem) = self.session(&server, directory).await {
                check.problems.push(format!("session in {directory}: {problem}"));
            }
            times.push(format!("{:.1} s", start.elapsed().as_secs_f64()));
        }
        server.stop().await?;
        check.summary = format!("sessions in two directories answered in {}", times.join(" and "));
        Ok(check)
    }

    async fn session(&self, server: &Server, directory: &str) -> Result<(), String> {
        let query = format!("?directory={directory}");
        let ask = |path: String, body: Value| async move {
            server.ask("POST", &path, Some(&body), STALL).await.map_err(|error| chain(&error))
        };
        let session = ask(format!("/session{query}"), json!({})).await?;
        let id = session.get("id").and_then(Value::as_str).ok_or("it has no id")?;
        let mut message = exercise::message("hello");
        message["model"]["providerID"] = json!(self.specs.id(0));
        let answer = ask(format!("/session/{id}/message{query}"), message).await?;
        if answer.to_string().contains(exercise::ANSWER) {
            Ok(())
        } else {
            Err(format!("no answer: {answer}"))
        }
    }
}

/// Providers that list fewer models than the lock recorded.
fn fewer(recorded: &BTreeMap<String, u32>, found: &BTreeMap<String, u32>) -> Vec<String> {
    let lacking = recorded.iter().filter_map(|(provider, recorded)| {
        let found = found.get(provider).copied().unwrap_or(0);
        (found < *recorded).then(|| format!("{provider}: {found} models instead of {recorded}"))
    });
    lacking.collect()
}

fn says(output: &[u8]) -> bool {
    String::from_utf8_lossy(output).contains(exercise::ANSWER)
}

fn tail(output: &[u8]) -> String {
    String::from_utf8_lossy(&output[output.len().saturating_sub(2000)..]).trim().to_owned()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
