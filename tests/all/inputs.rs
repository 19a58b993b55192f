//! What a user's configuration may hold and cannot be had is told by its place, with the next step, and with bounded memory;
//! and nothing of what its variables and files hold is told to anybody.

use std::fs::File;
use std::process::Command;

use testkit::site::{self, Ran, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("a_reference_that_cannot_be_read_is_told", references),
    case("a_configuration_that_is_too_large_is_told", too_large),
    case("a_provider_that_nobody_knows_is_told_with_what_is_near", unknown_provider),
    case("a_plugin_or_version_that_is_not_there_is_told", unknown_package),
    case("what_variables_and_files_hold_is_told_to_nobody", secrets),
];

/// Memory that is enough for the program, and for no file of a gigabyte, in kB.
const MEMORY: &str = "ulimit -v 900000; exec \"$@\"";

fn bounded(site: &Site, arguments: &[&str]) -> Ran {
    site::run(site.command_by(&["sh", "-c", MEMORY, "sh"], arguments)).unwrap()
}

/// A site whose configuration refers to `file`.
fn referring_to(file: &str) -> Site {
    let site = Site::empty();
    site.write("mine/opencode.json", &format!("{{\n  \"username\": \"{{file:{file}}}\"\n}}\n")).unwrap();
    site
}

fn references() {
    let check = |site: &Site, what: &str| {
        let ran = bounded(site, &["lock", "--check", "--config", "mine/opencode.json"]);
        ran.fails_with_next_step(3, "config-reference");
        assert!(ran.stderr.contains("mine/opencode.json:2:16: {file:"), "{}", ran.stderr);
        assert!(ran.stderr.contains(what), "{}", ran.stderr);
    };
    check(&referring_to("gone"), "cannot be read: No such file");
    check(&referring_to("."), "not a regular file");
    let site = referring_to("pipe");
    assert!(Command::new("mkfifo").arg(site.path("mine/pipe")).status().unwrap().success());
    check(&site, "not a regular file");
    let site = referring_to("huge");
    File::create(site.path("mine/huge")).unwrap().set_len(1 << 30).unwrap();
    check(&site, "over 1048576 bytes");
    // One that is there is no reason to complain.
    let site = referring_to("key");
    site.write("mine/key", "a\nb\n").unwrap();
    bounded(&site, &["lock", "--check", "--config", "mine/opencode.json"]).succeeds();
}

fn too_large() {
    let site = Site::empty();
    let text = format!("{{ \"a\": [{}\"\"] }}", "\"0123456789\", ".repeat(800_000));
    assert!(text.len() > 10 << 20);
    site.write("mine/opencode.json", &text).unwrap();
    let check = |file: &str| {
        let ran = bounded(&site, &["lock", "--check", "--config", file]);
        ran.fails_with_next_step(3, "config-not-a-file");
        assert!(ran.stderr.contains(file), "{}", ran.stderr);
    };
    check("mine/opencode.json");
    check("mine");
    // A small one that refers to much.
    site.write("mine/file", &"x".repeat(1 << 20)).unwrap();
    site.write("mine/more.json", &format!("[{}0]", "\"{file:file}\",".repeat(9))).unwrap();
    let ran = bounded(&site, &["lock", "--check", "--config", "mine/more.json"]);
    ran.fails_with_next_step(3, "config-too-large");
}

fn unknown_provider() {
    let site = Site::provided();
    let ran = site.run(&["lock", "--provider", "groqq"]).unwrap();
    ran.fails_with_next_step(3, "provider-unknown");
    assert!(ran.stderr.contains("\"groqq\"") && ran.stderr.contains("is \"groq\" meant?"), "{}", ran.stderr);
    // A plugin may bring a provider: a configuration that names one is no mistake, and its writer is told.
    site.write("mine.json", "{ \"model\": \"antropic/x\" }").unwrap();
    let ran = site.run(&["lock", "--config", "mine.json"]).unwrap();
    assert!(ran.stderr.contains("\"antropic\"") && ran.stderr.contains("is \"anthropic\" meant?"), "{ran:?}");
    ran.succeeds();
    site.run(&["lock", "--check", "--config", "mine.json"]).unwrap().succeeds();
}

fn unknown_package() {
    for (spec, code) in [
        ("opencode-pty@99.99.99", "package-absent"),
        ("@opencode-ai/no-such-plugin-in-any-registry", "package-absent"),
        ("git+https://host.example/plugin.git", "config-spec"),
    ] {
        let site = Site::provided();
        site.write("mine.json", &format!("{{ \"plugin\": [\"{spec}\"] }}")).unwrap();
        let old = site.read("opencode.lock.json").unwrap();
        let ran = site::run(site.command_online(&["lock", "--config", "mine.json"])).unwrap();
        ran.fails_with_next_step(3, code);
        assert!(ran.stderr.contains(spec), "{}", ran.stderr);
        assert_eq!(site.read("opencode.lock.json").unwrap(), old);
    }
}

fn secrets() {
    const SECRET: &str = "sesame-open";
    let site = Site::provided();
    site.write("key", SECRET).unwrap();
    let text = r#"{
      "model": "{env:CORPUS_SECRET}/x", "small_model": "groq/{env:CORPUS_SECRET}", "plugin": ["{env:CORPUS_SECRET}", "{file:./key}@1.0.0"],
      "provider": { "own": { "npm": "{file:key}", "options": { "apiKey": "{file:key}", "headers": { "A": "{env:CORPUS_SECRET}" } } } },
      "mcp": { "a": { "type": "local", "command": ["x", "--token", "{env:CORPUS_SECRET}"] }, "b": { "type": "remote", "url": "https://{env:CORPUS_SECRET}.example" } }
    }"#;
    site.write("mine.json", text).unwrap();
    site.write("broken.json", "{\n  \"a\": \"{env:CORPUS_QUOTE}\"\n}").unwrap();
    site.write("away.json", "{ \"a\": \"{file:{env:CORPUS_SECRET}/x}\" }").unwrap();
    let run = |arguments: &[&str]| {
        let mut command = site.command(arguments);
        command.env("CORPUS_SECRET", SECRET).env("CORPUS_QUOTE", format!("\" {SECRET}"));
        let ran = site::run(command).unwrap();
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(SECRET), "{ran:?}");
        ran
    };
    run(&["lock", "-vv", "--config", "mine.json"]).succeeds();
    assert!(!site.read("opencode.lock.json").unwrap().contains(SECRET));
    let plan = run(&["inspect", "-vv", "--plan", "--config", "mine.json"]);
    assert_eq!(plan.code, Some(1), "{plan:?}");
    assert!(plan.stdout.contains("plugin {env:CORPUS_SECRET}: not captured"), "{plan:?}");
    run(&["lock", "-vv", "--check", "--config", "broken.json"]).fails_with_next_step(3, "config-syntax");
    run(&["lock", "-vv", "--check", "--config", "away.json"]).fails_with_next_step(3, "config-reference");
}
