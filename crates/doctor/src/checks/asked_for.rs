//! The packages that the user's configurations ask for: captured, built in, installed by OpenCode itself, or
//! none of these. Never resolves anything.

use std::path::{Path, PathBuf};

use builder::{config, files, opencode};
use linkmap::Root;
use lock::Spec;
use serde_json::Value;

use super::configs::{self, Config};
use crate::case::Case;
use crate::finding::{Finding, shown, without_secrets};

/// The largest `package.json` that is read, in bytes.
const MOST: u64 = 1 << 20;

/// What a package is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Provider,
    Plugin,
}

/// Looks at every configuration and every `package.json` of a configuration directory.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut judged: Vec<(Use, String)> = Vec::new();
    for config in case.configs {
        match &config.value {
            Err(error) => findings.push(unreadable(config, error)),
            Ok(_) => findings.push(Finding::ok("config", shown(&config.path), "is read")),
        }
        let providers = providers(case, config).into_iter().map(|spec| (Use::Provider, spec));
        let plugins = config.plugins().into_iter().map(|spec| (Use::Plugin, spec));
        for (used, spec) in providers.chain(plugins) {
            let asked = (used, spec);
            if !judged.contains(&asked) {
                findings.push(judge(case, config, asked.0, &asked.1));
                judged.push(asked);
            }
        }
    }
    for directory in configs::directories(case.start, case.surroundings) {
        findings.extend(dependencies(case, &directory));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("config-none", "configuration", "there is none: nothing is asked for"));
    }
    findings
}

/// The SDKs of a configuration's providers: its own word, else the catalogue's.
fn providers(case: &Case<'_>, config: &Config) -> Vec<String> {
    let own = config.providers();
    let is_own = |id: &String| own.iter().any(|(other, _)| other == id);
    let known = config.catalogue_providers().into_iter().filter(|id| !is_own(id));
    let known = known.filter_map(|id| Some((case.catalogue.sdks.get(&id)?.clone(), id)));
    let known: Vec<_> = known.map(|(spec, id)| (id, spec)).collect();
    let wanted = own.iter().chain(&known).filter(|(id, _)| is_enabled(case, id));
    wanted.map(|(_, spec)| spec.clone()).collect()
}

/// Whether no configuration switches a provider off.
fn is_enabled(case: &Case<'_>, id: &str) -> bool {
    case.configs.iter().all(|config| {
        let off = config.names("disabled_providers").is_some_and(|names| names.contains(&id));
        let on = config.names("enabled_providers").is_none_or(|names| names.contains(&id));
        on && !off
    })
}

fn unreadable(config: &Config, error: &config::Error) -> Finding {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let next = match error {
        config::Error::Read { .. } | config::Error::NotAFile { .. } => None,
        other => other.hint(),
    };
    let next = next.unwrap_or_else(|| "make it a file that you can read, or do not name it".to_owned());
    Finding::problem(error.code(), shown(&config.path), format!("{error}{cause}")).next(next)
}

fn judge(case: &Case<'_>, config: &Config, used: Use, text: &str) -> Finding {
    let what = if used == Use::Provider { "provider SDK" } else { "plugin" };
    if config::is_local(text) {
        return local(config, text);
    }
    // An address may hold a user, and an npm spec holds an @ of its own.
    let named = if text.contains("://") { without_secrets(text) } else { text.to_owned() };
    let subject = format!("{what} {named}");
    if used == Use::Plugin && opencode::reads::BUILT_IN_PLUGINS.iter().any(|name| text.contains(name)) {
        return Finding::ok("asked-passed-over", subject, "is passed over: OpenCode has it built in");
    }
    // Some of these are paths in a package, and no spec of npm's.
    if used == Use::Provider && case.release.has(text) {
        return Finding::ok("asked-built-in", subject, "is built into OpenCode");
    }
    let key = if used == Use::Provider { "providers" } else { "plugins" };
    if text.contains("{env:") || text.contains("{file:") {
        let text = "a variable or a file says what it is, and nothing of those gets into a lock";
        return Finding::note("asked-replaced", subject, text)
            .next(format!("name it in `{key}` in opencode-cache.toml too"));
    }
    let spec: Spec = match text.parse::<Spec>().map_err(|error| error.to_string()) {
        Ok(spec) if opencode::registry_spec(&spec).is_ok() => spec,
        refused => {
            let reason =
                refused.err().unwrap_or_else(|| "only packages of an npm registry are captured yet".into());
            let text = format!("{} asks for it, and it cannot be captured: {reason}", config.path.display());
            return Finding::problem("asked-not-pinnable", subject, text)
                .next("install it beside the configuration and name it as file:///…");
        }
    };
    let capture = format!(
        "add {text} to `{key}` in opencode-cache.toml, then `opencode-cache lock` and `opencode-cache build`"
    );
    let directory = match used {
        Use::Provider => opencode::provider_directory(&spec),
        Use::Plugin => opencode::plugin_directory(&spec),
    };
    let shared = case.subject.contents.as_ref().is_ok_and(|contents| {
        // Before 1.14 one tree has everything, and says of each spec that it was captured.
        opencode::Era::known(&contents.opencode).is_shared()
            && contents.specs(if used == Use::Provider { "provider" } else { "plugin" }).contains(&spec)
    });
    if shared {
        return Finding::ok("asked-captured", subject, "was captured");
    }
    let dest = format!("packages/{directory}");
    if case.start.entries.iter().any(|seen| seen.root == Root::Cache && seen.dest == dest) {
        return Finding::ok("asked-captured", subject, "was captured");
    }
    let name = spec.name().map(ToString::to_string).unwrap_or_default();
    let installed = case.start.cache.as_ref().map(|cache| cache.join(&dest).join("node_modules").join(&name));
    if installed.is_some_and(|place| place.exists()) {
        return Finding::note(
            "asked-installed",
            subject,
            "was installed here by OpenCode itself, and is not in the output",
        )
        .next(&capture);
    }
    if used == Use::Provider && case.release.built_in.is_none() {
        return Finding::note(
            "asked-unknown",
            subject,
            "is either built into OpenCode or was not captured: the binary does not say",
        )
        .next("`opencode-cache verify --config` tries it");
    }
    let asks = format!("{} asks for it, and it was not captured", config.path.display());
    if case.subject.is_offline() {
        let text = format!(
            "{asks}: OpenCode will not have it, since the offline profile keeps its npm off the network"
        );
        Finding::problem("asked-not-captured", subject, text).next(&capture)
    } else {
        let text = format!("{asks}: OpenCode installs it at its first use, which needs the network");
        Finding::note("asked-online", subject, text).next(&capture)
    }
}

/// A plugin that is a file of this machine: OpenCode loads it in place.
fn local(config: &Config, text: &str) -> Finding {
    let url = url::Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
    let path = url.unwrap_or_else(|| config.base.join(text.trim_start_matches("file:")));
    let subject = format!("plugin {text}");
    // `./x` may be x.ts, x.js or a directory.
    let there =
        path.exists() || ["ts", "js", "mjs"].iter().any(|ending| path.with_extension(ending).exists());
    if there {
        return Finding::ok("asked-local", subject, "is a file of this machine, loaded in place");
    }
    let text = format!("{} names a file that is not there: {}", config.path.display(), path.display());
    Finding::problem("asked-local-missing", subject, text).next("correct the path, or bring the file back")
}

/// What a `package.json` of the user's in a configuration directory asks for: OpenCode wants it installed there.
fn dependencies(case: &Case<'_>, directory: &Path) -> Vec<Finding> {
    let path = directory.join("package.json");
    let Ok(bytes) = files::read_bounded(&path, MOST) else { return Vec::new() };
    let value: Value = match serde_json::from_slice(&bytes) {
        Ok(value) => value,
        Err(error) => {
            let finding = Finding::problem("package-json-invalid", shown(&path), error);
            return vec![finding.next("correct it")];
        }
    };
    let wanted = value.get("dependencies").and_then(Value::as_object).into_iter().flatten();
    let wanted = wanted.map(|(name, _)| name.as_str()).filter(|name| *name != opencode::CONFIG_DIR_PACKAGE);
    let modules = modules(case, directory);
    let lacks = |name: &&str| !modules.iter().any(|modules| modules.join(name).exists());
    let missing: Vec<&str> = wanted.filter(lacks).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let text = format!("wants what is not installed there: {}", missing.join(", "));
    let next = if case.start.config.as_deref() == Some(directory) {
        "add this directory to `config_dirs` in opencode-cache.toml, then `opencode-cache lock` and `opencode-cache build`"
    } else {
        "install it there yourself while there is a network"
    };
    vec![Finding::problem("dependencies-not-captured", shown(&path), text).next(next)]
}

/// Where a configuration directory's packages are, or will be after the next start.
pub fn modules(case: &Case<'_>, directory: &Path) -> Vec<PathBuf> {
    let own = directory.join("node_modules");
    let laid = case.start.entries.iter().filter(|_| case.start.lays_config);
    let laid =
        laid.filter(|seen| seen.place == own).filter_map(|seen| seen.source.clone()).collect::<Vec<_>>();
    if laid.is_empty() { vec![own] } else { laid }
}
