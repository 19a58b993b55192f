//! What the documents say of the code is generated from the code. `UPDATE_DOCS=1 cargo test --test all docs` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::cli::{Place, succeed};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[case("crates", crates), case("command_line", command_line)];

/// `docs/ARCHITECTURE.md` shows the dependencies between our crates as cargo sees them.
fn crates() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let metadata = succeed(cargo.current_dir(&Place::get().repository).stderr(Stdio::null()));
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    compare("docs/ARCHITECTURE.md", "crates", &diagram(metadata["packages"].as_array().unwrap()));
}

/// `docs/CLI.md` says what `--help` says.
fn command_line() {
    let mut text = String::new();
    let overview = succeed(Place::get().command(["--help"]).stdin(Stdio::null()).env_remove("COLUMNS"));
    for verb in [""].into_iter().chain(verbs(&overview)) {
        let arguments = [verb, "--help"].into_iter().filter(|argument| !argument.is_empty());
        let mut command = Place::get().command(arguments);
        // Help is as wide as the terminal where there is one, or as COLUMNS says.
        let help = succeed(command.stdin(Stdio::null()).env_remove("COLUMNS"));
        let heading = format!("opencode-cache {verb}");
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        writeln!(text, "## `{}`\n\n```text\n{}\n```\n", heading.trim(), help.join("\n")).unwrap();
    }
    compare("docs/CLI.md", "help", text.trim_end());
}

/// The verbs that `--help` lists, in its order.
fn verbs(overview: &str) -> impl Iterator<Item = &str> {
    let (_, list) = overview.split_once("\nCommands:\n").unwrap();
    let lines = list.lines().take_while(|line| !line.is_empty());
    // A description that goes on in the next line is further in.
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    names.filter_map(|rest| rest.split_whitespace().next()).filter(|verb| *verb != "help")
}

/// An arrow points from a crate to what it is built on; dotted where only its tests are.
fn diagram(packages: &[Value]) -> String {
    let ours: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let mut arrows = BTreeMap::new();
    for package in packages {
        let from = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            if !ours.contains(to) || to == from {
                continue;
            }
            let only_tests = dependency["kind"] == "dev";
            arrows.entry((from, to)).and_modify(|dotted| *dotted &= only_tests).or_insert(only_tests);
        }
    }
    let short = |name: &str| name.strip_prefix("opencode-cache-").unwrap_or(name).to_owned();
    let mut text = String::from("```mermaid\ngraph TD\n");
    for ((from, to), dotted) in arrows {
        let arrow = if dotted { "-.->" } else { "-->" };
        writeln!(text, "  {} {arrow} {}", short(from), short(to)).unwrap();
    }
    text + "```"
}

/// What stands between `<!-- begin NAME -->` and `<!-- end NAME -->` is `wanted`; with `UPDATE_DOCS=1` it is made so.
fn compare(document: &str, name: &str, wanted: &str) {
    let path = Place::get().repository.join(document);
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap();
    let (found, after) = rest.split_once(&end).unwrap();
    if found.trim() == wanted {
        return;
    }
    if std::env::var("UPDATE_DOCS").as_deref() == Ok("1") {
        fs::write(&path, format!("{before}{begin}\n{wanted}\n\n{end}{after}")).unwrap();
        return;
    }
    panic!(
        "{document} is behind the code; UPDATE_DOCS=1 writes it anew. Between the marks of {name} has to be:\n{wanted}"
    );
}
