//! `verify`: proves that an output is whole and that OpenCode answers on it without a network.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use builder::bundles;
use builder::verify::{
    self, BundleReport, BundleRequest, CacheReport, CacheRequest, Check, Outside, Report, Request,
};

use crate::failure::Failure;
use crate::ui;
use crate::workplace::Workplace;

/// Hash an output again, then run OpenCode on it with no network at all and count every attempt
/// to leave. Exit 1 when anything is wrong. Of a bundle and of a Nix binary cache, all bytes come first, then each output in it is run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The output or a link to it, a bundle, or the directory of a binary cache.
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
    /// Of a bundle or a binary cache: who signed with this key is believed; may be repeated. A file, or NAME:BASE64, as Nix
    /// writes it, or what `minisign -P` takes. Default, for bundles: ~/.config/opencode-cache/keys/*.pub and
    /// /etc/opencode-cache/keys/*.pub.
    #[arg(long, visible_alias = "key", value_name = "KEY")]
    public_key: Vec<String>,
    /// Compare hashes and signatures, and do not run OpenCode.
    #[arg(long)]
    hashes_only: bool,
    /// What `install` put below this directory: its trees and links are looked at, then the active output is run.
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    prefix: Option<PathBuf>,
    /// Of an output: write the report as JSON here too, for the page of `inspect --html --proof`.
    #[arg(long, value_name = "FILE", conflicts_with = "prefix")]
    proof: Option<PathBuf>,
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
        hashes_only: args.hashes_only,
        progress: place.progress(),
    };
    if let Some(prefix) = &args.prefix {
        return super::verify_installed::run(prefix, request, args.json, place).await;
    }
    if verify::is_cache(&request.output) {
        return run_cache(&args.public_key, request, args.json, place).await;
    }
    if verify::is_bundle(&request.output) {
        return run_bundle(&args.public_key, request, args.json, place).await;
    }
    let report = verify::run(request).await.map_err(builder::Error::from)?;
    if let Some(path) = &args.proof {
        report::write(path, &format!("{:#}\n", ui::to_json(&report)?))?;
    }
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
    keys: &[String],
    then: Request,
    json: bool,
    place: &Workplace,
) -> Result<ExitCode, Failure> {
    let store = place.state()?.join("store");
    // A cache has narinfos to be signed, which only Nix's keys do; there are no directories of keys for them.
    let keys = if keys.is_empty() { Vec::new() } else { believe(keys)? };
    let keys = keys.into_iter().filter_map(bundles::PublicKey::of_nix).collect();
    let request = CacheRequest { directory: then.output.clone(), keys, store, then };
    let report = verify::run_cache(request).await.map_err(builder::Error::from)?;
    if json {
        place.ui().json(&ui::to_json(&report)?);
    } else {
        place.ui().data(&render_cache(&report));
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn believe(keys: &[String]) -> Result<Vec<bundles::PublicKey>, Failure> {
    Ok(install::keys::believed(keys, &install::Here::of_process())?)
}

/// Of a bundle.
async fn run_bundle(
    keys: &[String],
    then: Request,
    json: bool,
    place: &Workplace,
) -> Result<ExitCode, Failure> {
    let (keys, stores) = (believe(keys)?, place.stores()?);
    let has_keys = !keys.is_empty();
    let request = BundleRequest { file: then.output.clone(), keys, stores, then };
    let report = verify::run_bundle(request).await.map_err(builder::Error::from)?;
    if json {
        place.ui().json(&ui::to_json(&report)?);
    } else {
        place.ui().data(&render_bundle(&report, has_keys));
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn render_bundle(report: &BundleReport, has_keys: bool) -> String {
    let mut text = format!("{}: digest {}\n", report.path.display(), report.digest);
    for problem in &report.problems {
        text.push_str(&format!("FAIL {} [{}]: {}\n", problem.file, problem.code, problem.text));
    }
    if !report.problems.is_empty() {
        return text;
    }
    match &report.signed {
        Some(key) => text.push_str(&format!("signed by {key}, which is believed\n")),
        None if has_keys => {}
        None => text.push_str("nobody is believed here: compare the digest with what `bundle` printed, or name a key with --key\n"),
    }
    if !report.unknown.is_empty() {
        text.push_str(&format!("others that signed, by their own word: {}\n", report.unknown.join(", ")));
    }
    for tree in &report.trees {
        text.push_str(&format!(
            "{} {} {}: {}, as it should be\n",
            tree.system,
            tree.role,
            tree.name,
            ui::size(tree.bytes)
        ));
    }
    report.outputs.iter().for_each(|output| text.push_str(&render_output(output)));
    text
}

fn render_output(output: &verify::Output) -> String {
    match (&output.report, &output.not_run) {
        (Some(report), _) => format!("{}, taken out to be run:\n{}", output.path, render(report)),
        (None, why) => format!("{} was not run: {}\n", output.path, why.as_deref().unwrap_or_default()),
    }
}

fn render_cache(report: &CacheReport) -> String {
    let mut text = format!("{}: {} paths are right\n", report.path.display(), report.paths);
    for problem in &report.problems {
        text.push_str(&format!("FAIL {} [{}]: {}\n", problem.file, problem.code, problem.text));
    }
    report.outputs.iter().for_each(|output| text.push_str(&render_output(output)));
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
