//! Every supported version of OpenCode, with a plugin that has dependencies and an SDK that is not built in: locked, built, verified,
//! where it answers through that SDK.
//!
//! The oldest is always done, verified with no network. `OPENCODE_CACHE_VERSIONS="1.15.13 1.17.18 latest" cargo test --test all -- versions`
//! does others too, and verifies them with every kind of network.

use std::fs;

use serde_json::{Value, json};
use testkit::site::{self, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[case("the_oldest", || locks_builds_and_answers(OLDEST, &["--network", "none"]))];

/// The first version of era C that was examined.
const OLDEST: &str = "1.14.34";
/// Says which versions are done beside the oldest.
const VARIABLE: &str = "OPENCODE_CACHE_VERSIONS";

/// The versions that the caller wants beside the oldest: `latest`, or exact ones.
pub fn wanted() -> Vec<String> {
    std::env::var(VARIABLE).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// The whole chain for one version; `networks` are options of `verify`.
pub fn locks_builds_and_answers(version: &str, networks: &[&str]) {
    let site = Site::provided();
    fs::remove_file(site.path("opencode.lock.json")).unwrap();
    let manifest = format!(
        "opencode = \"{version}\"\nprofile = \"offline\"\nproviders = [\"{}\"]\nplugins = [\"{}\"]\n",
        crate::answers::SDK,
        crate::answers::PLUGIN
    );
    site.write("opencode-cache.toml", &manifest).unwrap();
    for verb in ["lock", "fetch"] {
        site::run(site.command_online(&[verb])).unwrap().succeeds();
    }
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
