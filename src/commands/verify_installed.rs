//! `verify --prefix`: what `install` put there, then OpenCode on it.

use std::path::Path;
use std::process::ExitCode;

use builder::verify::{self, Request};
use install::{Here, Place};
use serde_json::json;

use crate::failure::Failure;
use crate::ui;
use crate::workplace::Workplace;

/// Looks at trees and links of the active generation, then runs its output as any other.
pub async fn run(
    prefix: &Path,
    request: Request,
    json: bool,
    workplace: &Workplace,
) -> Result<ExitCode, Failure> {
    let place = Place::find(Some(prefix), &Here::of_process())?;
    let installed = install::verify(&place)?;
    let is_whole = installed.problems.is_empty();
    let output = installed.output.filter(|_| is_whole);
    let report = match output {
        Some(output) => Some(verify::run(Request { output, ..request }).await.map_err(builder::Error::from)?),
        None => None,
    };
    if json {
        let report = report.as_ref().map(ui::to_json).transpose()?;
        workplace.ui().json(&json!({
            "generation": super::list::as_json(&installed.generation, None), "problems": installed.problems, "report": report,
        }));
    } else {
        let mut text = format!("{}: {}\n", prefix.display(), installed.generation);
        for problem in &installed.problems {
            text.push_str(&format!("FAIL {problem}\n"));
        }
        match &report {
            Some(report) => text.push_str(&super::verify::render(report)),
            None => text.push_str(
                "not run, since it is not what was installed\nnext step: install its bundle again\n",
            ),
        }
        workplace.ui().data(&text);
    }
    let is_good = report.is_some_and(|report| report.is_good());
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
