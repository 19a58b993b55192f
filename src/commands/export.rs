//! `export`: outputs and what the lock pins → a Nix binary cache.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use builder::export::{Export, Exported, Inputs};
use lock::System;
use serde_json::json;

use crate::failure::{Failure, Kind};
use crate::ui;
use crate::workplace::Workplace;

/// Write outputs, and every file that the lock pins, as a Nix binary cache; Nix is not needed for it.
///
/// Every path in it is named after its content, so that Nix takes it from anybody. What is there already and right is kept.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory of the cache, new or there already; `nix copy` may have written to it too.
    #[arg(long, value_name = "DIR")]
    nix_cache: PathBuf,
    /// Outputs or links to them [default: result].
    #[arg(value_name = "OUTPUT")]
    outputs: Vec<PathBuf>,
    /// Only the one half: outputs, or inputs, which are the files that Nix fetches to build them.
    #[arg(long, value_enum, value_name = "HALF")]
    only: Option<Half>,
    /// Only the inputs that this system needs; may be repeated [default: every system of the lock].
    #[arg(long, value_name = "SYSTEM")]
    system: Vec<System>,
    /// Sign with this key too: a file as `nix key generate-secret` writes it.
    #[arg(long, value_name = "KEYFILE")]
    sign: Option<PathBuf>,
    /// Fetch nothing: what is missing is an error.
    #[arg(long)]
    offline: bool,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

/// A part of what can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Half {
    /// What `build` made.
    Outputs,
    /// What the lock pins.
    Inputs,
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    if args.only == Some(Half::Inputs) && !args.outputs.is_empty() {
        let message = "export: outputs are named, and only inputs are wanted";
        return Err(Failure::new(Kind::Input, "export-contradiction", message).hint("leave out one of both"));
    }
    let outputs = match args.only {
        Some(Half::Inputs) => Vec::new(),
        _ if args.outputs.is_empty() => vec![PathBuf::from("result")],
        _ => args.outputs,
    };
    let inputs = match args.only {
        Some(Half::Outputs) => Inputs::default(),
        _ => {
            let (lock, _) = place.lock()?;
            let systems: BTreeSet<System> = match args.system.is_empty() {
                true => lock.systems.keys().copied().collect(),
                false => args.system.into_iter().collect(),
            };
            Inputs::of(&lock, &systems).map_err(builder::Error::from)?
        }
    };
    let export = Export {
        directory: args.nix_cache.clone(),
        outputs,
        inputs,
        vendor: place.vendor()?,
        key: args.sign,
        progress: place.progress(),
    };
    let upstream =
        if args.offline || export.is_provided() { None } else { Some(place.registry().await?.upstream) };
    let exported = export.run(upstream.as_ref()).await.map_err(builder::Error::from)?;
    if args.json {
        place.ui().json(&as_json(&args.nix_cache, &exported));
        return Ok(ExitCode::SUCCESS);
    }
    let paths: Vec<String> = exported.outputs.iter().map(|added| added.info.store_path.to_string()).collect();
    if !paths.is_empty() {
        place.ui().data(&paths.join("\n"));
    }
    place.ui().talk(&told(&args.nix_cache, &exported, &paths));
    Ok(ExitCode::SUCCESS)
}

fn as_json(directory: &Path, exported: &Exported) -> serde_json::Value {
    let list = |added: &[builder::export::Added]| -> Vec<serde_json::Value> {
        let one = |added: &builder::export::Added| {
            json!({
                "path": added.info.store_path.to_string(), "file": added.info.url,
                "file_bytes": added.info.file_size, "nar_bytes": added.info.nar_size, "was_there": !added.written,
            })
        };
        added.iter().map(one).collect()
    };
    json!({
        "nix_cache": directory, "outputs": list(&exported.outputs), "inputs": list(&exported.inputs),
        "public_key": exported.public_key.as_ref().map(ToString::to_string),
    })
}

fn told(directory: &Path, exported: &Exported, paths: &[String]) -> String {
    let all = || exported.outputs.iter().chain(&exported.inputs);
    let bytes = all().filter_map(|added| added.info.file_size).sum();
    let mut text = format!(
        "{}: outputs {}, inputs {}, of these {} written; {}",
        directory.display(),
        exported.outputs.len(),
        exported.inputs.len(),
        all().filter(|added| added.written).count(),
        ui::size(bytes)
    );
    if let Some(key) = &exported.public_key {
        text.push_str(&format!("\nsigned; trusted-public-keys = {key}"));
    }
    let whole = std::path::absolute(directory).unwrap_or_else(|_| directory.to_path_buf());
    let next = match paths.first() {
        Some(path) => format!("nix copy --from 'file://{}' {path}", whole.display()),
        None => format!("nix build --substituters 'file://{}' …", whole.display()),
    };
    text + &format!("\nnext: {next}; `opencode-cache verify {}` looks at all of it", directory.display())
}
