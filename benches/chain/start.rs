//! A start through the wrapper against executing the same program directly. The program is one that ends at once, so that what is
//! left is the wrapper's.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::cli::Place;
use testkit::output::Output;

use crate::Measured;
use crate::figures::{Goal, Rounds};

/// Starts in a HOME that is in order already: every start but the first after a build.
const WARM: usize = 2000;
/// Starts in an empty HOME: everything has to be laid.
const COLD: usize = 200;

/// Measures and prints.
pub fn measure() -> Measured {
    let scratch = Place::get().directory("start-");
    let output = imitation(scratch.path())?;
    let (wrapper, target) = (output.join("bin/opencode"), output.join("lib/opencode/bin/opencode"));
    let home = scratch.path().join("home");
    fs::create_dir(&home)?;
    start(&wrapper, &home)?;
    let mut warm = Rounds::default();
    for _ in 0..WARM {
        warm.push(start(&wrapper, &home)?, start(&target, &home)?);
    }
    warm.tell("a warm start through the wrapper against direct exec", Goal::More(Duration::from_millis(1)));
    let mut cold = Rounds::default();
    for _ in 0..COLD {
        fs::remove_dir_all(&home)?;
        fs::create_dir(&home)?;
        cold.push(start(&wrapper, &home)?, start(&target, &home)?);
    }
    cold.tell("the first start in an empty HOME against direct exec", Goal::None);
    Ok(())
}

/// The shared output with a program that ends at once in the place of OpenCode.
fn imitation(scratch: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let real = Output::shared().path();
    let output = scratch.join(real.file_name().ok_or("an output without a name")?);
    fs::create_dir_all(output.join("bin"))?;
    fs::create_dir_all(output.join("lib/opencode/bin"))?;
    for tree in ["cache", "config"] {
        std::os::unix::fs::symlink(real.join(tree), output.join(tree))?;
    }
    for file in ["bin/opencode", "linkmap", "lib/opencode/restore.mjs", "lib/opencode/restore.json"] {
        fs::copy(real.join(file), output.join(file))?;
    }
    fs::copy("/bin/true", output.join("lib/opencode/bin/opencode"))?;
    Ok(output)
}

fn start(program: &Path, home: &Path) -> Result<Duration, Box<dyn Error>> {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home);
    let start = Instant::now();
    let status = command.status()?;
    let elapsed = start.elapsed();
    if status.success() { Ok(elapsed) } else { Err(format!("{}: {status}", program.display()).into()) }
}
