//! Property: a warm start takes at most 16 system calls and one for each entry, from the kernel handing over to
//! becoming OpenCode. Counted, because time depends on the machine.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod stage;

use stage::{Stage, Wanted, program};
use std::fs;
use std::process::Command;

/// Every call of the wrapper, the one that makes it OpenCode included; not the one that started it.
fn own_calls(stage: &Stage, output: &stage::Output) -> Vec<String> {
    let log = stage.path("log");
    let mut command = Command::new(program("strace"));
    command.arg("-o").arg(&log).arg(output.file("bin/opencode")).arg("/dev/null");
    let run = command.env_clear().env("HOME", stage.path("home")).output().unwrap();
    assert!(run.status.success(), "{}", stage::stderr(&run));
    let log = fs::read_to_string(log).unwrap();
    assert!(log.starts_with("execve("), "{log}");
    let own = log.lines().skip(1);
    let to = own.clone().position(|line| line.starts_with("execve(")).unwrap();
    own.take(to + 1).map(str::to_owned).collect()
}

#[test]
fn a_warm_start_takes_sixteen_and_one_for_each_entry() {
    let stage = Stage::new();
    let output = stage.output('a', &Wanted::usual());
    stage.start(&output);
    // A directory of locks there is after the first OpenCode.
    fs::create_dir_all(stage.home(".local/state/opencode/locks")).unwrap();
    let calls = own_calls(&stage, &output);
    let entries = fs::read_to_string(output.file("linkmap")).unwrap().lines().count() - 5;
    assert!(calls.len() <= 16 + entries, "{} calls, {entries} entries:\n{}", calls.len(), calls.join("\n"));
    let writing = ["mkdir", "symlink", "rename", "unlink", "write", "flock", "O_CREAT", "utimens"];
    for call in &calls {
        assert!(!writing.iter().any(|word| call.contains(word)), "a warm start writes: {call}");
    }
}

#[test]
fn what_is_the_users_costs_a_few_looks_and_no_lock() {
    let stage = Stage::new();
    let output = stage.output('a', &Wanted::usual());
    stage::write(&stage.config("package.json"), "mine");
    stage::write(&stage.cache("packages/plugin@latest/mine"), "mine");
    stage.start(&output);
    let calls = own_calls(&stage, &output);
    assert!(!calls.iter().any(|call| call.starts_with("flock")), "{}", calls.join("\n"));
}
