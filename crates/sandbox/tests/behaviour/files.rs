//! What is visible inside, and how files come in and out.

use std::path::Path;

use crate::Case;
use crate::sandbox::{Bind, Error, Spec};
use crate::stage::{COUNT, HOME, exists, probe, run, said, shell, spec, start};

pub const CASES: &[Case] = &[
    ("the real HOME and working directory are not visible", nothing_of_the_caller),
    ("the system is read-only and the user is an ordinary one", read_only_system),
    ("the kernel's settings are read-only", read_only_settings),
    ("binds are visible, and writable only when asked for", binds),
    ("a bind hides a program of the system", hidden_program),
    ("files written before the start are there", files_before),
    ("files written inside are readable from outside", files_out),
    ("stdout can be a file, which nobody has to drain", stdout_to_a_file),
    ("links left inside do not lead the caller out", links),
    ("a path that is not absolute is refused", relative),
    ("a bind that is not there is named", missing_bind),
];

fn nothing_of_the_caller() {
    let marked = tempfile::tempdir().unwrap();
    std::fs::write(marked.path().join("secret"), "x").unwrap();
    let own = std::env::current_exe().unwrap();
    let hidden = [
        marked.path().to_path_buf(),
        std::env::current_dir().unwrap(),
        std::env::var_os("HOME").unwrap().into(),
        own.parent().unwrap().to_path_buf(),
        "/root".into(),
        "/sys/kernel".into(),
        "/run/systemd".into(),
        "/etc/shadow".into(),
    ];
    let sandbox = start(&spec());
    let mut words = vec!["sees", HOME, "/usr/bin", "/proc/self/status"];
    words.extend(hidden.iter().map(|path| path.to_str().unwrap()).filter(|path| *path != "/"));
    let seen = said(&sandbox, &probe(&sandbox, &words));
    assert_eq!(seen, format!("{HOME}\n/usr/bin\n/proc/self/status"));
    assert_eq!(
        said(&sandbox, &shell("ls -A ~ /tmp /run /home")),
        "/home:\nuser\n\n/home/user:\n\n/run:\n\n/tmp:"
    );
    // Nobody else's processes: the first one and the shell.
    assert_eq!(said(&sandbox, &shell(COUNT)), "2");
}

fn hidden_program() {
    let env = std::fs::canonicalize("/usr/bin/env").unwrap();
    let look = "command -v env >/dev/null; echo $?; /usr/bin/env >/dev/null 2>&1; echo $?";
    let sandbox = start(&spec());
    assert_eq!(said(&sandbox, &shell(look)), "0\n0");
    let mut spec = spec();
    spec.binds.push(Bind::read_only("/dev/null", env));
    let sandbox = start(&spec);
    assert_eq!(said(&sandbox, &shell(look)), "127\n126");
}

fn read_only_system() {
    let sandbox = start(&spec());
    assert_eq!(said(&sandbox, &shell("id -u; id -un; hostname")), "1000\nuser\nsandbox");
    assert_eq!(
        said(&sandbox, &shell("grep -E '^Cap(Prm|Eff|Amb)|NoNewPrivs' /proc/self/status | awk '{print $2}'")),
        "0000000000000000\n0000000000000000\n0000000000000000\n1"
    );
    for place in ["/x", "/etc/x", "/etc/passwd", "/usr/x", "/dev/x", "/home/x", "/var/x"] {
        let output = run(&sandbox, &shell(&format!("echo x > {place}")));
        assert!(!output.exit.success(), "{place} is writable");
    }
    for place in [HOME, "/tmp", "/dev/shm", "/var/tmp"] {
        said(&sandbox, &shell(&format!("echo x > {place}/x")));
    }
    // Programs that were put into HOME run there.
    said(&sandbox, &shell("cp /bin/true ~/copy && ~/copy"));
}

fn read_only_settings() {
    let sandbox = start(&spec());
    for setting in ["kernel/core_pattern", "kernel/hostname", "vm/drop_caches"] {
        let line = format!("echo 1 > /proc/sys/{setting}");
        assert!(!run(&sandbox, &shell(&line)).exit.success(), "{setting}");
    }
    assert!(!run(&sandbox, &shell("echo h > /proc/sysrq-trigger")).exit.success());
}

fn binds() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("a"), "from outside").unwrap();
    let mut spec = spec();
    spec.binds.extend([
        Bind::read_only(outside.path(), "/srv/in"),
        Bind::writable(outside.path(), format!("{HOME}/deep/er/out")),
        Bind::read_only(outside.path().join("a"), "/srv/file"),
    ]);
    let sandbox = start(&spec);
    assert_eq!(said(&sandbox, &shell("cat /srv/in/a /srv/file")), "from outsidefrom outside");
    assert!(!run(&sandbox, &shell("echo x > /srv/in/b")).exit.success());
    assert!(!run(&sandbox, &shell("echo x > /srv/file")).exit.success());
    said(&sandbox, &shell("echo b > ~/deep/er/out/b"));
    assert_eq!(std::fs::read_to_string(outside.path().join("b")).unwrap(), "b\n");
}

fn files_before() {
    let mut spec = spec();
    spec.files = vec![
        (format!("{HOME}/.config/x/y.json").into(), b"{}".to_vec()),
        ("/etc/hosts".into(), b"127.0.0.1 elsewhere\n".to_vec()),
        ("/etc/resolv.conf".into(), b"nameserver 127.0.0.1\noptions attempts:1\n".to_vec()),
        (format!("{HOME}/large").into(), vec![b'x'; 3 << 20]),
    ];
    let sandbox = start(&spec);
    assert_eq!(said(&sandbox, &shell("cat ~/.config/x/y.json; wc -c < ~/large")), "{}3145728");
    assert_eq!(said(&sandbox, &shell("cat /etc/hosts")), "127.0.0.1 elsewhere");
    said(&sandbox, &shell("echo more >> ~/.config/x/y.json; mkdir ~/.config/z"));
}

fn files_out() {
    let sandbox = start(&spec());
    said(&sandbox, &shell("mkdir -p ~/.cache/a; echo out > ~/.cache/a/b"));
    let path = format!("{HOME}/.cache/a/b");
    assert_eq!(sandbox.read(&path, 100).unwrap(), b"out\n");
    assert_eq!(std::fs::read(sandbox.outside(&path)).unwrap(), b"out\n");
    assert_eq!(std::fs::read(sandbox.root().join(&path[1..])).unwrap(), b"out\n");
    assert!(matches!(sandbox.read(&path, 3), Err(Error::TooLarge { bound: 3, .. })));
    sandbox.write(format!("{HOME}/late/c"), b"late").unwrap();
    assert_eq!(said(&sandbox, &shell("cat ~/late/c; stat -c %U ~/late/c")), "lateuser");
    let root = sandbox.root();
    sandbox.stop();
    assert!(!exists(&root));
}

fn links() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let sandbox = start(&spec());
    let line = format!(
        "ln -s {} ~/file; ln -s {} ~/directory; ln -s /etc/hostname ~/up; mkfifo ~/pipe",
        secret.display(),
        outside.path().display()
    );
    said(&sandbox, &shell(&line));
    let not_found = |path: &str| match sandbox.read(format!("{HOME}/{path}"), 100) {
        Err(Error::Io { source, .. }) => source.kind() == std::io::ErrorKind::NotFound,
        other => panic!("{other:?}"),
    };
    assert!(not_found("file") && not_found("directory/secret") && not_found("up"));
    assert!(sandbox.write(format!("{HOME}/directory/new"), b"x").is_err());
    assert!(!exists(&outside.path().join("new")));
    assert_eq!(sandbox.read(format!("{HOME}/pipe"), 100).unwrap(), b"");
}

fn relative() {
    for home in ["home", "/", "/home/../etc"] {
        let error = crate::sandbox::Sandbox::start(&Spec::new(home)).err().unwrap();
        assert_eq!(error.code(), "sandbox-spec", "{home}");
    }
}

fn missing_bind() {
    let mut spec = spec();
    spec.binds.push(Bind::read_only("/nowhere/at/all", "/srv/x"));
    let error = crate::sandbox::Sandbox::start(&spec).err().unwrap();
    assert!(matches!(error, Error::Io { path, .. } if path == Path::new("/nowhere/at/all")));
}

fn stdout_to_a_file() {
    let sandbox = start(&spec());
    let path = format!("{HOME}/out");
    let mut command = shell("head -c 1000000 /dev/zero; echo said >&2");
    command.stdout = Some(sandbox.inside(&path));
    let output = run(&sandbox, &command);
    assert!(output.exit.success());
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b""[..], &b"said\n"[..]));
    assert_eq!(sandbox.read(&path, 2_000_000).unwrap().len(), 1_000_000);
    command.stdout = Some("/nowhere/out".into());
    assert_eq!(sandbox.spawn(&command).err().unwrap().code(), "sandbox-step");
}
