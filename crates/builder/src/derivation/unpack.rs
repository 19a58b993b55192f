//! Release archive → binary with an interpreter from the store. The interpreter and nothing else: a changed search path or a
//! stripped file is a bare bun that exits with 0 (measured, patchelf 0.14 to 0.19), so that what counts is what it says and what
//! its payload hashes to.

use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::elf::Elf;
use super::{Error, aside, make_directory, spec};

/// Where it lies below an output.
const BINARY: &str = "bin/opencode";
/// The section that bun keeps what it compiled in (OpenCode 1.14 and later).
const PAYLOAD: &str = ".bun";
/// What stands near the end of a binary behind which bun put what it compiled (OpenCode before 1.14).
const MARK: &[u8] = b"\n---- Bun! ----\n";
/// How near, in bytes: the length of the whole comes behind it.
const NEAR: u64 = 64;
/// The most that is kept of what a program says, in bytes.
const SAID: usize = 4096;

/// Unpacks the release binary to `out`, ready to run.
pub fn unpack(spec: &Path, out: &Path) -> Result<(), Error> {
    let spec: spec::Unpack = spec::read(spec)?;
    let binary = out.join(BINARY);
    make_directory(&out.join("bin"))?;
    let archive = File::open(&spec.archive).map_err(Error::io("open", &spec.archive))?;
    let format = crate::binary::format(spec.form);
    let limits = tree::unpack::Limits::PACKAGE;
    tree::unpack::member(BufReader::new(archive), format, &spec.member, &binary, &limits)
        .map_err(|source| Error::Unpack { path: spec.archive.clone(), source })?;
    if let Some(interpreter) = &spec.interpreter {
        set_interpreter(&binary, interpreter, spec.patchelf.as_deref())?;
    }
    let said = version(&binary)?;
    if said == spec.version {
        return Ok(());
    }
    Err(Error::Version { path: binary, said, wanted: spec.version })
}

fn set_interpreter(binary: &Path, interpreter: &str, patchelf: Option<&Path>) -> Result<(), Error> {
    let failed = |reason: String| Error::Interpreter { path: binary.into(), reason };
    if !Path::new(interpreter).is_file() {
        return Err(failed(format!("{interpreter} is not there")));
    }
    let program = patchelf.map_or_else(|| PathBuf::from("patchelf"), |place| place.join("bin/patchelf"));
    let place = place_of_payload(binary)?
        .ok_or_else(|| failed(format!("it has no section {PAYLOAD}, and nothing of bun's behind its end")))?;
    let before = payload(binary, place)?;
    fs::set_permissions(binary, fs::Permissions::from_mode(0o755))
        .map_err(Error::io("set the mode of", binary))?;
    let mut command = Command::new(&program);
    command.arg("--set-interpreter").arg(interpreter).arg(binary);
    let ran = run(command).map_err(|error| failed(format!("start {}: {error}", program.display())))?;
    if !ran.status.success() {
        return Err(failed(format!("patchelf: {}", text(&ran.stderr))));
    }
    if before.is_some() && payload(binary, place)? == before {
        return Ok(());
    }
    Err(Error::Payload { path: binary.into() })
}

/// Where a binary has what bun compiled.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the section [`PAYLOAD`].
    Section,
    /// In so many bytes at its end, which a longer interpreter moves as a whole.
    End(u64),
}

fn place_of_payload(binary: &Path) -> Result<Option<Place>, Error> {
    let read = || Error::io("read", binary);
    let Some(mut elf) = Elf::open(binary).map_err(read())? else { return Ok(None) };
    if elf.section(PAYLOAD).map_err(read())?.is_some() {
        return Ok(Some(Place::Section));
    }
    let behind = elf.behind().map_err(read())?;
    let marked = elf.ends_with(behind.min(NEAR), MARK).map_err(read())?;
    Ok(marked.then_some(Place::End(behind)))
}

/// The hash of the payload.
fn payload(binary: &Path, place: Place) -> Result<Option<lock::Sri>, Error> {
    let read = || Error::io("read", binary);
    let Some(mut elf) = Elf::open(binary).map_err(read())? else { return Ok(None) };
    match place {
        Place::Section => elf.digest(PAYLOAD).map_err(read()),
        Place::End(bytes) => elf.tail(bytes).map(Some).map_err(read()),
    }
}

/// What the binary says that it is, in a HOME of its own.
fn version(binary: &Path) -> Result<String, Error> {
    let home = aside()?;
    let mut command = Command::new(binary);
    command.arg("--version").env_clear().env("HOME", home.path()).env("TMPDIR", home.path());
    command.current_dir(home.path());
    let ran = run(command).map_err(Error::io("start", binary))?;
    Ok(if ran.status.success() {
        text(&ran.stdout)
    } else {
        format!("{}: {}", ran.status, text(&ran.stderr))
    })
}

fn run(mut command: Command) -> std::io::Result<Output> {
    command.stdin(Stdio::null()).output()
}

fn text(said: &[u8]) -> String {
    String::from_utf8_lossy(said.get(..SAID).unwrap_or(said)).trim().to_owned()
}
