//! Property: wherever the refresh cannot be done, OpenCode is started all the same, after one line that
//! says what to do; and links of the user's on the way are followed, never replaced.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod stage;

use stage::{ARGUMENTS, Output, Stage, Wanted, is_absent, link, one_line, strings, write};
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

#[test]
fn home_unset_empty_or_relative() {
    let (stage, output) = stage();
    let line = told(stage.command(&output).env_remove("HOME"));
    assert_eq!(
        line,
        "opencode-cache: find the home directory: HOME is not an absolute path; set HOME, until then OpenCode may need the network\n"
    );
    told(stage.command(&output).env("HOME", ""));
    told(stage.command(&output).env("HOME", "relative"));
}

#[test]
fn home_that_cannot_be_written() {
    let (stage, output) = stage();
    // Nobody can create a directory in /proc, root neither.
    let line = told(stage.command(&output).env("HOME", "/proc/self"));
    assert!(line.starts_with("opencode-cache: create /proc/self/.cache-nix/opencode: "), "{line}");
    assert!(line.ends_with("; make it writable for you, until then OpenCode may need the network\n"));

    write(&stage.path("file"), "mine");
    told(stage.command(&output).env("HOME", stage.path("file")));
    assert_eq!(stage::read(&stage.path("file")), "mine");
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
