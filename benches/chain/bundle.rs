//! A bundle against `tar | zstd` of the same tree at the same level, and installing it against unpacking that.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::cli::{Place, succeed};
use testkit::output::Output;

use crate::Measured;
use crate::figures::{Goal, Rounds};

/// How often each is done.
const ROUNDS: usize = 7;

/// zstd's own default, and that of `bundle`.
const LEVELS: [u32; 2] = [3, 9];

/// Measures and prints.
pub fn measure() -> Measured {
    let place = Place::get().directory("bundle-");
    let (ours, other) = (place.path().join("ours.bundle"), place.path().join("other.tar.zst"));
    let mut installs = Rounds::default();
    for level in LEVELS {
        let mut rounds = Rounds::default();
        for _ in 0..ROUNDS {
            let theirs = timed(&mut tar(&other, level));
            rounds.say("bundle", timed(&mut bundle(&ours, level)), theirs);
        }
        rounds.tell(&format!("bundle against tar | zstd, level {level}"), Goal::Ratio(1.0));
        println!("  bytes: {} against {}", fs::metadata(&ours)?.len(), fs::metadata(&other)?.len());
    }
    for _ in 0..ROUNDS {
        let theirs = unpack(&other, &place.path().join("unpacked"))?;
        installs.say("install", install(&ours, &place.path().join("installed"))?, theirs);
    }
    // Two more are what hashing and flushing may take.
    installs.tell("install against tar -x", Goal::Ratio(3.0));
    Ok(())
}

fn bundle(file: &Path, level: u32) -> Command {
    // The same content as the tar, and no more: papers are worked out first.
    let mut command = Place::get().command(["bundle", "--no-tool", "--no-papers", "--level"]);
    command.arg(level.to_string()).arg("--output").arg(file).arg(Output::shared().path());
    command
}

fn tar(file: &Path, level: u32) -> Command {
    let output = Output::shared().path();
    let script = format!("tar -C \"$1\" -cf - \"$2\" | zstd -q -f -T0 -{level} -o \"$3\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).args(output.parent()).args(output.file_name()).arg(file);
    command
}

/// Into an empty place, every byte hashed and flushed.
fn install(file: &Path, place: &Path) -> io::Result<Duration> {
    let mut command = Place::get().command(["install", "--prefix"]);
    command.arg(place.join("prefix")).arg(file);
    // A home of its own: root would install for all users otherwise.
    command.env("HOME", place);
    command.env("XDG_STATE_HOME", place.join("state")).env("XDG_CONFIG_HOME", place.join("config"));
    let took = timed(&mut command);
    tree::remove_tree(place).map_err(io::Error::other)?;
    Ok(took)
}

/// Likewise, and nothing of the kind.
fn unpack(file: &Path, place: &Path) -> io::Result<Duration> {
    fs::create_dir(place)?;
    let took = timed(Command::new("tar").arg("--zstd").arg("-xf").arg(file).arg("-C").arg(place));
    tree::remove_tree(place).map_err(io::Error::other)?;
    Ok(took)
}

fn timed(command: &mut Command) -> Duration {
    let start = Instant::now();
    succeed(command);
    start.elapsed()
}
