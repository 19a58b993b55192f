//! `install`: a bundle, put in place on this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use install::{Here, Place, Request, keys, told};
use serde_json::json;

use crate::failure::Failure;
use crate::workplace::Workplace;

/// Put a bundle in place, and activate it: every hash is compared before anything that is active changes.
///
/// Generations lie side by side below $XDG_STATE_HOME/opencode-cache (/var/lib/opencode-cache for root with a prefix outside of its
/// home), and what you call are links to the active one. Killed or out of room, it is taken up by running it again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle; of one that was cut, FILE or FILE.001.
    bundle: PathBuf,
    /// Where the links go that you call [default: ~/.local].
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
    /// Install only what this public key signed, minisign's or Nix's, or a file of one; may be repeated
    /// [default: those of /etc/opencode-cache/keys and $XDG_CONFIG_HOME/opencode-cache/keys].
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Install an OpenCode that is older than the active one.
    #[arg(long)]
    downgrade: bool,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args, workplace: &Workplace) -> Result<ExitCode, Failure> {
    let here = Here::of_process();
    let place = Place::find(args.prefix.as_deref(), &here)?;
    let keys = keys::believed(&args.key, &here)?;
    let request =
        Request { file: args.bundle.clone(), keys, place, system: Here::system(), downgrade: args.downgrade };
    let installed = install::install(&request)?;
    if args.json {
        workplace.ui().json(&json!({
            "generation": super::list::as_json(&installed.generation, None), "before": installed.before,
            "left_out": installed.left_out,
        }));
    } else {
        workplace.ui().data(&installed.to_string());
    }
    if let Some(hint) = told::path_hint(&request.place, &here) {
        workplace.ui().talk(&hint);
    }
    Ok(ExitCode::SUCCESS)
}
