//! OpenCodes before 1.14, and with a later one, without a network: the oldest and both sides of each switch are locked, built, and answer
//! through a plugin with dependencies and an SDK that is not built in; and one HOME serves all of them.
//!
//! What `verify` looks at beside that, for any version: `OPENCODE_CACHE_VERSIONS` of [`versions`](crate::versions). Other versions, which
//! share a HOME in this order: `OPENCODE_CACHE_ERAS="1.2.27 1.18.33 1.0.152 1.2.27" cargo test --test all -- eras`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use lock::{Lock, System};
use replay::llm::Script;
use serde_json::{Value, json};
use testkit::desk::{Desk, HOME, MODEL, Outside, Ran};
use testkit::output::Output;
use testkit::site::{self, Site};

use crate::answers::{NO_STALL, PLUGIN, SDK};
use crate::{Case, case};

/// The module's cases: one, because each version is built once for all of it.
pub const CASES: &[Case] = &[case("both_sides_of_each_switch_and_one_home", eras)];

/// Says which versions are done instead of [`SIDES`].
const VARIABLE: &str = "OPENCODE_CACHE_ERAS";
/// The oldest and both sides of the switches, as far as they lie before 1.14 (what lies behind is `versions::the_oldest_of_c`), in the order
/// in which they share a HOME: with a later one between them, and the first of them again.
const SIDES: &str = "1.3.2 committed 1.0.61 1.1.34 1.1.53 1.3.2";
/// The version of the committed lock, among them.
const COMMITTED: &str = "committed";
/// What the model says.
const ANSWER: &str = "an answer from the scripted model";
/// A file of the user's, in the cache of each.
const USERS: &str = "kept.txt";

/// A version that was built.
struct Built {
    /// What its output lies in.
    _site: Option<Site>,
    output: PathBuf,
}

fn eras() {
    let wanted = std::env::var(VARIABLE).unwrap_or_else(|_| SIDES.to_owned());
    let order: Vec<&str> = wanted.split_whitespace().collect();
    let left = Mutex::new(order.iter().copied().collect::<BTreeSet<_>>());
    let done = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some(version) = { left.lock().unwrap().pop_last() } {
            let built = build(version);
            if version != COMMITTED {
                answers(version, &built.output);
            }
            done.lock().unwrap().insert(version, built);
        }
    };
    thread::scope(|scope| {
        let second = scope.spawn(work);
        work();
        second.join().unwrap();
    });
    let done = done.into_inner().unwrap();
    one_home(&order.iter().map(|version| (*version, done[version].output.as_path())).collect::<Vec<_>>());
}

/// Locks it with the registry of whoever runs the tests, and builds it without any.
fn build(version: &str) -> Built {
    if version == COMMITTED {
        return Built { _site: None, output: Output::shared().path().to_owned() };
    }
    let site = Site::provided();
    let host = System::host().unwrap();
    let manifest = format!(
        "opencode = \"{version}\"\nsystems = [\"{host}\"]\nprofile = \"offline\"\nproviders = [\"{SDK}\"]\nplugins = [\"{PLUGIN}\"]\n"
    );
    site.write("opencode-cache.toml", &manifest).unwrap();
    std::fs::remove_file(site.path("opencode.lock.json")).unwrap();
    for verb in ["lock", "fetch"] {
        site::run(site.command_online(&[verb])).unwrap().succeeds();
    }
    let lock = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap();
    assert_eq!(lock.opencode.to_string(), version);
    let told = site.run(&["build", "--offline", "--json"]).unwrap().succeeds();
    let told: Value = serde_json::from_str(&told).unwrap();
    let output = told["output"].as_str().unwrap_or_else(|| panic!("build says where: {told:#}"));
    Built { output: output.into(), _site: Some(site) }
}

/// A machine without a network, with these outputs. OpenCode before 1.17.18 wants a model that is in no hurry.
fn desk(outputs: &[&Path]) -> Desk {
    let mut script = Script::saying(ANSWER);
    script.pause = builder::opencode::unhurried(&"1.0.0".parse().unwrap());
    let desk = Desk::new(Outside::Refused, script, outputs);
    // A title is asked of a service of OpenCode's own where there is no small model (1.1.65).
    let mut config = testkit::desk::configuration(&desk.model_url(), SDK, &[PLUGIN]);
    config["small_model"] = json!(MODEL);
    desk.write(".config/opencode/opencode.json", &config.to_string());
    desk
}

fn run(desk: &Desk, output: &Path, directory: &Path) -> Ran {
    desk.run(&desk.command(&output.join("bin/opencode"), &["run", "-m", MODEL, "hello"], directory), NO_STALL)
}

fn answered(version: &str, ran: &Ran) {
    let good = ran.exit.is_some_and(sandbox::Exit::success) && ran.stdout.contains(ANSWER);
    assert!(good, "{version} did not answer: {ran:?}");
}

/// The first start in an empty HOME and a second one, in a project that nobody seeded.
fn answers(version: &str, output: &Path) {
    let desk = desk(&[output]);
    let project = desk.directory("project/.opencode");
    for _ in 0..2 {
        let before = desk.asked().turns.len();
        answered(version, &run(&desk, output, project.parent().unwrap()));
        let turns = desk.asked().turns.split_off(before);
        let offered = turns.iter().any(|turn| turn.tools.iter().any(|tool| tool == "pty_spawn"));
        assert!(offered, "{version}: the plugin's tools were not offered: {turns:?}");
    }
    assert_eq!(desk.attempts(), [""; 0], "{version}: attempts to leave");
}

/// One HOME, one version after the other, and then two at once; a file of the user's in the cache of each stays.
fn one_home(order: &[(&str, &Path)]) {
    let outputs: BTreeSet<&Path> = order.iter().map(|(_, output)| *output).collect();
    let desk = desk(&outputs.into_iter().collect::<Vec<_>>());
    let bare = desk.directory("bare");
    let mut kept = BTreeMap::new();
    for (version, output) in order {
        answered(version, &run(&desk, output, &bare));
        let cache = version.parse().ok().and_then(|version| builder::opencode::cache_version(&version));
        let above = cache.map(|cache| format!("opencode-cache-{cache}/")).unwrap_or_default();
        let file = format!(".cache/{above}opencode/{USERS}");
        desk.write(&file, version);
        kept.insert(file, (*version).to_owned());
    }
    // Each pair of neighbours once; the last and the first are of one version.
    for ((version, output), (other, beside)) in pairs(order) {
        thread::scope(|scope| {
            let second = scope.spawn(|| run(&desk, beside, &bare));
            answered(version, &run(&desk, output, &bare));
            answered(other, &second.join().unwrap());
        });
    }
    for (path, text) in kept {
        let found = desk.sandbox().read(format!("{HOME}/{path}"), 1 << 10).unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), text, "{path}");
    }
    assert_eq!(desk.attempts(), [""; 0], "attempts to leave");
}

/// The first, third, fifth … with the one behind it, and the last with the first.
fn pairs<T>(order: &[T]) -> impl Iterator<Item = (&T, &T)> {
    let ends = order.last().zip(order.first());
    order.chunks_exact(2).filter_map(|pair| pair.first().zip(pair.last())).chain(ends)
}
