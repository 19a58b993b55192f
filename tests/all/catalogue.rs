//! The catalogue of models: pinned from its real name, built without a network, and what OpenCode goes by then; where nobody answers,
//! the one inside OpenCode serves, and the lock says so.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use lock::Lock;
use replay::llm::Script;
use serde_json::{Value, json};
use testkit::desk::{Desk, Outside};
use testkit::internet::{Internet, Reply};
use testkit::site::{self, Ran, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("pinned_at_its_real_name_and_used_offline", pinned_at_its_real_name_and_used_offline),
    case("unreachable_the_one_inside_opencode_serves", unreachable_the_one_inside_opencode_serves),
];

/// Where OpenCode 1.18 asks.
const HOST: &str = "models.opencode.ai";
/// What only the stand-in knows.
const MODEL: &str = "standin/only-here";
/// The longest that one step may take on two busy cores.
const LIMIT: Duration = Duration::from_secs(120);

/// A catalogue of one model, with all that OpenCode 1.18.18 wants to know of it.
pub fn stand_in() -> String {
    let model = json!({
        "id": "only-here", "name": "Only here", "release_date": "2026-11-20", "last_updated": "2026-11-20",
        "attachment": false, "reasoning": false, "temperature": true, "tool_call": true, "open_weights": false,
        "modalities": { "input": ["text"], "output": ["text"] },
        "cost": { "input": 1, "output": 1 }, "limit": { "context": 1000, "output": 100 },
    });
    json!({ "standin": {
        "id": "standin", "name": "Stand-in", "env": ["STANDIN_API_KEY"], "npm": "@ai-sdk/openai-compatible",
        "api": "https://standin.example/v1", "doc": "https://standin.example/", "models": { "only-here": model },
    } })
    .to_string()
}

/// A site that wants nothing but OpenCode, and whose lock has not counted the models yet: so that nothing else is asked for.
fn site(profile: &str) -> Site {
    let site = Site::provided();
    let manifest = format!(
        "opencode = \"1.18.18\"\nsystems = [\"x86_64-linux\"]\nripgrep = \"none\"\nprofile = \"{profile}\"\n"
    );
    site.write("opencode-cache.toml", &manifest).unwrap();
    let mut lock = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap();
    lock.systems.retain(|system, _| system.to_string() == "x86_64-linux");
    lock.models.clear();
    lock.programs.clear();
    lock.exercises.retain(|name, _| name.as_str() == "config-dir");
    lock.retain_referenced();
    site.write("opencode.lock.json", &lock.render()).unwrap();
    site
}

fn locked(site: &Site) -> Lock {
    Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap()
}

fn lock_against(site: &Site, address: &str) -> Ran {
    let mut command = site.command(&["lock", "--connect-to", &format!("{HOST}={address}")]);
    command.env("NODE_EXTRA_CA_CERTS", site.path("ca.pem"));
    site::run(command).unwrap()
}

fn pinned_at_its_real_name_and_used_offline() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let body = stand_in();
    let served = body.clone();
    let internet = Internet::start(
        "",
        &[],
        Arc::new(move |asked| {
            let found = asked.host == HOST && asked.path == "/api.json";
            let reply = if found { Reply::new(200, served.clone()) } else { Reply::new(404, "") };
            Box::pin(async move { reply })
        }),
    );
    let site = site("offline");
    internet.write_certificate(&site.path("ca.pem"));
    lock_against(&site, &internet.hosts().to_string()).succeeds();
    // OpenCode 1.18.18 asks at its start, and again for `--refresh`.
    assert!(internet.asked().iter().all(|asked| asked.host == HOST), "{:?}", internet.asked());
    let lock = locked(&site);
    let pinned = lock.catalogue.clone().unwrap();
    assert_eq!(pinned.integrity, lock::Sri::of(lock::Algorithm::Sha512, body.as_bytes()));
    assert_eq!(pinned.url.as_str(), format!("https://{HOST}/api.json"));
    assert_eq!(lock.models.get("standin"), Some(&1), "what is counted is what is pinned: {:?}", lock.models);

    // Who has lock and file needs no host.
    let in_vendor = replay::vendor::Vendor::at(site.vendor()).path_of(&pinned.integrity);
    fs::remove_file(&in_vendor).unwrap();
    site.run(&["build", "--offline"]).unwrap().succeeds();
    assert_eq!(site.read("result/share/models.json").unwrap(), body);
    assert_lists(&site, MODEL);
    let said = site.run(&["inspect"]).unwrap().succeeds();
    assert!(said.contains(HOST) && said.contains("2026-11-20"), "{said}");

    // In the online profile it is where OpenCode looks first, and may be replaced.
    let manifest = site.read("opencode-cache.toml").unwrap().replace("offline", "online");
    site.write("opencode-cache.toml", &manifest).unwrap();
    site.run(&["build", "--offline"]).unwrap().succeeds();
    assert!(site.read("result/linkmap").unwrap().contains("copy\tcache\tmodels.json\tshare/models.json\t"));
    assert_lists(&site, MODEL);

    // Without the file the host is asked.
    fs::remove_file(&in_vendor).unwrap();
    fs::remove_file(site.path("opencode.catalogue.json.zst")).unwrap();
    let ran = site.run(&["fetch", "--connect-to", &format!("{HOST}=127.0.0.1:9")]).unwrap();
    ran.fails_with_next_step(4, "catalogue-moved");
    assert!(ran.stderr.contains("opencode.catalogue.json.zst"), "{}", ran.stderr);
}

/// OpenCode of the site's output, with no network, lists this model.
fn assert_lists(site: &Site, model: &str) {
    let output = fs::canonicalize(site.path("result")).unwrap();
    let desk = Desk::new(Outside::Refused, Script::saying(""), &[&output]);
    let project = desk.directory("project");
    let command =
        desk.command(&output.join("bin/opencode"), &["models"], &project).env("STANDIN_API_KEY", "x");
    let ran = desk.run(&command, LIMIT);
    assert!(ran.stdout.lines().any(|line| line == model), "{ran:?}");
}

fn unreachable_the_one_inside_opencode_serves() {
    let site = site("offline");
    let ran = lock_against(&site, "127.0.0.1:9");
    let said = ran.stderr.clone();
    ran.succeeds();
    assert!(said.contains("the one inside OpenCode") && said.contains(HOST), "{said}");
    let text = site.read("opencode.lock.json").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["catalogue"], Value::Null);
    assert!(!site.path("opencode.catalogue.json.zst").exists());
    assert!(locked(&site).models.values().sum::<u32>() > 1000, "never an empty picker");
}
