//! OpenCode's real binary with a C library beside it: fitted, it maps no library of the machine's, also where it starts itself; without
//! its loader it does not run. Which libraries those are makes no difference: here they are copies of the machine's.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fit::{Answer, BINARY, LIBRARIES, Machine, Undone};
use testkit::cli::{Place, say_untested, succeed};
use testkit::output::Output;

use crate::{Case, case};

/// The module's cases; another is a part of `systems`, which has a binary for another processor.
pub const CASES: &[Case] = &[case("only_its_own_libraries_are_loaded", only_its_own)];

/// Long enough for a machine with much else to do.
const BOUND: Duration = Duration::from_secs(120);

/// What the binary wants beside its loader.
const NEEDED: [&str; 4] = ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0"];

/// Prints where it is, and what it has mapped; then the same of a child with an empty environment.
const SCRIPT: &str = r#"
const maps = require("fs").readFileSync("/proc/self/maps", "utf8");
const files = maps.split("\n").map((line) => line.split(/ +/)[5]).filter((file) => file?.includes(".so"));
console.log(["exec " + process.execPath, ...new Set(files)].join("\n"));
if (process.argv[2] !== "child") {
  const child = Bun.spawnSync([process.execPath, process.argv[1], "child"], { env: { BUN_BE_BUN: "1" } });
  console.log(child.stdout.toString().trim());
}
"#;

fn only_its_own() {
    let machine = if cfg!(target_arch = "aarch64") { Machine::Aarch64 } else { Machine::X86_64 };
    // Where the machine has its own: the loader lies among them in Debian.
    let Ok(loader) = fs::canonicalize(machine.interpreter()) else {
        return say_untested("this machine has no glibc where binaries look for it");
    };
    let fitted = Fitted::new(&Output::shared().binary(), loader.parent().unwrap(), machine);
    assert_eq!(fit::answer(&fitted.binary, BOUND).unwrap(), Answer::Runs);

    let script = fitted.place.path().join("script.js");
    fs::write(&script, SCRIPT).unwrap();
    let mut command = Command::new(&fitted.binary);
    command.arg(&script).env_clear().env("BUN_BE_BUN", "1").env("HOME", fitted.place.path());
    let said = succeed(&mut command);
    let (executables, libraries): (Vec<&str>, Vec<&str>) =
        said.lines().partition(|line| line.starts_with("exec "));
    let own = format!("exec {}", fitted.binary.display());
    assert_eq!(executables, [own.as_str(); 2], "{said}");
    let names: BTreeSet<&str> = libraries.iter().filter_map(|path| path.rsplit('/').next()).collect();
    assert!(names.is_superset(&BTreeSet::from(NEEDED)), "{said}");
    for library in libraries {
        assert!(Path::new(library).starts_with(fitted.place.path()), "{library} in:\n{said}");
    }

    // The control: it really is this loader that loads it.
    fs::remove_file(&fitted.link).unwrap();
    assert!(matches!(fit::answer(&fitted.binary, BOUND).unwrap(), Answer::NoLibraries { .. }));
}

/// A binary for aarch64 starts by libraries that no option of the emulator names. As bun: OpenCode's own version takes ten seconds there.
pub fn in_an_emulator(emulator: &Path, binary: &Path, libraries: &Path) {
    let fitted = Fitted::new(binary, libraries, Machine::Aarch64);
    let mut command = Command::new(emulator);
    command.arg(&fitted.binary).arg("--version").env_clear().env("BUN_BE_BUN", "1");
    assert!(succeed(&mut command).starts_with(|first: char| first.is_ascii_digit()));
}

/// A fitted output, of which there is as much as is needed.
struct Fitted {
    place: tempfile::TempDir,
    binary: PathBuf,
    link: PathBuf,
}

impl Fitted {
    fn new(binary: &Path, libraries: &Path, machine: Machine) -> Self {
        let place = Place::get().directory("fitted-");
        // As `/proc` names it.
        let root = fs::canonicalize(place.path()).unwrap();
        let (output, into, link) = (root.join("output"), root.join("into"), root.join("ld"));
        let (own, beside) = (output.join(BINARY), output.join(LIBRARIES));
        for directory in [own.parent().unwrap(), &beside, &into] {
            fs::create_dir_all(directory).unwrap();
        }
        if fs::hard_link(binary, &own).is_err() {
            fs::copy(binary, &own).unwrap();
        }
        for library in NEEDED.iter().chain([&machine.loader()]) {
            fs::copy(libraries.join(library), beside.join(library)).unwrap();
        }
        symlink(into.join(LIBRARIES).join(machine.loader()), &link).unwrap();
        let edits = fit::output(&output, &link, &into).unwrap();
        let binary = into.join(BINARY);
        assert_same(File::open(own).unwrap(), Undone::new(File::open(&binary).unwrap(), &edits));
        Self { place, binary, link }
    }
}

fn assert_same(one: impl Read, other: impl Read) {
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    let (mut first, mut second) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let read = one.read(&mut first).unwrap();
        other.read_exact(&mut second[..read]).unwrap();
        assert!(first[..read] == second[..read], "what was put back is another");
        if read == 0 {
            assert_eq!(other.read(&mut second).unwrap(), 0);
            return;
        }
    }
}
