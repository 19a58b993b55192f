//! Whether an output still is what its name says; and if not, which packages are not.

use std::time::Instant;

use tree::StorePath;

use super::{Check, Error};
use crate::contents::Contents;
use crate::emit;

/// Hashes the output. Where the digest is another, looks for the packages that are missing or
/// altered, by the output's own description.
pub fn check(stored: &StorePath) -> Result<Check, Error> {
    let start = Instant::now();
    let check = |summary, problems| Check {
        name: "bytes".to_owned(),
        profile: None,
        network: None,
        seconds: super::tenths(start.elapsed()),
        attempts: 0,
        summary,
        problems,
    };
    match stored.verify() {
        Ok(nar) => {
            let summary = format!("{} bytes hash to {}", nar.size, stored.digest());
            Ok(check(summary, Vec::new()))
        }
        // Nix names an output after what it is made from, not after its content.
        Err(tree::Error::Damaged { found, .. }) if tree::store::is_of_nix(stored.path()) => {
            let summary = format!("every package is as it was captured; all of it hashes to {found}");
            let problems = damaged_packages(stored);
            let damaged = "the output was altered since Nix built it: `nix-store --verify-path` says more";
            Ok(check(if problems.is_empty() { summary } else { damaged.into() }, problems))
        }
        Err(tree::Error::Damaged { found, .. }) => {
            let mut problems =
                vec![format!("the content hashes to {found}, the name says {}", stored.digest())];
            problems.extend(damaged_packages(stored));
            if problems.len() == 1 {
                problems.push(
                    "no package is concerned: look at the binary, the wrapper and the other files".into(),
                );
            }
            Ok(check("the output was altered since it was built".into(), problems))
        }
        Err(error) => Err(error.into()),
    }
}

fn damaged_packages(stored: &StorePath) -> Vec<String> {
    let Ok(contents) = Contents::read(stored.path()) else {
        return vec!["its manifest.json is not readable".into()];
    };
    let mut problems = Vec::new();
    for (exercise, tree) in &contents.exercises {
        for package in &tree.packages {
            let path = stored.path().join(&tree.path).join(&package.path);
            let what = format!("{} ({exercise}, {}/{})", package.id, tree.path, package.path);
            if !path.exists() {
                problems.push(format!("missing: {what}"));
            } else if emit::package_digest(&path).ok().as_ref() != Some(&package.digest) {
                problems.push(format!("altered: {what}"));
            }
        }
    }
    for (name, program) in &contents.programs {
        let path = stored.path().join(&program.path);
        if emit::package_digest(&path).ok().as_ref() != Some(&program.digest) {
            problems.push(format!("missing or altered: {name} ({})", program.path));
        }
    }
    problems
}
