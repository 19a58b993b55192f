//! `diff`: what changed between two locks, or between two outputs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use builder::difference::Side;
use lock::{Diff, Row};

use crate::commands::sbom::side;
use crate::failure::{Failure, Kind};
use crate::ui;
use crate::workplace::Workplace;

/// Say what changed between two locks, or between two outputs, also in bundles; exit 1 when anything did.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The older lock, output, link to an output, or bundle.
    old: PathBuf,
    /// The newer one [default: the lock in use, or `result`].
    new: Option<PathBuf>,
    /// How to print it.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    format: Format,
    /// Print it as JSON.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// A form for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Aligned columns.
    Table,
    /// Markdown, for a pull request.
    Md,
}

/// Runs the verb.
pub fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let old = side(&args.old, None, place)?;
    let new = args.new.unwrap_or_else(|| match old {
        Side::Lock(_) => place.lock_path().into(),
        Side::Output(_) => "result".into(),
    });
    let diff = old.diff(&side(&new, None, place)?).ok_or_else(|| unlike(&args.old, &new))?;
    if args.json {
        place.ui().json(&ui::to_json(&diff)?);
    } else if !diff.is_empty() {
        place.ui().data(&match args.format {
            Format::Table => table(&diff),
            Format::Md => markdown(&diff),
        });
    }
    Ok(if diff.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn unlike(old: &Path, new: &Path) -> Failure {
    let message = format!("diff {} {}: one is a lock and the other an output", old.display(), new.display());
    Failure::new(Kind::Input, "diff-unlike", message).hint("name two locks, or two outputs")
}

fn table(diff: &Diff) -> String {
    let row = |row: &Row| {
        let mut cells = vec![row.sign().to_string()];
        cells.extend(cells_of(row));
        cells
    };
    ui::table(&diff.rows.iter().map(row).collect::<Vec<_>>())
}

fn markdown(diff: &Diff) -> String {
    let mut text = String::from("| | what | name | change | size |\n|---|---|---|---|---|\n");
    for row in &diff.rows {
        let cells = cells_of(row).map(|cell| cell.replace('|', "\\|"));
        let _infallible = writeln!(text, "| `{}` | {} |", row.sign(), cells.join(" | "));
    }
    text
}

/// What it is, which, what was and is said of it, and by how much it grew.
fn cells_of(row: &Row) -> [String; 4] {
    let same = row.from.is_some() && row.from == row.to;
    let told = match (row.told(), same) {
        (told, true) if row.bytes.is_none_or(|bytes| bytes == 0) => format!("{told} (other content)"),
        (told, _) => told,
    };
    [row.about.as_str().into(), row.name.clone(), told.trim().into(), growth(row.bytes)]
}

fn growth(bytes: Option<i64>) -> String {
    match bytes {
        None | Some(0) => String::new(),
        Some(bytes) if bytes < 0 => format!("-{}", ui::size(bytes.unsigned_abs())),
        Some(bytes) => format!("+{}", ui::size(bytes.unsigned_abs())),
    }
}

#[cfg(test)]
mod tests {
    use lock::{About, compare};

    use super::*;

    #[test]
    fn what_changed_is_told_in_each_form() {
        let old = [
            About::Opencode.fact("", "1.18.17"),
            About::Package.fact("ms", "2.0.0").bytes(1500),
            About::Package.fact("zod", "4.1.8").detail("a"),
            About::Proof.fact("provider:groq", "answered"),
        ];
        let new = [
            About::Opencode.fact("", "1.18.18"),
            About::Package.fact("ms", "2.1.3").bytes(4000),
            About::Package.fact("zod", "4.1.8").detail("b"),
            About::Host.fact("files.example", ""),
        ];
        let diff = compare(old, new);
        let expected = "\
~  opencode                 1.18.17 -> 1.18.18
-  proof     provider:groq  answered
~  package   ms             2.0.0 -> 2.1.3         +2.5 kB
~  package   zod            4.1.8 (other content)
+  host      files.example
";
        assert_eq!(table(&diff), expected);
        assert!(markdown(&diff).contains("| `~` | package | ms | 2.0.0 -> 2.1.3 | +2.5 kB |\n"));
        assert!(markdown(&diff).ends_with("| `+` | host | files.example |  |  |\n"));
    }
}
