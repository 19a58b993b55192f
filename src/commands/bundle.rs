//! `bundle`: outputs → one file for a machine without a network.

use std::path::PathBuf;
use std::process::ExitCode;

use builder::bundles::{self, Bundled, Bundling};
use serde_json::json;

use crate::failure::Failure;
use crate::ui;
use crate::workplace::Workplace;

/// Write outputs as one file for a machine without a network: the same bytes from the same outputs, each of them hashed.
///
/// `tar --zstd -xf` unpacks it too.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Outputs of `build`, or links to them; one for each system.
    #[arg(value_name = "OUTPUT", default_value = "result")]
    outputs: Vec<PathBuf>,
    /// Where to write it [default: opencode-VERSION-SYSTEM.bundle].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How hard zstd tries, 1 to 19.
    #[arg(long, value_name = "N", default_value_t = bundles::LEVEL, value_parser = clap::value_parser!(i32).range(1..=i64::from(bundles::MAX_LEVEL)))]
    level: i32,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let bundling =
        Bundling { outputs: args.outputs, file: args.output, level: args.level, progress: place.progress() };
    let bundled = bundling.run().await.map_err(builder::Error::from)?;
    if args.json {
        place.ui().json(&as_json(&bundled)?);
        return Ok(ExitCode::SUCCESS);
    }
    place.ui().data(&bundled.file.display().to_string());
    place.ui().talk(&told(&bundled));
    Ok(ExitCode::SUCCESS)
}

fn as_json(bundled: &Bundled) -> Result<serde_json::Value, Failure> {
    Ok(json!({
        "file": bundled.file, "bytes": bundled.size, "digest": bundled.digest.to_string(),
        "parts": ui::to_json(&bundled.parts)?,
    }))
}

fn told(bundled: &Bundled) -> String {
    let mut rows = Vec::new();
    for part in &bundled.parts {
        let facts: Vec<_> =
            part.facts.get("opencode").map(|version| format!("OpenCode {version}")).into_iter().collect();
        rows.push(vec![
            part.system.to_string(),
            part.role.to_string(),
            ui::size(part.size),
            facts.join(", "),
        ]);
    }
    format!(
        "{}{}, digest {}\nnext: carry it there, and `opencode-cache install {}`",
        ui::table(&rows),
        ui::size(bundled.size),
        bundled.digest,
        bundled.file.file_name().unwrap_or_default().display()
    )
}
