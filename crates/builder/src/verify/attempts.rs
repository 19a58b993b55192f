//! Attempts to leave, as they are reported: by which exercise, where to, how often.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::Outside;

/// One place that something tried to reach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Attempt {
    /// The exercise during which it happened.
    pub exercise: String,
    /// Where to: a host's name where one was asked for, else address and port.
    pub to: String,
    /// `dns`, `tcp`, `udp` …
    pub by: String,
    /// The program, where it is known.
    pub program: String,
    /// How often.
    pub count: u64,
    /// The kind of network.
    pub network: Outside,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} by {}", self.exercise, self.to, self.by)?;
        if !self.program.is_empty() {
            write!(f, " from {}", self.program)?;
        }
        if self.count > 1 {
            write!(f, ", {} times", self.count)?;
        }
        write!(f, " (network {})", self.network)
    }
}

/// What the supervisor counted that was meant to leave.
pub fn counted(attempts: Vec<sandbox::Attempt>, network: Outside) -> Vec<Attempt> {
    let leaving = attempts.into_iter().filter(sandbox::Attempt::leaves);
    leaving
        .map(|attempt| Attempt {
            exercise: attempt.label,
            by: match attempt.dns_name {
                Some(_) => "dns".into(),
                None => attempt.transport.to_string(),
            },
            to: attempt.dns_name.map_or(attempt.address, |name| name.trim_end_matches('.').to_owned()),
            program: attempt.program,
            count: attempt.count,
            network,
        })
        .collect()
}

/// Adds the names that only the name server saw (what is written to a connected socket carries no
/// address, so that the supervisor sees no question in it).
pub fn add_names(attempts: &mut Vec<Attempt>, exercise: &str, network: Outside, asked: Vec<(String, u64)>) {
    let known: BTreeSet<String> = attempts.iter().map(|attempt| attempt.to.clone()).collect();
    for (name, count) in asked {
        if !known.contains(&name) {
            attempts.push(Attempt {
                exercise: exercise.into(),
                to: name,
                by: "dns".into(),
                program: String::new(),
                count,
                network,
            });
        }
    }
}

/// Takes away the second half of what is told already: with the network that drops, every name that is asked for in a step has
/// the one address that packets are lost to, and who asked for it connects there next.
pub fn without_second_halves(attempts: Vec<Attempt>) -> Vec<Attempt> {
    let hole = format!("{}:", sandbox::BLACK_HOLE_ADDRESS);
    let asked: BTreeSet<String> = attempts
        .iter()
        .filter(|attempt| attempt.by == "dns")
        .map(|attempt| attempt.exercise.clone())
        .collect();
    let second = |attempt: &Attempt| attempt.to.starts_with(&hole) && asked.contains(&attempt.exercise);
    attempts.into_iter().filter(|attempt| !second(attempt)).collect()
}
