//! `sbom`: what an output or a bundle holds, in a form for other programs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use builder::bundles::Against;
use builder::difference::Side;
use lock::System;
use report::check::Finding;
use report::{Inventory, Source};

use crate::failure::Failure;
use crate::ui;
use crate::workplace::Workplace;

/// Tell what is in an output or a bundle as an SBOM: packages with licence, hashes, signature and what brought them, OpenCode, programs.
///
/// The same bytes and the same lock give the same text. The lock is used where it is the one that the output was built from.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The output, a link to it, or a bundle.
    #[arg(default_value = "result", value_name = "RESULT|BUNDLE")]
    of: PathBuf,
    /// The form: CycloneDX 1.6 or SPDX 2.3, as JSON.
    #[arg(long, value_enum, value_name = "FORM", default_value = "cyclonedx")]
    format: Form,
    /// Write it here, and not to stdout.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write everything for whoever approves it into this new directory: both forms, the licences' texts, and the page of `inspect --html`.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "format", "check"])]
    into: Option<PathBuf>,
    /// Write nothing, and compare this SBOM with the bytes: exit 1 where a package is missing, altered, or not in it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "format"])]
    check: Option<PathBuf>,
    /// Of a bundle for several systems: the one that is meant [default: this machine's].
    #[arg(long, value_name = "SYSTEM")]
    system: Option<System>,
    /// Of a delta: the older bundle or output that it was made against, where no store of ours has it.
    #[arg(long, value_name = "OLD")]
    since: Option<PathBuf>,
    /// With --check: print what was found as JSON.
    #[arg(long, requires = "check")]
    json: bool,
}

/// A form of an SBOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// CycloneDX 1.6.
    Cyclonedx,
    /// SPDX 2.3.
    Spdx,
}

/// Runs the verb.
pub fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let (source, inventory) = inventory(&args.of, args.system, args.since.as_deref(), place)?;
    if let Some(directory) = &args.into {
        let files = report::papers(&inventory, &source);
        report::write_all(directory, &files)?;
        place.ui().talk(&format!("{}: {} files", directory.display(), files.len()));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(sbom) = &args.check {
        return told(&report::check::check(sbom, &inventory)?, &args, place);
    }
    let text = match args.format {
        Form::Cyclonedx => report::cyclonedx::render(&inventory),
        Form::Spdx => report::spdx::render(&inventory),
    };
    match &args.output {
        Some(path) => {
            report::write(path, &text)?;
            let count = inventory.components.len();
            place.ui().talk(&format!("{}: {count} components of {}", path.display(), args.of.display()));
        }
        None => place.ui().data(&text),
    }
    Ok(ExitCode::SUCCESS)
}

/// What an output or a bundle holds, and the bytes that say so.
pub fn inventory(
    of: &Path,
    system: Option<System>,
    since: Option<&Path>,
    place: &Workplace,
) -> Result<(Source, Inventory), Failure> {
    let source = source(of, system, since, place)?;
    // One that cannot be read is another's, or is told by the verbs that need it.
    let lock = builder::lockfile::read(place.lock_path()).ok();
    let inventory = report::collect(&source, lock.as_ref().map(|(lock, text)| (lock, text.as_str())))?;
    if !inventory.with_lock {
        place.ui().talk(&format!(
            "note: {} is not the lock of {}: nothing is said of archives' hashes, signatures and hosts (name it with --lock)",
            place.lock_path().display(),
            of.display()
        ));
    }
    Ok((source, inventory))
}

/// An output or a bundle, a delta too where it is known what it was made against.
pub fn source(
    of: &Path,
    system: Option<System>,
    since: Option<&Path>,
    place: &Workplace,
) -> Result<Source, Failure> {
    if of.is_dir() {
        return Ok(Source::read(of, system)?);
    }
    let against = Against::find(since, &place.stores()?).map_err(builder::Error::from)?;
    Ok(Source::read_against(of, system, &against)?)
}

/// What can be compared: a lock, an output, or the output in a bundle.
pub fn side(of: &Path, system: Option<System>, place: &Workplace) -> Result<Side, Failure> {
    if !Source::is_bundle(of) {
        return Ok(Side::read(of)?);
    }
    let source = source(of, system, None, place)?;
    Ok(Side::Output(Box::new(report::inspection(&source, of)?)))
}

fn told(findings: &BTreeSet<Finding>, args: &Args, place: &Workplace) -> Result<ExitCode, Failure> {
    if args.json {
        place.ui().json(&ui::to_json(findings)?);
    } else {
        let row = |finding: &Finding| {
            vec![
                finding.what.as_str().to_owned(),
                finding.component.clone(),
                if finding.told.is_empty() { finding.path.clone() } else { finding.told.clone() },
            ]
        };
        let rows: Vec<_> = findings.iter().map(row).collect();
        match rows.is_empty() {
            true => place.ui().talk(&format!("{}: every component is as the SBOM says", args.of.display())),
            false => place.ui().data(&ui::table(&rows)),
        }
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
