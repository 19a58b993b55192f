//! Configurations as people publish them (`fixtures/configs`): each is locked, judged, built and verified, with nothing
//! but what its own directory holds.
//!
//! All of them take half an hour: `OPENCODE_CACHE_CORPUS=all cargo test --test all corpus`, or their names with commas between.
//! Without that a sample is taken through all of it, and `UPDATE_CORPUS=1` writes down what is found.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::{Value, json};
use testkit::cli::Place;
use testkit::site::{self, Ran, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("configurations_are_locked_built_and_verified", configurations),
    case("configurations_are_locked_and_judged", judged),
    case("no_configuration_was_forgotten", none_forgotten),
];

/// What `.ci/run` takes through all of it: plugins that are files.
const SAMPLE: [&str; 1] = ["plugin-local"];

/// What it locks and judges only: nothing has to be run for these.
const JUDGED: [&str; 3] = ["agents-and-commands", "many-providers", "mcp-commands"];

fn directory() -> PathBuf {
    Place::get().repository.join("fixtures/configs")
}

fn all() -> Vec<String> {
    let entries = fs::read_dir(directory()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[expect(clippy::print_stderr, reason = "half an hour is told while it passes")]
fn configurations() {
    let names = match std::env::var("OPENCODE_CACHE_CORPUS").ok().as_deref() {
        None => SAMPLE.map(str::to_owned).into(),
        Some("all") => all(),
        Some(names) => names.split(',').map(str::to_owned).collect(),
    };
    let left = Mutex::new(names.into_iter());
    let failed = Mutex::new(Vec::new());
    let work = || {
        while let Some(name) = { left.lock().unwrap().next() } {
            let start = std::time::Instant::now();
            let ran = std::panic::catch_unwind(|| one(&name));
            let how = if ran.is_ok() { "ok" } else { "failed" };
            // Half an hour is told while it passes.
            eprintln!("{name}: {how} in {:.0} s", start.elapsed().as_secs_f64());
            if ran.is_err() {
                failed.lock().unwrap().push(name);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    assert_eq!(failed.into_inner().unwrap(), [""; 0]);
}

fn judged() {
    JUDGED.iter().for_each(|name| _ = locked(name));
}

/// One configuration, from its text to an OpenCode that answers.
fn one(name: &str) {
    let (site, config) = locked(name);
    online(&site, &["fetch"]).succeeds();
    site.run(&["build", "--offline"]).unwrap().succeeds();
    let verified = site.run(&["verify", "--network", "none", "--config", config]).unwrap().succeeds();
    assert!(verified.contains("attempts to leave: 0"), "{verified}");
}

/// One configuration, from its text to a lock that fits it.
fn locked(name: &str) -> (Site, &'static str) {
    let site = Site::provided();
    site.write("opencode-cache.toml", &manifest(&site.read("opencode.lock.json").unwrap())).unwrap();
    site::copy_writable(&directory().join(name), &site.path("user")).unwrap();
    let config =
        ["user/opencode.json", "user/opencode.jsonc"].into_iter().find(|file| site.path(file).exists());
    let config = config.unwrap();

    online(&site, &["lock", "--config", config]).succeeds();
    site.run(&["lock", "--check", "--config", config]).unwrap().succeeds();
    let plan = site.run(&["inspect", "--plan", "--json", "--config", config]).unwrap();
    assert!(matches!(plan.code, Some(0 | 1)), "{plan:?}");
    assert!(!plan.stdout.contains("secret"), "{}", plan.stdout);
    compare(name, &serde_json::from_str(&plan.stdout).unwrap());
    (site, config)
}

fn online(site: &Site, arguments: &[&str]) -> Ran {
    site::run(site.command_online(arguments)).unwrap()
}

/// A manifest that wants no more than what every lock has: the OpenCode and the systems of the one that is committed, from which
/// the site's lock keeps what does not depend on a configuration.
fn manifest(lock: &str) -> String {
    let lock: Value = serde_json::from_str(lock).unwrap();
    let systems: Vec<&String> = lock["systems"].as_object().unwrap().keys().collect();
    format!("opencode = {}\nsystems = {}\nprofile = \"offline\"\n", lock["opencode"], json!(systems))
}

/// What becomes of everything that it asks for is what is written down beside it.
fn compare(name: &str, lines: &Value) {
    let found: Vec<Value> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| json!([line["what"], line["name"], line["fate"]]))
        .collect();
    let text = found.iter().map(|line| format!("{line}\n")).collect::<String>();
    let file = directory().join(name).join("plan.jsonl");
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        fs::write(&file, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap_or_default(), text, "{name}");
}

/// Every directory has a configuration, what is found in it, and where it comes from.
fn none_forgotten() {
    let names = all();
    assert!(names.len() >= 20, "{names:?}");
    for name in &names {
        let has = |file: &str| directory().join(name).join(file).exists();
        assert!(has("opencode.json") != has("opencode.jsonc"), "{name}");
        assert!(has("origin.md") && has("plan.jsonl"), "{name}");
    }
    assert!(SAMPLE.iter().chain(&JUDGED).all(|name| names.iter().any(|other| other == name)));
}
