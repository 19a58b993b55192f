//! `in-derivation`: what the derivations of `nix/lib` have as their builder. Hidden: a person writes Nix instead.

use std::path::PathBuf;
use std::process::ExitCode;

use builder::derivation;
use clap::ValueEnum;
use lock::System;

use crate::commands::build;
use crate::failure::{Failure, Kind};
use crate::workplace::Workplace;

/// Do one step of a Nix derivation, as the variables `out` and `specPath` say.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which.
    step: Step,
    /// The system that the wrapper is for [default: the output's, else this machine's].
    #[arg(long, value_name = "SYSTEM")]
    system: Option<System>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Step {
    /// Download one pinned file.
    FetchOne,
    /// Unpack the release binary, and set its interpreter.
    Unpack,
    /// Perform one exercise.
    Exercise,
    /// Join everything.
    Output,
    /// The wrapper alone.
    Wrapper,
    /// What tells of an output.
    Papers,
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let (out, progress) = (variable("out")?, place.progress());
    let spec = || variable("specPath");
    let wrapper = |system: Option<System>| match system.or_else(System::host) {
        Some(system) => build::wrapper(system),
        None => Err(Failure::new(Kind::Input, "system-unsupported", "in-derivation: name --system")),
    };
    match args.step {
        Step::FetchOne => {
            derivation::fetch_one(&spec()?, &out, &progress).await.map_err(builder::Error::from)?
        }
        Step::Unpack => derivation::unpack(&spec()?, &out).map_err(builder::Error::from)?,
        Step::Exercise => derivation::exercise(&spec()?, &out, &progress).await?,
        Step::Output => {
            derivation::output(&spec()?, &out, wrapper(args.system)?, build::RESTORE).await?;
        }
        Step::Wrapper => {
            derivation::wrapper(&out, wrapper(args.system)?).map_err(builder::Error::from)?;
        }
        Step::Papers => {
            let spec: derivation::spec::Papers =
                derivation::spec::read(&spec()?).map_err(builder::Error::from)?;
            let (lock, text) = builder::lockfile::read(&spec.lock).map_err(builder::Error::from)?;
            report::beside::write_to(&out, &spec.output, (&lock, &text))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A path that Nix set.
fn variable(name: &str) -> Result<PathBuf, Failure> {
    std::env::var_os(name).map(PathBuf::from).ok_or_else(|| {
        Failure::new(Kind::Input, "derivation-spec", format!("in-derivation: the variable {name} is not set"))
            .hint("this verb is the builder of nix/lib's derivations; see docs/NIX.md")
    })
}
