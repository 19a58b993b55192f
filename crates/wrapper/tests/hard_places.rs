//! Property: wherever the refresh cannot be done, OpenCode is started all the same, after one line that
//! says what to do; and links of the user's on the way are followed, never replaced.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod stage;

use stage::{
    ARGUMENTS, ENVIRONMENT, Output, Stage, Wanted, in_namespace, is_absent, link, one_line, strings, write,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

fn stage() -> (Stage, Output) {
    let stage = Stage::new();
    let output = stage.output('a', &Wanted::usual());
    (stage, output)
}

/// Runs it; OpenCode must start; gives the one line.
#[track_caller]
fn told(command: &mut Command) -> String {
    let run = command.arg(ARGUMENTS).output().unwrap();
    assert_eq!(strings(&run).last().unwrap(), ARGUMENTS, "OpenCode did not start");
    one_line(&run)
}

/// What OpenCode got of a variable, when `command` starts with the words `line`.
#[track_caller]
fn got(command: &mut Command, line: &str) -> BTreeMap<String, String> {
    let run = command.arg(ENVIRONMENT).output().unwrap();
    assert!(one_line(&run).contains(line), "{}", stage::stderr(&run));
    let pairs = strings(&run).into_iter();
    pairs.map(|s| s.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap()).collect()
}

#[test]
fn home_relative() {
    let (stage, output) = stage();
    let private = stage.path("run");
    fs::create_dir(&private).unwrap();
    let mut command = stage.command(&output);
    command.env("HOME", "relative").env("XDG_RUNTIME_DIR", &private);
    let got = got(
        &mut command,
        "find the home directory: HOME is not an absolute path; set HOME, until then OpenCode writes to ",
    );
    assert_eq!(Path::new(&got["XDG_CACHE_HOME"]), output.file("fallback"));
    assert!(Path::new(&got["HOME"]).starts_with(&private));
    assert!(Path::new(&got["HOME"]).is_dir());
}

#[test]
fn home_unset_is_what_the_system_says() {
    let (stage, output) = stage();
    let users = stage.path("passwd");
    write(&users, &format!("somebody:x:0:0::{}:/bin/sh\n", stage.path("home").display()));
    let script =
        "mount --bind \"$1\" /etc/passwd && unset HOME && \"$2\" /dev/null && HOME= \"$2\" /dev/null";
    in_namespace(&stage, script, &[&users, &output.file("bin/opencode")]);
    output.assert_link(&stage.cache("packages/plugin@latest"), "cache/packages/plugin@latest");
}

#[test]
fn home_that_cannot_be_written() {
    let (stage, output) = stage();
    // Nobody can create a directory in /proc, root neither.
    let mut command = stage.command(&output);
    let got = got(command.env("HOME", "/proc/self"), "create /proc/self/.cache-nix/opencode: ");
    assert_eq!(Path::new(&got["XDG_CACHE_HOME"]), output.file("fallback"));
    for name in ["XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
        assert!(got[name].contains("/opencode-cache-"), "{got:?}");
    }

    write(&stage.path("file"), "mine");
    told(stage.command(&output).env("HOME", stage.path("file")));
    assert_eq!(stage::read(&stage.path("file")), "mine");
}

#[test]
fn a_read_only_home_keeps_its_configuration_and_its_keys() {
    let (stage, output) = stage();
    write(&stage.config("opencode.json"), "mine");
    write(&stage.home(".local/share/opencode/auth.json"), "keys");
    write(&stage.home(".local/state/opencode/x"), "mine");
    let script = "mount --bind \"$HOME\" \"$HOME\" && mount -o remount,bind,ro \"$HOME\" &&
        XDG_RUNTIME_DIR=\"$1\" \"$2\" /proc/self/environ 2>\"$1/said\" && cat \"$1\"/*/XDG_DATA_HOME/opencode/auth.json";
    fs::create_dir(stage.path("run")).unwrap();
    let run = in_namespace(&stage, script, &[&stage.path("run"), &output.file("bin/opencode")]);
    let got = strings(&run);
    assert!(
        got.iter().any(|s| *s == format!("XDG_CACHE_HOME={}", output.file("fallback").display())),
        "{got:?}"
    );
    assert!(got.iter().any(|s| s.starts_with("XDG_DATA_HOME=")), "{got:?}");
    // What can be read where it is stays where it is.
    assert!(!got.iter().any(|s| s.starts_with("XDG_CONFIG_HOME=") || s.starts_with("XDG_STATE_HOME=")));
    assert!(got.last().unwrap().ends_with("keys"), "{got:?}");
    let said = stage::read(&stage.path("run/said"));
    assert!(said.contains(": read-only file system; make it writable for you, until then"), "{said}");

    // The same where everything is laid already, and nothing would have to be written by the wrapper.
    stage.start(&output);
    let run = in_namespace(&stage, script, &[&stage.path("run"), &output.file("bin/opencode")]);
    let got = strings(&run);
    assert!(got.iter().any(|s| s.starts_with("XDG_DATA_HOME=")), "{got:?}");
    assert!(!got.iter().any(|s| s.starts_with("BUN_TMPDIR=")), "{got:?}");
    let said = stage::read(&stage.path("run/said"));
    assert!(said.starts_with("opencode-cache: write to ") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_full_disk() {
    let (stage, output) = stage();
    let script = "mount -t tmpfs -o size=16k none \"$HOME\" && { head -c 1M /dev/zero >\"$HOME/fill\" || :; } 2>/dev/null &&
        \"$1\" /proc/self/environ 2>\"$2\" && cat \"$HOME/fill\" | wc -c";
    let run = in_namespace(&stage, script, &[&output.file("bin/opencode"), &stage.path("said")]);
    let said = stage::read(&stage.path("said"));
    assert!(said.contains("no space left on device") && said.lines().count() == 1, "{said}");
    let fallback = format!("XDG_CACHE_HOME={}", output.file("fallback").display());
    assert!(strings(&run).contains(&fallback), "{:?}", strings(&run));
}

#[test]
fn a_home_on_storage_without_locks() {
    let (stage, output) = stage();
    let mut command = Command::new(stage::program("strace"));
    command
        .args(["-qq", "-o", "/dev/null", "-e", "inject=flock:error=ENOLCK"])
        .arg(output.file("bin/opencode"));
    let run = command.arg("/dev/null").env_clear().env("HOME", stage.path("home")).output().unwrap();
    assert_eq!(stage::stderr(&run), "");
    output.assert_link(&stage.cache("packages/plugin@latest"), "cache/packages/plugin@latest");
}

#[test]
fn another_users_home_is_left_alone() {
    if rustix::process::geteuid().as_raw() != 0 {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "this test needs root");
        return eprintln!("NOT RUN: another_users_home_is_left_alone needs root");
    }
    let (stage, output) = stage();
    std::os::unix::fs::chown(stage.path("home"), Some(4711), Some(4711)).unwrap();
    let got = got(
        &mut stage.command(&output),
        "it belongs to another user; start OpenCode as its owner, or with a HOME of your own",
    );
    assert_eq!(Path::new(&got["XDG_CACHE_HOME"]), output.file("fallback"));
    assert_eq!(stage.listing(), BTreeMap::new());
    // Likewise a cache directory that somebody else has made.
    std::os::unix::fs::chown(stage.path("home"), Some(0), Some(0)).unwrap();
    fs::create_dir_all(stage.cache("")).unwrap();
    std::os::unix::fs::chown(stage.cache(""), Some(4711), Some(4711)).unwrap();
    told(&mut stage.command(&output));
    assert_eq!(stage.listing().len(), 2);
}

#[test]
fn a_file_that_git_tracks_is_left_alone_and_nothing_laid_beside_it() {
    let (stage, output) = stage();
    let git = |arguments: &[&str]| {
        let mut git = Command::new(stage::program("git"));
        git.current_dir(stage.path("dotfiles")).args(arguments).env("HOME", stage.path("home"));
        assert!(git.status().unwrap().success());
    };
    // As people have it: the configuration directory is a link into a work tree.
    write(&stage.path("dotfiles/opencode/package.json"), "{}");
    link(stage.path("dotfiles/opencode"), &stage.home(".config/opencode"));
    git(&["init", "-q"]);
    stage.start(&output);
    output.assert_link(&stage.config("node_modules"), "config/node_modules");
    git(&["add", "opencode/package.json"]);
    stage.start(&output);
    stage.start(&output);
    assert_eq!(stage::names(&stage.path("dotfiles/opencode")), ["package.json"]);
    git(&["rm", "-q", "--cached", "opencode/package.json"]);
    stage.start(&output);
    output.assert_link(&stage.config("node_modules"), "config/node_modules");
}

#[test]
fn home_and_a_cache_home_that_are_links() {
    let (stage, output) = stage();
    fs::create_dir_all(stage.path("disk/home")).unwrap();
    fs::create_dir_all(stage.path("disk/cache")).unwrap();
    link(stage.path("disk/home"), &stage.path("linked"));
    link(stage.path("disk/cache"), &stage.path("cache"));
    let mut command = stage.command(&output);
    command.env("HOME", stage.path("linked")).env("XDG_CACHE_HOME", stage.path("cache")).arg("/dev/null");
    let run = command.output().unwrap();
    assert_eq!((run.status.code(), stage::stderr(&run)), (Some(0), String::new()));
    output.assert_link(
        &stage.path("disk/cache/opencode/packages/plugin@latest"),
        "cache/packages/plugin@latest",
    );
    output.assert_link(&stage.path("disk/home/.config/opencode/node_modules"), "config/node_modules");
    assert!(stage.path("linked").is_symlink() && stage.path("cache").is_symlink());
}

#[test]
fn a_cache_home_of_the_users_own_that_cannot_be_written() {
    let (stage, output) = stage();
    let mut command = stage.command(&output);
    let got = got(command.env("XDG_CACHE_HOME", "/proc/self"), "create /proc/self/opencode: ");
    assert_eq!(Path::new(&got["XDG_CACHE_HOME"]), output.file("fallback"));
    assert_eq!(got["OPENCODE_CACHE_USER_XDG_CACHE_HOME"], "/proc/self");
}

#[test]
fn where_programs_are_forbidden_another_place_is_found() {
    let (stage, output) = stage();
    for directory in ["noexec", "run"] {
        fs::create_dir(stage.path(directory)).unwrap();
    }
    // First only the temporary directory, then HOME as well.
    let script = "mount -t tmpfs -o noexec none \"$1\" && export TMPDIR=\"$1\" XDG_RUNTIME_DIR=\"$2\" &&
        \"$3\" /proc/self/environ && mount -t tmpfs -o noexec none \"$HOME\" && \"$3\" /proc/self/environ";
    let wrapper = output.file("bin/opencode");
    let run = in_namespace(&stage, script, &[&stage.path("noexec"), &stage.path("run"), &wrapper]);
    let places = strings(&run).into_iter().filter_map(|s| Some(s.strip_prefix("BUN_TMPDIR=")?.to_owned()));
    let places: Vec<_> = places.map(std::path::PathBuf::from).collect();
    assert_eq!(places.len(), 2, "{places:?}");
    assert_eq!(places[0], stage.cache(".opencode-cache-tmp"));
    assert!(places[1].starts_with(stage.path("run")), "{places:?}");
}

#[test]
fn without_memory_opencode_is_started_as_it_is() {
    let (stage, output) = stage();
    let source = output.file("cache/models.json");
    fs::File::options().write(true).open(&source).unwrap().set_len(48 << 20).unwrap();
    // Enough for `cat`, not for a copy of that.
    let script = "ulimit -v 32768; exec \"$0\" \"$1\"";
    let mut command = Command::new(stage::program("sh"));
    command.args(["-c", script]).arg(output.file("bin/opencode")).arg(ENVIRONMENT);
    let run = command.env_clear().env("HOME", stage.path("home")).output().unwrap();
    assert!(run.status.success(), "{:?} {}", run.status, stage::stderr(&run));
    let got = strings(&run);
    assert!(got.contains(&format!("HOME={}", stage.path("home").display())), "{got:?}");
    assert!(!got.iter().any(|variable| variable.starts_with("XDG_CACHE_HOME=")), "{got:?}");
}

#[test]
fn strict_means_all_or_nothing_and_trace_tells() {
    let (stage, output) = stage();
    let run = stage.command(&output).env("OPENCODE_CACHE_STRICT", "1").arg("/dev/null").output().unwrap();
    assert_eq!((run.status.code(), stage::stderr(&run)), (Some(0), String::new()));
    let mut command = stage.command(&output);
    command.env("OPENCODE_CACHE_STRICT", "1").env("HOME", "/proc/self").arg(ARGUMENTS);
    let run = command.output().unwrap();
    assert_eq!((run.status.code(), run.stdout.len()), (Some(125), 0));
    assert!(one_line(&run).ends_with("; make it writable for you\n"));

    let traced = |command: &mut Command| {
        let run = command.env("OPENCODE_CACHE_TRACE", "1").arg("/dev/null").output().unwrap();
        stage::stderr(&run)
    };
    let link = stage.cache("packages/plugin@latest").display().to_string();
    let warm = traced(&mut stage.command(&output));
    assert!(
        warm.contains(&format!("link {link}: in order\n")) && warm.contains("everything is in line"),
        "{warm}"
    );
    fs::remove_file(&link).unwrap();
    let cold = traced(&mut stage.command(&output));
    assert!(
        cold.contains(&format!("link {link}: absent\n")) && cold.contains(&format!(": link {link}\n")),
        "{cold}"
    );
}

#[test]
fn home_missing_is_created_as_far_as_needed() {
    let (stage, output) = stage();
    fs::remove_dir(stage.path("home")).unwrap();
    stage.start(&output);
    output.assert_link(&stage.cache("packages/plugin@latest"), "cache/packages/plugin@latest");
}

#[test]
fn directories_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let (stage, output) = stage();
    stage.start(&output);
    let mode = fs::metadata(stage.home(".cache-nix")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn links_of_the_users_on_the_way_are_followed_and_kept() {
    let (stage, output) = stage();
    for (place, target) in
        [(".config", "disk/config"), (".cache-nix", "disk/cache"), (".local/share/opencode", "disk/data")]
    {
        fs::create_dir_all(stage.path(target)).unwrap();
        link(stage.path(target), &stage.home(place));
    }
    fs::create_dir_all(stage.path("disk/packages")).unwrap();
    link(stage.path("disk/packages"), &stage.path("disk/cache/opencode/packages"));
    stage.start(&output);
    for place in [".config", ".cache-nix", ".local/share/opencode", ".cache-nix/opencode/packages"] {
        assert!(stage.home(place).is_symlink(), "{place}");
    }
    output.assert_link(&stage.path("disk/packages/plugin@latest"), "cache/packages/plugin@latest");
    output.assert_link(&stage.path("disk/data/bin/rg"), "data/bin/rg");
}

#[test]
fn a_root_that_is_a_link_into_an_output_becomes_a_directory() {
    let (stage, output) = stage();
    link(output.file("cache"), &stage.home(".cache-nix/opencode"));
    stage.start(&output);
    assert!(!stage.home(".cache-nix/opencode").is_symlink());
    output.assert_link(&stage.cache("packages/plugin@latest"), "cache/packages/plugin@latest");
}

#[test]
fn a_file_where_a_directory_would_have_to_be_is_kept() {
    let (stage, output) = stage();
    write(&stage.cache("packages"), "mine");
    write(&stage.home(".local/share/opencode/bin"), "mine");
    stage.start(&output);
    stage.start(&output);
    assert_eq!(stage::read(&stage.cache("packages")), "mine");
    assert_eq!(stage::read(&stage.home(".local/share/opencode/bin")), "mine");
}

#[test]
fn paths_that_are_not_utf8_and_long_ones() {
    let (stage, output) = stage();
    let odd = stage.path("home").join(OsStr::from_bytes(b"\xff\n"));
    let mut command = stage.command(&output);
    let run = command.env("HOME", &odd).arg("/dev/null").output().unwrap();
    assert_eq!(stage::stderr(&run), "");
    output
        .assert_link(&odd.join(".cache-nix/opencode/packages/plugin@latest"), "cache/packages/plugin@latest");

    let long = Path::new("/").join("long/".repeat(2000));
    let line = told(stage.command(&output).env("HOME", long));
    assert!(line.contains(": name too long; "), "{line}");
}

#[test]
fn a_broken_map_does_not_keep_opencode_from_starting() {
    let (stage, output) = stage();
    let map = output.file("linkmap");
    fs::write(&map, "opencode-cache linkmap 1\nexec\t/bin/sh\n").unwrap();
    let line = told(&mut stage.command(&output));
    assert!(line.contains("/linkmap: line 2: an absolute path; build the output again"), "{line}");
    fs::remove_file(&map).unwrap();
    told(&mut stage.command(&output));
    fs::create_dir(&map).unwrap();
    told(&mut stage.command(&output));
    assert!(is_absent(&stage.cache("")));
}

#[test]
fn an_output_of_another_name_lays_nothing_that_it_could_not_take_away() {
    let (stage, output) = stage();
    let root = stage.path("store/renamed");
    fs::rename(&output.root, &root).unwrap();
    let line = told(&mut stage.command(&Output { root }));
    assert!(line.contains("link to ") && line.contains("not named <digest>-opencode-cache"), "{line}");
    assert!(is_absent(&stage.cache("")));
}

#[test]
fn found_through_links_to_the_output_and_to_itself() {
    let (stage, output) = stage();
    link(&output.root, &stage.path("result"));
    link(stage.path("result/bin/opencode"), &stage.path("bin/oc"));
    let run = Command::new(stage.path("bin/oc"))
        .env_clear()
        .env("HOME", stage.path("home"))
        .arg("/dev/null")
        .output()
        .unwrap();
    assert!(run.status.success());
    output.assert_link(&stage.cache("packages/plugin@latest"), "cache/packages/plugin@latest");
}

#[test]
fn a_target_that_is_missing_or_no_program() {
    let (stage, output) = stage();
    let target = output.file("lib/opencode/bin/opencode");
    fs::write(&target, "\x7fELF, but not really").unwrap();
    let run = stage.command(&output).output().unwrap();
    assert_eq!(run.status.code(), Some(126));
    assert!(one_line(&run).contains(": not a program for this machine; "));
    fs::remove_file(&target).unwrap();
    let run = stage.command(&output).output().unwrap();
    assert_eq!(run.status.code(), Some(127));
    assert!(one_line(&run).contains("execute ") && one_line(&run).contains(": no such file"));
}

#[test]
fn a_naive_wrapper_loses_what_this_one_keeps() {
    // The ancestor's refresh was `ln -sfn`: over a user's directory it writes into it, and over a
    // user's file it replaces it.
    let (stage, output) = stage();
    let place = stage.cache("packages/plugin@latest");
    write(&place, "mine");
    let mut naive = Command::new(stage::program("ln"));
    naive.arg("-sfn").arg(output.file("cache/packages/plugin@latest")).arg(&place);
    assert!(naive.status().unwrap().success());
    assert!(place.is_symlink(), "the user's file is gone");

    fs::remove_file(&place).unwrap();
    write(&place, "mine");
    stage.start(&output);
    assert_eq!(stage::read(&place), "mine");
}
