//! `doctor`: what OpenCode's next start will meet on this machine, and why.

use std::path::PathBuf;
use std::process::ExitCode;

use doctor::{Finding, Report, Request, Severity, Surroundings};

use crate::failure::{Failure, Kind};
use crate::ui;
use crate::workplace::Workplace;

/// Explain a HOME: what the next start of OpenCode will find, do and miss there, each with a next
/// step. Changes nothing, and asks no network unless --network is given. Exit 1 when something will not work.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The output, a link to it or the wrapper in it [default: result, else the opencode that is
    /// first on PATH].
    output: Option<PathBuf>,
    /// An opencode.json beside those that OpenCode reads by itself; may be repeated.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Also ask the hosts that `lock` and `fetch` need, each at most 10 seconds: which are reached, through what.
    #[arg(long)]
    network: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let surroundings = Surroundings::of_this_process().map_err(|error| {
        Failure::new(Kind::Outside, "no-directory", format!("find the working directory: {error}"))
            .hint("change to a directory that exists")
    })?;
    let request = Request { output: args.output, configs: args.config, surroundings };
    let mut report = match doctor::examine(&request) {
        Ok(report) => report,
        // Nothing is built yet, and the network may be why.
        Err(doctor::Error::NoOutput) if args.network => {
            Report { output: "no output here yet".to_owned(), opencode: None, checks: Vec::new() }
        }
        Err(error) => {
            return Err(Failure::new(Kind::Input, error.code(), error.to_string()).hint(error.hint()));
        }
    };
    if args.network {
        report.checks.push(place.reach(report.opencode.as_deref()).await);
    }
    if args.json {
        place.ui().json(&ui::to_json(&report)?);
    } else {
        place.ui().data(&render(&report));
    }
    Ok(if report.count(Severity::Problem) == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn render(report: &Report) -> String {
    let mut text = format!("{}\n", report.output);
    for check in report.checks.iter().filter(|check| !check.findings.is_empty()) {
        text.push_str(&format!("\n{}\n", check.name));
        for finding in &check.findings {
            text.push_str(&line(finding));
        }
    }
    let (problems, notes) = (report.count(Severity::Problem), report.count(Severity::Note));
    text.push_str(&format!("\nproblems: {problems}, notes: {notes}\n"));
    text
}

fn line(finding: &Finding) -> String {
    let Finding { code, severity, subject, text, next } = finding;
    let mark = match severity {
        Severity::Ok => "ok  ",
        Severity::Note => "note",
        Severity::Problem => "FAIL",
    };
    // What is in order needs no code to look for.
    let code = if *severity == Severity::Ok { String::new() } else { format!(" [{code}]") };
    let mut line = format!("{mark} {subject}: {text}{code}\n");
    if let Some(next) = next {
        line.push_str(&format!("     next step: {next}\n"));
    }
    line
}
