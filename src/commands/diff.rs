//! `diff`: what changed between two locks.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::ui;
use crate::workplace::Workplace;

/// Say what changed between two locks; exit 1 when anything did.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The older lock.
    old: PathBuf,
    /// The newer lock [default: the one in use].
    new: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let read = |path| builder::lockfile::read(path).map_err(builder::Error::from);
    let (old, _) = read(&args.old)?;
    let (new, _) = read(args.new.as_deref().unwrap_or(place.lock_path()))?;
    let diff = lock::diff(&old, &new);
    if args.json {
        place.ui().json(&ui::to_json(&diff)?);
    } else if !diff.is_empty() {
        place.ui().data(&diff.lines().join("\n"));
    }
    Ok(if diff.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
