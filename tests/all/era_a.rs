//! The formats carry an old OpenCode too (era A, 1.0.152): a cache directory of its own with a `version` file that is compared byte
//! for byte, one shared `node_modules`, ripgrep in the data directory. Laid out by hand: building it is a later promise.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkmap::{LinkMap, Root};
use lock::System;
use replay::llm::Script;
use testkit::cli::{Place, say_untested, succeed};
use testkit::desk::{Desk, Found, HOME, Outside, Ran};
use testkit::output::Output;
use tree::{Store, StorePath};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[case("laid_and_put_right", laid_and_put_right), case("real_1_0_152", real)];

/// OpenCode's cache directory of that era, in a user's HOME.
const CACHE: &str = ".cache-nix/opencode-cache-14/opencode";
/// What 1.0.152 compares its `version` file with: a line feed at its end would be another version, and wipes the cache.
const VERSION: &str = "14";
/// Without it 1.0.152 installs plugins of its own at every start, and dies offline.
const QUIET: (&str, &str) = ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1");
/// A start takes a second.
const ENOUGH: Duration = Duration::from_secs(60);

/// The wrapper lays that layout, tells OpenCode where it is, puts a changed `version` right at the next start, and keeps a copy that
/// was changed.
fn laid_and_put_right() {
    let scratch = Place::get().directory("era-a-");
    let target = scratch.path().join("target");
    fs::write(&target, "#!/bin/sh\ncat \"$XDG_CACHE_HOME/opencode/version\"\n").unwrap();
    let stored = output(scratch.path(), &target);
    let desk = Desk::new(Outside::Refused, Script::saying("nothing"), &[stored.path()]);

    assert_eq!(start(&desk, &stored, &[]).stdout, VERSION);
    let home = desk.home();
    let link = |path: &str| Some(Found::Link(stored.path().join(path)));
    assert_eq!(home.get(&format!("{CACHE}/node_modules")).cloned(), link("cache/node_modules"));
    assert_eq!(home.get(".local/share/opencode/bin/rg").cloned(), link("data/bin/rg"));
    assert_eq!(home.get(&format!("{CACHE}/package.json")), Some(&Found::File));

    desk.write(&format!("{CACHE}/version"), "13\n");
    desk.write(&format!("{CACHE}/package.json"), "{}");
    assert_eq!(start(&desk, &stored, &[]).stdout, VERSION);
    assert_eq!(read(&desk, "package.json"), "{}");
    tree::remove_tree(stored.path()).unwrap();
}

/// The real 1.0.152 leaves that cache alone at every start, and lists models offline. The control: without the `version` that the
/// wrapper lays, the same binary wipes it.
fn real() {
    if System::host() != Some(System::X86_64Linux) {
        return say_untested("the pinned 1.0.152 is for x86_64-linux");
    }
    let scratch = Place::get().directory("era-a-real-");
    let stored = output(scratch.path(), &release(scratch.path()));
    let desk = Desk::new(Outside::Refused, Script::saying("nothing"), &[stored.path()]);
    let node_modules = Some(Found::Link(stored.path().join("cache/node_modules")));
    let laid = || desk.home().get(&format!("{CACHE}/node_modules")).cloned();
    for _ in 0..2 {
        let ran = start(&desk, &stored, &["models"]);
        assert!(ran.stdout.contains("opencode/"), "{ran:?}");
        assert_eq!(read(&desk, "version"), VERSION);
        assert_eq!(laid(), node_modules, "the cache was wiped");
    }

    desk.write(&format!("{CACHE}/version"), "13");
    let binary = stored.path().join("lib/opencode/bin/opencode");
    let command = desk.command(&binary, &["models"], Path::new(HOME)).env(QUIET.0, QUIET.1);
    let cache_home = Path::new(HOME).join(CACHE).parent().unwrap().to_path_buf();
    let ran = desk.run(&command.env("XDG_CACHE_HOME", cache_home), ENOUGH);
    assert_eq!(laid(), None, "another version wipes: {ran:?}");

    start(&desk, &stored, &["models"]);
    assert_eq!(laid(), node_modules);
    drop(desk);
    tree::StorePath::resolve(stored.path()).unwrap().verify().unwrap();
    tree::remove_tree(stored.path()).unwrap();
}

fn start(desk: &Desk, stored: &StorePath, arguments: &[&str]) -> Ran {
    let command = desk.command(&stored.path().join("bin/opencode"), arguments, Path::new(HOME));
    let ran = desk.run(&command.env(QUIET.0, QUIET.1), ENOUGH);
    assert!(ran.exit.is_some_and(sandbox::Exit::success), "{ran:?}");
    ran
}

fn read(desk: &Desk, name: &str) -> String {
    String::from_utf8(desk.sandbox().read(format!("{HOME}/{CACHE}/{name}"), 1 << 20).unwrap()).unwrap()
}

/// An output of that era with `target` for the real binary, in a store of its own: wrapper and restore plugin are the real ones.
fn output(scratch: &Path, target: &Path) -> StorePath {
    const PACKAGE_JSON: &[u8] = br#"{"dependencies":{"a-plugin":"latest"}}"#;
    let shared = Output::shared().path();
    let staging = Store::at(scratch.join("store")).unwrap().staging().unwrap();
    let put = |path: &str, content: &[u8], mode: u32| {
        let path = staging.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    put("bin/opencode", &fs::read(shared.join("bin/opencode")).unwrap(), 0o555);
    put("lib/opencode/bin/opencode", &fs::read(target).unwrap(), 0o555);
    for name in ["restore.mjs", "modules.mjs", "commands.mjs", "restore.json", "restore.d/opencode.json"] {
        let path = format!("lib/opencode/{name}");
        put(&path, &fs::read(shared.join(&path)).unwrap(), 0o444);
    }
    put("cache/version", VERSION.as_bytes(), 0o444);
    put("cache/package.json", PACKAGE_JSON, 0o444);
    put("cache/node_modules/a-plugin/package.json", br#"{"name":"a-plugin","version":"1.0.0"}"#, 0o444);
    put("data/bin/rg", b"#!/bin/sh\n", 0o555);
    let mut map = LinkMap::new("lib/opencode/bin/opencode", "opencode-cache-14/opencode");
    map.restore("lib/opencode/restore.mjs");
    map.force(Root::Cache, "version", "cache/version");
    map.copy(Root::Cache, "package.json", "cache/package.json", PACKAGE_JSON);
    map.link(Root::Cache, "node_modules", "cache/node_modules");
    map.link(Root::Data, "bin/rg", "data/bin/rg");
    put("linkmap", map.render().unwrap().as_bytes(), 0o444);
    staging.commit().unwrap()
}

/// The release binary of 1.0.152, fetched by its hash through our own `fetch`.
fn release(scratch: &Path) -> PathBuf {
    let place = Place::get();
    let lock = place.repository.join("fixtures/opencode/1.0.152/opencode.lock.json");
    let told = succeed(place.command(["fetch", "--json", "--lock"]).arg(&lock));
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let vendor = replay::vendor::Vendor::at(told["vendor"].as_str().unwrap());
    let lock = lock::Lock::parse(&fs::read_to_string(lock).unwrap()).unwrap();
    let artifact = &lock.systems[&System::X86_64Linux];
    let binary = scratch.join("opencode-1.0.152");
    let archive = File::open(vendor.get(&artifact.integrity).unwrap()).unwrap();
    let (format, limits) = (tree::unpack::Format::Tgz, tree::unpack::Limits::PACKAGE);
    tree::unpack::member(archive, format, artifact.binary.as_str(), &binary, &limits).unwrap();
    binary
}
