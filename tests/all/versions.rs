//! Every supported version of OpenCode, with a plugin that has dependencies and an SDK that is not built in: a lock is moved there, built,
//! verified, where it answers through that SDK.
//!
//! The oldest of era C is always done, verified with no network; what is done of the eras before it stands in `eras.rs`. `OPENCODE_CACHE_VERSIONS="1.15.13 1.17.18 latest" cargo test --test all -- versions`
//! does others too, and verifies them with every kind of network.

use lock::System;
use serde_json::{Value, json};
use testkit::site::{self, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] =
    &[case("the_oldest_of_c", || locks_builds_and_answers(OLDEST, &["--network", "none"]))];

/// The first version of era C.
const OLDEST: &str = "1.14.34";
/// Says which versions are done beside those.
const VARIABLE: &str = "OPENCODE_CACHE_VERSIONS";

/// The versions that the caller wants beside the oldest: `latest`, or exact ones.
pub fn wanted() -> Vec<String> {
    std::env::var(VARIABLE).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// The whole chain for one version; `networks` are options of `verify`.
pub fn locks_builds_and_answers(version: &str, networks: &[&str]) {
    let site = Site::provided();
    let old: Value = serde_json::from_str(&site.read("opencode.lock.json").unwrap()).unwrap();
    let old = old["opencode"].as_str().unwrap();
    let manifest = |opencode: &str, systems: &str| {
        format!(
            "# Mine, at {old}.\nopencode = \"{opencode}\" # why\n{systems}profile = \"offline\"\nproviders = [\"{}\"]\nplugins = [\"{}\"]\n",
            crate::answers::SDK,
            crate::answers::PLUGIN
        )
    };
    let all = "systems = [\n  \"x86_64-linux\", # fast\n  \"aarch64-linux\",\n]\n";
    site.write("opencode-cache.toml", &manifest(old, all)).unwrap();
    let host = System::host().unwrap();
    let to: &[&str] = if version == "latest" { &[] } else { &["--to", version] };
    let update = ["update", "--system", host.as_str(), "--summary", "pr.md", "--json"];
    let told = site::run(site.command_online(&[&update, to].concat())).unwrap().succeeds();
    let told: Value = serde_json::from_str(&told).unwrap();
    let moved = told["opencode"]["to"].as_str().unwrap();
    assert!(version == "latest" || version == moved, "{told:#}");
    assert_eq!(
        site.read("opencode-cache.toml").unwrap(),
        manifest(moved, &format!("systems = [\"{host}\"]\n"))
    );
    assert!(told["written"].to_string().contains("opencode.lock.json"), "{told:#}");
    assert_eq!(told["locked"]["other_bytes"], json!([]));
    let markdown = site.read("pr.md").unwrap();
    assert!(!markdown.contains("://") && markdown.contains("called a tool and answered"), "{markdown}");
    assert_eq!(site.run(&["lock", "--check"]).unwrap().code, Some(0));
    site::run(site.command_online(&["fetch"])).unwrap().succeeds();
    let lock: Value = serde_json::from_str(&site.read("opencode.lock.json").unwrap()).unwrap();
    let sdk = &lock["exercises"][format!("provider:{}", crate::answers::SDK)];
    assert_eq!(sdk["proof"], "answered", "{version}: {sdk:#}");
    // From here on no registry answers.
    site.run(&["build", "--offline"]).unwrap().succeeds();
    let verified = site.run(&[&["verify", "--json"], networks].concat()).unwrap();
    let report: Value = serde_json::from_str(&verified.stdout).unwrap_or_default();
    assert_eq!(verified.code, Some(0), "{version}: {report:#}\n{}", verified.stderr);
    assert_eq!(report["attempts"], json!([]), "{version}: {report:#}");
}
