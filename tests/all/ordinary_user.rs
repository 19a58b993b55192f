//! An ordinary user, who cannot write where the output lies, has all of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};
use testkit::cli::{Place, told};
use testkit::output::Output;

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[case("verify", verify)];

/// `nobody` on every Linux.
const ORDINARY: u32 = 65534;

/// `verify` finds nothing wrong with the output where packets are lost, and without any privilege: no attempt to leave, and every
/// check good. With no network at all other tests verify, each what it built.
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
    command
        .args(["verify", "--json", "--network", "dropped", "--network", "silent"])
        .arg(output.path())
        .current_dir(&home);
    command.env_clear().env("HOME", &home).env("PATH", testkit::desk::PATH);
    let verified = command.output().unwrap();
    assert!(verified.status.success(), "{}", told(&verified));
    let report: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(report["attempts"], json!([]), "{report:#}");
    let checks = report["checks"].as_array().unwrap();
    let steps = |network: &str| -> Vec<_> {
        let of_network = checks.iter().filter(|check| check["network"] == network);
        of_network.map(|check| check["name"].as_str().unwrap()).collect()
    };
    assert_eq!(steps("dropped"), ["models", "run", "serve", "acp", "tui"]);
    assert_eq!(steps("silent"), [steps("dropped"), vec!["hour"]].concat());
    assert_eq!(checks[0]["name"], "bytes");
    assert_eq!(checks.len(), 12, "{report:#}");
    assert!(checks.iter().all(|check| check["problems"] == json!([])), "{report:#}");
    assert!(checks.iter().all(|check| check["seconds"].as_f64().unwrap() > 0.0), "{report:#}");
    let hour = checks.last().unwrap()["summary"].as_str().unwrap();
    assert!(hour.starts_with("65 minutes, "), "{hour}");
}
