//! The program that a bundle begins with: it installs the bundle that it is a part of, on a machine that needs nothing but a kernel.
//!
//! Never: a network, another program's help, a question. What it does is the crate `install`'s; here is what was typed, and what a
//! person is told.

mod typed;

use std::io::Write as _;
use std::process::ExitCode;

use install::{Error, Here, Kind, Place, Request, User, keys, told};

use typed::{Typed, Verb};

fn main() -> ExitCode {
    let typed = match typed::parse(std::env::args_os().skip(1)) {
        Ok(typed) => typed,
        Err(wrong) => {
            talk(&format!("error[usage]: {wrong}\n  next step: `--help` tells what there is"));
            return ExitCode::from(2);
        }
    };
    match run(typed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            talk(&told::failure(&error));
            ExitCode::from(match error.kind() {
                Kind::No => 1,
                Kind::Input => 3,
                Kind::Outside => 4,
            })
        }
    }
}

fn run(typed: Typed) -> Result<(), Error> {
    let here = Here::of_process();
    let place = || Place::find(typed.prefix.as_deref(), &here);
    match typed.verb {
        Verb::Help => say(typed::HELP),
        Verb::Version => say(concat!("opencode-cache-installer ", env!("CARGO_PKG_VERSION"))),
        Verb::Install { bundle, downgrade } => {
            let file = bundle.unwrap_or_else(install::place::own_file);
            let place = place()?;
            let keys = keys::believed(&typed.keys, &here)?;
            let request = Request { file, keys, place, system: Here::system(), downgrade };
            let installed = install::install(&request)?;
            say(&installed.to_string());
            if let Some(hint) = told::path_hint(&request.place, &here) {
                talk(&hint);
            }
        }
        Verb::Rollback { to } => say(&install::rollback(&place()?, to)?.to_string()),
        Verb::List => {
            let all = install::list(&place()?)?;
            let lines = all.iter().map(|(generation, wrong)| told::line(generation, wrong.as_ref()));
            say(&lines.collect::<Vec<_>>().join("\n"));
        }
        Verb::Uninstall => say(&install::uninstall(&place()?, &User::of_process())?.to_string()),
        Verb::Gc { keep } => say(&install::gc(&place()?, keep)?.to_string()),
    }
    Ok(())
}

/// Data, to stdout. A closed pipe is the reader's choice.
fn say(text: &str) {
    let _closed = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
}

/// Talk, to stderr.
fn talk(text: &str) {
    // Nowhere is left to complain to when stderr is gone.
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}
