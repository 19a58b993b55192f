//! Versions by hand and by day: what contradicts them is told before anything is recorded.

use testkit::site::{self, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("a_check_knows_pins_and_days", a_check_knows_pins_and_days),
    case("what_cannot_be_had_is_an_error", what_cannot_be_had_is_an_error),
];

fn with(site: &Site, more: &str) {
    let manifest = std::fs::read_to_string(testkit::cli::Place::get().repository.join("opencode-cache.toml"));
    site.write("opencode-cache.toml", &(manifest.unwrap() + more)).unwrap();
}

/// Asks nobody.
fn a_check_knows_pins_and_days() {
    let site = Site::empty();
    with(&site, "\n[packages]\nzod = \"4.1.8\"\n");
    let check = site.run(&["lock", "--check"]).unwrap();
    assert_eq!(check.code, Some(1), "{check:?}");
    assert!(check.stdout.contains("zod is pinned to 4.1.8"), "{check:?}");
    with(&site, "");
    let check = site.run(&["lock", "--check", "--before", "2026-01-31"]).unwrap();
    assert_eq!(check.code, Some(1), "{check:?}");
    assert!(check.stdout.contains("as of 2026-01-31"), "{check:?}");
    assert_eq!(site.run(&["lock", "--before", "2026-02-30"]).unwrap().code, Some(2));
}

fn what_cannot_be_had_is_an_error() {
    let site = Site::provided();
    let lock = |more: &str, arguments: &[&str]| {
        with(&site, more);
        site::run(site.command_online(&[&["lock"], arguments].concat())).unwrap()
    };
    lock("\n[packages]\nzod = \"4.1.99999\"\n", &[]).fails_with_next_step(3, "package-absent");
    let other = "\n[packages]\n\"@opencode-ai/plugin\" = \"1.14.34\"\n";
    lock(other, &[]).fails_with_next_step(3, "pin-conflict");
    let early = lock("", &["--before", "2001-01-01"]);
    early.fails_with_next_step(3, "before-younger");
    assert!(early.stderr.contains("every version is younger"), "{early:?}");
}
