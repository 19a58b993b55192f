//! The launcher that stands as `bin/opencode` in an output. It brings the user's directories in line
//! with the output's link map (`docs/LINKMAP.md`) and becomes the real binary.
//!
//! It is never the reason that OpenCode does not start: whatever cannot be done is one line on
//! stderr, and then OpenCode is executed all the same. It never waits for a network, starts no other
//! program, and changes no file of the user's.
//!
//! This library is what the launcher does; `main.rs` is how a program without a C library gets there.
//! `opencode-cache doctor` looks at a home through the same code.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod environment;
pub mod failure;
pub mod output;
pub mod process;
pub mod refresh;
pub mod roots;

mod bytes;

use environment::{Carrier, Environment};
use failure::{Advice, Failure};
use output::Output;
use process::Started;
use roots::Roots;

/// Becomes OpenCode; returns (with an exit status) only where that cannot be.
pub fn launch(started: &Started<'_>) -> i32 {
    let mut environment = Environment::new(started.environment);
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

/// The real binary's path where an output usually has it, for a program that can do nothing else any
/// more: allocates nothing and prints nothing.
pub fn rescue(buffer: &mut [u8]) -> Option<&core::ffi::CStr> {
    let length = rustix::fs::readlinkat_raw(rustix::fs::CWD, c"/proc/self/exe", &mut *buffer).ok()?;
    let above = bytes::split(bytes::split(buffer.get(..length)?).0?).0?.len();
    let target = output::USUAL_TARGET.as_bytes();
    *buffer.get_mut(above)? = b'/';
    buffer.get_mut(above + 1..above + 1 + target.len())?.copy_from_slice(target);
    *buffer.get_mut(above + 1 + target.len())? = 0;
    core::ffi::CStr::from_bytes_until_nul(buffer).ok()
}
