//! `uninstall`: everything that `install` brought goes.

use std::path::PathBuf;
use std::process::ExitCode;

use install::{Here, Place, User};

use crate::failure::Failure;
use crate::workplace::Workplace;

/// Take away all that was installed: links, generations, trees. OpenCode's own directories, with your sessions and settings, stay.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the links are that you call [default: ~/.local].
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(args: &Args, workplace: &Workplace) -> Result<ExitCode, Failure> {
    let place = Place::find(args.prefix.as_deref(), &Here::of_process())?;
    workplace.ui().data(&install::uninstall(&place, &User::of_process())?.to_string());
    Ok(ExitCode::SUCCESS)
}
