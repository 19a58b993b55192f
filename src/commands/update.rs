//! `update`: the lock, moved to the newest OpenCode that can be used.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use builder::releases::Releases;
use builder::update::{Files, Plan, Question, Summary};
use builder::{Beside, Recording, Wishes};
use lock::manifest::Edit;
use lock::{Date, Instant, Lock, PackageName, System, Version, Wanted};

use super::update_told as told;
use crate::failure::{Failure, Kind};
use crate::workplace::Workplace;

/// Move the lock to the newest OpenCode that is published for every wanted system and variant, together with every plugin and SDK
/// that is not pinned; manifest, lock and catalogue change together or not at all.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// This version, and not the newest that can be used.
    #[arg(long, value_name = "VERSION")]
    to: Option<Version>,
    /// For this system only, whatever the manifest says, which says so afterwards; may be repeated.
    #[arg(long, value_name = "SYSTEM")]
    system: Vec<System>,
    /// This package keeps the version that the lock has, as the manifest's `freeze` says it; `opencode` is OpenCode itself. May be
    /// repeated.
    #[arg(long, value_name = "NAME")]
    freeze: Vec<PackageName>,
    /// Nothing that was published less than so long ago (`3d`, `12h`, `2w`), in whole days of UTC; the lock says which day that was.
    #[arg(long, value_name = "AGE")]
    min_age: Option<Age>,
    /// Say what would move, as far as metadata tells, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// The same; exit 1 when something newer can be used, 0 when not.
    #[arg(long, conflicts_with = "dry_run")]
    check: bool,
    /// A configuration of the user's beside those of the manifest, as `lock --config` was told; may be repeated.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// A provider beside those of the manifest, as `lock --provider` was told; may be repeated.
    #[arg(long, value_name = "ID")]
    provider: Vec<lock::Spec>,
    /// How to print what moved.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    format: told::Format,
    /// Print it as JSON: `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write it here too, as Markdown for a pull request.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

/// How long ago.
#[derive(Debug, Clone, Copy)]
struct Age(Duration);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no age like 3d, 12h or 2w");
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let hours = match unit {
            'h' => 1,
            'd' => 24,
            'w' => 7 * 24,
            _ => return Err(wrong()),
        };
        let digits = &text[..text.len() - 1];
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let seconds =
            number.checked_mul(hours * 3600).filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
        Ok(Self(Duration::from_secs(seconds.ok_or_else(wrong)?)))
    }
}

impl Age {
    /// The last day that was over so long before `now`: what was published until its end is old enough.
    fn day(self, now: SystemTime) -> Option<Date> {
        let then = now.checked_sub(self.0)?.duration_since(UNIX_EPOCH).ok()?;
        Instant::from_unix(i64::try_from(then.as_secs()).ok()?).last_day()
    }
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let beside = Beside { configs: args.config.clone(), providers: args.provider.clone() };
    let wishes = place.wishes(&beside)?;
    let (old, _) = place.lock()?;
    let registry = place.registry().await?;
    let releases = Releases::of(&wishes.manifest, &registry, &place.vendor()?);
    let question = Question {
        releases: &releases,
        to: args.to.clone(),
        systems: systems(&args, &wishes)?,
        before: before(&args, &wishes)?,
        freeze: wishes.manifest.freeze.iter().chain(&args.freeze).cloned().collect(),
        wishes: &wishes,
        lock: &old,
        upstream: &registry.upstream,
    };
    let plan = question.plan().await.map_err(builder::Error::from)?;
    let is_asked_only = args.dry_run || args.check;
    let (summary, mut files) = match is_asked_only || !plan.moves() {
        true => (Summary::planned(&plan, &old), Files::default()),
        false => record(&plan, &wishes, &old, registry, place).await?,
    };
    if let Some(path) = args.summary {
        files.also(path, told::markdown(&summary).into_bytes());
    }
    files.write().map_err(builder::Error::from)?;
    place.ui().data(&told::told(&summary, args.json, args.format)?);
    Ok(if args.check && summary.moves { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Makes the new lock: what that means, and what is to be written.
async fn record(
    plan: &Plan,
    wishes: &Wishes,
    old: &Lock,
    registry: builder::registry::Registry,
    place: &Workplace,
) -> Result<(Summary, Files), Failure> {
    let mut wishes = wishes.clone();
    wishes.manifest.opencode = Wanted::Exact(plan.to.clone());
    wishes.manifest.systems = Some(plan.systems.clone());
    wishes.manifest.before = plan.before;
    let recording = Recording {
        wishes: &wishes,
        old: None,
        frozen: plan.frozen.clone(),
        locked: Some(old),
        registry,
        vendor: place.vendor()?,
        progress: place.progress(),
    };
    let new = recording.run().await.map_err(builder::Error::from)?;
    let edit = Edit { opencode: Some(plan.to.clone()), systems: Some(plan.systems.clone()) };
    let files = Files::of(place.manifest_path(), &edit, place.lock_path(), &new, old, &place.vendor()?)
        .map_err(builder::Error::from)?;
    let mut summary = Summary::recorded(plan, old, &new);
    summary.written = files.paths().map(|path| path.display().to_string()).collect();
    Ok((summary, files))
}

/// Those that were typed, else the manifest's.
fn systems(args: &Args, wishes: &Wishes) -> Result<BTreeSet<System>, Failure> {
    if !args.system.is_empty() {
        return Ok(args.system.iter().copied().collect());
    }
    wishes.manifest.wanted_systems().ok_or_else(|| {
        Failure::new(Kind::Outside, "system-unsupported", "update: OpenCode is not released for this machine")
            .hint("name a system with --system, or in the manifest")
    })
}

/// The earlier of the manifest's day and that of `--min-age`.
fn before(args: &Args, wishes: &Wishes) -> Result<Option<Date>, Failure> {
    let Some(age) = args.min_age else { return Ok(wishes.manifest.before) };
    let day = age.day(SystemTime::now()).ok_or_else(|| {
        Failure::new(Kind::Input, "min-age-too-long", "update --min-age: that long ago there was no registry")
            .hint("name an age like 3d")
    })?;
    Ok(Some(wishes.manifest.before.map_or(day, |before| before.min(day))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(age: &str, now: u64) -> Option<String> {
        let age: Age = age.parse().unwrap();
        age.day(UNIX_EPOCH + Duration::from_secs(now)).map(|day| day.to_string())
    }

    #[test]
    fn an_age_ends_on_a_whole_day() {
        // 2024-02-29 13:00 UTC.
        let now = 19_782 * 86_400 + 13 * 3600;
        assert_eq!(day("0d", now).unwrap(), "2024-02-28");
        assert_eq!(day("3d", now).unwrap(), "2024-02-25");
        assert_eq!(day("13h", now).unwrap(), "2024-02-28");
        assert_eq!(day("14h", now).unwrap(), "2024-02-27");
        assert_eq!(day("1w", now).unwrap(), "2024-02-21");
        assert_eq!(day("4000w", now), None);
    }

    #[test]
    fn what_is_no_age_is_refused() {
        for text in [
            "",
            "3",
            "d",
            "3m",
            "-3d",
            "+3d",
            "3 d",
            "3.5d",
            "99999999999999999999d",
            "9999999999999999999h",
            "3ä",
        ] {
            assert!(text.parse::<Age>().is_err(), "{text:?}");
        }
    }
}
