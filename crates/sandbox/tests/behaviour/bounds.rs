//! Bounds: memory, processes, files, time. Over a bound everything inside is killed, and the sandbox goes on.

use std::time::Duration;

use crate::Case;
use crate::sandbox::{Error, Exit, Limit};
use crate::stage::{COUNT, HOME, LONG, probe, run, said, shell, spec, start};

pub const CASES: &[Case] = &[
    ("a memory hog is killed", memory),
    ("a fork bomb is bounded", processes),
    ("a file is bounded", file_size),
    ("HOME and /tmp are bounded", disk),
    ("a program that does not end is killed, with what it said", time),
    ("output beyond the bound is dropped, not waited for", output),
];

fn memory() {
    let mut spec = spec();
    spec.limits.memory_bytes = 200 << 20;
    let sandbox = start(&spec);
    let innocent = sandbox.spawn(&probe(&sandbox, &["nap"])).unwrap();
    let hog = run(&sandbox, &probe(&sandbox, &["hog"]));
    assert_eq!(hog.exit, Exit::Limit(Limit::Memory));
    assert_eq!(innocent.wait(LONG).unwrap(), Some(Exit::Limit(Limit::Memory)));
    assert_eq!(sandbox.limit_passed(), Some(Limit::Memory));
    assert_eq!(said(&sandbox, &shell("echo still here")), "still here");
}

fn processes() {
    let mut spec = spec();
    spec.limits.processes = 40;
    let sandbox = start(&spec);
    let bomb = run(&sandbox, &probe(&sandbox, &["forks"]));
    assert_eq!(bomb.exit, Exit::Limit(Limit::Processes));
    sandbox.kill_all().unwrap();
    assert_eq!(said(&sandbox, &shell(COUNT)), "2");
}

fn file_size() {
    let mut spec = spec();
    spec.limits.file_bytes = Some(1 << 20);
    let sandbox = start(&spec);
    let output = run(&sandbox, &shell("exec head -c 3000000 /dev/zero > ~/large"));
    assert_eq!(output.exit, Exit::Limit(Limit::FileSize));
}

fn disk() {
    let mut spec = spec();
    spec.home_bytes = 1 << 20;
    spec.tmp_bytes = 1 << 20;
    let sandbox = start(&spec);
    for place in [HOME, "/tmp", "/dev/shm"] {
        let output = run(&sandbox, &shell(&format!("head -c 3000000 /dev/zero > {place}/x")));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("No space left"), "{place}: {said}");
    }
}

fn time() {
    let sandbox = start(&spec());
    let napping = shell("echo early; sleep 1000 & sleep 1000");
    match sandbox.run(&napping, Duration::from_secs(2), 100) {
        Err(Error::TimedOut { output, program, .. }) => {
            assert_eq!(output.stdout, b"early\n");
            assert_eq!(program, "/bin/sh");
        }
        other => panic!("{other:?}"),
    }
    sandbox.kill_all().unwrap();
    assert_eq!(said(&sandbox, &shell(COUNT)), "2");
}

fn output() {
    let sandbox = start(&spec());
    let output = sandbox.run(&shell("head -c 1000000 /dev/zero; echo end >&2"), LONG, 1000).unwrap();
    assert!(output.exit.success() && output.truncated);
    assert_eq!((output.stdout.len(), output.stderr.as_slice()), (1000, &b"end\n"[..]));
    // A descendant that holds the pipe does not hold the caller.
    let output = run(&sandbox, &shell("sleep 1000 & echo left"));
    assert_eq!(output.stdout, b"left\n");
}
