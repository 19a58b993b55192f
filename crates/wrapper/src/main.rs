//! The launcher that stands as `bin/opencode` in an output. It brings the user's directories in line
//! with the output's link map (`docs/LINKMAP.md`) and becomes the real binary.
//!
//! It is never the reason that OpenCode does not start: whatever cannot be done is one line on
//! stderr, and then OpenCode is executed all the same. It never waits for a network, starts no other
//! program, and changes no file of the user's.
#![cfg_attr(not(test), no_main)]
#![cfg_attr(test, expect(dead_code, reason = "tests have a main of their own"))]

mod bytes;
mod environment;
mod failure;
mod output;
mod process;
mod refresh;
mod roots;

use environment::{Carrier, Environment};
use failure::{Advice, Failure};
use output::Output;
use process::Started;
use roots::Roots;

/// Becomes OpenCode; returns (with an exit status) only where that cannot be.
fn launch(started: &Started<'_>) -> i32 {
    let mut environment = Environment::new(started.environment());
    environment.undo_outer_wrapper();

    let output = match Output::of_this_program() {
        Ok(output) => output,
        Err(failure) => {
            failure.report();
            return process::CANNOT_EXECUTE;
        }
    };
    let text = output.read_map();
    let target = match text.as_deref().map_err(Clone::clone).and_then(|text| output.parse(text)) {
        Ok(map) => {
            let carrier = Carrier::available(&environment, &map);
            let roots = Roots::choose(&environment, &map, carrier.is_some());
            if let Err(failure) = refresh::refresh(&output, &map, &roots) {
                failure.report();
            }
            environment.prepare(&output, &map, &roots, carrier);
            output.path(map.exec())
        }
        Err(failure) => {
            failure.report();
            output.path(output::USUAL_TARGET)
        }
    };

    let error = started.become_program(&target, &environment);
    Failure::new("execute", &target, error, Advice::BuildAgain).report();
    process::status_of(error)
}
