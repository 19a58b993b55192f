//! `list`: the generations that are installed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use install::{Error, Generation, Here, Place, told};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::workplace::Workplace;

/// Tell which generations are installed, the active one with a star.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the links are that you call [default: ~/.local].
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args, workplace: &Workplace) -> Result<ExitCode, Failure> {
    let place = Place::find(args.prefix.as_deref(), &Here::of_process())?;
    let all = install::list(&place)?;
    if args.json {
        let all: Vec<_> = all.iter().map(|(generation, wrong)| as_json(generation, wrong.as_ref())).collect();
        workplace.ui().json(&json!(all));
    } else {
        let lines = all.iter().map(|(generation, wrong)| told::line(generation, wrong.as_ref()));
        workplace.ui().data(&lines.collect::<Vec<_>>().join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A generation, for programs.
pub fn as_json(generation: &Generation, wrong: Option<&Error>) -> Value {
    let record = &generation.record;
    let since = generation.installed.duration_since(SystemTime::UNIX_EPOCH);
    json!({
        "number": generation.number, "active": generation.is_active, "prefix": record.prefix,
        "opencode": record.opencode(), "bundle": record.bundle, "key": record.key,
        "installed": since.map_or(0, |since| since.as_secs()), "problem": wrong.map(ToString::to_string),
    })
}
