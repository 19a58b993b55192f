//! Performing one exercise: what OpenCode is made to do, and when it has done it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lock::{ExerciseKind, PackageName, Spec, System};
use replay::llm::{Script, ScriptedLlm};
use serde_json::{Value, json};

use crate::downloads::Outlet;
use crate::stage::{self, Server, Stage};
use crate::{commands, grammars, opencode, scene, server_install, settle};

/// How long OpenCode may take to install what one exercise wants. A cold record over a slow line
/// was seen to take a minute; a bound keeps a silent registry from holding a build for ever.
const INSTALL_TIME: Duration = Duration::from_secs(600);
/// How long after its answer OpenCode may still be writing an installation's last files.
const GRACE: Duration = Duration::from_secs(3);
/// How often is looked whether the trees are whole.
const LOOK: Duration = Duration::from_millis(30);
/// How long a user's own command may run.
pub(crate) const COMMAND_TIME: Duration = Duration::from_secs(300);
/// How much of a user's command's output is kept, in bytes.
const COMMAND_OUTPUT: usize = 64 * 1024;

/// The provider that exercises talk to the scripted model through. Its API key is no secret.
pub const PROVIDER: &str = "exercise";
/// Its only model.
pub const MODEL: &str = "scripted";
/// What the scripted model answers.
pub const ANSWER: &str = "the scripted answer";

/// Why an exercise did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// OpenCode could not be run.
    #[error(transparent)]
    Stage(#[from] stage::Error),
    /// OpenCode did not install what it was to install.
    #[error("install {what}: {reason}\n{output}")]
    Incomplete {
        /// The directories that are not whole.
        what: String,
        /// What happened.
        reason: String,
        /// The last of what OpenCode printed.
        output: String,
    },
    /// A user's own command failed.
    #[error("run opencode {}: {exit:?}\n{output}", arguments.join(" "))]
    Command {
        /// Its arguments.
        arguments: Vec<String>,
        /// How it ended.
        exit: sandbox::Exit,
        /// The last of what it printed.
        output: String,
    },
    /// A package that is to be started has nothing to start.
    #[error("start {spec}: its package.json names no program (`bin`)")]
    NoProgram {
        /// The package.
        spec: Spec,
    },
    /// A socket inside was not to be had.
    #[error("listen inside the sandbox")]
    Listen {
        /// The cause.
        source: std::io::Error,
    },
    /// What OpenCode would unpack a language server with is not there.
    #[error("install the language server {server}: OpenCode unpacks it with {program}, which is not on PATH")]
    NoUnpacker {
        /// The server's id.
        server: String,
        /// The program.
        program: &'static str,
    },
    /// A released language server is asked for on behalf of another system.
    #[error(
        "install the language server {server} for {system}: OpenCode downloads releases for the system that it runs on only"
    )]
    OtherSystem {
        /// The server's id.
        server: String,
        /// The system.
        system: System,
    },
    /// A link inside could not be made.
    #[error("link {} inside the sandbox", path.display())]
    Link {
        /// What it leads to.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// This kind is not performed by this version.
    #[error("perform {kind}: not supported for this version of OpenCode yet")]
    Unsupported {
        /// The kind.
        kind: &'static str,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stage(error) => error.code(),
            Self::Incomplete { .. } => "exercise-incomplete",
            Self::Command { .. } => "exercise-command",
            Self::NoProgram { .. } => "command-no-program",
            Self::Listen { .. } => "exercise-listen",
            Self::NoUnpacker { .. } => "language-server-unpacker",
            Self::OtherSystem { .. } => "language-server-other-system",
            Self::Link { .. } => "exercise-link",
            Self::Unsupported { .. } => "exercise-unsupported",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Stage(error) => error.hint(),
            Self::OtherSystem { system, .. } => Some(format!("lock and build it on a machine of {system}")),
            Self::NoUnpacker { program, .. } => Some(format!("install {program}")),
            Self::Incomplete { .. } => {
                Some("is the package's name right, and does its newest version install?".into())
            }
            Self::NoProgram { .. } => {
                Some("npx could not run it either: is the package's name right?".into())
            }
            _ => None,
        }
    }
}

/// How an exercise ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its directory is whole.
    Filled,
    /// OpenCode had no need of the directory: the SDK is built into it.
    Untouched,
}

/// The directory (inside) that an exercise fills.
pub fn directory(stage: &Stage, kind: &ExerciseKind) -> Option<PathBuf> {
    if stage.shares(kind) {
        return Some(stage::CACHE_DIR.into());
    }
    match kind {
        ExerciseKind::ConfigDir { .. } => Some(stage::CONFIG_DIR.into()),
        ExerciseKind::Plugin { spec } => Some(stage::package_directory(&opencode::plugin_directory(spec))),
        // OpenCode knows of packages that are plugins, and has a command that installs one without running it.
        ExerciseKind::Executable { spec } => {
            Some(stage::package_directory(&opencode::plugin_directory(spec)))
        }
        ExerciseKind::Provider { spec } => {
            Some(stage::package_directory(&opencode::provider_directory(spec)))
        }
        _ => None,
    }
}

/// What is there (on this side) as soon as an exercise has begun to install.
pub(crate) fn mark(stage: &Stage, kind: &ExerciseKind) -> PathBuf {
    let directory = stage.sandbox().outside(directory(stage, kind).unwrap_or_default());
    match kind {
        ExerciseKind::Plugin { spec } | ExerciseKind::Provider { spec } if stage.shares(kind) => {
            directory.join("node_modules").join(spec.name().map(ToString::to_string).unwrap_or_default())
        }
        _ => directory,
    }
}

/// How many listeners a stage needs for one exercise: a registry, a proxy, a model.
pub const LISTENERS: usize = 3;

/// Makes OpenCode fill its cache as `kind` says, asking the registry at `registry` on behalf of
/// `system`, and everything else through `outlet`. Returns when the tree is whole and OpenCode has
/// ended.
pub async fn perform(
    stage: &mut Stage,
    kind: &ExerciseKind,
    registry: &str,
    outlet: &Outlet,
    system: System,
) -> Result<Outcome, Error> {
    let llm = model(stage, scene::script(kind))?;
    prepare(stage, kind, &llm.url())?;
    let mut env: BTreeMap<String, String> =
        environment(stage, registry, outlet, system).into_iter().collect();
    env.extend(scene::variables(kind));
    if let Some(version) = stage.opencode() {
        if !opencode::performs(version, kind) {
            return Err(Error::Unsupported { kind: kind.as_str() });
        }
        env.extend(opencode::alone_environment(version));
    }
    let env: Vec<(String, String)> = env.into_iter().collect();
    let result = match kind {
        ExerciseKind::Command(wanted) => command(stage, &wanted.run, &env).await.map(|()| Outcome::Filled),
        ExerciseKind::Executable { spec } => executable(stage, spec, kind, &env).await,
        ExerciseKind::LanguageServer { server } => server_install::perform(stage, server, &env, system).await,
        ExerciseKind::Grammars { languages } => grammars::draw(stage, languages, &env).await,
        ExerciseKind::SharedTree { .. } => Err(Error::Unsupported { kind: kind.as_str() }),
        _ => through_server(stage, kind, &env).await,
    };
    llm.shutdown().await;
    result
}

/// A scripted model on the stage.
pub(crate) fn model(stage: &mut Stage, script: Script) -> Result<ScriptedLlm, Error> {
    let listener = stage.take_listener().ok_or_else(|| Error::Listen {
        source: std::io::Error::from(std::io::ErrorKind::AddrNotAvailable),
    })?;
    ScriptedLlm::serve(listener, script).map_err(|source| Error::Listen { source })
}

/// The environment of an OpenCode that populates its cache.
pub(crate) fn environment(
    stage: &Stage,
    registry: &str,
    outlet: &Outlet,
    system: System,
) -> Vec<(String, String)> {
    // Later ones win.
    let mut env: BTreeMap<String, String> = stage.environment().into_iter().collect();
    env.extend(opencode::populate_environment(registry, system));
    env.extend(outlet.environment().iter().cloned());
    env.into_iter().collect()
}

/// Has OpenCode install a package whose program is started by command, and looks whether it has one.
async fn executable(
    stage: &Stage,
    spec: &Spec,
    kind: &ExerciseKind,
    env: &[(String, String)],
) -> Result<Outcome, Error> {
    let place = directory(stage, kind).unwrap_or_default();
    let (arguments, variable) = opencode::installing(stage.opencode(), spec, &stage.sandbox().inside(&place));
    let env: Vec<(String, String)> = env.iter().cloned().chain(variable.clone()).collect();
    if variable.is_some() {
        // Else bun looks for one above.
        stage.sandbox().write(place.join("package.json"), b"{}\n").map_err(stage::Error::from)?;
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // It ends by itself; that most of these are no plugins, it says then.
    let output = stage.run_until(&arguments, &env, || false, INSTALL_TIME).await?;
    let tree = stage.sandbox().outside(&place);
    if !settle::is_whole(&tree) {
        return Err(incomplete(stage, kind, "OpenCode gave up", output));
    }
    match commands::programs(&tree, spec) {
        Ok(Some(_)) => Ok(Outcome::Filled),
        _ => Err(Error::NoProgram { spec: spec.clone() }),
    }
}

/// Writes what OpenCode finds in its config directory and in its project.
pub(crate) fn prepare(stage: &Stage, kind: &ExerciseKind, llm: &str) -> Result<(), Error> {
    let write = |name: &str, content: &str| {
        let path = format!("{}/{name}", stage::CONFIG_DIR);
        stage.sandbox().write(path, content.as_bytes()).map_err(stage::Error::from)
    };
    if let Some(settings) = stage.opencode().and_then(opencode::npm_settings) {
        let path = format!("{}/.npmrc", stage::HOME);
        stage.sandbox().write(path, settings.as_bytes()).map_err(stage::Error::from)?;
    }
    let config = match kind {
        ExerciseKind::ConfigDir { dependencies } => {
            if let Some(manifest) = own_manifest(dependencies) {
                write("package.json", &manifest.to_string())?;
            }
            json!({})
        }
        ExerciseKind::Plugin { spec } => json!({ "plugin": [spec.as_str()] }),
        ExerciseKind::Provider { spec } => {
            let mut config = provider(spec, llm);
            if stage.shares(kind) {
                // Else 1.0.152 and 1.1.65 have a title made by a model of OpenCode's own service.
                config["small_model"] = format!("{PROVIDER}/{MODEL}").into();
            }
            config
        }
        ExerciseKind::Command(_) | ExerciseKind::Grammars { .. } => scripted(llm),
        ExerciseKind::LanguageServer { .. } => json!({ "lsp": true }),
        _ => json!({}),
    };
    write("opencode.json", &config.to_string())?;
    for (path, content) in scene::project(kind) {
        let path = format!("{}/{path}", stage::PROJECT);
        stage.sandbox().write(path, content.as_bytes()).map_err(stage::Error::from)?;
    }
    if !matches!(kind, ExerciseKind::ConfigDir { .. }) {
        for (name, content) in opencode::config_dir_stub(stage.opencode()) {
            match content {
                Some(content) => write(name, &content)?,
                None => stage
                    .sandbox()
                    .make_directory(format!("{}/{name}", stage::CONFIG_DIR))
                    .map_err(stage::Error::from)?,
            }
        }
    }
    Ok(())
}

/// The user's own `package.json`, without what OpenCode adds by itself; `None` where there is none.
fn own_manifest(dependencies: &BTreeMap<PackageName, String>) -> Option<Value> {
    let own: serde_json::Map<String, Value> = dependencies
        .iter()
        .filter(|(name, _)| name.as_str() != opencode::CONFIG_DIR_PACKAGE)
        .map(|(name, range)| (name.to_string(), range.clone().into()))
        .collect();
    (!own.is_empty()).then(|| json!({ "dependencies": own }))
}

/// A provider of the SDK `spec` that talks to the scripted model.
pub fn provider(spec: &Spec, llm: &str) -> Value {
    json!({
        "provider": { PROVIDER: {
            "npm": spec.as_str(),
            "name": PROVIDER,
            "options": { "baseURL": llm, "apiKey": "none" },
            "models": { MODEL: { "name": MODEL, "tool_call": true } },
        } },
    })
}

/// The configuration of a command: the scripted model through an SDK that is built in, unless the project says otherwise.
fn scripted(llm: &str) -> Value {
    let model = format!("{PROVIDER}/{MODEL}");
    let mut config = match opencode::reads::ALWAYS_BUILT_IN.parse() {
        Ok(spec) => provider(&spec, llm),
        Err(_) => json!({}),
    };
    for key in ["model", "small_model"] {
        config[key] = model.as_str().into();
    }
    config
}

/// One message to the scripted model.
pub fn message(text: &str) -> Value {
    json!({
        "model": { "providerID": PROVIDER, "modelID": MODEL },
        "parts": [{ "type": "text", "text": text }],
    })
}

async fn through_server(
    stage: &Stage,
    kind: &ExerciseKind,
    env: &[(String, String)],
) -> Result<Outcome, Error> {
    let server = stage.serve(stage::BINARY, env).await?;
    let result = tokio::select! {
        result = asked(stage, kind, &server) => result,
        result = installed(stage, kind, &server) => result.map(|()| Outcome::Filled),
    };
    server.stop().await?;
    result
}

/// Ends only where asking itself decides: with an error, because nothing was to be installed, or
/// because nothing more will be.
async fn asked(stage: &Stage, kind: &ExerciseKind, server: &Server) -> Result<Outcome, Error> {
    let answer = ask(server, kind).await;
    let Some(directory) = directory(stage, kind) else { return std::future::pending().await };
    let path = stage.sandbox().outside(&directory);
    match kind {
        // Whatever it answered (a model may speak another protocol than the scripted one): the SDK
        // was loaded for it, and what nobody installed by then is built into the binary.
        ExerciseKind::Provider { .. } if !mark(stage, kind).exists() => return Ok(Outcome::Untouched),
        // These install before they answer; a failed installation is logged, and OpenCode goes on.
        ExerciseKind::Provider { .. } | ExerciseKind::Plugin { .. } => tokio::time::sleep(GRACE).await,
        // Installed in the background.
        _ => {
            answer?;
            return std::future::pending().await;
        }
    }
    match answer {
        Err(error @ stage::Error::Server { .. }) => Err(error.into()),
        _ if settle::is_whole(&path) => Ok(Outcome::Filled),
        _ => Err(incomplete(stage, kind, "OpenCode gave up", server.output())),
    }
}

pub(crate) fn incomplete(stage: &Stage, kind: &ExerciseKind, reason: &str, output: String) -> Error {
    let directory = directory(stage, kind).unwrap_or_default();
    let what = directory.strip_prefix(stage::HOME).unwrap_or(&directory).display().to_string();
    Error::Incomplete { what, reason: reason.into(), output }
}

/// Creates a session, which loads plugins, and for a provider sends a message, which loads its SDK.
async fn ask(server: &Server, kind: &ExerciseKind) -> Result<(), stage::Error> {
    let session = server.ask("POST", "/session", Some(&json!({})), INSTALL_TIME).await?;
    if let (ExerciseKind::Provider { .. }, Some(id)) = (kind, session.get("id").and_then(Value::as_str)) {
        server.ask("POST", &format!("/session/{id}/message"), Some(&message("hello")), INSTALL_TIME).await?;
    }
    Ok(())
}

/// Waits until the exercise's directory is whole.
async fn installed(stage: &Stage, kind: &ExerciseKind, server: &Server) -> Result<(), Error> {
    let Some(directory) = directory(stage, kind) else { return Ok(()) };
    let path = stage.sandbox().outside(&directory);
    tokio::select! {
        // An OpenCode that ended when all was there has done its work.
        biased;
        () = whole(&path) => Ok(()),
        error = broken_off(stage, kind, server) => Err(error),
    }
}

async fn whole(path: &Path) {
    while !settle::is_whole(path) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Ends where nothing can come of it any more: a bound of the sandbox was passed, OpenCode has ended, or it takes too long.
pub(crate) async fn broken_off(stage: &Stage, kind: &ExerciseKind, server: &Server) -> Error {
    let incomplete = |reason: &str| incomplete(stage, kind, reason, server.output());
    let start = Instant::now();
    while start.elapsed() < INSTALL_TIME {
        if let Some(limit) = stage.sandbox().limit_passed() {
            return incomplete(&format!("a bound of the sandbox was passed: {limit:?}"));
        }
        match server.is_running() {
            Err(error) => return error.into(),
            Ok(false) => return incomplete("OpenCode ended before"),
            Ok(true) => tokio::time::sleep(LOOK).await,
        }
    }
    incomplete(&format!("not done within {} s", INSTALL_TIME.as_secs()))
}

async fn command(stage: &Stage, run: &[String], env: &[(String, String)]) -> Result<(), Error> {
    let arguments: Vec<&str> = run.iter().map(String::as_str).collect();
    let command = stage.command(stage::BINARY, &arguments, env);
    let sandbox = stage.sandbox().clone();
    let ran = tokio::task::spawn_blocking(move || sandbox.run(&command, COMMAND_TIME, COMMAND_OUTPUT));
    let output = ran.await.map_err(|_| stage::Error::Worker)?.map_err(stage::Error::from)?;
    if output.exit.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(Error::Command {
        arguments: run.to_vec(),
        exit: output.exit,
        output: String::from_utf8_lossy(&text).into_owned(),
    })
}
