//! `inspect --plan`: what becomes of everything that the manifest and configurations ask for.

use std::process::ExitCode;

use builder::Beside;
use builder::fates::{self, Fate, Line};

use crate::failure::Failure;
use crate::ui;
use crate::workplace::Workplace;

/// Prints it. Exit 1 when something is asked for that is not there.
pub fn run(beside: &Beside, json: bool, place: &Workplace) -> Result<ExitCode, Failure> {
    let lock = match place.lock() {
        Ok((lock, _)) => Some(lock),
        Err(_) if !place.lock_path().exists() => None,
        Err(failure) => return Err(failure),
    };
    let lines = fates::judge(place.manifest_path(), beside, lock.as_ref(), &place.vendor()?)
        .map_err(builder::Error::from)?;
    if json {
        place.ui().json(&ui::to_json(&lines)?);
    } else {
        place.ui().data(&render(&lines));
    }
    let lacking = |line: &Line| matches!(line.fate, Fate::NotCaptured | Fate::Refused);
    Ok(if lines.iter().any(lacking) { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn render(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "nothing is asked for".to_owned();
    }
    let mut text = String::new();
    for Line { from, key, what, name, text: judged, next, .. } in lines {
        text.push_str(&format!("{what} {name}: {judged}\n  {from} {key}\n"));
        if let Some(next) = next {
            text.push_str(&format!("  next step: {next}\n"));
        }
    }
    text
}
