//! `run`: a one-shot run through each SDK.

use std::time::{Duration, Instant};

use super::inside::Inside;
use super::{Error, Finding, STALL, says, tail};
use crate::opencode;

/// The most of `run`'s output that is kept, in bytes.
const MAX_OUTPUT: usize = 1 << 20;

/// One run after the other.
pub async fn check(inside: &Inside<'_>) -> Result<Finding, Error> {
    let mut finding = Finding::default();
    let mut slowest = Duration::ZERO;
    let mut lost = 0;
    // 1.15.13 lost one of some forty answers even of a model that rests a second before it ends.
    let tries = opencode::tries(&inside.contents.opencode);
    for (number, spec) in inside.specs.providers.iter().enumerate() {
        let model = inside.specs.model(number);
        let arguments = ["run", "-m", &model, "hello"];
        for number in 1..=tries {
            let command = inside.stage.command(&inside.program, &arguments, &inside.environment());
            let sandbox = inside.stage.sandbox().clone();
            let start = Instant::now();
            let ran = tokio::task::spawn_blocking(move || sandbox.run(&command, STALL, MAX_OUTPUT));
            let problem = match ran.await.map_err(|_| Error::Worker)? {
                Ok(output) if says(&output.stdout) => None,
                Ok(output)
                    if number < tries && output.exit.success() && output.stdout.trim_ascii().is_empty() =>
                {
                    lost += 1;
                    continue;
                }
                Ok(output) => Some(format!(
                    "{spec}: no answer ({:?}): {}",
                    output.exit,
                    tail(&[output.stdout, output.stderr].concat())
                )),
                Err(error) => Some(format!("{spec}: {error}")),
            };
            slowest = slowest.max(start.elapsed());
            finding.problems.extend(problem);
            break;
        }
    }
    let count = inside.specs.providers.len();
    finding.summary = format!("{count} SDKs answered, the slowest in {:.1} s", slowest.as_secs_f64());
    if lost > 0 {
        finding.summary.push_str(&format!("; {lost} answers were lost and asked for again"));
    }
    for spec in &inside.specs.silent {
        finding
            .summary
            .push_str(&format!("; {spec} was not asked, since it speaks with its own service only"));
    }
    Ok(finding)
}
