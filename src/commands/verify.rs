//! `verify`: proves that an output is whole and that OpenCode answers on it without a network.

use std::path::PathBuf;
use std::process::ExitCode;

use builder::verify::{self, Report, Request};

use crate::failure::Failure;
use crate::ui;
use crate::workplace::Workplace;

/// Hash an output again, then run OpenCode on it with no network at all and count every attempt
/// to leave. Exit 1 when anything is wrong.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The output or a link to it.
    #[arg(default_value = "result")]
    output: PathBuf,
    /// The user's own opencode.json, run beside what was captured; may be repeated.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let request = Request { output: args.output, configs: args.config, progress: place.progress() };
    let report = verify::run(request).await.map_err(builder::Error::from)?;
    if args.json {
        place.ui().json(&ui::to_json(&report)?);
    } else {
        place.ui().data(&render(&report));
    }
    if let Some(why) = &report.not_run {
        place.ui().talk(&format!("!!! OPENCODE WAS NOT RUN: {why}. Only the bytes were looked at."));
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn render(report: &Report) -> String {
    let mut text = format!("{}\n", report.path.display());
    for check in &report.checks {
        let mark = if check.problems.is_empty() { "ok  " } else { "FAIL" };
        text.push_str(&format!("{mark} {}: {}\n", check.name, check.summary));
        for problem in &check.problems {
            text.push_str(&format!("     {problem}\n"));
        }
    }
    if let Some(why) = &report.not_run {
        text.push_str(&format!("NOT RUN: {why}\n"));
        return text;
    }
    text.push_str(&format!("attempts to leave: {}\n", report.attempts.len()));
    for attempt in &report.attempts {
        text.push_str(&format!("  {attempt}\n"));
    }
    if !report.apart.is_empty() {
        text.push_str("asked because a key or the given configuration says so (not counted):\n");
        for attempt in &report.apart {
            text.push_str(&format!("  {attempt}\n"));
        }
    }
    text
}
