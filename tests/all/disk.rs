//! A full disk is told by its code and the next step, and leaves nothing half-done.

use lock::Lock;
use replay::vendor::Vendor;
use testkit::site::{self, Ran, Site, pinned};
use testkit::tarballs::{Fault, Tarballs};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] =
    &[case("a_full_vendor_directory", a_full_vendor_directory), case("a_full_store", a_full_store)];

/// Mounts a small disk at `$DISK`, runs the CLI, and says what it left there: the mount ends with
/// the namespace, so that nobody else can look.
const ON_A_SMALL_DISK: &str = "\
mount -t tmpfs -o size=50M tmpfs \"$DISK\" || exit 99
\"$0\" \"$@\"
status=$?
find \"$DISK\" -mindepth 1 -not -type d -printf 'left %P\\n'
exit $status";

/// The binary's archive alone is larger than the disk.
fn a_full_vendor_directory() {
    let site = Site::empty();
    let lock = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap();
    let registry = Tarballs::serve(&lock, &Vendor::at(pinned()), |_| Fault::None).unwrap();
    std::fs::create_dir(site.vendor()).unwrap();
    let ran = on_a_small_disk(&site, "vendor", registry.url(), &["fetch"]);
    ran.fails_with_next_step(4, "vendor-no-space");
    let archives: Vec<String> = lock.systems.values().map(|artifact| artifact.integrity.hex()).collect();
    for left in lines(&ran) {
        let name = left.rsplit('/').next().unwrap();
        assert!(!archives.iter().any(|archive| archive == name), "{left} cannot be whole");
    }
}

/// The store has no room for the binary.
fn a_full_store() {
    let site = Site::provided();
    let state = "home/.local/state/opencode-cache";
    std::fs::create_dir_all(site.path(state)).unwrap();
    let ran = on_a_small_disk(&site, state, "http://127.0.0.1:9/", &["build", "--offline"]);
    ran.fails_with_next_step(4, "disk-full");
    assert_eq!(lines(&ran), [""; 0], "something half-done is left");
    assert!(std::fs::symlink_metadata(site.path("result")).is_err());
}

fn on_a_small_disk(site: &Site, place: &str, registry: &str, arguments: &[&str]) -> Ran {
    let mut command = site.command_by(&["unshare", "-Urm", "sh", "-c", ON_A_SMALL_DISK], arguments);
    command.env("DISK", site.path(place)).env("npm_config_registry", registry);
    let ran = site::run(command).unwrap();
    assert_ne!(ran.code, Some(99), "no tmpfs can be mounted in a user namespace: {}", ran.stderr);
    ran
}

fn lines(ran: &Ran) -> Vec<&str> {
    ran.stdout.lines().filter_map(|line| line.strip_prefix("left ")).collect()
}
