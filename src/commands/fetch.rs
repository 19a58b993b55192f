//! `fetch`: lock → vendor directory.

use std::collections::BTreeSet;
use std::process::ExitCode;

use lock::System;
use serde_json::json;

use crate::failure::Failure;
use crate::ui;
use crate::workplace::Workplace;

/// Download every pinned byte into the vendor directory, in parallel, resumable, each verified.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only what this system needs; may be repeated [default: every system of the lock].
    #[arg(long, value_name = "SYSTEM")]
    system: Vec<System>,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let (lock, _) = place.lock()?;
    let systems: BTreeSet<System> = match args.system.is_empty() {
        true => lock.systems.keys().copied().collect(),
        false => args.system.into_iter().collect(),
    };
    let vendor = place.vendor()?;
    builder::catalogue::provide(&lock, place.lock_path(), &vendor).await.map_err(builder::Error::from)?;
    let pins = builder::fetch::pins(&lock, &systems).map_err(builder::Error::from)?;
    let mut fetched = (0, 0);
    if !builder::fetch::missing(&vendor, &pins).is_empty() {
        let upstream = place.registry().await?.upstream;
        fetched = builder::fetch::fetch(&vendor, &upstream, &pins, &place.progress())
            .await
            .map_err(|error| place.explain(error.into(), &lock))?;
    }
    let (files, bytes) = fetched;
    if args.json {
        place.ui().json(&json!({
            "vendor": vendor.root(), "pinned": pins.len(), "fetched": files, "bytes": bytes,
        }));
    } else {
        let text = format!(
            "{}: {} files pinned, {files} fetched ({})",
            vendor.root().display(),
            pins.len(),
            ui::size(bytes)
        );
        place.ui().talk(&text);
    }
    Ok(ExitCode::SUCCESS)
}
