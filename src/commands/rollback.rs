//! `rollback`: back to what was installed before.

use std::path::PathBuf;
use std::process::ExitCode;

use install::{Here, Place};

use crate::failure::Failure;
use crate::workplace::Workplace;

/// Activate the generation before the active one, or another.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The generation's number, as `list` tells it.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Where the links are that you call [default: ~/.local].
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(args: &Args, workplace: &Workplace) -> Result<ExitCode, Failure> {
    let place = Place::find(args.prefix.as_deref(), &Here::of_process())?;
    workplace.ui().data(&install::rollback(&place, args.to)?.to_string());
    Ok(ExitCode::SUCCESS)
}
