//! Property: a manifest means what its keys say, and a text without keys means the defaults.

use std::{collections::BTreeSet, path::Path};

use lock::{Manifest, Profile, System, Wanted};

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
        manifest.exercises.iter().map(|(name, run)| (name.as_str(), run.join(" "))).collect();
    assert_eq!(exercises, [("agents", "debug agents".to_owned()), ("v1.0_a", "models".to_owned())]);
}

#[test]
fn an_empty_text_means_the_defaults() {
    let manifest = Manifest::parse("").unwrap();
    assert_eq!(manifest, Manifest::default());
    assert_eq!((manifest.opencode.clone(), manifest.profile), (Wanted::Latest, Profile::Offline));
    assert_eq!(manifest.wanted_systems(), System::host().map(|host| BTreeSet::from([host])));
}

#[test]
fn a_huge_text_is_refused_unread() {
    let error = Manifest::parse(&" ".repeat(lock::manifest::MAX_BYTES + 1)).unwrap_err();
    assert_eq!(error.code(), "manifest-too-large");
}
