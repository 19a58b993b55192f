//! What becomes of everything that a manifest and configurations ask for: built in, captured, loaded in place, started
//! or asked for at run time. Judges by the lock, and by the binary where that is at hand; asks nobody.

mod judged;

use std::path::{Path, PathBuf};

use lock::{Exercise, ExerciseKind, Lock, Spec};
use serde::Serialize;

use crate::config::asked::{self, Plugin, Sdk, without_secrets};
use crate::config::{self, Asked, Config, Text, What};
use crate::plan::{Beside, Wishes};
use crate::release::Release;
use crate::{binary, opencode, started};
use judged::{
    Judged, captured, defines, formatter, host, local, not_captured, package, passed_over, replaced,
    run_time, sdk_of, started_by,
};
use replay::vendor::Vendor;

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Where: a file with line and column, or an option.
    pub from: String,
    /// The key there.
    pub key: String,
    /// What it is: `provider`, `plugin`, `mcp`, `lsp`, `formatter`, `command`, `address`, `repository`.
    pub what: &'static str,
    /// Its name, as it is written.
    pub name: String,
    /// What becomes of it.
    pub fate: Fate,
    /// The same for a person.
    pub text: String,
    /// What can be done about it, where something has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What becomes of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// OpenCode has it.
    BuiltIn,
    /// The lock has it.
    Captured,
    /// It is a file of this machine, loaded in place.
    Local,
    /// OpenCode passes over it.
    PassedOver,
    /// It is a program that OpenCode starts.
    Command,
    /// OpenCode asks the network for it at run time.
    RunTime,
    /// It can be captured, and was not.
    NotCaptured,
    /// It can not be captured.
    Refused,
}

/// Everything, in the order in which it is written.
struct Fates<'a> {
    lock: Option<&'a Lock>,
    release: Option<Release>,
    lines: Vec<Line>,
}

/// Judges everything that `manifest` and `beside` ask for. The binary is read where the vendor directory has it.
pub fn judge(
    manifest: &Path,
    beside: &Beside,
    lock: Option<&Lock>,
    vendor: &Vendor,
) -> Result<Vec<Line>, crate::plan::Error> {
    let wishes = Wishes::read(manifest, &Beside::default())?;
    let binary = lock.and_then(|lock| binary::at_hand(vendor, lock));
    let release = binary.and_then(|binary| Release::read(&binary).ok());
    let mut fates = Fates { lock, release, lines: Vec::new() };
    let here = |key: &str| (manifest.display().to_string(), key.to_owned());
    for spec in &wishes.manifest.providers {
        fates.named(here("providers"), spec);
    }
    for spec in &beside.providers {
        fates.named(("--provider".into(), "--provider".into()), spec);
    }
    for server in &wishes.manifest.language_servers {
        let judged = fates.language_server(server);
        fates.add(here("language_servers"), "lsp", server, judged);
    }
    for spec in &wishes.manifest.commands.specs {
        let judged = fates.package(spec).unwrap_or_else(not_captured);
        fates.add(here("commands"), "command", spec.as_str(), judged);
    }
    for spec in &wishes.manifest.plugins {
        let text = Text { text: spec.to_string(), is_replaced: false };
        fates.plugin(here("plugins"), Path::new(""), &text);
    }
    let base = manifest.parent().unwrap_or(Path::new(""));
    let directories: Vec<PathBuf> = wishes.manifest.config_dirs.iter().map(|path| base.join(path)).collect();
    let configs = wishes.manifest.config.iter().map(|file| base.join(file));
    let within = directories.iter().flat_map(|directory| config::configs(directory));
    for path in configs.chain(beside.configs.iter().cloned()).chain(within) {
        let config = Config::read(&path, &config::of_this_process)?;
        for asked in config.asked() {
            fates.asked(&config, asked);
        }
    }
    for (file, id) in directories.iter().flat_map(|directory| config::heads(directory)) {
        let judged = fates.id(&id, wishes.by_name.defined.contains(&id));
        fates.add((file.display().to_string(), "model".into()), "provider", &id, judged);
    }
    Ok(fates.lines)
}

type Place = (String, String);

impl Fates<'_> {
    fn add(&mut self, (from, key): Place, what: &'static str, name: &str, judged: Judged) {
        let Judged { fate, text, next } = judged;
        self.lines.push(Line { from, key, what, name: name.to_owned(), fate, text, next });
    }

    fn asked(&mut self, config: &Config, asked: &Asked) {
        let place = (format!("{}:{}:{}", config.path.display(), asked.line, asked.column), asked.key.clone());
        let directory = config.path.parent().unwrap_or(Path::new(""));
        match &asked.what {
            What::Sdk { provider, npm } => {
                let judged = match config.is_disabled(provider) {
                    true => passed_over("the configuration switches the provider off"),
                    false => self.sdk_text(npm),
                };
                self.add(place, "provider", provider, judged);
            }
            What::Provider { id, is_defined } => {
                let judged = if id.is_replaced {
                    replaced("providers")
                } else if config.is_disabled(&id.text) {
                    passed_over("the configuration switches it off")
                } else if let Some(npm) = sdk_of(config, &id.text) {
                    self.sdk_text(npm)
                } else {
                    self.id(&id.text, *is_defined || defines(config, &id.text))
                };
                self.add(place, "provider", &id.text, judged);
            }
            What::Plugin { spec } => self.plugin(place, directory, spec),
            What::McpCommand { name, command } => {
                let judged = self.started(command);
                self.add(place, "mcp", name, judged);
            }
            What::McpRemote { name, url } => {
                self.add(place, "mcp", name, run_time(format!("connected to at {}", host(url))));
            }
            What::LanguageServer { name, command } => {
                let judged =
                    command.as_ref().map_or_else(|| self.language_server(name), |words| self.started(words));
                self.add(place, "lsp", name, judged);
            }
            What::Formatter { name, command } => {
                let judged = command.as_ref().map_or_else(|| formatter(name), |words| self.started(words));
                self.add(place, "formatter", name, judged);
            }
            What::Address { url } => {
                let judged = run_time(format!("read from {} at run time, not captured", host(url)))
                    .next("keep the text in a file of your own");
                self.add(place, "address", &without_secrets(&url.text), judged);
            }
            What::Repository { name, repository } => {
                let at = without_secrets(&repository.text);
                let judged = run_time(format!("{at} is cloned at run time, not captured"))
                    .next("clone it, and name its directory as `path`");
                self.add(place, "repository", name, judged);
            }
        }
    }

    /// A provider of the manifest or the command line: an id of the catalogue, or an SDK.
    fn named(&mut self, place: Place, spec: &Spec) {
        let name = spec.to_string();
        let is_known = self.sdks(&name).is_some_and(|sdks| !sdks.is_empty());
        let judged = if is_known { self.id(&name, false) } else { self.sdk(&name) };
        self.add(place, "provider", &name, judged);
    }

    /// The SDKs that the lock or the binary knows a provider by.
    fn sdks(&self, id: &str) -> Option<Vec<String>> {
        let locked = self.lock.and_then(|lock| lock.providers.get(id).cloned());
        let sdks = locked.or_else(|| {
            let release = self.release.as_ref().filter(|release| !release.sdks.is_empty())?;
            Some(release.sdks_of(id).unwrap_or_default())
        });
        Some(sdks?.into_iter().collect())
    }

    fn id(&self, id: &str, is_defined: bool) -> Judged {
        const OWN: &str = opencode::reads::ALWAYS_BUILT_IN;
        match self.sdks(id) {
            None => Judged::new(Fate::NotCaptured, "not captured: no lock and no binary says which SDK it has")
                .next("run `opencode-cache lock` with the same configurations"),
            Some(sdks) if sdks.is_empty() && is_defined => self.sdk(OWN).with(OWN),
            Some(sdks) if sdks.is_empty() => Judged::new(
                Fate::NotCaptured,
                "not captured: the catalogue of this OpenCode does not know it, so it must come from a plugin",
            )
            .next("look at the spelling; `opencode models` lists what there is"),
            Some(sdks) => {
                let mut judged: Vec<Judged> = sdks.iter().map(|sdk| self.sdk(sdk).with(sdk)).collect();
                // One that is lacking is the one to tell first.
                judged.sort_by_key(|judged| judged.fate != Fate::NotCaptured);
                let bundled = opencode::reads::BUNDLED_WITH.iter().filter(|(other, _)| *other == id);
                let bundled = bundled.map(|(_, package)| format!("{package}: built into this binary"));
                let texts = judged.iter().map(|judged| judged.text.clone()).chain(bundled);
                let text = texts.collect::<Vec<_>>().join("; ");
                let worst = judged.swap_remove(0);
                Judged { text, ..worst }
            }
        }
    }

    fn sdk_text(&self, npm: &Text) -> Judged {
        if npm.is_replaced {
            return replaced("providers");
        }
        self.sdk(&npm.text).with(&without_secrets(&npm.text))
    }

    fn sdk(&self, text: &str) -> Judged {
        match asked::sdk(text) {
            Sdk::Local => Judged::new(Fate::Local, "local file, loaded in place"),
            Sdk::BuiltIn => self.built_in(text).unwrap_or_else(|| {
                Judged::new(Fate::NotCaptured, "built in if anywhere: it is a path in a package")
                    .next("run `opencode-cache fetch`, so that the binary can be looked at")
            }),
            Sdk::Package(spec) => {
                let kind = ExerciseKind::Provider { spec: spec.clone() };
                match self.exercise(&kind) {
                    // OpenCode was asked for it, and installed nothing.
                    Some(exercise) if exercise.packages.is_empty() => {
                        Judged::new(Fate::BuiltIn, "built into this binary")
                    }
                    Some(exercise) => captured(&spec, exercise),
                    None => self.built_in(text).unwrap_or_else(not_captured),
                }
            }
            Sdk::Refused { reason, instead } => {
                Judged::new(Fate::Refused, format!("not captured: {reason}")).next(instead)
            }
        }
    }

    fn built_in(&self, sdk: &str) -> Option<Judged> {
        let release = self.release.as_ref()?;
        release.has(sdk).then(|| Judged::new(Fate::BuiltIn, "built into this binary"))
    }

    fn exercise(&self, kind: &ExerciseKind) -> Option<&Exercise> {
        self.lock?.exercises.get(&kind.name(None).ok()?)
    }

    fn plugin(&mut self, place: Place, directory: &Path, spec: &Text) {
        let judged = if spec.is_replaced {
            replaced("plugins")
        } else {
            match asked::plugin(&spec.text) {
                Plugin::PassedOver => passed_over("OpenCode has it built in"),
                Plugin::Local => local(directory, &spec.text),
                Plugin::Package(spec) => match self.exercise(&ExerciseKind::Plugin { spec: spec.clone() }) {
                    Some(exercise) => captured(&spec, exercise),
                    None => not_captured(),
                },
                Plugin::Refused { reason, instead } => {
                    Judged::new(Fate::Refused, format!("not captured: {reason}")).next(instead)
                }
            }
        };
        self.add(place, "plugin", &without_secrets(&spec.text), judged);
    }

    /// A package whose program is started by command, where the lock has one that serves.
    fn package(&self, asked: &Spec) -> Option<Judged> {
        self.lock?.exercises.values().find_map(|exercise| {
            let ExerciseKind::Executable { spec } = &exercise.kind else { return None };
            let id = package(spec, exercise);
            let serves = started::serves(spec, id.map(|id| &id.version), asked);
            serves.then(|| captured(spec, exercise))
        })
    }

    /// A program that OpenCode starts by its command line, which may hold secrets: its name is told, and no more.
    fn started(&self, command: &[Text]) -> Judged {
        let run = started::run(command);
        if let Some(judged) = run.as_ref().and_then(|run| self.package(&run.spec)) {
            return judged;
        }
        started_by(command, run.map(|run| started::plain(&run.spec)).as_ref())
    }

    fn language_server(&self, name: &str) -> Judged {
        let server = ExerciseKind::LanguageServer { server: name.to_owned() };
        match self.exercise(&server) {
            Some(exercise) => {
                let count = exercise.packages.len();
                Judged::new(Fate::Captured, format!("captured with {count} packages"))
            }
            None => Judged::new(
                Fate::NotCaptured,
                "not captured: started from PATH, else OpenCode would download it, which the offline profile does not",
            )
            .next(format!("add {name:?} to `language_servers` in the manifest, or put the server on PATH")),
        }
    }
}
