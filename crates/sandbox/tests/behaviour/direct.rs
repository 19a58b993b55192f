//! Without namespaces, where the machine itself has loopback only (Nix's build sandbox): the same promises, as far as they go.
//! The outer sandbox plays that machine.

use std::io::Write;
use std::process::ExitCode;
use std::thread;

use crate::Case;
use crate::sandbox::{Attempt, Bind, Exit, Isolation, Limit, Network, Sandbox, probe as isolation};
use crate::stage::{HOME, LONG, probe, said, spec, start};

pub const CASES: &[Case] = &[
    ("inside Nix programs run directly, bounded and counted", inside_nix),
    ("a sandbox in a sandbox works", nested),
    ("where namespaces are forbidden it says so, with a hint", forbidden),
];

fn inside_nix() {
    let mut spec = spec();
    spec.count = false;
    let machine = start(&spec);
    let own = machine.inside("/opt/behaviour").into_os_string();
    let command = crate::sandbox::Command::new([own, "direct".into()], HOME)
        .env("NIX_BUILD_TOP", "/tmp")
        .env("PATH", "/usr/bin:/bin");
    assert_eq!(said(&machine, &command), "all held");
}

fn nested() {
    let mut spec = spec();
    spec.count = false;
    let machine = start(&spec);
    let own = machine.inside("/opt/behaviour").into_os_string();
    let command = crate::sandbox::Command::new([own, "direct".into()], HOME).env("PATH", "/usr/bin:/bin");
    assert_eq!(said(&machine, &command), "all held");
}

fn forbidden() {
    // The setting counts for what is below this user namespace only.
    let line = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" forbidden";
    let status = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "/bin/sh", "-c", line])
        .arg(std::env::current_exe().unwrap())
        .status()
        .unwrap();
    assert!(status.success());
}

/// What is said where the kernel forbids namespaces and the machine has a network.
pub fn refused() -> ExitCode {
    let Isolation::None { why, .. } = isolation() else { return ExitCode::FAILURE };
    assert!(why.contains("unshare namespaces"), "{why}");
    let error = Sandbox::start(&spec()).err().unwrap();
    assert_eq!(error.code(), "sandbox-unsupported");
    assert!(error.hint().unwrap().contains("max_user_namespaces"));
    ExitCode::SUCCESS
}

/// The checks on the inner side.
pub fn inner() -> ExitCode {
    let nix = std::env::var_os("NIX_BUILD_TOP").is_some();
    let expected = if nix { Isolation::LoopbackOnly } else { Isolation::Namespaces };
    assert_eq!(isolation(), expected);
    let mut spec = spec();
    spec.tcp_listeners = 1;
    spec.limits.memory_bytes = 200 << 20;
    spec.limits.processes = 40;
    spec.files = vec![(format!("{HOME}/x/y").into(), b"content".to_vec())];
    spec.binds.push(Bind::read_only("/usr/share", "/srv/share"));
    let mut sandbox = Sandbox::start(&spec).unwrap();
    assert_eq!(sandbox.inside(HOME) == std::path::Path::new(HOME), !nix);
    assert_eq!(std::fs::read(sandbox.outside(format!("{HOME}/x/y"))).unwrap(), b"content");
    let listener = sandbox.take_listeners().remove(0);
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || listener.accept().unwrap().0.write_all(b"served").unwrap());
    assert_eq!(said(&sandbox, &probe(&sandbox, &["get", &address])), "served");
    server.join().unwrap();
    let share = sandbox.inside("/srv/share");
    let seen = said(&sandbox, &probe(&sandbox, &["sees", share.to_str().unwrap()]));
    assert_eq!(seen, share.to_str().unwrap());
    said(&sandbox, &probe(&sandbox, &["connect", "192.0.2.1:80"]));
    let seen: Vec<Attempt> = sandbox.attempts().into_iter().filter(Attempt::leaves).collect();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let hog = sandbox.run(&probe(&sandbox, &["hog"]), LONG, 100).unwrap();
    assert_eq!(hog.exit, Exit::Limit(Limit::Memory));
    let bomb = sandbox.run(&probe(&sandbox, &["forks"]), LONG, 100).unwrap();
    assert_eq!(bomb.exit, Exit::Limit(Limit::Processes));
    let nap = sandbox.spawn(&probe(&sandbox, &["nap"])).unwrap();
    sandbox.kill_all().unwrap();
    assert_eq!(nap.wait(LONG).unwrap(), Some(Exit::Signal(9)));
    let root = sandbox.root();
    sandbox.stop();
    assert!(!root.exists());
    if nix {
        spec.network = Network::BlackHole;
        assert_eq!(Sandbox::start(&spec).err().unwrap().code(), "sandbox-unsupported");
    }
    println!("all held");
    ExitCode::SUCCESS
}
