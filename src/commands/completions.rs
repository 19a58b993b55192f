//! `completions`: what a shell reads to complete arguments.

use std::process::ExitCode;

use clap_complete::Shell;

use crate::failure::Failure;
use crate::manual;
use crate::workplace::Workplace;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which.
    shell: Shell,
}

/// Runs the verb.
pub fn run(args: &Args, place: &Workplace) -> Result<ExitCode, Failure> {
    place.ui().data(&String::from_utf8_lossy(&manual::completion(args.shell)));
    Ok(ExitCode::SUCCESS)
}
