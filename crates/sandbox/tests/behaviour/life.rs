//! Beginnings and ends: exits, signals, many at once, the owner's death. Nothing is left behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Case;
use crate::sandbox::{Error, Exit, Input, Sandbox};
use crate::stage::{COUNT, HOME, LONG, probe, run, runs_somewhere, said, shell, spec, start, token};

pub const CASES: &[Case] = &[
    ("a program's status and signal are told", exits),
    ("what cannot be started is named", cannot_start),
    ("a program ends before anybody has read what it said", unread),
    ("a program is talked to over a pipe", piped),
    ("a program draws on a terminal of its own", terminal),
    ("the environment is exactly what was given, however large", environment),
    ("what the caller's caller ignores is not ignored inside", signals),
    ("everything is killed, and the files stay", kill_all),
    ("orphans are killed and reaped too", orphans),
    ("the sandbox's end ends everything", end),
    ("the owner's death ends everything", owner_killed),
    ("twenty at once", twenty),
    ("several programs at once in one sandbox", several),
    ("without hidden_main nothing is started", not_wired),
];

fn exits() {
    let sandbox = start(&spec());
    assert_eq!(run(&sandbox, &shell("exit 7")).exit, Exit::Code(7));
    assert_eq!(run(&sandbox, &shell("kill -USR1 $$")).exit, Exit::Signal(10));
    let child = sandbox.spawn(&probe(&sandbox, &["nap"])).unwrap();
    assert_eq!(child.wait(Duration::from_millis(50)).unwrap(), None);
    child.signal(15).unwrap();
    assert_eq!(child.wait(LONG).unwrap(), Some(Exit::Signal(15)));
    assert_eq!(child.wait(LONG).unwrap(), Some(Exit::Signal(15)));
    child.signal(15).unwrap();
    // The first process cannot be ended from inside.
    assert_eq!(run(&sandbox, &shell("kill -9 1; kill -TERM 1; exit 0")).exit, Exit::Code(0));
    said(&sandbox, &shell("true"));
}

fn cannot_start() {
    let sandbox = start(&spec());
    let missing = crate::sandbox::Command::new(["/no/such/program"], HOME);
    match sandbox.spawn(&missing).err().unwrap() {
        Error::Start { program, source } => {
            assert_eq!(program, "/no/such/program");
            assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
        }
        other => panic!("{other:?}"),
    }
    let nowhere = crate::sandbox::Command::new(["/bin/true"], "/nowhere");
    let error = sandbox.spawn(&nowhere).err().unwrap();
    assert_eq!(error.to_string(), "sandbox: cannot go to /nowhere");
    said(&sandbox, &shell("true"));
}

fn piped() {
    let sandbox = start(&spec());
    let mut child = sandbox.spawn(&shell("read line; echo \"heard $line\"; cat").input(Input::Pipe)).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\ntwo\n").unwrap();
    drop(stdin);
    assert_eq!(child.output(LONG, 1 << 20).unwrap().stdout, b"heard one\ntwo\n");
}

fn terminal() {
    let sandbox = start(&spec());
    let line = "stty size; test -t 0 && test -t 1 && test -t 2 && echo yes >/dev/tty; read line; echo \"<$line>\"; exec sleep 600";
    let command = shell(line).input(Input::Terminal { columns: 100, rows: 30 });
    let mut child = sandbox.spawn(&command).unwrap();
    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
    let mut terminal = child.terminal.take().unwrap();
    terminal.write_all(b"typed\r").unwrap();
    let mut drawn = String::new();
    while !drawn.contains("<typed>") {
        let mut some = [0; 256];
        let read = terminal.read(&mut some).unwrap();
        drawn.push_str(std::str::from_utf8(&some[..read]).unwrap());
    }
    assert!(drawn.contains("30 100\r\n") && drawn.contains("yes\r\n"), "{drawn:?}");
    // What is typed reaches the whole session, as at a real one.
    terminal.write_all(b"\x03").unwrap();
    assert_eq!(child.wait(LONG).unwrap(), Some(Exit::Signal(2)));
    // Nothing holds it any more.
    let mut rest = Vec::new();
    assert_eq!(terminal.read_to_end(&mut rest).unwrap_err().raw_os_error(), Some(5));
}

fn unread() {
    let sandbox = start(&spec());
    let child = sandbox.spawn(&shell("head -c 900000 /dev/zero")).unwrap();
    assert_eq!(child.wait(LONG).unwrap(), Some(Exit::Code(0)));
    assert_eq!(child.output(LONG, 1 << 20).unwrap().stdout.len(), 900_000);
}

fn environment() {
    let sandbox = start(&spec());
    let mut command = crate::sandbox::Command::new(["/usr/bin/env"], HOME);
    for n in 0..50 {
        command = command.env(format!("V{n}"), "x".repeat(20_000));
    }
    let seen = said(&sandbox, &command);
    assert_eq!(seen.lines().count(), 50);
    assert!(seen.lines().all(|line| line.starts_with('V') && line.len() > 20_000));
}

fn signals() {
    let ignored = "trap '' HUP INT TERM USR1 RTMAX; exec \"$0\" ignoring";
    let me = std::env::current_exe().unwrap();
    let ran = Command::new("bash").args(["-c", ignored]).arg(me).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let ignored = u64::from_str_radix(said.trim_start_matches("SigIgn:").trim(), 16).unwrap();
    // 32 and 33 are the C library's own, and nobody may change them.
    assert_eq!(ignored & !(0b11 << 31), 0, "{said}");
}

/// A program that ignores signals, and has a sandbox.
pub fn ignoring() -> ExitCode {
    println!("{}", said(&start(&spec()), &shell("grep SigIgn /proc/self/status")).trim_end());
    ExitCode::SUCCESS
}

fn kill_all() {
    let sandbox = start(&spec());
    let napping = sandbox.spawn(&shell("echo kept > ~/file; echo; sleep 1000")).unwrap();
    let mut line = String::new();
    BufReader::new(napping.stdout.as_ref().unwrap().try_clone().unwrap()).read_line(&mut line).unwrap();
    sandbox.kill_all().unwrap();
    assert_eq!(napping.wait(LONG).unwrap(), Some(Exit::Signal(9)));
    assert_eq!(sandbox.read(format!("{HOME}/file"), 10).unwrap(), b"kept\n");
}

fn orphans() {
    let sandbox = start(&spec());
    said(&sandbox, &shell("(setsid sleep 1000 </dev/null >/dev/null 2>&1 &)"));
    said(&sandbox, &shell("for i in 1 2 3 4 5; do (true &); done"));
    sandbox.kill_all().unwrap();
    assert_eq!(said(&sandbox, &shell(COUNT)), "2");
}

fn end() {
    let word = token("end");
    let sandbox = start(&spec());
    let child = sandbox.spawn(&probe(&sandbox, &["nap", &word])).unwrap();
    assert!(runs_somewhere(&format!("nap\0{word}")));
    sandbox.stop();
    assert!(!runs_somewhere(&format!("nap\0{word}")));
    assert!(matches!(child.wait(LONG), Err(Error::Gone)));
    assert!(matches!(child.signal(9), Err(Error::Gone)));
}

/// A program that owns a sandbox and waits for its death.
pub fn owner() -> ExitCode {
    let sandbox = start(&spec());
    let mut words = vec!["nap".to_owned()];
    words.extend(std::env::var("WORD"));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let child = sandbox.spawn(&probe(&sandbox, &words)).unwrap();
    sandbox.spawn(&shell("setsid sleep 1000 &")).unwrap();
    println!("ready");
    child.wait(LONG * 10).unwrap();
    ExitCode::FAILURE
}

fn owner_killed() {
    let word = token("owner");
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .arg("owner")
        .env("WORD", &word)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let inside = format!("nap\0{word}");
    assert!(runs_somewhere(&inside));
    owner.kill().unwrap();
    owner.wait().unwrap();
    let until = Instant::now() + LONG;
    while runs_somewhere(&inside) {
        assert!(Instant::now() < until, "still running");
        thread::yield_now();
    }
}

fn twenty() {
    thread::scope(|scope| {
        for n in 0..20 {
            scope.spawn(move || {
                let sandbox = start(&spec());
                said(&sandbox, &shell(&format!("echo {n} > ~/n")));
                let address = format!("192.0.2.{n}:80");
                said(&sandbox, &probe(&sandbox, &["connect", &address]));
                assert_eq!(sandbox.read(format!("{HOME}/n"), 10).unwrap(), format!("{n}\n").as_bytes());
                let seen: Vec<_> = sandbox.attempts().into_iter().filter(|a| a.leaves()).collect();
                assert_eq!(seen.len(), 1);
                assert_eq!(seen[0].address, address);
            });
        }
    });
}

fn several() {
    let sandbox = start(&spec());
    thread::scope(|scope| {
        for n in 0..16 {
            let sandbox = &sandbox;
            scope.spawn(move || {
                for round in 0..5 {
                    let word = format!("{n} {round}");
                    assert_eq!(said(sandbox, &shell(&format!("echo {word}"))), word);
                }
            });
        }
    });
}

/// What a program sees that forgot `hidden_main`.
pub fn unwired() -> ExitCode {
    match Sandbox::start(&spec()) {
        Err(Error::NotWired) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn not_wired() {
    let status = Command::new(std::env::current_exe().unwrap()).arg("unwired").status().unwrap();
    assert!(status.success());
}
