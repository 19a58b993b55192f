//! Sandboxes as the cases use them, with this binary as the program inside.

use std::path::Path;
use std::time::Duration;

use crate::sandbox::{Bind, Command, Isolation, Output, Sandbox, Spec};

pub const HOME: &str = "/home/user";

/// Says how many processes there are: the first one and the shell, when nothing else runs.
pub const COUNT: &str = "set -- /proc/[0-9]*; echo $#";

/// Where this binary is bound.
const PROGRAM: &str = "/opt/behaviour";

/// Generous: the machine may be busy with other cases.
pub const LONG: Duration = Duration::from_secs(60);

/// A specification with this binary inside.
pub fn spec() -> Spec {
    let mut spec = Spec::new(HOME);
    spec.binds.push(Bind::read_only(std::env::current_exe().unwrap(), PROGRAM));
    spec
}

pub fn start(spec: &Spec) -> Sandbox {
    let sandbox = Sandbox::start(spec).unwrap_or_else(|error| panic!("{error}: {error:?}"));
    assert_eq!(*sandbox.isolation(), Isolation::Namespaces);
    sandbox
}

/// This binary as a program inside.
pub fn probe(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let program = sandbox.inside(PROGRAM).into_os_string();
    let mut argv = vec![program, "probe".into()];
    argv.extend(arguments.iter().map(Into::into));
    let home = sandbox.inside(HOME);
    Command::new(argv, &home).env("HOME", &home)
}

/// A shell's line as a program inside.
pub fn shell(line: &str) -> Command {
    Command::new(["/bin/sh", "-c", line], HOME).env("PATH", "/usr/bin:/bin").env("HOME", HOME)
}

/// Runs a program inside to its end.
pub fn run(sandbox: &Sandbox, command: &Command) -> Output {
    sandbox.run(command, LONG, 1 << 20).unwrap()
}

/// The stdout of a program that must succeed.
pub fn said(sandbox: &Sandbox, command: &Command) -> String {
    let output = run(sandbox, command);
    assert!(
        output.exit.success(),
        "{:?}: {}{}",
        output.exit,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Whether any process of the machine has `token` in its command line.
pub fn runs_somewhere(token: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(token)
    })
}

/// A word that occurs in no other process's command line.
pub fn token(of: &str) -> String {
    format!("{of}-{}-{:?}", std::process::id(), std::thread::current().id())
}

pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
