//! opencode-cache: records what OpenCode downloads at run time, pins it in one lock file, replays
//! it hermetically, and lays the result under OpenCode.
//!
//! What was typed → what it means → work → what a person or a script is told.

mod cli;
mod commands;
mod failure;
mod manual;
mod ui;
mod workplace;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A sandbox's first process is this program again; it must be recognised before anything else.
    sandbox::hidden_main();
    let cli = cli::parse();
    let ui = ui::Ui::shared();
    match cli.run(&ui) {
        Ok(answer) => answer,
        Err(failure) => failure.report(&ui),
    }
}
