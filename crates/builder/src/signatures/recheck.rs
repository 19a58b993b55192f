//! Asking a registry again about everything that a lock pins: is it there, are its bytes the same, who vouches for it. Writes nothing.

use std::collections::BTreeMap;

use lock::{Lock, Trust};
use replay::registry::Upstream;
use serde::Serialize;

use super::Judge;
use crate::resolve;

/// What a recheck needs.
pub struct Recheck<'a> {
    /// The lock.
    pub lock: &'a Lock,
    /// The manifest's policy.
    pub policy: &'a Trust,
    /// Who is asked.
    pub upstream: &'a Upstream,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many versions were asked about.
    pub asked: usize,
    /// How many of those that are as they were are of each state.
    pub signatures: BTreeMap<String, usize>,
    /// Of how many of them it is attested who built them.
    pub attested: usize,
    /// Those that are not as they were, or not as the policy wants them.
    pub findings: Vec<Finding>,
    /// What else there is to tell.
    pub notes: Vec<String>,
}

/// A version that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `name@version`.
    pub package: String,
    /// A stable code.
    pub code: &'static str,
    /// One sentence.
    pub told: String,
}

impl Recheck<'_> {
    /// Asks about every pinned version.
    ///
    /// # Errors
    /// Where the registry does not answer.
    pub async fn run(&self) -> Result<Report, resolve::Error> {
        let mut judge = Judge::new(self.policy, Some(self.lock));
        let pins: BTreeMap<_, _> =
            self.lock.npm_pins().into_iter().map(|(id, sri)| (id, sri.clone())).collect();
        let asked = pins.len();
        judge.ask(pins, self.upstream).await?;
        let finding = |(what, reason): (&String, &super::Reason)| Finding {
            package: what.clone(),
            code: reason.code(),
            told: reason.told(),
        };
        let mut signatures = BTreeMap::new();
        for state in judge.states.values() {
            *signatures.entry(state.to_string()).or_default() += 1;
        }
        let findings = judge.refusals.iter().map(finding).collect();
        let attested = judge.attested.values().flatten().count();
        Ok(Report {
            asked,
            signatures,
            attested,
            findings,
            notes: judge.notes().map(str::to_owned).collect(),
        })
    }
}
