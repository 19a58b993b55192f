//! Every state of an entry has words of its own, and dangling links are found wherever they stand.

use std::fs;

use crate::stage::Stage;

const FIREWORKS: &str = "packages/@ai-sdk/fireworks";

fn code_of(stage: &Stage, place: &str) -> String {
    let place = stage.path("home").join(place);
    let finding =
        stage.findings("entries").into_iter().find(|finding| finding.subject == place.to_str().unwrap());
    finding.unwrap().code.into()
}

fn fireworks(stage: &Stage) -> String {
    code_of(stage, &format!(".cache-nix/opencode/{FIREWORKS}"))
}

#[test]
fn a_home_before_its_first_start() {
    let stage = Stage::new();
    let codes = stage.codes("entries");
    assert!(codes.iter().all(|line| line.starts_with("entry-absent ")), "{codes:?}");
    assert_eq!(codes.len(), 6);
    assert_eq!(stage.codes("links"), ["links links"]);
    // Looking makes nothing.
    assert_eq!(fs::read_dir(stage.path("home")).unwrap().count(), 0);
}

#[test]
fn a_home_after_its_first_start() {
    let stage = Stage::new();
    stage.start('a');
    assert_eq!(
        stage.codes("entries"),
        [
            "entry-current ~/home/.cache-nix/opencode/bin",
            "entry-current ~/home/.cache-nix/opencode/packages/@ai-sdk/fireworks",
            "entry-current ~/home/.cache-nix/opencode/packages/opencode-pty",
            "entry-current ~/home/.cache-nix/opencode/packages/opencode-pty@latest",
            "entry-current ~/home/.config/opencode/node_modules",
            "entry-absent ~/home/.config/opencode/package.json",
        ]
    );
}

#[test]
fn a_link_of_another_generation() {
    let stage = Stage::new();
    stage.start('b');
    assert_eq!(fireworks(&stage), "entry-older");
    let said = &stage.findings("entries")[1].text;
    assert!(said.contains("which is gone"), "{said}");
}

#[test]
fn what_is_the_users_own() {
    let stage = Stage::new();
    let place = stage.cache(FIREWORKS);
    fs::create_dir_all(&place).unwrap();
    assert_eq!(fireworks(&stage), "entry-empty");
    fs::write(place.join("package.json"), "{}").unwrap();
    assert_eq!(fireworks(&stage), "entry-half");
    fs::create_dir(place.join("node_modules")).unwrap();
    assert_eq!(fireworks(&stage), "entry-own");
    fs::remove_dir_all(&place).unwrap();
    stage.link(&stage.path("nowhere"), &place);
    assert_eq!(fireworks(&stage), "entry-foreign-dangling");
}

#[test]
fn a_file_where_a_directory_has_to_be() {
    let stage = Stage::new();
    stage.write("home/.cache-nix/opencode/bin", "");
    assert_eq!(code_of(&stage, ".cache-nix/opencode/bin"), "entry-in-the-way");
}

#[test]
fn a_configuration_directory_with_dependencies_of_its_own() {
    let stage = Stage::new();
    stage.write("home/.config/opencode/node_modules/mine/index.js", "");
    assert_eq!(code_of(&stage, ".config/opencode/node_modules"), "entry-own");
    assert_eq!(code_of(&stage, ".config/opencode/package.json"), "entry-withheld");
    stage.write("home/.config/opencode/package.json", "{}");
    assert_eq!(code_of(&stage, ".config/opencode/package.json"), "entry-own-file");
}

#[test]
fn a_source_that_is_gone() {
    let stage = Stage::new();
    stage.start('a');
    fs::remove_dir_all(stage.output('a').join("cache").join(FIREWORKS)).unwrap();
    assert_eq!(fireworks(&stage), "entry-source-missing");
}

#[test]
fn links_that_lead_nowhere() {
    let stage = Stage::new();
    stage.start('a');
    stage.link(&stage.output('b').join("cache/packages/gone"), &stage.cache("packages/gone"));
    stage.link(&stage.path("nowhere"), &stage.cache("packages/@scope/theirs"));
    stage.link(&stage.path("nowhere"), &stage.path("home/.config/opencode/AGENTS.md"));
    assert_eq!(
        stage.codes("links"),
        [
            "link-dangling ~/home/.cache-nix/opencode/packages/@scope/theirs",
            "link-older ~/home/.cache-nix/opencode/packages/gone",
            "link-dangling ~/home/.config/opencode/AGENTS.md",
        ]
    );
}
