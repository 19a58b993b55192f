//! A machine that has a kernel, a static busybox, and nothing else: no C library, no `/usr`, no network but loopback. A bundle that is
//! executed there installs itself, and then OpenCode answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use replay::llm::Script;
use sandbox::Bind;
use testkit::cli::{Place, program, succeed};
use testkit::desk::{Desk, HOME, MODEL, Outside, configuration};
use testkit::output::Output;

use crate::answers::{NO_STALL, PLUGIN, SDK};
use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[case("nothing_but_a_kernel", nothing_but_a_kernel)];

/// What the model says.
const ANSWER: &str = "an answer on a machine that has nothing";

/// What such a machine gets along with its output, from this machine: what OpenCode's binary and native modules want.
const LIBRARIES: [&str; 8] = [
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
];

/// Where Debian has them.
const DEBIANS: &str = "/lib/x86_64-linux-gnu";

/// Where the medium is mounted that the bundle came on.
const MEDIUM: &str = "/media/opencode.bundle";

fn nothing_but_a_kernel() {
    let (Some(busybox), Some(_)) = (program("busybox"), program("bwrap")) else { return };
    if !cfg!(target_arch = "x86_64") {
        return testkit::cli::say_untested("the C library of another architecture lies elsewhere");
    }
    let place = Place::get();
    let directory = place.directory("air-gap-");
    let file = bundle(directory.path());
    let desk = Desk::with(
        Outside::Refused,
        Script::saying(ANSWER),
        vec![Bind::read_only(&file, MEDIUM), Bind::read_only(busybox, "/opt/busybox")],
    );
    let machine = Machine { desk: &desk };
    for directory in ["bin", "root/.config/opencode", "root/project/.opencode"] {
        let _made = desk.directory(&format!("machine/{directory}"));
    }
    let config = configuration(&desk.model_url(), SDK, &[PLUGIN]);
    desk.write("machine/root/.config/opencode/opencode.json", &config.to_string());

    assert_eq!(machine.answers(&["/bin/busybox", "ls", "/"]), "bin\ndev\nmedia\nproc\nroot");
    let installed = machine.answers(&[MEDIUM]);
    assert!(installed.starts_with("installed: generation 1, OpenCode "), "{installed}");
    // What tells of it lies where one looks for that.
    let index = "/root/.local/share/doc/opencode-cache/licences/INDEX.tsv";
    assert!(machine.answers(&["/bin/busybox", "cat", index]).contains("\nopencode@"), "{installed}");
    let answer = machine.answers(&["/root/.local/bin/opencode", "run", "-m", MODEL, "hello"]);
    assert!(answer.contains(ANSWER), "{answer}");
    let turns = desk.asked().turns;
    let offered = turns.iter().any(|turn| turn.tools.iter().any(|tool| tool == "pty_spawn"));
    assert!(offered, "the plugin's tools were not offered: {turns:?}");
    assert_eq!(desk.attempts(), [""; 0], "attempts to leave");

    // Once more, and there is nothing to do; then it goes, and what is the user's stays.
    assert!(machine.answers(&[MEDIUM]).starts_with("installed as before: generation 1"));
    assert!(machine.answers(&[MEDIUM, "list"]).starts_with("*   1  OpenCode "));
    assert!(machine.answers(&[MEDIUM, "uninstall"]).contains("/root/.local/bin/opencode"));
    let left =
        machine.answers(&["/bin/busybox", "find", "/root/.local", "/root/.config/opencode/opencode.json"]);
    assert!(!left.contains("state/opencode-cache") && !left.contains(".local/bin/opencode"), "{left}");
    assert!(!left.contains("share/doc/opencode-cache"), "{left}");
    assert!(left.contains("share/opencode") && left.contains("opencode.json"), "{left}");
}

/// The machine: a root of its own below the desk's HOME.
struct Machine<'a> {
    desk: &'a Desk,
}

impl Machine<'_> {
    /// What a program says there, which has to end well.
    fn answers(&self, words: &[&str]) -> String {
        let root = format!("{HOME}/machine");
        let before = [
            "--unshare-user",
            "--bind",
            root.as_str(),
            "/",
            "--ro-bind",
            "/opt/busybox",
            "/bin/busybox",
            "--ro-bind",
            MEDIUM,
            MEDIUM,
            "--ro-bind",
            "/proc",
            "/proc",
            "--dev",
            "/dev",
            "--clearenv",
            "--setenv",
            "HOME",
            "/root",
            "--setenv",
            "PATH",
            "/bin",
            "--chdir",
            "/root/project",
            "--",
        ];
        let arguments: Vec<_> = before.iter().chain(words).copied().collect();
        let command = self.desk.command(Path::new("/usr/bin/bwrap"), &arguments, Path::new(HOME));
        // Three times an answer: it is read from a cold disk.
        let ran = self.desk.run(&command, NO_STALL + 2 * Duration::from_secs(40));
        assert!(ran.exit.is_some_and(sandbox::Exit::success), "{words:?}: {ran:?}");
        ran.stdout.trim_end().to_owned()
    }
}

/// A bundle of the shared output with a C library in it, which begins with the installer.
fn bundle(directory: &Path) -> PathBuf {
    let store = tree::Store::at(directory.join("store")).unwrap();
    let staging = store.staging().unwrap();
    let all = Output::shared().path().join(".");
    succeed(Command::new("cp").args(["-a", "--reflink=auto"]).arg(all).arg(staging.path()));
    succeed(Command::new("chmod").arg("-R").arg("u+w").arg(staging.path()));
    let libraries = staging.path().join("lib/opencode/libc");
    fs::create_dir_all(&libraries).unwrap();
    for name in LIBRARIES {
        fs::copy(Path::new(DEBIANS).join(name), libraries.join(name)).unwrap();
    }
    let output = staging.commit().unwrap();

    let tool = directory.join("tool");
    for below in ["bin", "libexec"] {
        fs::create_dir_all(tool.join(below)).unwrap();
    }
    let installer = tool.join("libexec/opencode-cache-installer");
    static_installer(&installer);
    // The whole program takes a minute to be linked statically; what is not called needs only to be a program.
    fs::copy(&installer, tool.join("bin/opencode-cache")).unwrap();
    let file = directory.join("opencode.bundle");
    let mut command = Place::get().command(["bundle", "--level", "1", "--tool"]);
    succeed(command.arg(&tool).arg("--output").arg(&file).arg(output.path()));
    tree::remove_tree(output.path()).unwrap();
    file
}

/// Links the installer statically from what cargo compiled already: `cargo` itself would compile all of it once more, with the
/// features that this program alone wants.
fn static_installer(to: &Path) {
    let place = Place::get();
    let compiled = place.cli.parent().unwrap().join("deps");
    let mut libraries: Vec<_> = fs::read_dir(&compiled)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| {
            let name = entry.file_name().into_string().unwrap_or_default();
            name.starts_with("libinstall-") && name.ends_with(".rlib")
        })
        .map(|entry| (entry.metadata().unwrap().modified().unwrap(), entry.path()))
        .collect();
    libraries.sort();
    // The command line is linked with one.
    let (_, library) = libraries.pop().unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.current_dir(&place.repository).env("CARGO_PKG_VERSION", env!("CARGO_PKG_VERSION"));
    command.args(["--edition=2024", "--crate-name=opencode_cache_installer", "crates/installer/src/main.rs"]);
    command.args(["-Ctarget-feature=+crt-static", "-Cstrip=symbols", "--cap-lints=allow"]);
    command.arg("-L").arg(format!("dependency={}", compiled.display()));
    command.arg("--extern").arg(format!("install={}", library.display())).arg("-o").arg(to);
    succeed(&mut command);
}
