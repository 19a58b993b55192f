//! `manual`: man pages and completions as files, for whoever packages this program. Hidden: `man opencode-cache` is for people.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::failure::{Failure, Kind};
use crate::manual;
use crate::workplace::Workplace;

/// Write man pages and completions below a directory, as `share/man/…` and so on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A prefix, made where it is missing.
    directory: PathBuf,
}

/// Runs the verb.
pub fn run(args: &Args, _place: &Workplace) -> Result<ExitCode, Failure> {
    for (path, text) in manual::files() {
        let path = args.directory.join(path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        made.map_err(|error| unwritable(&path, &error))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Outside, "manual-write", format!("write {}: {error}", path.display()))
}
