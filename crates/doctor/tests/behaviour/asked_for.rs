//! What configurations ask for is found wherever OpenCode looks, and each package has one of a few fates.

use std::fs;

use crate::stage::Stage;

#[test]
fn every_fate_of_a_package() {
    let stage = Stage::new();
    stage.configure(
        r#"{ // JSONC
          "provider": { "a": { "npm": "@ai-sdk/fireworks" }, "b": { "npm": "@ai-sdk/xai" }, "c": { "npm": "@x/y" },
            "d": { "npm": "@ai-sdk/google-vertex/anthropic" } },
          "plugin": ["opencode-pty", ["own@1.0.0", {}], "none@1.0.0", "git+https://u:secret@h/x", "./here.ts", "./gone.ts", "{env:PLUGIN}",],
        }"#,
    );
    stage.write("home/.config/opencode/here.ts", "");
    fs::create_dir_all(stage.cache("packages/own@1.0.0/node_modules/own")).unwrap();
    assert_eq!(
        stage.codes("asked-for"),
        [
            "config ~/home/.config/opencode/opencode.json",
            "asked-captured provider SDK @ai-sdk/fireworks",
            "asked-built-in provider SDK @ai-sdk/xai",
            "asked-not-captured provider SDK @x/y",
            "asked-built-in provider SDK @ai-sdk/google-vertex/anthropic",
            "asked-captured plugin opencode-pty",
            "asked-installed plugin own@1.0.0",
            "asked-not-captured plugin none@1.0.0",
            "asked-not-pinnable plugin git+https://h/x",
            "asked-local plugin ./here.ts",
            "asked-local-missing plugin ./gone.ts",
            "asked-replaced plugin {env:PLUGIN}",
        ]
    );
    assert!(!format!("{:?}", stage.examine()).contains("secret"));
}

#[test]
fn a_provider_whose_sdk_the_catalogue_knows() {
    let stage = Stage::new();
    stage.configure(r#"{ "model": "hub/one", "provider": { "x": { "options": {} }, "unknown": {} } }"#);
    assert_eq!(
        stage.codes("asked-for")[1..],
        ["asked-built-in provider SDK @ai-sdk/xai", "asked-not-captured provider SDK hub-sdk"]
    );
    // A file comes before the binary's own.
    stage.write("home/.cache-nix/opencode/models.json", r#"{ "hub": { "npm": "@ai-sdk/fireworks" } }"#);
    assert_eq!(stage.codes("asked-for")[1..], ["asked-captured provider SDK @ai-sdk/fireworks"]);
    // A provider's own word comes before the catalogue's.
    stage.configure(r#"{ "model": "hub/one", "provider": { "hub": { "npm": "@ai-sdk/xai" } } }"#);
    assert_eq!(stage.codes("asked-for")[1..], ["asked-built-in provider SDK @ai-sdk/xai"]);
}

#[test]
fn what_is_switched_off_is_not_asked_for() {
    let stage = Stage::new();
    stage.configure(
        r#"{ "provider": { "a": { "npm": "a-sdk" }, "b": { "npm": "b-sdk" }, "c": { "npm": "c-sdk" } },
             "disabled_providers": ["a"], "plugin": ["opencode-copilot-auth@1.0.0"] }"#,
    );
    stage.write("project/opencode.json", r#"{ "enabled_providers": ["a", "c"] }"#);
    let codes = stage.codes("asked-for");
    assert_eq!(
        codes,
        [
            "config ~/home/.config/opencode/opencode.json",
            "asked-not-captured provider SDK c-sdk",
            "asked-passed-over plugin opencode-copilot-auth@1.0.0",
            "config ~/project/opencode.json",
        ]
    );
}

#[test]
fn with_the_online_profile_opencode_may_install() {
    let mut stage = Stage::new();
    stage.write_output('a', "online");
    let config = stage.write("more.json", r#"{ "plugin": ["none"] }"#);
    stage.configs.push(config);
    assert_eq!(stage.codes("asked-for"), ["config ~/more.json", "asked-online plugin none"]);
}

#[test]
fn a_binary_that_does_not_say_what_is_built_in() {
    let stage = Stage::new();
    fs::write(stage.output('a').join("lib/opencode/bin/opencode"), "other").unwrap();
    stage.configure(r#"{ "provider": { "b": { "npm": "@ai-sdk/xai" } } }"#);
    assert_eq!(stage.codes("asked-for")[1], "asked-unknown provider SDK @ai-sdk/xai");
}

#[test]
fn every_place_that_opencode_reads() {
    let mut stage = Stage::new();
    stage.here = "project/below/here";
    for (file, name) in [
        ("home/.config/opencode/config.json", "a"),
        ("home/.config/opencode/opencode.json", "b"),
        ("home/.config/opencode/opencode.jsonc", "c"),
        ("managed/opencode.json", "d"),
        ("project/below/here/opencode.json", "e"),
        ("project/opencode.jsonc", "f"),
        ("project/below/.opencode/opencode.json", "g"),
        ("home/.opencode/opencode.jsonc", "h"),
        ("directory/opencode.json", "i"),
        ("file.json", "j"),
        // Above git's work tree: another project.
        ("opencode.json", "not-read"),
    ] {
        stage.write(file, &format!(r#"{{ "plugin": ["{name}@1.0.0"] }}"#));
    }
    fs::create_dir_all(stage.path(stage.here)).unwrap();
    stage.set("OPENCODE_CONFIG_DIR", stage.path("directory"));
    stage.set("OPENCODE_CONFIG", stage.path("file.json"));
    stage.set("OPENCODE_CONFIG_CONTENT", r#"{ "plugin": ["k@1.0.0"] }"#);
    let mut names: Vec<String> = stage.codes("asked-for");
    names.retain(|line| line.starts_with("asked-not-captured"));
    names.sort();
    let expected: Vec<_> =
        ('a'..='k').map(|name| format!("asked-not-captured plugin {name}@1.0.0")).collect();
    assert_eq!(names, expected);

    stage.set("OPENCODE_DISABLE_PROJECT_CONFIG", "1");
    let without = stage.codes("asked-for");
    assert!(
        !without.iter().any(|line| ["e@", "f@", "g@"].iter().any(|name| line.contains(name))),
        "{without:?}"
    );
}

#[test]
fn a_configuration_that_is_none() {
    let mut stage = Stage::new();
    stage.configure("{\n  \"plugin\": [\n}");
    stage.configs.push(stage.path("not-there.json"));
    let findings = stage.findings("asked-for");
    assert_eq!([findings[0].code, findings[1].code], ["config-syntax", "config-unreadable"]);
    assert!(findings[0].text.contains("opencode.json:3:1"), "{}", findings[0].text);
    for text in ["[]", r#"{ "provider": 3 }"#, r#"{ "plugin": {} }"#] {
        stage.configure(text);
        assert_eq!(stage.findings("asked-for")[0].code, "config-shape", "{text}");
    }
}

#[test]
fn dependencies_of_configuration_directories() {
    let stage = Stage::new();
    let wanted = r#"{ "dependencies": { "zod": "*", "@opencode-ai/plugin": "1" } }"#;
    stage.write("home/.config/opencode/package.json", wanted);
    // Laid at the next start, so captured.
    assert_eq!(stage.codes("asked-for"), ["config-none configuration"]);
    stage.write("project/.opencode/package.json", wanted);
    let lacking = "dependencies-not-captured ~/project/.opencode/package.json";
    assert_eq!(stage.codes("asked-for"), [lacking]);
    stage.write("project/.opencode/node_modules/zod/index.js", "");
    assert_eq!(stage.codes("asked-for"), ["config-none configuration"]);
}
