//! The whole program, as its users see it: a module per verb or promise, the real OpenCode, no network.
//!
//! A harness of its own, because this binary is also the first process of the sandboxes that it starts; it takes the arguments and
//! ends with the line of `cargo test`.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod air_gap;
mod answers;
mod bot;
mod bundle;
mod by_hand;
mod catalogue;
mod commands;
mod config_dirs;
mod corpus;
mod damage;
mod determinism;
mod diff;
mod disk;
mod docs;
mod doctor;
mod downloads;
mod environment;
mod era_a;
mod eras;
mod files;
mod firewall;
mod github;
mod grammars;
mod hard_places;
mod inputs;
mod killed;
mod libraries;
mod online;
mod ordinary_user;
mod programs;
mod protocols;
mod registry;
mod releases;
mod relock;
mod servers;
mod signatures;
mod systems;
mod texts;
mod update;
mod verify;
mod versions;

use std::process::ExitCode;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use testkit::cli::Place;

/// A property and its check.
struct Case {
    name: &'static str,
    check: fn(),
    load: Load,
}

/// What a check does to the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Load {
    /// It computes: at most one of these per processor runs at once.
    Busy,
    /// It waits, for a minute or more: it starts first, and runs beside the others.
    Idle,
}

/// A check that computes.
const fn case(name: &'static str, check: fn()) -> Case {
    Case { name, check, load: Load::Busy }
}

/// A check that mostly waits.
const fn waiting(name: &'static str, check: fn()) -> Case {
    Case { name, check, load: Load::Idle }
}

/// Every module's cases.
const MODULES: &[(&str, &[Case])] = &[
    ("air_gap", air_gap::CASES),
    ("answers", answers::CASES),
    ("bot", bot::CASES),
    ("bundle", bundle::CASES),
    ("by_hand", by_hand::CASES),
    ("grammars", grammars::CASES),
    ("hard_places", hard_places::CASES),
    ("catalogue", catalogue::CASES),
    ("commands", commands::CASES),
    ("config_dirs", config_dirs::CASES),
    ("corpus", corpus::CASES),
    ("damage", damage::CASES),
    ("determinism", determinism::CASES),
    ("diff", diff::CASES),
    ("disk", disk::CASES),
    ("docs", docs::CASES),
    ("doctor", doctor::CASES),
    ("downloads", downloads::CASES),
    ("environment", environment::CASES),
    ("era_a", era_a::CASES),
    ("eras", eras::CASES),
    ("files", files::CASES),
    ("firewall", firewall::CASES),
    ("github", github::CASES),
    ("inputs", inputs::CASES),
    ("killed", killed::CASES),
    ("libraries", libraries::CASES),
    ("online", online::CASES),
    ("ordinary_user", ordinary_user::CASES),
    ("programs", programs::CASES),
    ("protocols", protocols::CASES),
    ("registry", registry::CASES),
    ("releases", releases::CASES),
    ("relock", relock::CASES),
    ("systems", systems::CASES),
    ("servers", servers::CASES),
    ("signatures", signatures::CASES),
    ("texts", texts::CASES),
    ("update", update::CASES),
    ("verify", verify::CASES),
    ("versions", versions::CASES),
];

fn main() -> ExitCode {
    sandbox::hidden_main();
    Place {
        cli: env!("CARGO_BIN_EXE_opencode-cache").into(),
        repository: env!("CARGO_MANIFEST_DIR").into(),
        scratch: env!("CARGO_TARGET_TMPDIR").into(),
    }
    .set();
    let mut arguments = Arguments::from_args();
    let mut cases: Vec<_> =
        MODULES.iter().flat_map(|(module, cases)| cases.iter().map(move |case| (*module, case))).collect();
    cases.sort_by_key(|(_, case)| case.load == Load::Busy);
    let idle = cases.iter().filter(|(_, case)| case.load == Load::Idle).count();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads.get_or_insert(processors + idle);
    let mut trials: Vec<_> = cases.into_iter().map(|(module, case)| trial(module, case)).collect();
    trials.extend(versions::wanted().into_iter().map(|version| {
        Trial::test(format!("versions::{version}"), move || {
            let _place = Turn::take();
            versions::locks_builds_and_answers(&version, &[]);
            Ok(())
        })
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    tell_the_slowest();
    conclusion.exit_code()
}

/// How long each check took, without its wait for a processor.
static TOOK: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

/// CI has half an hour for everything: what is to be made quicker stands at the end of its log.
#[expect(clippy::print_stdout, reason = "it belongs to the report of the tests")]
fn tell_the_slowest() {
    let mut took = TOOK.lock().unwrap_or_else(PoisonError::into_inner);
    if took.len() < TOLD {
        return;
    }
    took.sort();
    println!("the slowest of {}:", took.len());
    for (time, name) in took.iter().rev().take(TOLD) {
        println!("  {:5.1} s {name}", time.as_secs_f64());
    }
}

/// How many of the slowest are told.
const TOLD: usize = 20;

fn trial(module: &'static str, case: &'static Case) -> Trial {
    Trial::test(format!("{module}::{}", case.name), move || {
        let _place = (case.load == Load::Busy).then(Turn::take);
        let start = Instant::now();
        (case.check)();
        let name = format!("{module}::{}", case.name);
        TOOK.lock().unwrap_or_else(PoisonError::into_inner).push((start.elapsed(), name));
        Ok(())
    })
}

/// One processor, taken until dropped.
struct Turn;

/// How many busy checks run now.
static BUSY: Mutex<usize> = Mutex::new(0);
static FREE: Condvar = Condvar::new();

impl Turn {
    fn take() -> Self {
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        let busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        let mut busy = FREE.wait_while(busy, |busy| *busy >= most).unwrap_or_else(PoisonError::into_inner);
        *busy += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *BUSY.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREE.notify_one();
    }
}
