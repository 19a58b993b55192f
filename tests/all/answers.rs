//! OpenCode answers on an output, with no network at all.

use std::process::Command;

use testkit::cli::succeed;
use testkit::output::Output;

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[case("version", version)];

/// The wrapper starts exactly the locked version.
fn version() {
    let lock =
        std::fs::read_to_string(testkit::cli::Place::get().repository.join("opencode.lock.json")).unwrap();
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let home = testkit::cli::Place::get().directory("version-");
    let said = succeed(
        Command::new(Output::shared().wrapper()).arg("--version").env_clear().env("HOME", home.path()),
    );
    assert_eq!(said, lock["opencode"].as_str().unwrap());
}
