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

pub mod carrier;
pub mod environment;
pub mod failure;
pub mod home;
pub mod output;
pub mod private;
pub mod process;
pub mod refresh;
pub mod roots;

mod bytes;
mod link;
mod listing;
mod locks;
mod opencode;
mod processes;
mod system;
mod temporary;

use alloc::vec::Vec;
use carrier::Carrier;
use environment::Environment;
use failure::{Advice, Failure, Meanwhile, trace};
use linkmap::Root;
use output::{Output, Wanted};
use process::Started;
use refresh::Plan;
use roots::Roots;

/// Exit status where the user wants no OpenCode without a whole refresh (`OPENCODE_CACHE_STRICT=1`):
/// what `env`, `timeout` and the like say when it was not the program that failed.
const NOT_STARTED: i32 = 125;

/// Becomes OpenCode; returns (with an exit status) only where that cannot be.
pub fn launch(started: Started<'_>) -> i32 {
    let mut environment = Environment::new(&mut *started.environment);
    environment.undo_outer_wrapper();
    if environment.is_on(b"OPENCODE_CACHE_TRACE") {
        failure::trace_from_now_on();
    }
    let output = match Output::of_this_program() {
        Ok(output) => output,
        Err(failure) => {
            failure.report(Meanwhile::Nothing);
            return process::CANNOT_EXECUTE;
        }
    };
    trace(&[b"output ", output.root()]);
    let text = output.read_map();
    let target = match text.as_deref().map_err(Clone::clone).and_then(|text| output.parse(text)) {
        Ok(wanted) => match bring_in_line(&output, &wanted, &mut environment) {
            Ok(()) => output.path(wanted.map.exec()),
            Err(status) => return status,
        },
        Err(failure) => {
            failure.report(Meanwhile::Network);
            if environment.is_on(STRICT) {
                return NOT_STARTED;
            }
            output.path(output::USUAL_TARGET)
        }
    };

    trace(&[b"execute ", &target]);
    let error = started.become_program(&target, &environment);
    Failure::new("execute", &target, error, Advice::BuildAgain).report(Meanwhile::Nothing);
    process::status_of(error)
}

/// Variable by which a failed refresh becomes fatal.
const STRICT: &[u8] = b"OPENCODE_CACHE_STRICT";

/// The user's directories and environment as the map wants them. An error is the exit status.
fn bring_in_line(output: &Output, wanted: &Wanted<'_>, environment: &mut Environment<'_>) -> Result<(), i32> {
    let map = &wanted.map;
    let carrier = Carrier::available(environment, map);
    let roots = Roots::choose(environment, map, carrier.is_some());
    let outcome = refresh::refresh(Plan { output, map, entries: &wanted.entries, roots: &roots });
    let mut lent = Vec::new();
    let fallback = map.fallback().filter(|_| !outcome.usable);
    lent.extend(match fallback {
        Some(fallback) => Some((b"XDG_CACHE_HOME".as_slice(), output.path(fallback))),
        None => roots.cache_home().map(|home| (b"XDG_CACHE_HOME".as_slice(), home.to_vec())),
    });
    let strict = environment.is_on(STRICT) && outcome.failure.is_some();
    let mut private = None;
    if let Some(failure) = outcome.failure.or_else(|| private::obstacle(&roots)) {
        if carrier.is_some() && !strict {
            private = private::replace(environment, &roots);
        }
        failure.report(match (fallback, &private) {
            _ if strict => Meanwhile::Nothing,
            (_, Some(private)) => Meanwhile::Private(private.path()),
            (Some(_), None) if carrier.is_some() => Meanwhile::Store,
            _ if outcome.usable => Meanwhile::Nothing,
            _ => Meanwhile::Network,
        });
        if strict {
            return Err(NOT_STARTED);
        }
    }
    roots.state().into_iter().for_each(locks::release);
    if carrier.is_some() && environment.get(b"BUN_TMPDIR").is_none_or(<[u8]>::is_empty) {
        let is_writable = |cache: &&[u8]| private.is_none() || private::may_write(cache).is_ok();
        let cache = roots.of(Root::Cache).filter(|_| outcome.usable).filter(is_writable);
        lent.extend(temporary::choose(environment, cache).map(|path| (b"BUN_TMPDIR".as_slice(), path)));
    }
    lent.extend(private.into_iter().flat_map(|private| private.lent));
    opencode::prepare(environment, output, wanted, carrier, lent);
    Ok(())
}

/// The real binary's path where an output usually has it, for a program that can do nothing else any
/// more: allocates nothing and prints nothing.
#[cfg(target_os = "linux")]
pub fn rescue(buffer: &mut [u8]) -> Option<&core::ffi::CStr> {
    let length = rustix::fs::readlinkat_raw(rustix::fs::CWD, c"/proc/self/exe", &mut *buffer).ok()?;
    let above = bytes::split(bytes::split(buffer.get(..length)?).0?).0?.len();
    let target = output::USUAL_TARGET.as_bytes();
    *buffer.get_mut(above)? = b'/';
    buffer.get_mut(above + 1..above + 1 + target.len())?.copy_from_slice(target);
    *buffer.get_mut(above + 1 + target.len())? = 0;
    core::ffi::CStr::from_bytes_until_nul(buffer).ok()
}
