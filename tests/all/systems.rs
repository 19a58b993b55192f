//! An output for another Linux system is put together here: what is in it is that system's, the wrapper works in an emulator, and
//! nobody claims that OpenCode was run.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::cli::{Place, program, succeed, told};
use testkit::output::Output;

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("the_other_linux", the_other_linux),
    case("what_is_no_linux_is_refused", what_is_no_linux_is_refused),
];

/// Neither is this one where the tests run on aarch64; there is no third.
const OTHER: &str = if cfg!(target_arch = "aarch64") { "x86_64-linux" } else { "aarch64-linux" };
/// Where Debian's cross compilers keep the C library of aarch64; elsewhere the emulator needs none of ours.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// ELF's number of the architecture.
fn machine(path: &Path) -> u16 {
    let mut head = [0; 20];
    File::open(path).unwrap().read_exact(&mut head).unwrap();
    assert_eq!(&head[..4], b"\x7fELF", "{}", path.display());
    u16::from_le_bytes([head[18], head[19]])
}

fn the_other_linux() {
    let place = Place::get();
    let link = place.scratch.join("result-other");
    let said = succeed(place.command(["build", "--json", "--system", OTHER, "--out"]).arg(&link));
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["system"], OTHER);
    let output = fs::canonicalize(&link).unwrap();
    let number = if OTHER == "aarch64-linux" { 183 } else { 62 };
    let (wrapper, binary) = (output.join("bin/opencode"), output.join("lib/opencode/bin/opencode"));
    for program in [&wrapper, &binary] {
        assert_eq!(machine(program), number, "{}", program.display());
    }
    // A package that is another one on every system: the one of here is not there.
    let native = |cpu: &str| {
        let package = format!("config/node_modules/@msgpackr-extract/msgpackr-extract-linux-{cpu}");
        output.join(package).is_dir()
    };
    let (theirs, ours) = if OTHER == "aarch64-linux" { ("arm64", "x64") } else { ("x64", "arm64") };
    assert!(native(theirs) && !native(ours));

    let contents = succeed(place.command(["inspect", "--json"]).arg(&output));
    assert!(contents.contains(OTHER), "{contents}");
    let verified = place.command(["verify"]).arg(&output).output().unwrap();
    assert!(verified.status.success(), "{}", told(&verified));
    let loud = String::from_utf8_lossy(&verified.stderr).contains("!!! OPENCODE WAS NOT RUN: it is for ");
    assert!(loud, "{}", told(&verified));
    let differs =
        place.command(["diff", "--format", "md"]).arg(Output::shared().path()).arg(&output).output().unwrap();
    assert_eq!(differs.status.code(), Some(1), "{}", told(&differs));
    let rows = String::from_utf8_lossy(&differs.stdout).into_owned();
    assert!(rows.contains("| `~` | system |") && rows.contains(&format!("-> {OTHER} |")), "{rows}");
    assert!(
        rows.contains(&format!("| package | @msgpackr-extract/msgpackr-extract-linux-{theirs} |")),
        "{rows}"
    );
    if OTHER == "aarch64-linux" {
        in_an_emulator(&wrapper, &binary);
    }
}

/// The wrapper lays what it has to, and then becomes what this kernel does not start; the binary is asked by itself.
fn in_an_emulator(wrapper: &Path, binary: &Path) {
    let Some(emulator) = program("qemu-aarch64") else { return };
    let home = Place::get().directory("emulated-");
    let mut command = Command::new(&emulator);
    let run = command.arg(wrapper).arg("--version").env_clear().env("HOME", home.path()).output().unwrap();
    let laid = fs::read_link(home.path().join(".config/opencode/node_modules"));
    assert!(laid.is_ok_and(|target| target.ends_with("config/node_modules")), "{}", told(&run));

    if !Path::new(LIBRARIES).is_dir() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{LIBRARIES} is needed");
        return testkit::cli::say_untested(&format!("{LIBRARIES} is missing; with CI=true this fails"));
    }
    let mut command = Command::new(&emulator);
    command.args(["-L", LIBRARIES]).arg(binary).arg("--version").env_clear().env("HOME", home.path());
    let lock = fs::read_to_string(Place::get().repository.join("opencode.lock.json")).unwrap();
    let lock: Value = serde_json::from_str(&lock).unwrap();
    assert_eq!(succeed(&mut command), lock["opencode"].as_str().unwrap());
    crate::libraries::in_an_emulator(&emulator, binary, &Path::new(LIBRARIES).join("lib"));
}

fn what_is_no_linux_is_refused() {
    let run = Place::get().command(["build", "--system", "aarch64-darwin"]).output().unwrap();
    assert_eq!(run.status.code(), Some(3), "{}", told(&run));
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(said.contains("error[system-not-linux]: ") && said.contains("next step: "), "{said}");
}
