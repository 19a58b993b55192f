//! `verify`: proves that an output is whole and that OpenCode answers on it without a network.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use builder::export::PublicKey;
use builder::verify::{self, CacheReport, CacheRequest, Check, Outside, Report, Request};

use crate::failure::Failure;
use crate::ui;
use crate::workplace::Workplace;

/// Hash an output again, then run OpenCode on it with no network at all and count every attempt
/// to leave. Exit 1 when anything is wrong. A Nix binary cache is looked through first, then each output in it is run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The output or a link to it, or the directory of a binary cache.
    #[arg(default_value = "result")]
    output: PathBuf,
    /// The user's own opencode.json, run beside what was captured; may be repeated.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Run with this kind of network only: none (nothing is there), dropped (every packet is lost), silent (and the name
    /// server never answers); may be repeated. Default: with each of them.
    #[arg(long, value_name = "KIND", value_parser = Outside::from_str)]
    network: Vec<Outside>,
    /// This host may be asked: what a plugin does by itself, and can do without. It is listed, and does not count; may be
    /// repeated. A name, or ADDRESS:PORT.
    #[arg(long, value_name = "HOST")]
    allow: Vec<String>,
    /// Of a binary cache: who signed with this key is believed; may be repeated. NAME:BASE64, as Nix writes it.
    #[arg(long, value_name = "KEY")]
    public_key: Vec<PublicKey>,
    /// What `install` put below this directory: its trees and links are looked at, then the active output is run.
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    prefix: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let networks = if args.network.is_empty() { Outside::ALL.to_vec() } else { args.network };
    let request = Request {
        output: args.output,
        configs: args.config,
        networks,
        allowed: args.allow,
        progress: place.progress(),
    };
    if let Some(prefix) = &args.prefix {
        return super::verify_installed::run(prefix, request, args.json, place).await;
    }
    if verify::is_cache(&request.output) {
        return run_cache(args.public_key, request, args.json, place).await;
    }
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

/// Of a binary cache.
async fn run_cache(
    keys: Vec<PublicKey>,
    then: Request,
    json: bool,
    place: &Workplace,
) -> Result<ExitCode, Failure> {
    let store = place.state()?.join("store");
    let request = CacheRequest { directory: then.output.clone(), keys, store, then };
    let report = verify::run_cache(request).await.map_err(builder::Error::from)?;
    if json {
        place.ui().json(&ui::to_json(&report)?);
    } else {
        place.ui().data(&render_cache(&report));
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn render_cache(report: &CacheReport) -> String {
    let mut text = format!("{}: {} paths are right\n", report.path.display(), report.paths);
    for problem in &report.problems {
        text.push_str(&format!("FAIL {} [{}]: {}\n", problem.file, problem.code, problem.text));
    }
    for output in &report.outputs {
        match (&output.report, &output.not_run) {
            (Some(report), _) => {
                text.push_str(&format!("{}, taken out to be run:\n{}", output.path, render(report)))
            }
            (None, why) => {
                text.push_str(&format!(
                    "{} was not run: {}\n",
                    output.path,
                    why.as_deref().unwrap_or_default()
                ));
            }
        }
    }
    text
}

/// What is to be done about attempts to leave.
const NEXT: &str = "next step: a plugin that looks for updates or calls its maker asks by itself: it has a setting against that, or `--allow HOST` lists it apart\n";

/// A report, for a person.
pub fn render(report: &Report) -> String {
    let mut text = format!("{}\n", report.path.display());
    let mut last = None;
    for check in &report.checks {
        let pass = check.profile.zip(check.network);
        if let Some((profile, network)) = pass.filter(|_| pass != last) {
            text.push_str(&format!("{profile} profile, network {network}:\n"));
        }
        last = pass;
        text.push_str(&line(check));
    }
    if let Some(why) = &report.not_run {
        text.push_str(&format!("NOT RUN: {why}\n"));
        return text;
    }
    text.push_str(&format!("attempts to leave: {}\n", report.attempts.len()));
    for attempt in &report.attempts {
        text.push_str(&format!("  {attempt}\n"));
    }
    if !report.attempts.is_empty() {
        text.push_str(NEXT);
    }
    if !report.apart.is_empty() {
        text.push_str("asked because of a provider's key, or allowed by --allow (not counted):\n");
        for attempt in &report.apart {
            text.push_str(&format!("  {attempt}\n"));
        }
    }
    if !report.hosts.is_empty() {
        text.push_str(
            "asked in the online profile, and allowed there (registry.invalid is your registry):\n",
        );
        for attempt in &report.hosts {
            text.push_str(&format!("  {attempt}\n"));
        }
    }
    text
}

fn line(check: &Check) -> String {
    let mark = if check.problems.is_empty() { "ok  " } else { "FAIL" };
    let attempts = match check.attempts {
        0 => String::new(),
        attempts => format!(", {attempts} attempts"),
    };
    let mut text = format!("{mark} {}: {} ({:.1} s{attempts})\n", check.name, check.summary, check.seconds);
    for problem in &check.problems {
        text.push_str(&format!("     {problem}\n"));
    }
    text
}
