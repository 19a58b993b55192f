//! `doctor` explains a HOME before and after the first start, changes nothing in it, and says no with the
//! reason where something will not work.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::cli::succeed;
use testkit::output::Output;
use testkit::site::{self, Ran, Site};
use walkdir::WalkDir;

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("a_home_before_and_after_the_first_start", a_home_before_and_after_the_first_start),
    case("what_was_not_captured_is_named", what_was_not_captured_is_named),
    case("a_temporary_directory_that_may_not_execute", a_temporary_directory_that_may_not_execute),
    case("a_home_that_cannot_be_written", a_home_that_cannot_be_written),
    case("nothing_to_look_at", nothing_to_look_at),
];

fn output() -> &'static str {
    Output::shared().path().to_str().unwrap()
}

fn doctor(site: &Site, arguments: &[&str]) -> Ran {
    site.run(&[&["doctor", output()], arguments].concat()).unwrap()
}

/// The codes of one check's findings.
fn codes(report: &str, check: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(report).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|other| other["name"] == check).unwrap();
    let findings = check["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

fn names_below(directory: &Path) -> Vec<String> {
    let entries = WalkDir::new(directory).sort_by_file_name().into_iter().map(|entry| entry.unwrap());
    entries.map(|entry| entry.path().display().to_string()).collect()
}

fn a_home_before_and_after_the_first_start() {
    let site = Site::empty();
    let before = doctor(&site, &["--json"]).succeeds();
    assert!(codes(&before, "entries").iter().all(|code| code == "entry-absent"), "{before}");
    assert_eq!(names_below(&site.path("home")), [site.path("home").display().to_string()]);

    // The wrapper lays everything; what OpenCode itself does with its name only is print its version.
    let mut start = Command::new(Output::shared().wrapper());
    start.arg("--version").env_clear().env("HOME", site.path("home")).env("TMPDIR", site.path("tmp"));
    succeed(start.current_dir(site.path("")));
    let laid = names_below(&site.path("home"));
    let after = doctor(&site, &["--json"]).succeeds();
    assert!(codes(&after, "entries").iter().all(|code| code == "entry-current"), "{after}");
    assert_eq!(codes(&after, "links"), ["links"]);
    assert_eq!(names_below(&site.path("home")), laid);

    let text = doctor(&site, &[]).succeeds();
    assert!(text.starts_with(&format!("{}\n\noutput\nok   ", output())), "{text}");
    assert!(text.contains("/node_modules: in order: a link into this output\n"), "{text}");
    assert!(text.contains("\nproblems: 0, notes: "), "{text}");
}

fn what_was_not_captured_is_named() {
    let site = Site::empty();
    let config = r#"{
      "provider": { "a": { "npm": "@ai-sdk/xai" }, "b": { "npm": "@ai-sdk/fireworks" }, "c": { "npm": "@not/captured" } },
      "mcp": { "m": { "type": "local", "command": ["sh", "-c", "secret"] } }
    }"#;
    site.write("mine.json", config).unwrap();
    let ran = doctor(&site, &["--config", "mine.json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for line in [
        "ok   provider SDK @ai-sdk/xai: is built into OpenCode\n",
        "ok   provider SDK @ai-sdk/fireworks: was captured\n",
        "FAIL provider SDK @not/captured: ",
        "[asked-not-captured]\n     next step: ",
        "\nproblems: 1, notes: ",
    ] {
        assert!(ran.stdout.contains(line), "no {line:?} in {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("secret"), "{}", ran.stdout);
}

fn a_temporary_directory_that_may_not_execute() {
    let site = Site::empty();
    let mounted =
        format!("mount -t tmpfs -o noexec none {} && exec \"$0\" \"$@\"", site.path("tmp").display());
    let ask = |own: Option<&str>| {
        let runner = ["unshare", "-Urm", "sh", "-c", &mounted];
        let mut command = site.command_by(&runner, &["doctor", output(), "--json"]);
        command.envs(own.map(|name| (name, site.path("tmp"))));
        site::run(command).unwrap()
    };
    // A start has OpenCode unpack its libraries in the cache root.
    assert!(codes(&ask(None).succeeds(), "machine").contains(&"temporary".to_owned()));
    // Where the user says where, they mean it.
    let ran = ask(Some("BUN_TMPDIR"));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(codes(&ran.stdout, "machine").contains(&"temporary-noexec".to_owned()), "{}", ran.stdout);
}

fn a_home_that_cannot_be_written() {
    let site = Site::empty();
    let mounted = format!("mount -t tmpfs -o ro none {} && exec \"$0\" \"$@\"", site.path("home").display());
    let runner = ["unshare", "-Urm", "sh", "-c", &mounted];
    let command = site.command_by(&runner, &["doctor", output(), "--json"]);
    // OpenCode starts all the same: it reads from the output, and keeps what it keeps elsewhere.
    let report = site::run(command).unwrap().succeeds();
    let elsewhere = ["directory-elsewhere"; 3];
    assert_eq!(codes(&report, "directories"), [&["cache-from-output"], elsewhere.as_slice()].concat());
    assert!(codes(&report, "entries").iter().all(|code| code == "entry-blocked"), "{report}");
}

fn nothing_to_look_at() {
    let site = Site::empty();
    fs::create_dir(site.path("empty")).unwrap();
    let ran = site.run(&["doctor", "empty"]).unwrap();
    ran.fails_with_next_step(3, "output-unreadable");
    let mut command = site.command(&["doctor"]);
    command.env("PATH", site.path("empty"));
    site::run(command).unwrap().fails_with_next_step(3, "no-output");
}
