//! Property: whatever stands where the map, the record or a directory on the way ought to be, OpenCode is
//! started, at once and after at most one line; a map that is not wholly right lays nothing.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod stage;

use linkmap::{MAX_BYTES, MAX_ENTRIES};
use stage::{ARGUMENTS, Output, Stage, Wanted, link, one_line, program, strings, write};
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output as Run};
use std::time::{Duration, Instant};

/// No start may take longer, on a busy machine either.
const AT_ONCE: Duration = Duration::from_secs(5);

const HEAD: &str = "opencode-cache linkmap 1\nexec\tlib/opencode/bin/opencode\nroot\topencode\n";

fn stage() -> (Stage, Output) {
    let stage = Stage::new();
    let output = stage.output('a', &Wanted::usual());
    (stage, output)
}

/// Runs it; OpenCode must start, at once.
#[track_caller]
fn started(command: &mut Command) -> Run {
    let begin = Instant::now();
    let run = command.arg(ARGUMENTS).output().unwrap();
    assert_eq!(strings(&run).last().unwrap(), ARGUMENTS, "OpenCode did not start");
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    run
}

/// The map is refused: one line with `cause`, and nothing at all is laid.
#[track_caller]
fn refused(stage: &Stage, command: &mut Command, cause: &str) {
    let line = one_line(&started(command));
    assert!(line.contains("/linkmap: ") && line.contains(cause), "{line:?} does not say {cause:?}");
    assert_eq!(stage.listing().into_iter().next(), None);
}

#[test]
fn maps_of_hostile_lines() {
    let cases: [(&[u8], &str); 15] = [
        (b"link\tcache\t/etc/x\tcache/x\n", "line 4: an absolute path"),
        (b"link\tcache\tx\t/etc\n", "line 4: an absolute path"),
        (b"link\tcache\t../x\tcache/x\n", "line 4: a path component `.` or `..`"),
        (b"link\tcache\ta/../../x\tcache/x\n", "line 4: a path component `.` or `..`"),
        (b"copy\tcache\tx\t../../shadow\t0123456789abcdef\n", "line 4: a path component `.` or `..`"),
        (b"envpath\tA\t../x\n", "line 4: a path component `.` or `..`"),
        (b"link\tcache\tx\0y\tcache/x\n", "line 4: a control character"),
        (b"env\tA\ta\0B=b\n", "line 4: a control character"),
        (b"env\tA=B\tx\n", "line 4: not an environment variable's name"),
        (b"env\tLD_PRELOAD\t/x\n", "line 4: a variable that a map may not set"),
        (b"link\tcache\tx\tcache/x\nlink\tcache\tx\tcache/y\n", "line 5: named twice"),
        (b"exec\tbin/opencode\n", "line 4: named twice"),
        (b"link\tcache\tx\tcache/x\nlink\tcache\tx/y\tcache/y\n", "line 5: the destination lies below"),
        (b"keep\tcache\t.opencode-cache-state\n", "line 4: the destination is a name that the wrapper keeps"),
        (b"keep\tcache\t\xff\n", "line 4: not UTF-8"),
    ];
    let (stage, output) = stage();
    for (lines, cause) in cases {
        fs::write(output.file("linkmap"), [HEAD.as_bytes(), lines].concat()).unwrap();
        refused(&stage, &mut stage.command(&output), cause);
    }
}

#[test]
fn maps_of_hostile_size() {
    let (stage, output) = stage();
    let entries: String = (0..=MAX_ENTRIES).map(|n| format!("keep\tcache\t{n:05}\n")).collect();
    fs::write(output.file("linkmap"), HEAD.to_owned() + &entries).unwrap();
    refused(&stage, &mut stage.command(&output), "more than 4096 entries");
    // As large as is read at all, and every line of it to be looked at.
    let lines = "env\tA\t\n".repeat(MAX_BYTES / 7 - HEAD.len());
    fs::write(output.file("linkmap"), HEAD.to_owned() + &lines).unwrap();
    refused(&stage, &mut stage.command(&output), "line 5: named twice");
    fs::write(output.file("linkmap"), "").unwrap();
    refused(&stage, &mut stage.command(&output), "line 1: ");
}

#[test]
fn a_gigabyte_is_refused_without_being_read() {
    let (stage, output) = stage();
    let map = File::create(output.file("linkmap")).unwrap();
    map.set_len(1 << 30).unwrap();
    refused(&stage, &mut stage.command(&output), "the map is larger than 1 MiB");

    let log = stage.path("log");
    let mut command = Command::new(program("strace"));
    command.args(["-e", "trace=read,execve", "-o"]).arg(&log).arg(output.file("bin/opencode"));
    started(command.env_clear().env("HOME", stage.path("home")));
    let log = fs::read_to_string(log).unwrap();
    // The first `execve` is strace's, the second makes it OpenCode.
    let own = log.split("execve(").nth(1).unwrap();
    let read = own.lines().filter_map(|line| line.rsplit_once(" = ")?.1.parse::<usize>().ok());
    assert_eq!(read.sum::<usize>(), MAX_BYTES + 1, "{own}");
}

/// Runs the wrapper as one whom permissions concern: root, too, is nobody special in a user namespace.
fn without_privileges(stage: &Stage, output: &Output) -> Command {
    let mut command = Command::new(program("unshare"));
    command.arg("--user").arg(output.file("bin/opencode"));
    command.env_clear().env("HOME", stage.path("home"));
    command
}

#[test]
fn maps_that_are_no_file_to_read() {
    let (stage, output) = stage();
    let map = output.file("linkmap");
    let text = fs::read(&map).unwrap();
    fs::remove_file(&map).unwrap();
    refused(&stage, &mut stage.command(&output), ": no such file or directory");
    for target in ["linkmap", "elsewhere", "/etc/passwd", "/dev/zero"] {
        link(target, &map);
        refused(&stage, &mut stage.command(&output), ": too many symbolic links");
        fs::remove_file(&map).unwrap();
    }
    fs::create_dir(&map).unwrap();
    refused(&stage, &mut stage.command(&output), ": is a directory");
    fs::remove_dir(&map).unwrap();

    assert!(Command::new(program("mkfifo")).arg(&map).status().unwrap().success());
    refused(&stage, &mut stage.command(&output), "line 1: ");
    // With a writer that never writes anything.
    let writer = OpenOptions::new().read(true).write(true).open(&map).unwrap();
    refused(&stage, &mut stage.command(&output), "");
    drop(writer);
    fs::remove_file(&map).unwrap();

    fs::write(&map, text).unwrap();
    fs::set_permissions(&map, Permissions::from_mode(0o000)).unwrap();
    refused(&stage, &mut without_privileges(&stage, &output), ": permission denied");
}

#[test]
fn links_of_the_users_that_lead_nowhere() {
    for place in [".config", ".config/opencode", ".cache-nix/opencode/packages", ".local/share"] {
        for target in [Path::new(place).file_name().unwrap().to_str().unwrap(), "/nowhere", "/proc/self/exe"]
        {
            let (stage, output) = stage();
            link(target, &stage.home(place));
            // A link to a file is as good as a file; the others are worth a line, each time.
            for _ in 0..2 {
                let run = started(&mut stage.command(&output));
                assert!(run.stderr.is_empty() || one_line(&run).contains(place), "{place} -> {target}");
                assert_eq!(fs::read_link(stage.home(place)).unwrap(), Path::new(target));
            }
            // Everything that does not lie behind it is laid.
            assert_eq!(stage::read(&stage.cache("version")), "content of a\n");
            let laid = |other| stage.home(other).is_symlink();
            assert!(place.starts_with(".config") || laid(".config/opencode/node_modules"));
            assert!(place.starts_with(".local") || laid(".local/share/opencode/bin/rg"));
        }
    }
}

#[test]
fn records_that_are_none() {
    let (fresh, output) = stage();
    fresh.start(&output);
    let whole = fresh.listing();
    let record = fresh.cache(".opencode-cache-state");
    let text = fs::read(&record).unwrap();
    let set = |how: &dyn Fn(&Path)| {
        let _ = fs::remove_file(&record);
        how(&record);
        fresh.start(&output);
        assert_eq!(fresh.listing(), whole);
    };
    let outside = fresh.path("outside");
    write(&outside, "mine");
    set(&|record| fs::write(record, "").unwrap());
    set(&|record| fs::write(record, &text[..text.len() - 1]).unwrap());
    set(&|record| fs::write(record, format!("{HEAD}link\tcache\t../../../outside\tx\n")).unwrap());
    set(&|record| File::create(record).unwrap().set_len(1 << 30).unwrap());
    set(&|record| link("nowhere", record));
    set(&|record| link(&outside, record));
    set(&|record| assert!(Command::new(program("mkfifo")).arg(record).status().unwrap().success()));
    assert_eq!(stage::read(&outside), "mine");
}
