//! `verify` says yes to what was built, and no with the reason to everything else: a package that
//! is gone, a plugin that phones home, a machine where nothing can be isolated.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use testkit::output::Output;
use testkit::site::{self, Ran, Site, copy_writable};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("the_kinds_of_network_are_said", the_kinds_of_network_are_said),
    case("a_missing_package_is_named", a_missing_package_is_named),
    case("a_plugin_that_phones_home_is_named", a_plugin_that_phones_home_is_named),
    case("without_namespaces_nothing_weaker_is_done", without_namespaces_nothing_weaker_is_done),
];

/// A plugin that asks for two names, of which one is allowed.
const BY_NAME: &str = "\
export const ByName = async () => {
  for (const scheme of [\"https\", \"http\"]) {
    await fetch(`${scheme}://phone-home.example/`).catch(() => {})
    await fetch(`${scheme}://updates.example/`).catch(() => {})
  }
  return {}
}
";

/// A plugin that connects to an address (RFC 5737, TEST-NET-3).
const BY_ADDRESS: &str = "\
import net from \"node:net\"
export const ByAddress = async () => {
  await new Promise((done) => {
    const socket = net.connect(4711, \"203.0.113.7\")
    socket.on(\"error\", done).on(\"connect\", done)
  })
  return {}
}
";

/// With one kind of network: that all of them are gone through is one test's matter.
const ONE: &str = "--network=none";

fn verify(site: &Site, arguments: &[&str]) -> Ran {
    let output = Output::shared().path().to_str().unwrap();
    site.run(&[&["verify", output], arguments].concat()).unwrap()
}

fn the_kinds_of_network_are_said() {
    let site = Site::empty();
    let wrong = verify(&site, &["--network", "some"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("one of none, dropped, silent"), "{}", wrong.stderr);
}

fn a_missing_package_is_named() {
    let site = Site::empty();
    // The name says what the content is to be, so that the copy keeps it.
    let copy = site.path("store").join(Output::shared().path().file_name().unwrap());
    copy_writable(Output::shared().path(), &copy).unwrap();
    let contents: Value =
        serde_json::from_str(&fs::read_to_string(copy.join("manifest.json")).unwrap()).unwrap();
    let (exercise, tree) = contents["exercises"].as_object().unwrap().iter().next().unwrap();
    let package = &tree["packages"][0];
    let id = package["id"].as_str().unwrap();
    let place = Path::new(tree["path"].as_str().unwrap()).join(package["path"].as_str().unwrap());
    fs::remove_dir_all(copy.join(&place)).unwrap();

    let ran = site.run(&["verify", copy.to_str().unwrap()]).unwrap();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let line = format!("missing: {id} ({exercise}, {})", place.display());
    assert!(ran.stdout.contains(&line), "no {line:?} in {}", ran.stdout);
}

fn a_plugin_that_phones_home_is_named() {
    let site = Site::empty();
    site.write("mine/by-name.mjs", BY_NAME).unwrap();
    site.write("mine/by-address.mjs", BY_ADDRESS).unwrap();
    let by_address = site.path("mine/by-address.mjs");
    // One named as people write it by hand, one as OpenCode's documentation has it.
    let plugins = json!({ "plugin": ["./by-name.mjs", format!("file://{}", by_address.display())] });
    site.write("mine/opencode.json", &plugins.to_string()).unwrap();

    let ran = verify(&site, &["--config", "mine/opencode.json", "--allow", "updates.example", ONE]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for exercise in ["run", "serve", "acp", "tui"] {
        for line in [
            format!("\n  {exercise}: phone-home.example by dns from opencode"),
            format!("\n  {exercise}: 203.0.113.7:4711 by tcp from opencode"),
        ] {
            assert!(ran.stdout.contains(&line), "no {line:?} in {}", ran.stdout);
        }
    }
    let (counted, apart) = ran.stdout.split_once("(not counted):\n").unwrap();
    assert!(
        !counted.contains("updates.example") && apart.contains("  run: updates.example by dns"),
        "{}",
        ran.stdout
    );
    assert!(counted.contains("\nnext step: ") && counted.contains("--allow"), "{counted}");
    // It is the plugins' doing alone: everything else is as right as without them.
    assert!(!ran.stdout.contains("FAIL"), "{}", ran.stdout);
}

/// A machine without user namespaces is one whose number of them is bounded to none.
fn without_namespaces_nothing_weaker_is_done() {
    let site = Site::empty();
    let forbidden = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    let output = Output::shared().path().to_str().unwrap();
    let command = site.command_by(&["unshare", "-Ur", "sh", "-c", forbidden], &["verify", output]);
    let ran = site::run(command).unwrap();
    ran.fails_with_next_step(4, "sandbox-unsupported");
    assert!(ran.stderr.contains("sysctl user.max_user_namespaces="), "{}", ran.stderr);
    // Nothing that could be taken for a yes.
    assert_eq!(ran.stdout, "");
}
