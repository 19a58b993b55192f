//! Property: a manifest means what its keys say, and a text without keys means the defaults.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use lock::manifest::Commands;
use lock::{Manifest, Profile, Reply, Ripgrep, System, Wanted};

#[test]
fn every_key_has_its_meaning() {
    let manifest =
        Manifest::parse(include_str!("../../../fixtures/manifest/full/opencode-cache.toml")).unwrap();
    assert_eq!(manifest.opencode, Wanted::Exact("1.18.18".parse().unwrap()));
    let systems = BTreeSet::from([System::X86_64Linux, System::Aarch64Linux]);
    assert_eq!(manifest.wanted_systems(), Some(systems));
    assert_eq!(manifest.profile, Profile::Online);
    assert_eq!(manifest.config, [Path::new("opencode.json"), Path::new("/etc/opencode/opencode.jsonc")]);
    assert_eq!(manifest.config_dirs, [Path::new("../.opencode")]);
    assert_eq!(manifest.providers, ["@ai-sdk/fireworks@3.0.62".parse().unwrap()]);
    let plugins: Vec<(&str, bool)> =
        manifest.plugins.iter().map(|spec| (spec.as_str(), spec.is_registry())).collect();
    assert_eq!(plugins, [("opencode-pty", true), ("github:user/plugin", false)]);
    let exercises: Vec<(&str, String)> =
        manifest.exercises.iter().map(|(name, command)| (name.as_str(), command.run.join(" "))).collect();
    let runs = [("agents", "debug agents"), ("search", "run where is it?"), ("v1.0_a", "models")];
    assert_eq!(exercises, runs.map(|(name, run)| (name, run.to_owned())));
    let search = &manifest.exercises["search"];
    assert_eq!(search.env, BTreeMap::from([("LANG".to_owned(), "C".to_owned())]));
    let arguments = serde_json::json!({ "limit": 3, "pattern": "needle" });
    let replies = [Reply::Call { tool: "grep".to_owned(), arguments }, Reply::Text("there".to_owned())];
    assert_eq!(search.replies, replies);
    assert_eq!(search.files, BTreeMap::from([("src/a.txt".parse().unwrap(), "a needle\n".to_owned())]));
    let pins = BTreeMap::from([("@ai-sdk/fireworks".parse().unwrap(), "2.0.90".parse().unwrap())]);
    assert_eq!((manifest.packages, manifest.before), (pins, Some("2026-01-31".parse().unwrap())));
    let frozen: Vec<&str> = manifest.freeze.iter().map(|name| name.as_str()).collect();
    assert_eq!(frozen, ["opencode", "zod"]);
    assert_eq!(manifest.ripgrep, Ripgrep::Github);
    let set = |ids: [&str; 2]| ids.map(str::to_owned).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(manifest.language_servers, set(["pyright", "typescript"]));
    let commands = Commands { all: true, specs: vec!["some-server@1.2.3".parse().unwrap()] };
    assert_eq!(manifest.commands, commands);
    assert_eq!(manifest.grammars, set(["c++", "python"]));
}

#[test]
fn an_empty_text_means_the_defaults() {
    let manifest = Manifest::parse("").unwrap();
    assert_eq!(manifest, Manifest::default());
    assert_eq!((manifest.opencode.clone(), manifest.profile), (Wanted::Latest, Profile::Online));
    assert_eq!(manifest.wanted_systems(), System::host().map(|host| BTreeSet::from([host])));
}

#[test]
fn a_huge_text_is_refused_unread() {
    let error = Manifest::parse(&" ".repeat(lock::manifest::MAX_BYTES + 1)).unwrap_err();
    assert_eq!(error.code(), "manifest-too-large");
}
