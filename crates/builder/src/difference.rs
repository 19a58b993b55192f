//! What `diff` compares: two locks, or two outputs by what they say of themselves. Reads both, bounded; runs nothing.

use std::path::Path;

use lock::{About, Diff, Fact, Lock};

use crate::inspect::{self, Inspection};
use crate::{Error, lockfile};

/// One of the two things that are compared.
#[derive(Debug)]
pub enum Side {
    /// A lock.
    Lock(Box<Lock>),
    /// An output.
    Output(Box<Inspection>),
}

impl Side {
    /// Reads what lies at `path`: a directory (or a link to one) is an output, anything else a lock.
    pub fn read(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return Ok(Self::Output(Box::new(inspect::run(path)?)));
        }
        let (lock, _) = lockfile::read(path)?;
        Ok(Self::Lock(Box::new(lock)))
    }

    /// What changed from this to `new`; `None` where one is a lock and the other an output.
    pub fn diff(&self, new: &Self) -> Option<Diff> {
        match (self, new) {
            (Self::Lock(old), Self::Lock(new)) => Some(lock::diff(old, new)),
            (Self::Output(old), Self::Output(new)) => Some(lock::compare(facts(old), facts(new))),
            _ => None,
        }
    }
}

/// What can be said of an output.
fn facts(output: &Inspection) -> Vec<Fact> {
    let contents = &output.contents;
    let mut facts = vec![
        About::Opencode.fact("", &contents.opencode),
        About::System.fact("", contents.system),
        About::Profile.fact("", &contents.profile),
        About::Lock.fact("", &contents.lock),
        About::Output.fact("", &output.digest),
    ];
    for (name, tree) in &contents.exercises {
        facts.push(About::Exercise.fact(name, "").bytes(tree.bytes));
        facts.extend(tree.proof.iter().map(|proof| About::Proof.fact(name, proof)));
        for package in &tree.packages {
            // The at sign of a scope comes first.
            let (of, version) = package.id.rsplit_once('@').unwrap_or((&package.id, ""));
            facts.push(About::Package.fact(of, version).detail(&package.digest));
        }
    }
    for (name, program) in &contents.programs {
        facts.push(About::Program.fact(name, &program.from).detail(&program.digest).bytes(program.bytes));
    }
    if let Some(catalogue) = &contents.catalogue {
        facts.push(About::Catalogue.fact("", &catalogue.url).detail(&catalogue.integrity));
    }
    let sources = contents.programs.values().map(|program| &program.from);
    let addresses = sources.chain(contents.catalogue.iter().map(|catalogue| &catalogue.url));
    facts.extend(addresses.filter_map(|address| {
        let url: lock::HttpsUrl = address.parse().ok()?;
        Some(About::Host.fact(url.host(), ""))
    }));
    facts.extend(contents.models.iter().map(|(provider, number)| About::Models.fact(provider, number)));
    facts.extend(output.parts.iter().map(|(part, bytes)| About::Size.fact(part, bytes).bytes(*bytes)));
    facts
}
