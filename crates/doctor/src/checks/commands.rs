//! What the user's configurations have OpenCode start or ask by itself: MCP servers, language servers,
//! instructions at an address. None of it is captured; what cannot be started is said.

use std::path::Path;

use serde_json::Value;

use builder::config::Text;
use builder::opencode::reads::FETCHERS;
use builder::started;
use lock::{PackageId, Spec};

use super::configs::Config;
use crate::case::Case;
use crate::finding::{Finding, shown};
use crate::surroundings::is_program;

/// The switch that keeps OpenCode from downloading language servers.
const NO_LSP_DOWNLOAD: &str = "OPENCODE_DISABLE_LSP_DOWNLOAD";

/// Looks at `mcp`, `lsp` and `instructions` of every configuration.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = vec![downloads(case)];
    for config in case.configs {
        for (name, server) in objects(config, "mcp") {
            findings.extend(mcp(case, config, name, server));
        }
        for (name, server) in objects(config, "lsp") {
            findings.extend(lsp(case, config, name, server));
        }
        let instructions = config.get("instructions").and_then(Value::as_array).into_iter().flatten();
        for address in instructions.filter_map(Value::as_str).filter(|text| text.starts_with("http")) {
            let text = format!("{} names it: OpenCode asks the network for it", shown(&config.path));
            findings.push(
                Finding::note("instructions-online", host(address), text)
                    .next("keep the text in a file of your own"),
            );
        }
    }
    findings
}

fn objects<'a>(config: &'a Config, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    config.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn mcp(case: &Case<'_>, config: &Config, name: &str, server: &Value) -> Option<Finding> {
    if server.get("enabled") == Some(&Value::Bool(false)) {
        return None;
    }
    let subject = format!("MCP server {name}");
    if let Some(url) = server.get("url").and_then(Value::as_str) {
        let text = format!("OpenCode connects to {}", host(url));
        return Some(Finding::note("mcp-remote", subject, text));
    }
    let Some(command) = command(server) else {
        return Some(refused(config, subject, "neither a command as a list of words nor a url"));
    };
    Some(started(case, config, &subject, "mcp", &command))
}

fn lsp(case: &Case<'_>, config: &Config, name: &str, server: &Value) -> Option<Finding> {
    if server.get("disabled") == Some(&Value::Bool(true)) {
        return None;
    }
    let subject = format!("language server {name}");
    if let Some(command) = command(server) {
        return Some(started(case, config, &subject, "lsp", &command));
    }
    Some(refused(config, subject, "no command as a list of words"))
}

fn command(server: &Value) -> Option<Vec<String>> {
    let words = server.get("command")?.as_array()?;
    let words: Option<Vec<String>> = words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
    words.filter(|words| !words.is_empty())
}

/// Seen with 1.18.18: it ends with "Configuration is invalid".
fn refused(config: &Config, subject: String, what: &str) -> Finding {
    let text = format!("{} has {what} for it: OpenCode does not start with that", config.path.display());
    Finding::problem("server-refused", subject, text).next("correct the configuration")
}

/// A program that OpenCode starts. Its arguments may hold secrets: only the first word is told.
fn started(case: &Case<'_>, config: &Config, subject: &str, kind: &str, command: &[String]) -> Finding {
    let whole = command.first().map(String::as_str).unwrap_or_default();
    // Nobody's program has a blank in its name unless it is there: then a line was written as one word.
    let is_one = is_program(&config.base.join(whole));
    let program = if is_one { whole } else { whole.split_whitespace().next().unwrap_or_default() };
    let place = config.path.display();
    let (missing, fetched, found) = match kind {
        "mcp" => ("mcp-not-found", "mcp-fetches", "mcp-local"),
        _ => ("lsp-not-found", "lsp-fetches", "lsp-local"),
    };
    if let Some(finding) = captured(case, subject, kind, command) {
        return finding;
    }
    let relative = program.contains('/') && is_program(&config.base.join(program));
    if !relative && case.surroundings.program(program).is_none() {
        let text = format!("{place} starts {program}, which is not on PATH");
        return Finding::problem(missing, subject, text)
            .next(or_capture(command, format!("install {program}, or correct the command")));
    }
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or(program);
    if FETCHERS.contains(&name) {
        let text = format!("is started by {name}, which may fetch it from the network: it is not captured");
        let next = or_capture(command, "install the server itself and name its program".into());
        return Finding::note(fetched, subject, text).next(next);
    }
    Finding::ok(found, subject, format!("is started by {program}"))
}

/// What to do, where the command runs a package that could have been captured.
fn or_capture(command: &[String], otherwise: String) -> String {
    match asked(command) {
        Some(spec) => format!("{otherwise}; or add {:?} to `commands` in the manifest", spec.as_str()),
        None => otherwise,
    }
}

fn asked(command: &[String]) -> Option<Spec> {
    let words: Vec<Text> =
        command.iter().map(|word| Text { text: word.clone(), is_replaced: false }).collect();
    Some(started::plain(&started::run(&words)?.spec))
}

/// A package that the output has, which a start takes whether its runner is there or not.
fn captured(case: &Case<'_>, subject: &str, kind: &str, command: &[String]) -> Option<Finding> {
    let wanted = asked(command)?;
    let contents = case.subject.contents.as_ref().ok()?;
    let code = if kind == "mcp" { "mcp-captured" } else { "lsp-captured" };
    contents.exercises.iter().filter(|(name, _)| name.starts_with("executable:")).find_map(|(_, tree)| {
        let spec: Spec = tree.spec.as_ref()?.parse().ok()?;
        let place = format!("node_modules/{}", spec.name()?);
        let id: PackageId = tree.packages.iter().find(|one| one.path == place)?.id.parse().ok()?;
        let text = format!("is in the output: captured as {id}");
        started::serves(&spec, Some(&id.version), &wanted).then(|| Finding::ok(code, subject, text))
    })
}

fn downloads(case: &Case<'_>) -> Finding {
    let subject = "language servers";
    let users = case.surroundings.get(NO_LSP_DOWNLOAD).is_some();
    let who = if users { "your environment" } else { "the output" };
    if case.start.is_on(NO_LSP_DOWNLOAD, case.surroundings) {
        let text = format!("OpenCode downloads none: {who} sets {NO_LSP_DOWNLOAD}");
        return Finding::ok("lsp-download-off", subject, text);
    }
    let text = "OpenCode downloads those that it misses when a file of their kind is opened";
    Finding::note("lsp-download-on", subject, text)
        .next(format!("set {NO_LSP_DOWNLOAD}=1 where there is no network"))
}

/// The host of an address: its user, path and query may hold secrets.
fn host(address: &str) -> String {
    let url = url::Url::parse(address).ok();
    url.and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "an address without a host".into())
}
