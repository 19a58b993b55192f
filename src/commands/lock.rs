//! `lock`: manifest → lock.

use std::process::ExitCode;

use builder::Recording;

use crate::failure::Failure;
use crate::workplace::Workplace;

/// Resolve what the manifest wants, run OpenCode once behind a recorder, and write the lock.
///
/// What has not changed since the lock that is there keeps its pins.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write nothing; exit 1 when the lock is not up to date.
    #[arg(long)]
    check: bool,
    /// Resolve everything anew, also what has not changed.
    #[arg(long, conflicts_with = "check")]
    refresh: bool,
    /// Print what changed as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let wishes = place.wishes()?;
    let old = match builder::lockfile::read(place.lock_path()) {
        Ok((lock, _)) => Some(lock),
        Err(builder::lockfile::Error::Missing { .. }) => None,
        // A lock that cannot be read is not thrown away unless that is what was asked for.
        Err(_) if args.refresh => None,
        Err(error) => return Err(builder::Error::from(error).into()),
    };
    if args.check {
        return check(&wishes, old.as_ref(), place);
    }
    let recording = Recording {
        wishes: &wishes,
        old: old.as_ref().filter(|_| !args.refresh),
        registry: place.registry().await?,
        vendor: place.vendor()?,
        progress: place.progress(),
    };
    let lock = recording.run().await.map_err(builder::Error::from)?;
    let path = place.lock_path();
    let vendor = place.vendor()?;
    builder::catalogue::keep(&lock, old.as_ref(), path, &vendor).map_err(builder::Error::from)?;
    if old.as_ref() != Some(&lock) || !path.exists() {
        builder::lockfile::write(path, &lock).map_err(builder::Error::from)?;
    }
    let Some(old) = old else {
        place.ui().talk(&format!(
            "{}: OpenCode {}, {} packages",
            path.display(),
            lock.opencode,
            lock.packages.len()
        ));
        return Ok(ExitCode::SUCCESS);
    };
    let diff = lock::diff(&old, &lock);
    if args.json {
        place.ui().json(&crate::ui::to_json(&diff)?);
    } else if diff.is_empty() {
        place.ui().talk(&format!("{}: up to date", path.display()));
    } else {
        place.ui().data(&diff.lines().join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the lock has just what the manifest asks for. Asks no network.
fn check(wishes: &builder::Wishes, old: Option<&lock::Lock>, place: &Workplace) -> Result<ExitCode, Failure> {
    let reasons = match old {
        None => vec!["there is no lock".to_owned()],
        Some(old) => wishes.missing_from(old),
    };
    for reason in &reasons {
        place.ui().data(reason);
    }
    Ok(if reasons.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
