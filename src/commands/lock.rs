//! `lock`: manifest → lock.

use std::path::PathBuf;
use std::process::ExitCode;

use builder::signatures::{Finding, Recheck};
use builder::{Beside, Frozen, Recording};

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
    /// Write nothing, and ask the registry again about every pinned version: that it is there, that its bytes are the same, and whether
    /// its signature is as the manifest wants it; exit 1 where not.
    #[arg(long, conflicts_with_all = ["check", "refresh", "config", "provider", "before"])]
    recheck: bool,
    /// A configuration of the user's beside those of the manifest; may be repeated. Give the same with `--check`.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// A provider beside those of the manifest, by the id that OpenCode gives it or by its SDK; may be repeated.
    #[arg(long, value_name = "ID")]
    provider: Vec<lock::Spec>,
    /// Resolve packages as of the end of this day (`YYYY-MM-DD`, UTC), as the manifest's `before` does.
    #[arg(long, value_name = "DATE")]
    before: Option<lock::Date>,
    /// Print what changed as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let beside = Beside { configs: args.config, providers: args.provider };
    let mut wishes = place.wishes(&beside)?;
    wishes.manifest.before = args.before.or(wishes.manifest.before);
    let old = match builder::lockfile::read(place.lock_path()) {
        Ok((lock, _)) => Some(lock),
        Err(builder::lockfile::Error::Missing { .. }) => None,
        // A lock that cannot be read is not thrown away unless that is what was asked for.
        Err(_) if args.refresh => None,
        Err(error) => return Err(builder::Error::from(error).into()),
    };
    if args.recheck {
        return recheck(&wishes, old.as_ref(), args.json, place).await;
    }
    if args.check {
        return check(&wishes, old.as_ref(), place);
    }
    let recording = Recording {
        wishes: &wishes,
        old: old.as_ref().filter(|_| !args.refresh),
        frozen: match (&old, args.refresh) {
            (Some(old), true) => Frozen::at(&wishes.manifest.freeze, old)
                .map_err(builder::update::Error::from)
                .map_err(builder::Error::from)?,
            _ => Frozen::default(),
        },
        locked: old.as_ref(),
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
    remind(&beside, place);
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

/// What was typed is not in the manifest, and is dropped by the next `lock` that is not told.
fn remind(beside: &Beside, place: &Workplace) {
    let list =
        |words: Vec<String>| words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let configs = beside.configs.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    let providers = beside.providers.iter().map(ToString::to_string).collect::<Vec<_>>();
    let named = [("config", configs), ("providers", providers)];
    let lines: Vec<String> = named
        .into_iter()
        .filter(|(_, words)| !words.is_empty())
        .map(|(key, words)| format!("{key} = [{}]", list(words)))
        .collect();
    if !lines.is_empty() {
        place.ui().talk(&format!(
            "what was named on the command line is in this lock, and not in {}: to keep it there, add {}",
            place.manifest_path().display(),
            lines.join(" and ")
        ));
    }
}

/// Whether what the lock pins is upstream what it was.
async fn recheck(
    wishes: &builder::Wishes,
    old: Option<&lock::Lock>,
    json: bool,
    place: &Workplace,
) -> Result<ExitCode, Failure> {
    let Some(lock) = old else {
        let path = place.lock_path().into();
        return Err(builder::Error::from(builder::lockfile::Error::Missing { path }).into());
    };
    let (policy, upstream) = (&wishes.manifest.trust, &place.registry().await?.upstream);
    let report = Recheck { lock, policy, upstream }.run().await.map_err(builder::Error::from)?;
    if json {
        place.ui().json(&crate::ui::to_json(&report)?);
    } else {
        for Finding { package, code, told } in &report.findings {
            place.ui().data(&format!("{package}: {code}: {told}"));
        }
        report.notes.iter().for_each(|note| place.ui().talk(&format!("note: {note}")));
        let states: Vec<String> =
            report.signatures.iter().map(|(state, number)| format!("{number} {state}")).collect();
        let found = report.findings.len();
        place.ui().talk(&format!(
            "{}: {} pinned versions asked about, {found} not as they should be; {}{}",
            place.lock_path().display(),
            report.asked,
            states.join(", "),
            match report.attested {
                0 => String::new(),
                number => format!("; of {number} it is attested who built them"),
            }
        ));
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Whether the lock has just what the manifest asks for. Asks no network.
fn check(wishes: &builder::Wishes, old: Option<&lock::Lock>, place: &Workplace) -> Result<ExitCode, Failure> {
    let reasons: Vec<String> = match old {
        None => vec!["there is no lock".to_owned()],
        Some(old) => {
            let refused = builder::licences::check(&wishes.manifest.licences, old).err();
            let refused = refused.map(|error| error.to_string());
            wishes.missing_from(old).into_iter().chain(refused).collect()
        }
    };
    for reason in &reasons {
        place.ui().data(reason);
    }
    Ok(if reasons.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
