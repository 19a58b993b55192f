//! The one tree that OpenCode before 1.14 keeps for all plugins and SDKs: filled by one server that loads them one after the other, as a
//! user's would; and made canonical. Owns what `package.json` and `bun.lock` of it have to say afterwards.

use std::path::Path;
use std::time::Duration;

use lock::{ExerciseKind, System, Version};
use replay::llm::Script;
use serde_json::{Value, json};

use crate::downloads::Outlet;
use crate::exercise::{self, ANSWER, Error, MODEL, PROVIDER};
use crate::settle::{self, Installed};
use crate::stage::{self, Server, Stage};
use crate::{bun_lock, files, opencode};

/// How long loading all plugins, or one SDK, may take: as long as any exercise.
const INSTALL_TIME: Duration = Duration::from_secs(600);

/// Has OpenCode fill the tree with all of `kinds`, with the variables `lent` beside the usual ones. Returns when it is whole and OpenCode
/// has ended.
pub async fn perform(
    stage: &mut Stage,
    kinds: &[ExerciseKind],
    registry: &str,
    outlet: &Outlet,
    system: System,
    lent: &[(String, String)],
) -> Result<(), Error> {
    let llm = exercise::model(stage, Script::saying(ANSWER))?;
    let Some(first) = kinds.first() else { return Ok(()) };
    exercise::prepare(stage, first, &llm.url())?;
    let config = config(kinds, &llm.url()).to_string();
    let path = format!("{}/opencode.json", stage::CONFIG_DIR);
    stage.sandbox().write(path, config.as_bytes()).map_err(stage::Error::from)?;
    let mut env = exercise::environment(stage, registry, outlet, system);
    env.extend_from_slice(lent);
    let server = stage.serve(stage::BINARY, &env).await?;
    let result = tokio::select! {
        result = ask(stage, kinds, &server) => result,
        error = exercise::broken_off(stage, first, &server) => Err(error),
    };
    server.stop().await?;
    llm.shutdown().await;
    result
}

/// All plugins, and a provider for each SDK.
fn config(kinds: &[ExerciseKind], llm: &str) -> Value {
    let (mut plugins, mut providers) = (Vec::new(), serde_json::Map::new());
    for (number, kind) in kinds.iter().enumerate() {
        match kind {
            ExerciseKind::Plugin { spec } => plugins.push(spec.as_str()),
            ExerciseKind::Provider { spec } => {
                let mut one = exercise::provider(spec, llm);
                providers.insert(id(number), one["provider"][PROVIDER].take());
            }
            _ => {}
        }
    }
    // A title is made by whatever model there is, else by one of OpenCode's own service (1.0.152, 1.1.65).
    let model = providers.keys().next().map(|id| format!("{id}/{MODEL}"));
    let mut config = json!({ "plugin": plugins, "provider": providers });
    if let Some(model) = model {
        config["model"] = json!(model);
        config["small_model"] = json!(model);
    }
    config
}

fn id(number: usize) -> String {
    format!("{PROVIDER}-{number}")
}

/// One session, which loads the plugins, and one message for each SDK.
async fn ask(stage: &Stage, kinds: &[ExerciseKind], server: &Server) -> Result<(), Error> {
    let session =
        server.ask("POST", "/session", Some(&opencode::session(stage.opencode())), INSTALL_TIME).await?;
    let session = session.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (number, kind) in kinds.iter().enumerate() {
        if matches!(kind, ExerciseKind::Provider { .. }) {
            let mut message = exercise::message("hello");
            message["model"]["providerID"] = json!(id(number));
            // Whatever it answers: the SDK was loaded for it, or was not, which is seen in the tree.
            server.ask("POST", &format!("/session/{session}/message"), Some(&message), INSTALL_TIME).await?;
        }
    }
    let root = stage.sandbox().outside(stage::CACHE_DIR);
    for kind in kinds {
        if !exercise::mark(stage, kind).exists() || !settle::is_whole(&root) {
            return Err(exercise::incomplete(stage, kind, "OpenCode gave up", server.output()));
        }
    }
    Ok(())
}

/// What is to be written instead of a file at the top of a tree; `None` where it stays as it is.
pub type Change<'a> = dyn Fn(&str, &str) -> Result<Option<String>, String> + 'a;

/// What the files of the shared tree have to say: no address of `registry`, and in `package.json` of each of `kinds` what has OpenCode
/// `version` find it.
pub fn changed(
    version: &Version,
    kinds: &[&ExerciseKind],
    registry: &str,
    name: &str,
    text: &str,
) -> Result<Option<String>, String> {
    if name == bun_lock::NAME {
        return Ok(Some(bun_lock::without_addresses(text, registry)));
    }
    if name != "package.json" || kinds.is_empty() {
        return Ok(None);
    }
    let mut manifest: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for (name, wanted) in kinds.iter().filter_map(|kind| opencode::patched(version, kind)) {
        manifest["dependencies"][name.as_str()] = json!(wanted);
    }
    Ok(Some(format!("{manifest:#}\n")))
}

/// How large some of a tree's packages are, each without those that lie inside of it.
pub fn bytes(tree: &Path, packages: &[Installed]) -> u64 {
    let size = |one: &Installed| {
        let place = tree.join(&one.path);
        files::size_of(&place) - files::size_of(&place.join("node_modules"))
    };
    packages.iter().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_says_what_is_wanted_and_the_lock_file_no_address() {
        let version = "1.0.152".parse().unwrap();
        let sdk = ExerciseKind::Provider { spec: "@ai-sdk/fireworks".parse().unwrap() };
        let registry = "http://127.0.0.1:5/shared/";
        let changed = |name: &str, text: &str| changed(&version, &[&sdk], registry, name, text).unwrap();
        let manifest = r#"{"dependencies":{"b":"1.0.0","@ai-sdk/fireworks":"1.0.61"}}"#;
        let manifest: Value = serde_json::from_str(&changed("package.json", manifest).unwrap()).unwrap();
        assert_eq!(manifest, json!({ "dependencies": { "b": "1.0.0", "@ai-sdk/fireworks": "latest" } }));
        let lock = changed(bun_lock::NAME, &format!(r#"["a@1.0.0", "{registry}a/-/a-1.0.0.tgz", {{}}]"#));
        assert_eq!(lock.unwrap(), r#"["a@1.0.0", "", {}]"#);
        assert_eq!(changed(".gitignore", "x"), None);
        assert!(super::changed(&version, &[&sdk], registry, "package.json", "[").is_err());
    }
}
