//! Bytes that are not what the lock says: damaged on the disk, missing from the lock, cut off on
//! the way. Each is told by a stable code and the next step, or mended where there is a network.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use lock::{Lock, PackageId};
use replay::vendor::Vendor;
use serde_json::Value;
use testkit::output::Output;
use testkit::site::{self, Site, pinned};
use testkit::tarballs::{Fault, Tarballs, path_of};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("a_flipped_byte_is_refused_offline_and_mended_online", a_flipped_byte_is_refused_and_mended),
    case("a_pin_that_is_gone_from_the_lock_is_named", a_pin_that_is_gone_is_named),
    case("an_unpinned_dependency_is_never_installed", an_unpinned_dependency_is_never_installed),
    case("a_download_that_breaks_off_is_taken_up_again", a_download_that_breaks_off_is_taken_up_again),
    case("a_download_that_always_breaks_off_is_told", a_download_that_always_breaks_off_is_told),
];

fn lock_of(site: &Site) -> Lock {
    Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap()
}

/// A package that every system needs and nothing else brings.
fn some_package(lock: &Lock) -> PackageId {
    lock.packages.keys().find(|id| id.name.as_str() == "which").unwrap().clone()
}

fn a_flipped_byte_is_refused_and_mended() {
    let site = Site::provided();
    let lock = lock_of(&site);
    let id = some_package(&lock);
    let path = Vendor::at(site.vendor()).path_of(&lock.packages[&id].integrity);
    flip(&path);

    let ran = site.run(&["build", "--offline"]).unwrap();
    ran.fails_with_next_step(4, "vendor-corrupt");
    assert!(ran.stderr.contains(&id.to_string()), "{}", ran.stderr);
    assert!(fs::symlink_metadata(site.path("result")).is_err());
    assert_eq!(site.stored(), [""; 0]);

    let registry = Tarballs::serve(&lock, &Vendor::at(pinned()), |_| Fault::None).unwrap();
    let mut command = site.command(&["build", "--json"]);
    command.env("npm_config_registry", registry.url());
    let built: Value = serde_json::from_str(&site::run(command).unwrap().succeeds()).unwrap();
    assert_eq!(built["was_there"], false);
    let asked: Vec<_> = registry.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(asked, [path_of(&id)], "only what was damaged is fetched again");
    let output = fs::canonicalize(site.path("result")).unwrap();
    assert_eq!(output.file_name(), Output::shared().path().file_name());

    // From then on nothing is done, and nobody is asked: this registry does not answer.
    let again: Value = serde_json::from_str(&site.run(&["build", "--json"]).unwrap().succeeds()).unwrap();
    assert_eq!(again["was_there"], true);
    assert_eq!(again["output"], built["output"]);
}

/// Alters one byte in the middle. The file is one of several names of its bytes: the others keep
/// theirs.
fn flip(path: &PathBuf) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
}

fn a_pin_that_is_gone_is_named() {
    let site = Site::provided();
    let id = some_package(&lock_of(&site)).to_string();
    let mut lock: Value = serde_json::from_str(&site.read("opencode.lock.json").unwrap()).unwrap();
    lock["packages"].as_object_mut().unwrap().remove(&id).unwrap();
    site.write("opencode.lock.json", &format!("{lock:#}\n")).unwrap();

    for arguments in [&["build", "--offline"][..], &["fetch"]] {
        let ran = site.run(arguments).unwrap();
        ran.fails_with_next_step(3, "lock-unpinned");
        assert!(ran.stderr.contains(&id), "{}", ran.stderr);
    }
    assert!(fs::symlink_metadata(site.path("result")).is_err());
}

/// A lock that is consistent, and short of a package that OpenCode is going to ask for.
fn an_unpinned_dependency_is_never_installed() {
    let site = Site::provided();
    let id = some_package(&lock_of(&site)).to_string();
    let mut lock: Value = serde_json::from_str(&site.read("opencode.lock.json").unwrap()).unwrap();
    lock["packages"].as_object_mut().unwrap().remove(&id).unwrap();
    for exercise in lock["exercises"].as_object_mut().unwrap().values_mut() {
        exercise["packages"].as_array_mut().unwrap().retain(|package| package != &Value::from(&*id));
    }
    site.write("opencode.lock.json", &format!("{lock:#}\n")).unwrap();

    let ran = site.run(&["build", "--offline"]).unwrap();
    ran.fails_with_next_step(4, "replay-unrecorded");
    let name = id.rsplit_once('@').unwrap().0;
    assert!(ran.stderr.contains(name), "{}", ran.stderr);
    assert!(fs::symlink_metadata(site.path("result")).is_err());
    assert_eq!(site.stored(), [""; 0]);
}

/// Every answer of the registry ends early the first time, in the middle of the file.
fn a_download_that_breaks_off_is_taken_up_again() {
    let site = Site::empty();
    let lock = lock_of(&site);
    let registry = Tarballs::serve(&lock, &Vendor::at(pinned()), |asked| match asked.before {
        0 => Fault::Cut(1000),
        _ => Fault::None,
    })
    .unwrap();
    let mut command = site.command(&["fetch", "--json"]);
    command.env("npm_config_registry", registry.url());
    let said: Value = serde_json::from_str(&site::run(command).unwrap().succeeds()).unwrap();
    assert_eq!(said["pinned"], said["fetched"]);
    assert_eq!(said["fetched"].as_u64(), Some(files_in(&site.vendor()).len() as u64));
    assert!(
        registry.asked().iter().any(|asked| asked.offset == 1000),
        "nothing was taken up where it stopped"
    );
    assert_same_vendor(&site);
}

/// A registry that breaks off every answer after one more byte is given up, and what came is kept.
fn a_download_that_always_breaks_off_is_told() {
    let site = Site::empty();
    let lock = lock_of(&site);
    let vendor = Vendor::at(pinned());
    let stingy = Tarballs::serve(&lock, &vendor, |_| Fault::Cut(1)).unwrap();
    let mut command = site.command(&["build"]);
    command.env("npm_config_registry", stingy.url());
    let ran = site::run(command).unwrap();
    ran.fails_with_next_step(4, "upstream-unreachable");
    assert_eq!(files_in(&site.vendor()), [""; 0], "a file without its hash has a name");
    assert!(fs::symlink_metadata(site.path("result")).is_err());

    let good = Tarballs::serve(&lock, &vendor, |_| Fault::None).unwrap();
    let mut command = site.command(&["fetch"]);
    command.env("npm_config_registry", good.url());
    site::run(command).unwrap().succeeds();
    assert_same_vendor(&site);
}

/// The finished files of a vendor directory.
pub fn files_in(vendor: &std::path::Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(vendor.join("sha512")).sort_by_file_name();
    let files = entries.into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let names = files.map(|file| file.file_name().to_str().unwrap().to_owned());
    names.filter(|name| !name.ends_with(".part")).collect()
}

/// Every finished file is what the tests' own vendor directory has, and nothing is half-done.
pub fn assert_same_vendor(site: &Site) {
    let lock = lock_of(site);
    let (ours, theirs) = (Vendor::at(site.vendor()), Vendor::at(pinned()));
    let packages = lock.packages.values().map(|package| &package.integrity);
    for integrity in packages.chain(lock.systems.values().map(|artifact| &artifact.integrity)) {
        let ours = fs::read(ours.path_of(integrity)).unwrap();
        assert!(ours == fs::read(theirs.path_of(integrity)).unwrap(), "{integrity}");
    }
    for entry in walkdir::WalkDir::new(site.vendor()) {
        let entry = entry.unwrap();
        assert_ne!(entry.path().extension().and_then(|end| end.to_str()), Some("part"), "{entry:?}");
    }
}
