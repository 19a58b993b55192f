//! `versions`: each of several OpenCodes locked, built and verified, a row each.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use builder::currency::{Row, Trials};
use builder::releases::{Parts, Releases};
use builder::verify::Outside;
use builder::{Beside, files};
use lock::{System, Version};

use super::build::{RESTORE, wrapper};
use crate::failure::{Failure, Kind};
use crate::ui::size;
use crate::workplace::Workplace;

/// Take versions of OpenCode through `update --to`, `build` and `verify`, each in a private directory, and print a row for each as soon
/// as it is known. Exit 1 when one fails; what was never published, or is not supported, has a row that says so, and is no failure.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The versions [default: the newest, as many as --newest says].
    version: Vec<Version>,
    /// So many of the newest versions.
    #[arg(long, value_name = "NUMBER", conflicts_with = "version", default_value = "10")]
    newest: usize,
    /// All from this version on instead, the oldest first; no prereleases.
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["version", "newest"])]
    since: Option<Version>,
    /// Verify with this kind of network only: none, dropped, silent; may be repeated. Default: with each of them.
    #[arg(long, value_name = "KIND", value_parser = Outside::from_str)]
    network: Vec<Outside>,
    /// This host may be asked, as with `verify --allow`; may be repeated.
    #[arg(long, value_name = "HOST")]
    allow: Vec<String>,
    /// Keep each row in this file too, one JSON object a line. Versions that it has are not done again.
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// How to print the rows.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    format: Format,
    /// Print them as JSON: `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// A form of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Columns.
    Table,
    /// Markdown.
    Md,
    /// A JSON object a line.
    Json,
}

/// The largest file of results, in bytes: some hundred thousand rows.
const MAX_RESULTS: u64 = 64 << 20;

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let wishes = place.wishes(&Beside::default())?;
    let system = System::host().ok_or_else(|| {
        Failure::new(
            Kind::Outside,
            "system-unsupported",
            "versions: OpenCode is not released for this machine",
        )
    })?;
    let trials = Trials {
        wishes: &wishes,
        registry: place.registry().await?,
        vendor: place.vendor()?,
        system,
        networks: if args.network.is_empty() { Outside::ALL.to_vec() } else { args.network },
        allowed: args.allow,
        rules: env!("OPENCODE_CACHE_SOURCES"),
        wrapper: wrapper(system)?,
        restore: RESTORE,
        progress: place.progress(),
    };
    let versions = match args.version.is_empty() {
        false => args.version,
        true => {
            let releases = Releases::of(&wishes.manifest, &trials.registry, &trials.vendor);
            let parts = Parts { systems: [system].into(), variants: Default::default() };
            let most = if args.since.is_some() { usize::MAX } else { args.newest };
            let found = releases.versions(&parts, most).await;
            let found = found.map_err(builder::update::Error::from).map_err(builder::Error::from)?;
            let newest = found.into_iter().map(|one| one.version);
            match &args.since {
                None => newest.collect(),
                Some(first) => {
                    let mut all: Vec<Version> = newest.filter(|version| version >= first).collect();
                    all.sort();
                    all
                }
            }
        }
    };
    let format = if args.json { Format::Json } else { args.format };
    let known = match &args.results {
        Some(path) => known(path)?,
        None => BTreeMap::new(),
    };
    if let Some(head) = head(format) {
        place.ui().data(head);
    }
    let mut is_good = true;
    for version in versions {
        let row = match known.get(&version) {
            Some(row) => row.clone(),
            None => {
                let row = trials.row(&version).await;
                if let Some(path) = &args.results {
                    append(path, &row)?;
                }
                row
            }
        };
        is_good &= !row.verdict.is_failure();
        place.ui().data(&line(&row, format)?);
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The rows that there are already. A line that was cut short is none.
/// The rows that are there; none where the file is not.
pub fn known(path: &Path) -> Result<BTreeMap<Version, Row>, Failure> {
    let bytes = match files::read_bounded(path, MAX_RESULTS) {
        Ok(bytes) => bytes,
        Err(files::ReadError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            let message = format!("read {}: {error}", path.display());
            return Err(Failure::new(Kind::Input, "results-unreadable", message)
                .hint("name another file with --results"));
        }
    };
    let rows = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Row>(line).ok());
    Ok(rows.map(|row| (row.version.clone(), row)).collect())
}

fn append(path: &Path, row: &Row) -> Result<(), Failure> {
    let text = format!("{}\n", crate::ui::to_json(row)?);
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        Failure::new(Kind::Outside, "results-write", format!("write {}: {error}", path.display()))
    })
}

fn head(format: Format) -> Option<&'static str> {
    match format {
        Format::Table => Some("version       lock s  build s  verify s  packages       size  verdict"),
        Format::Md => Some(
            "| version | lock, s | build, s | verify, s | packages | size | verdict |\n|---|---:|---:|---:|---:|---:|---|",
        ),
        Format::Json => None,
    }
}

fn line(row: &Row, format: Format) -> Result<String, Failure> {
    let seconds = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let [lock, build, verify] = [row.lock, row.build, row.verify].map(seconds);
    let packages = row.packages.map_or_else(|| "-".to_owned(), |packages| packages.to_string());
    let bytes = row.bytes.map_or_else(|| "-".to_owned(), size);
    let verdict = match &row.reason {
        Some(reason) => format!("{}: {}", row.verdict.as_str(), reason.replace(['\n', '\r'], " ")),
        None => row.verdict.as_str().to_owned(),
    };
    let version = row.version.to_string();
    Ok(match format {
        Format::Table => {
            format!("{version:<12}{lock:>8}{build:>9}{verify:>10}{packages:>10}{bytes:>11}  {verdict}")
        }
        Format::Md => {
            let verdict = verdict.replace('|', "\\|").replace('<', "&lt;");
            format!("| {version} | {lock} | {build} | {verify} | {packages} | {bytes} | {verdict} |")
        }
        Format::Json => crate::ui::to_json(row)?.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use builder::currency::Verdict;

    use super::*;

    fn row() -> Row {
        Row {
            version: "1.18.33".parse().unwrap(),
            verdict: Verdict::Good,
            reason: None,
            code: None,
            lock: Some(31.0),
            build: Some(9.4),
            verify: Some(20.26),
            packages: Some(38),
            bytes: Some(212_000_000),
        }
    }

    #[test]
    fn a_row_stands_below_its_heading() {
        let line = line(&row(), Format::Table).unwrap();
        assert_eq!(line, "1.18.33         31.0      9.4      20.3        38   212.0 MB  good");
        let head = head(Format::Table).unwrap();
        assert_eq!(head.find("verdict"), line.find("good"));
    }

    #[test]
    fn a_reason_cannot_leave_its_cell() {
        let row =
            Row { verdict: Verdict::VerifyFailed, reason: Some("a|b\n<c>".into()), lock: None, ..row() };
        let line = line(&row, Format::Md).unwrap();
        assert_eq!(line, "| 1.18.33 | - | 9.4 | 20.3 | 38 | 212.0 MB | verify failed: a\\|b &lt;c> |");
    }

    #[test]
    fn rows_that_are_there_are_known() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows");
        assert!(known(&path).unwrap().is_empty());
        append(&path, &row()).unwrap();
        std::fs::write(&path, format!("{}{{\"version\": \"1.1", std::fs::read_to_string(&path).unwrap()))
            .unwrap();
        assert_eq!(known(&path).unwrap().into_values().collect::<Vec<_>>(), [row()]);
        assert!(known(directory.path()).is_err());
    }
}
