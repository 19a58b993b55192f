//! An ordinary user, who cannot write where the output lies, has all of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use testkit::cli::{Place, told};
use testkit::output::Output;

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[case("verify", verify)];

/// `nobody` on every Linux.
const ORDINARY: u32 = 65534;

/// `verify` finds nothing wrong with the output, without any privilege: no attempt to leave, and every check good.
fn verify() {
    // Not below the target directory, which an ordinary user may not be able to reach.
    let open = fs::Permissions::from_mode(0o755);
    let reachable = tempfile::Builder::new().prefix("ordinary-").permissions(open).tempdir().unwrap();
    let cli = reachable.path().join("opencode-cache");
    fs::copy(&Place::get().cli, &cli).unwrap();
    let output = Output::shared().copy_below(reachable.path());
    let home = reachable.path().join("home");
    fs::create_dir(&home).unwrap();
    let mut command = Command::new(&cli);
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&home, Some(ORDINARY), Some(ORDINARY)).unwrap();
        command = Command::new("setpriv");
        let user = ORDINARY.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]).arg(&cli);
    }
    command.args(["verify", "--json", "--network", "dropped"]).arg(output.path()).current_dir(&home);
    command.env_clear().env("HOME", &home).env("PATH", testkit::desk::PATH);
    let verified = command.output().unwrap();
    assert!(verified.status.success(), "{}", told(&verified));
    let report: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(report["attempts"], serde_json::json!([]), "{report:#}");
    let checks: Vec<_> =
        report["checks"].as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    assert_eq!(checks, ["bytes", "models", "run", "serve", "acp", "tui", "hour"], "{report:#}");
}
