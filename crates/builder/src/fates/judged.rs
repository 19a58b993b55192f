//! Words for each fate: what is said of something, and what can be done about it.

use std::path::Path;

use lock::{Exercise, PackageId, Proof, Spec, Want};

use super::Fate;
use crate::config::asked::without_secrets;
use crate::config::{Config, Text, What};
use crate::{files, opencode};

/// The largest `package.json` of a local plugin that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What becomes of something, without where it is written.
pub(super) struct Judged {
    pub(super) fate: Fate,
    pub(super) text: String,
    pub(super) next: Option<String>,
}

impl Judged {
    pub(super) fn new(fate: Fate, text: impl Into<String>) -> Self {
        Self { fate, text: text.into(), next: None }
    }

    pub(super) fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// Names the SDK that is judged, which the line itself does not.
    pub(super) fn with(self, sdk: &str) -> Self {
        Self { text: format!("{sdk}: {}", self.text), ..self }
    }
}

pub(super) fn not_captured() -> Judged {
    Judged::new(Fate::NotCaptured, "not captured")
        .next("run `opencode-cache lock` with the same configurations")
}

pub(super) fn passed_over(why: &str) -> Judged {
    Judged::new(Fate::PassedOver, format!("passed over: {why}"))
}

pub(super) fn run_time(text: String) -> Judged {
    Judged::new(Fate::RunTime, text)
}

/// What a variable or another file says is in no lock.
pub(super) fn replaced(key: &str) -> Judged {
    Judged::new(Fate::NotCaptured, "not captured: what a variable or a file puts in never reaches a lock")
        .next(format!("name it in the manifest's `{key}`"))
}

pub(super) fn captured(spec: &Spec, exercise: &Exercise) -> Judged {
    let proof = match exercise.proof {
        Some(Proof::Answered) => ", and answered",
        Some(Proof::Loads) => ", and loads",
        None => "",
    };
    let what = package(spec, exercise).map_or_else(|| spec.to_string(), |id| id.to_string());
    Judged::new(Fate::Captured, format!("captured as {what}{proof}"))
}

/// The package that a spec resolved to.
pub(super) fn package<'e>(spec: &Spec, exercise: &'e Exercise) -> Option<&'e PackageId> {
    let name = spec.name()?;
    let tag = match spec.want()? {
        Want::Exact(version) => return exercise.packages.get(&name.at(version.clone())),
        Want::Tag(tag) => tag,
        _ => "latest",
    };
    let tagged = exercise.tags.get(name).and_then(|tags| tags.get(tag));
    let tagged = tagged.and_then(|version| exercise.packages.get(&name.at(version.clone())));
    tagged.or_else(|| exercise.packages.iter().rfind(|id| id.name == *name))
}

/// A plugin that is a file or a directory of this machine.
pub(super) fn local(directory: &Path, text: &str) -> Judged {
    let url = url::Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
    let path = url.unwrap_or_else(|| directory.join(text));
    let there =
        path.exists() || ["ts", "js", "mjs"].iter().any(|ending| path.with_extension(ending).exists());
    if !there {
        return Judged::new(Fate::Local, format!("local file, which is not there: {}", path.display()))
            .next("correct the path, or bring the file back");
    }
    match dependencies(&path) {
        0 => Judged::new(Fate::Local, "local file, loaded in place"),
        count => Judged::new(
            Fate::Local,
            format!("local directory, loaded in place; the {count} dependencies of its package.json are not captured"),
        )
        .next("install them there, as for OpenCode itself"),
    }
}

/// How many packages the `package.json` of a directory asks for.
fn dependencies(path: &Path) -> usize {
    let bytes = files::read_bounded(&path.join("package.json"), MAX_BYTES).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    value.get("dependencies").and_then(serde_json::Value::as_object).map_or(0, |wanted| wanted.len())
}

/// A program that OpenCode starts by its command line, which may hold secrets: its name is told, and no more.
/// `spec` is the package that it runs, where it runs one of npm's.
pub(super) fn started_by(command: &[Text], spec: Option<&Spec>) -> Judged {
    let first = command.first().map_or("", |word| word.text.as_str());
    let program = first.rsplit('/').next().unwrap_or_default();
    let judged = Judged::new(Fate::Command, format!("started by command, not captured: {program}"));
    if let Some(spec) = spec {
        let next =
            format!("add {:?} to `commands` in the manifest, and run `opencode-cache lock`", spec.as_str());
        return judged.next(next);
    }
    if opencode::reads::PYTHON_FETCHERS.contains(&program) {
        return judged.next(format!(
            "{program} fetches packages of Python's, which are not captured: install it with `uv tool install` or `pipx install`, \
             and name its program"
        ));
    }
    if opencode::reads::FETCHERS.contains(&program) {
        return judged.next(format!("{program} fetches what it runs; install that, and name its program"));
    }
    judged
}

/// Formatters are started from PATH, but for three that OpenCode has npm install.
pub(super) fn formatter(name: &str) -> Judged {
    if opencode::reads::NPM_FORMATTERS.contains(&name) {
        return Judged::new(
            Fate::RunTime,
            "installed from npm by OpenCode where a project asks for it, not captured",
        )
        .next("name the project's own program as its `command`");
    }
    Judged::new(Fate::Command, format!("started by command, not captured: {name}, from PATH"))
}

/// The SDK that a configuration gives a provider.
pub(super) fn sdk_of<'c>(config: &'c Config, id: &str) -> Option<&'c Text> {
    config.asked().iter().find_map(|asked| match &asked.what {
        What::Sdk { provider, npm } if provider == id => Some(npm),
        _ => None,
    })
}

/// Whether a configuration defines a provider with models, and without an SDK.
pub(super) fn defines(config: &Config, id: &str) -> bool {
    config.asked().iter().any(|asked| {
        matches!(&asked.what, What::Provider { id: other, is_defined } if *is_defined && other.text == id)
    })
}

pub(super) fn host(url: &Text) -> String {
    let address = without_secrets(&url.text);
    let rest = address.split_once("://").map_or(address.as_str(), |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}
