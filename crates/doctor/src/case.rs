//! One look at a machine: gathers everything once, then lets each check judge it.

use std::path::PathBuf;

use serde::Serialize;

use crate::catalogue::Catalogue;
use crate::checks;
use crate::checks::configs::{self, Config};
use crate::finding::{Check, Finding, Severity, plain};
use crate::start::Start;
use crate::subject::{Error, Subject};
use crate::surroundings::Surroundings;
use builder::release::Release;

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct Request {
    /// The output, a link to it or the wrapper in it; else the one that the user would start.
    pub output: Option<PathBuf>,
    /// Configurations beside those that OpenCode reads by itself.
    pub configs: Vec<PathBuf>,
    /// Whose start it is.
    pub surroundings: Surroundings,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The output, links resolved, as a person reads it.
    pub output: String,
    /// Its OpenCode's version, where it says so.
    pub opencode: Option<String>,
    /// The checks, in the order of reading.
    pub checks: Vec<Check>,
}

/// Everything that the checks judge by.
pub struct Case<'a> {
    /// The output.
    pub subject: &'a Subject,
    /// The user's environment.
    pub surroundings: &'a Surroundings,
    /// What a start will see.
    pub start: &'a Start,
    /// What OpenCode is configured with.
    pub configs: &'a [Config],
    /// What the binary says of itself.
    pub release: &'a Release,
    /// The models that OpenCode knows.
    pub catalogue: &'a Catalogue,
}

impl Report {
    /// How many findings are that severe.
    pub fn count(&self, severity: Severity) -> usize {
        let findings = self.checks.iter().flat_map(|check| &check.findings);
        findings.filter(|finding| finding.severity == severity).count()
    }
}

/// Looks at the machine.
///
/// # Errors
/// Where there is no output to ask about.
pub fn examine(request: &Request) -> Result<Report, Error> {
    let surroundings = &request.surroundings;
    let subject = Subject::find(request.output.as_deref(), surroundings)?;
    let report = |checks| Report {
        output: plain(subject.root.display()),
        opencode: subject.contents.as_ref().ok().map(|contents| contents.opencode.to_string()),
        checks,
    };
    let start = match Start::foresee(&subject, surroundings) {
        Ok(start) => start,
        Err(reason) => {
            let text = format!("the link map is refused, and a start lays nothing: {reason}");
            let next = "build the output again; `opencode-cache verify` says what else is damaged";
            let linkmap = subject.root.join(builder::layout::LINKMAP);
            let finding = Finding::problem("linkmap-refused", linkmap.display(), text).next(next);
            return Ok(report(vec![Check { name: "output", findings: vec![finding] }]));
        }
    };
    let configs = configs::gather(&start, surroundings, &request.configs);
    // A binary that cannot be read says nothing; that it cannot is a finding about the output.
    let release = Release::read(&subject.binary()).unwrap_or_default();
    let catalogue = Catalogue::find(&start, surroundings, &release);
    let case = Case {
        subject: &subject,
        surroundings,
        start: &start,
        configs: &configs,
        release: &release,
        catalogue: &catalogue,
    };
    Ok(report(checks::run(&case)))
}
