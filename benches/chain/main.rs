//! The figures of `docs/BENCHMARKS.md`: what a build, a relock and an answer without a network take,
//! each beside what it is to be compared with, interleaved, in one run.
//!
//! `cargo bench --bench chain` runs all parts, `cargo bench --bench chain -- answer` the named ones. It needs the network that it
//! compares with, and says how it did against the goals; it never fails because of a figure.
//! `OPENCODE_CACHE_VERSIONS="1.14.34 latest"` measures these versions instead of the committed one.
#![expect(clippy::print_stdout, reason = "a report is what it is for")]

mod answer;
mod bundle;
mod figures;
mod older;
mod populate;
mod relock;
mod stock;
mod versions;

use std::error::Error;
use std::process::ExitCode;

use testkit::cli::{Place, succeed};
use testkit::output::Output;

/// What a part of the benchmark ends with.
type Measured = Result<(), Box<dyn Error>>;

/// A part of the benchmark, and its name.
type Part = (&'static str, fn() -> Measured);

/// The parts, in the order of the report.
const PARTS: [Part; 4] = [
    ("populate", populate::measure),
    ("relock", relock::measure),
    ("answer", answer::measure),
    ("bundle", bundle::measure),
];

fn main() -> ExitCode {
    sandbox::hidden_main();
    versions::place().set();
    // Cargo itself adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(unknown) = wanted.iter().find(|name| PARTS.iter().all(|(part, _)| part != name)) {
        println!("no part is called {unknown}; there are {}", PARTS.map(|(part, _)| part).join(", "));
        return ExitCode::from(2);
    }
    let others = versions::wanted();
    for version in &others {
        if let Err(error) = versions::measure(version, &wanted) {
            println!("  not measured: {error}");
            return ExitCode::FAILURE;
        }
    }
    if !others.is_empty() {
        return ExitCode::SUCCESS;
    }
    figures::say_where();
    // What is compared is filling from pinned bytes, not downloading them.
    succeed(&mut Place::get().command(["fetch"]));
    println!("output {}", Output::shared().path().display());
    for (part, measure) in PARTS {
        if !wanted.is_empty() && wanted.iter().all(|name| name != part) {
            continue;
        }
        println!("\n{part}");
        if let Err(error) = measure() {
            println!("  not measured: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
