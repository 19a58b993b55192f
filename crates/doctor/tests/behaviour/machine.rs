//! Processor, temporary directory, HOME and the OpenCodes on PATH.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::stage::Stage;

fn binary(stage: &Stage, text: &str) {
    fs::write(stage.output('a').join("lib/opencode/bin/opencode"), text).unwrap();
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_processor_without_avx2() {
    let mut stage = Stage::new();
    stage.processor = Some("processor\t: 0\nflags\t\t: fpu avx avx2 sse\n");
    assert_eq!(stage.codes("machine")[0], "avx2 processor");
    stage.processor = Some("processor\t: 0\nflags\t\t: fpu avx sse\n");
    assert_eq!(stage.codes("machine")[0], "avx2-not-needed processor");
    binary(&stage, "Bun v1.3.14 (Linux x64)");
    assert_eq!(stage.codes("machine")[0], "avx2-missing processor");
    // In two buffers' worth of other bytes, across the end of the first.
    let padding = "x".repeat((1 << 20) - 20);
    binary(&stage, &format!("{padding}Bun v1.3.14 (Linux x64 baseline){padding}"));
    assert_eq!(stage.codes("machine")[0], "avx2-not-needed processor");
    binary(&stage, "");
    assert_eq!(stage.codes("machine")[0], "avx2-unknown processor");
}

#[test]
fn the_temporary_directory_that_bun_uses() {
    let mut stage = Stage::new();
    // A start has it unpack in the cache root, which is made.
    assert_eq!(stage.codes("machine"), ["temporary ~/home/.cache-nix/opencode"]);
    // The user's own word comes first.
    stage.set("BUN_TMPDIR", "");
    assert_eq!(stage.codes("machine"), ["temporary ~/tmp"]);
    stage.set("BUN_TMPDIR", stage.path("gone"));
    assert_eq!(stage.codes("machine"), ["temporary-missing ~/gone"]);
    // What bun does not need OpenCode itself does.
    let file = stage.write("file", "");
    stage.set("TMPDIR", &file);
    assert_eq!(stage.codes("machine"), ["temporary-missing ~/gone", "temporary-unusable ~/file"]);
    stage.set("TMPDIR", stage.path("is/made"));
    assert_eq!(stage.codes("machine"), ["temporary-missing ~/gone"]);
    // The kernel's own file systems may not execute, where they are mounted as usual.
    stage.set("BUN_TMPDIR", "/proc");
    let code = stage.findings("machine")[0].code;
    assert!(["temporary-noexec", "temporary-not-writable", "temporary-full"].contains(&code), "{code}");
}

#[test]
fn no_home() {
    let mut stage = Stage::new();
    // Said, and no absolute path: the system's list of users is not asked.
    stage.set("HOME", "home");
    assert_eq!(stage.codes("directories"), ["home-unknown HOME", "no-cache-home cache"]);
    assert!(stage.findings("entries").is_empty());
    for (name, place) in [("CACHE", "c"), ("CONFIG", "f"), ("DATA", "d"), ("STATE", "s")] {
        stage.set(&format!("XDG_{name}_HOME"), stage.path(place));
    }
    let codes = stage.codes("directories");
    assert_eq!(codes[0], "home-unknown HOME");
    assert_eq!(codes[1..], ["c", "f", "d", "s"].map(|place| format!("directory ~/{place}/opencode")));
}

#[test]
fn no_variable_is_left_to_name_the_plugin() {
    let mut stage = Stage::new();
    let config = stage.write("mine.json", "{}");
    stage.set("OPENCODE_CONFIG", &config);
    stage.set("OPENCODE_CONFIG_DIR", stage.path("managed"));
    stage.set("OPENCODE_CONFIG_CONTENT", "{}");
    // OpenCode then has its usual cache, and the entries are laid there.
    assert_eq!(stage.codes("directories")[0], "directory ~/home/.cache/opencode");
    stage.set("HTTP_PROXY", "http://proxy.example:3128");
    assert_eq!(stage.codes("network")[1], "loopback-through-proxy NO_PROXY");
}

#[test]
fn directories_that_cannot_be_written() {
    let stage = Stage::new();
    let home = stage.path("home");
    stage.write("home/.local", "a file");
    assert_eq!(stage.codes("directories")[2], "directory-elsewhere ~/home/.local/share/opencode");
    fs::remove_file(home.join(".local")).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o555)).unwrap();
    let codes = stage.codes("directories");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
    // Permissions are nothing to the administrator.
    let is_root = rustix::process::geteuid().is_root();
    let expected = if is_root { "directory" } else { "directory-not-writable" };
    assert_eq!(codes[0], format!("{expected} ~/home/.cache-nix/opencode"));
}

#[test]
fn a_home_of_another_user() {
    let stage = Stage::new();
    if !rustix::process::geteuid().is_root() {
        // Only the administrator can give a directory away.
        return;
    }
    std::os::unix::fs::chown(stage.path("home"), Some(65_534), None).unwrap();
    let codes = stage.codes("directories");
    assert_eq!(codes[0], "directory-of-another-user ~/home");
    assert_eq!(codes[1], "directory-of-another-user ~/home/.cache-nix/opencode");
    assert!(stage.codes("entries").iter().all(|line| line.starts_with("entry-blocked ")));
}

#[test]
fn opencodes_on_path() {
    let mut stage = Stage::new();
    assert_eq!(
        stage.codes("others"),
        [format!("on-path {}", shown(&stage, &stage.output('a').join("bin/opencode")))]
    );
    stage.program("other/lib/bin/opencode", "");
    stage.write("other/lib/package.json", r#"{ "name": "opencode-ai", "version": "1.2.3" }"#);
    stage.link(&stage.path("other/lib/bin/opencode"), &stage.path("other/bin/opencode"));
    let path = |first: &Path, second: &Path| format!("{}:{}", first.display(), second.display());
    let (ours, other) = (stage.output('a').join("bin"), stage.path("other/bin"));
    stage.set("PATH", path(&other, &ours));
    let finding = &stage.findings("others")[0];
    assert_eq!(finding.code, "shadowed");
    assert!(finding.text.contains("OpenCode 1.2.3 as npm installed it"), "{}", finding.text);
    stage.set("PATH", path(&ours, &other));
    assert_eq!(stage.codes("others")[1], "other-behind ~/other/bin/opencode");
    stage.write_output('b', "offline");
    stage.set("PATH", stage.output('b').join("bin"));
    assert!(stage.findings("others")[0].text.contains("OpenCode 1.18.18 of another output"));
    assert_eq!(stage.codes("others")[1], "not-on-path PATH");
}

fn shown(stage: &Stage, path: &Path) -> String {
    format!("~/{}", path.strip_prefix(stage.path("")).unwrap().display())
}
