//! What `verify --json` found, as a section.

use std::path::{Path, PathBuf};

use builder::files;
use serde::Deserialize;

use super::parts::Section;
use super::{count, text};
use crate::error::Error;
use crate::inventory::Inventory;

/// The largest report that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// A report of `verify`, as far as the page tells it.
#[derive(Debug, Deserialize)]
pub struct Proof {
    path: PathBuf,
    checks: Vec<Check>,
    attempts: Vec<serde_json::Value>,
    #[serde(default)]
    not_run: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Check {
    name: String,
    #[serde(default)]
    profile: Option<String>,
    #[serde(default)]
    network: Option<String>,
    attempts: u64,
    summary: String,
    problems: Vec<String>,
}

impl Proof {
    /// Reads a report of `verify --json`, which has to be of this output.
    pub fn read(path: &Path, inventory: &Inventory) -> Result<Self, Error> {
        let bytes = files::read_bounded(path, MAX_BYTES)
            .map_err(|error| Error::Io { path: path.into(), source: std::io::Error::other(error) })?;
        let wrong = |reason: String| Error::Proof { path: path.into(), reason };
        let proof: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        let name = proof.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name.split('-').next() {
            Some(digest) if digest == inventory.digest => Ok(proof),
            _ => Err(wrong(format!("it is of {name}, and not of {}", inventory.digest))),
        }
    }

    /// Whether nothing was wrong.
    pub(super) fn is_good(&self) -> bool {
        self.not_run.is_none()
            && self.attempts.is_empty()
            && self.checks.iter().all(|check| check.problems.is_empty())
    }

    /// How often something tried to leave.
    pub(super) fn attempts(&self) -> usize {
        self.attempts.len()
    }

    /// How many checks there were.
    pub(super) fn checks(&self) -> usize {
        self.checks.len()
    }

    pub(super) fn section(&self, inventory: &Inventory) -> Section {
        let mut body = String::new();
        if let Some(why) = &self.not_run {
            body.push_str(&format!("<p class=\"bad\">OpenCode was not run: {}.</p>", text(why)));
        }
        let mut last = None;
        let mut open = false;
        for check in &self.checks {
            let pass = check.profile.as_ref().zip(check.network.as_ref());
            if pass != last || !open {
                if open {
                    body.push_str("</tbody></table>\n");
                }
                let heading = pass.map_or("The bytes".to_owned(), |(profile, network)| {
                    format!("{profile} profile, network {network}")
                });
                body.push_str(&format!(
                    "<h3>{}</h3>\n<table class=\"rows\"><colgroup><col class=\"check\"><col><col class=\"last\"></colgroup><thead class=\"sr\"><tr><th>Check</th><th>What was seen</th><th>Attempts to leave</th></tr></thead><tbody>\n",
                    text(&heading)
                ));
                (last, open) = (pass, true);
            }
            body.push_str(&line(check));
        }
        if open {
            body.push_str("</tbody></table>\n");
        }
        let trials = inventory.exercises.values().filter_map(|exercise| exercise.proof.as_deref());
        let answered = trials.filter(|proof| *proof == "answered").count();
        let note = format!(
            "OpenCode was run on exactly these bytes with nothing to reach, and every attempt to leave was counted. {} answered the scripted model when the lock was made.",
            count(answered, "SDK", "SDKs")
        );
        Section { id: "proof", title: "Proof", note, body, wide: false }
    }
}

fn line(check: &Check) -> String {
    let problems: String = check
        .problems
        .iter()
        .map(|problem| format!("<br><span class=\"bad\">{}</span>", text(problem)))
        .collect();
    let class = if check.problems.is_empty() { "good" } else { "bad" };
    let word = if check.problems.is_empty() { "right" } else { "wrong" };
    format!(
        "<tr><td><span class=\"tag {class}\">{}<span class=\"sr\">, {word}</span></span></td><td>{}{problems}</td><td class=\"num\">{}</td></tr>\n",
        text(&check.name),
        text(&check.summary),
        check.attempts
    )
}
