//! `gc`: room, by removing old generations.

use std::path::PathBuf;
use std::process::ExitCode;

use install::{Here, Place};

use crate::failure::Failure;
use crate::workplace::Workplace;

/// Remove old generations, and what they alone had. The active one stays, and what runs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many generations beside the active one are kept, the newest.
    #[arg(long, value_name = "N", default_value_t = install::gc::KEPT)]
    keep: usize,
    /// Where the links are that you call [default: ~/.local].
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(args: &Args, workplace: &Workplace) -> Result<ExitCode, Failure> {
    let place = Place::find(args.prefix.as_deref(), &Here::of_process())?;
    workplace.ui().data(&install::gc(&place, args.keep)?.to_string());
    Ok(ExitCode::SUCCESS)
}
