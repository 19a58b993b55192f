//! A lock moves only where its manifest moved: a plugin more is that plugin's lines and no other.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::cli::program;
use testkit::site::{self, Ran, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("a_plugin_more_is_its_own_lines", a_plugin_more_is_its_own_lines),
    case("a_check_asks_nobody", a_check_asks_nobody),
];

/// A plugin with dependencies that the committed lock does not have.
const PLUGIN: &str = "opencode-gemini-auth@1.3.8";

fn online(site: &Site, arguments: &[&str]) -> Ran {
    site::run(site.command_online(arguments)).unwrap()
}

fn a_plugin_more_is_its_own_lines() {
    let site = Site::provided();
    let (manifest, old) =
        (site.read("opencode-cache.toml").unwrap(), site.read("opencode.lock.json").unwrap());
    assert_eq!(site.run(&["lock", "--check"]).unwrap().code, Some(0));
    let more = manifest.replace("plugins = [", &format!("plugins = [\"{PLUGIN}\", "));
    assert_ne!(more, manifest);
    site.write("opencode-cache.toml", &more).unwrap();
    let check = site.run(&["lock", "--check"]).unwrap();
    assert_eq!(check.code, Some(1), "{check:?}");
    assert!(check.stdout.contains(PLUGIN), "{}", check.stdout);

    online(&site, &["lock"]).succeeds();
    let new = site.read("opencode.lock.json").unwrap();
    assert_eq!(lacking(&old, &new), [""; 0], "lines of others have changed");
    // And what came is what the plugin brings: its exercise, and packages that it alone has.
    let (before, after): (Value, Value) =
        (serde_json::from_str(&old).unwrap(), serde_json::from_str(&new).unwrap());
    let added = keys(&after["exercises"]).filter(|name| before["exercises"].get(name).is_none());
    assert_eq!(added.collect::<Vec<_>>(), [format!("plugin:{PLUGIN}")]);
    let brought = after["exercises"][format!("plugin:{PLUGIN}")]["packages"].as_array().unwrap();
    for id in keys(&after["packages"]).filter(|id| before["packages"].get(id).is_none()) {
        assert!(brought.contains(&json!(id)), "{id} is not the plugin's");
    }

    // Nothing is asked for what has not changed: this registry does not answer.
    site.run(&["lock"]).unwrap().succeeds();
    assert_eq!(site.read("opencode.lock.json").unwrap(), new);
    assert_eq!(site.run(&["lock", "--check"]).unwrap().code, Some(0));

    // The way back leads to the same bytes.
    site.write("opencode-cache.toml", &manifest).unwrap();
    site.run(&["lock"]).unwrap().succeeds();
    assert_eq!(site.read("opencode.lock.json").unwrap(), old);
}

fn keys(object: &Value) -> impl Iterator<Item = &str> {
    object.as_object().unwrap().keys().map(String::as_str)
}

/// Lines of `old` that `new` has fewer of. A comma at the end says only that another line follows.
fn lacking(old: &str, new: &str) -> Vec<String> {
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect()
    };
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines(new) {
        *there.entry(line).or_default() += 1;
    }
    let mut lacking = lines(old);
    lacking.retain(|line| match there.get_mut(line) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    lacking
}

/// Whether a lock is up to date is known without a network: not even a socket for one is opened.
fn a_check_asks_nobody() {
    let Some(strace) = program("strace") else { return };
    let site = Site::empty();
    let manifest = site.read("opencode-cache.toml").unwrap();
    let more = manifest.replace("plugins = [", &format!("plugins = [\"{PLUGIN}\", "));
    for (manifest, code) in [(manifest, 0), (more, 1)] {
        site.write("opencode-cache.toml", &manifest).unwrap();
        let calls = site.path("calls");
        let strace = [strace.to_str().unwrap(), "-f", "-e", "trace=network", "-o", calls.to_str().unwrap()];
        let ran = site::run(site.command_by(&strace, &["lock", "--check"])).unwrap();
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let calls = site.read("calls").unwrap();
        assert!(calls.contains("exited with"), "{calls}");
        let asked: Vec<&str> = calls.lines().filter(|line| line.contains("AF_INET")).collect();
        assert_eq!(asked, [""; 0]);
    }
}
