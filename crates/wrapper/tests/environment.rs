//! Property: OpenCode gets the user's arguments, signals and environment, and beside these only what
//! the restore plugin can take back; run on what OpenCode got, the plugin restores the user's exactly.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod stage;

use linkmap::Root;
use stage::{ARGUMENTS, ENVIRONMENT, Output, Stage, Wanted, is_absent, one_line, program, strings};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What the user has, and the variable that then carries the plugin.
type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);

type Variables = BTreeMap<String, String>;

fn wanted() -> Wanted {
    Wanted::new().with("link", Root::Cache, "packages/x").env("OPENCODE_DISABLE_AUTOUPDATE", "1")
}

/// What OpenCode gets when the user has `users` (HOME aside).
fn given(stage: &Stage, output: &Output, users: &[(&str, &str)]) -> Variables {
    let mut command = stage.command(output);
    command.envs(users.iter().copied()).arg(ENVIRONMENT);
    let run = command.output().unwrap();
    assert_eq!(stage::stderr(&run), "");
    let pair = |string: String| {
        let (name, value) = string.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    };
    strings(&run).into_iter().map(pair).collect()
}

/// What the plugin makes of an environment, run by `node`.
fn restored(variables: &Variables) -> Variables {
    let plugin = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/restore.mjs");
    // Loaded, and called as OpenCode calls it, twice.
    let script = format!(
        "const m = await import({plugin:?}); await m.Restore(); await m.Restore();
         process.stdout.write(Object.entries(process.env).map(([k, v]) => k + '=' + v).join('\\0'))"
    );
    let mut node = Command::new(program("node"));
    node.args(["--input-type=module", "-e", &script]).env_clear().envs(variables);
    let run = node.output().unwrap();
    assert!(run.status.success(), "{}", stage::stderr(&run));
    let pairs = strings(&run).into_iter();
    pairs.map(|s| s.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap()).collect()
}

fn carrier(variables: &Variables) -> Option<String> {
    let names = ["OPENCODE_CONFIG_CONTENT", "OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR"];
    let set = variables.get("OPENCODE_CACHE_SET")?;
    names.iter().find(|name| set.split(':').any(|part| part == **name)).map(|s| s.to_string())
}

#[test]
fn every_way_to_load_the_plugin_gives_the_users_environment_back() {
    let stage = Stage::new();
    let output = stage.output('a', &wanted());
    let home = stage.path("home").display().to_string();
    let default = format!("{home}/.cache");
    let (content, file, directory) = (
        ("OPENCODE_CONFIG_CONTENT", "{\"a\":\"=:\"}"),
        ("OPENCODE_CONFIG", "/my.json"),
        ("OPENCODE_CONFIG_DIR", "/my.d"),
    );
    let cases: [Case<'_>; 7] = [
        (&[], Some("OPENCODE_CONFIG_CONTENT")),
        (&[("XDG_CACHE_HOME", &default)], Some("OPENCODE_CONFIG_CONTENT")),
        (&[("XDG_CACHE_HOME", "")], Some("OPENCODE_CONFIG_CONTENT")),
        (&[("XDG_CACHE_HOME", "relative"), ("TMPDIR", "/t")], Some("OPENCODE_CONFIG_CONTENT")),
        (&[content], Some("OPENCODE_CONFIG")),
        (&[content, file], Some("OPENCODE_CONFIG_DIR")),
        (&[content, file, directory], None),
    ];
    for (users, expected) in cases {
        let got = given(&stage, &output, users);
        assert_eq!(carrier(&got).as_deref(), expected, "{users:?}");
        let cache_home = got.get("XDG_CACHE_HOME").cloned();
        let ours = expected.map(|_| format!("{home}/.cache-nix"));
        assert_eq!(cache_home, ours, "{users:?}");

        let mut users: Variables = users.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        users.insert("HOME".to_owned(), home.clone());
        users.insert("OPENCODE_DISABLE_AUTOUPDATE".to_owned(), "1".to_owned());
        assert_eq!(restored(&got), users);
    }
    // Without a way back the usual place was used, and the environment left alone.
    output.assert_link(&stage.home(".cache/opencode/packages/x"), "cache/packages/x");
}

#[test]
fn the_plugin_is_named_by_a_url_that_any_path_survives() {
    let stage = Stage::new();
    let output = stage.output('a', &wanted());
    let odd = stage.path("sto re \"%é");
    std::fs::rename(stage.path("store"), &odd).unwrap();
    let root = odd.join(output.root.file_name().unwrap());
    let got = given(&stage, &Output { root: root.clone() }, &[]);
    let content = &got["OPENCODE_CONFIG_CONTENT"];
    let path = root.display().to_string();
    let path = path.replace('%', "%25").replace(' ', "%20").replace('"', "%22").replace('é', "%C3%A9");
    assert_eq!(*content, format!("{{\"plugin\":[\"file://{path}/lib/opencode/restore.mjs\"]}}"));
}

#[test]
fn a_cache_home_of_the_users_own_is_used_and_not_lent() {
    let stage = Stage::new();
    let output = stage.output('a', &wanted());
    let mine = stage.path("mine").display().to_string();
    let got = given(&stage, &output, &[("XDG_CACHE_HOME", &mine)]);
    output.assert_link(&stage.path("mine/opencode/packages/x"), "cache/packages/x");
    assert_eq!(got.get("XDG_CACHE_HOME"), Some(&mine));
    assert_eq!(got["OPENCODE_CACHE_SET"], "BUN_TMPDIR:OPENCODE_CONFIG_CONTENT");
    assert!(is_absent(&stage.home(".cache-nix")));
}

#[test]
fn loopback_needs_no_proxy() {
    let stage = Stage::new();
    let output = stage.output('a', &wanted());
    let home = stage.path("home").display().to_string();
    let users = [("HTTPS_PROXY", "http://proxy.example:3128"), ("no_proxy", "corp.example"), ("HOME", &home)];
    let got = given(&stage, &output, &users);
    assert_eq!(got["no_proxy"], "corp.example,localhost,127.0.0.1,[::1]");
    assert_eq!(got.get("NO_PROXY"), None);
    let mut expected: Variables = users.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    expected.insert("OPENCODE_DISABLE_AUTOUPDATE".to_owned(), "1".to_owned());
    assert_eq!(restored(&got), expected);
}

#[test]
fn an_era_with_a_root_of_its_own_has_one_under_the_users_cache_home_too() {
    let stage = Stage::new();
    let map = Wanted::in_root("opencode-cache-14/opencode");
    let output = stage.output('a', &map.with("force", Root::Cache, "version"));
    let mine = stage.path("mine").display().to_string();
    let got = given(&stage, &output, &[("XDG_CACHE_HOME", &mine)]);
    assert_eq!(got["XDG_CACHE_HOME"], format!("{mine}/opencode-cache-14"));
    assert!(stage.path("mine/opencode-cache-14/opencode/version").is_file());
    assert_eq!(restored(&got)["XDG_CACHE_HOME"], mine);

    let taken = [("OPENCODE_CONFIG_CONTENT", "{}"), ("OPENCODE_CONFIG", "/a"), ("OPENCODE_CONFIG_DIR", "/b")];
    let mut command = stage.command(&output);
    let run = command.envs(taken).arg("/dev/null").output().unwrap();
    assert!(one_line(&run).contains("set XDG_CACHE_HOME: it could not be given back to tools; unset one of"));
}

#[test]
fn defaults_yield_to_the_user_even_to_an_empty_value() {
    let stage = Stage::new();
    let output = stage.output('a', &wanted().env("NO_COLOR", "1"));
    let got = given(&stage, &output, &[("OPENCODE_DISABLE_AUTOUPDATE", "")]);
    assert_eq!(got["OPENCODE_DISABLE_AUTOUPDATE"], "");
    assert_eq!(got["NO_COLOR"], "1");
    assert!(!restored(&got).contains_key("NO_COLOR"));
}

#[test]
fn a_wrapper_inside_a_wrapper_sees_the_users_environment() {
    let stage = Stage::new();
    let output = stage.output('a', &wanted());
    let outer = given(&stage, &output, &[("TMPDIR", "/t")]);
    let pairs: Vec<_> = outer.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(given(&stage, &output, &pairs), outer);
}

#[test]
fn arguments_pass_through_byte_for_byte_and_so_does_the_name() {
    let stage = Stage::new();
    let output = stage.output('a', &wanted());
    let odd = OsStr::from_bytes(b"/n\xff\n");
    let mut command = stage.command(&output);
    let run = command.arg0("any name").args(["--", ARGUMENTS, ""]).arg(odd).output().unwrap();
    assert_eq!(run.stdout, b"any name\0--\0/proc/self/cmdline\0\0/n\xff\n\0");
}

#[test]
fn an_environment_that_is_not_utf8_passes_through() {
    let stage = Stage::new();
    let output = stage.output('a', &wanted());
    let mut command = stage.command(&output);
    let run = command.env("ODD", OsStr::from_bytes(b"\xff=")).arg(ENVIRONMENT).output().unwrap();
    let mut all = run.stdout.split(|byte| *byte == 0);
    assert!(all.any(|string| string == b"ODD=\xff="));
}

#[test]
fn ignored_signals_stay_as_the_user_has_them() {
    let stage = Stage::new();
    let output = stage.output('a', &wanted());
    // What the target ignores when it is started by `program` after `trap`.
    let ignored = |trap: &str, program: &std::path::Path| {
        let script = format!("{trap}; exec \"$0\" /proc/self/status");
        let mut shell = Command::new(stage::program("env"));
        shell.args(["--default-signal=PIPE,HUP", "sh", "-c", &script]).arg(program);
        shell.env("HOME", stage.path("home"));
        let run = shell.output().unwrap();
        let status = String::from_utf8_lossy(&run.stdout).into_owned();
        let line = status.lines().find(|line| line.starts_with("SigIgn:"));
        line.unwrap().to_owned()
    };
    let (wrapper, target) = (output.file("bin/opencode"), program("cat"));
    let trap = "trap '' PIPE HUP";
    assert_ne!(ignored(trap, &target), ignored("true", &target));
    for trap in [trap, "true"] {
        assert_eq!(ignored(trap, &wrapper), ignored(trap, &target), "{trap}");
    }
}

#[test]
fn the_exit_status_is_the_targets() {
    let stage = Stage::new();
    let output = stage.output('a', &wanted());
    let run = stage.command(&output).arg("/does/not/exist").output().unwrap();
    assert_eq!(run.status.code(), Some(1));
}
