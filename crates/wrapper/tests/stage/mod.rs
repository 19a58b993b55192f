//! A stage for the real wrapper: outputs in a store, a home, and `cat` in OpenCode's place, which shows
//! its own arguments and environment through `/proc/self`.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by test programs that each use a part; and it is a test"
)]

use linkmap::{LinkMap, Root};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output as Run};
use tempfile::TempDir;

pub const ENVIRONMENT: &str = "/proc/self/environ";
pub const ARGUMENTS: &str = "/proc/self/cmdline";

/// A directory with a store and a home.
pub struct Stage {
    directory: TempDir,
}

/// An output in the stage's store.
pub struct Output {
    pub root: PathBuf,
}

impl Stage {
    pub fn new() -> Stage {
        let stage = Stage { directory: TempDir::new().unwrap() };
        fs::create_dir_all(stage.path("store")).unwrap();
        fs::create_dir_all(stage.path("home")).unwrap();
        stage
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        // `/tmp` itself may be a link; what the wrapper writes has it resolved.
        self.directory.path().canonicalize().unwrap().join(relative)
    }

    pub fn home(&self, relative: &str) -> PathBuf {
        self.path("home").join(relative)
    }

    pub fn cache(&self, relative: &str) -> PathBuf {
        self.home(".cache-nix/opencode").join(relative)
    }

    pub fn config(&self, relative: &str) -> PathBuf {
        self.home(".config/opencode").join(relative)
    }

    /// An output whose digest is `letter` 32 times. Every source of the map exists; its content is
    /// `content of LETTER`, and a link's source is a directory with a file `content`.
    pub fn output(&self, letter: char, map: &Wanted) -> Output {
        let digest = letter.to_string().repeat(32);
        let root = self.path("store").join(format!("{digest}-opencode-cache"));
        let (bin, lib) = (root.join("bin"), root.join("lib/opencode"));
        for directory in [&bin, &lib.join("bin")] {
            fs::create_dir_all(directory).unwrap();
        }
        copy_program(Path::new(shipped::PATH), &bin.join("opencode"));
        copy_program(&program("cat"), &lib.join("bin/opencode"));
        fs::write(lib.join("restore.mjs"), "").unwrap();
        fs::create_dir_all(root.join("fallback/opencode/bin")).unwrap();

        let mut text = LinkMap::new("lib/opencode/bin/opencode", &map.root);
        text.restore("lib/opencode/restore.mjs").fallback("fallback");
        for (name, value) in &map.env {
            text.env(name, value);
        }
        for (kind, root_word, dest) in &map.entries {
            let source = format!("{}/{dest}", root_word.word());
            let place = root.join(&source);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            let content = format!("content of {letter}\n");
            match *kind {
                "link" => {
                    fs::create_dir_all(&place).unwrap();
                    fs::write(place.join("content"), &content).unwrap();
                    text.link(*root_word, dest, &source);
                }
                "copy" => {
                    fs::write(&place, &content).unwrap();
                    text.copy(*root_word, dest, &source, content.as_bytes());
                }
                "force" => {
                    fs::write(&place, &content).unwrap();
                    text.force(*root_word, dest, &source);
                }
                _ => {
                    text.keep(*root_word, dest);
                }
            }
        }
        fs::write(root.join("linkmap"), text.render().unwrap()).unwrap();
        Output { root }
    }

    /// The wrapper of `output` with this stage's home and nothing else in its environment.
    pub fn command(&self, output: &Output) -> Command {
        let mut command = Command::new(output.root.join("bin/opencode"));
        command.env_clear().env("HOME", self.path("home"));
        command
    }

    /// Starts `output`; it must become the target without a word.
    pub fn start(&self, output: &Output) {
        let run = self.command(output).arg("/dev/null").output().unwrap();
        assert_eq!(stderr(&run), "");
        assert!(run.status.success(), "{:?}", run.status);
    }

    /// Starts `output`; it must become the target after exactly one line on stderr, which is given.
    pub fn start_with_a_word(&self, output: &Output) -> String {
        let run = self.command(output).arg("/dev/null").output().unwrap();
        assert!(run.status.success(), "{:?}", run.status);
        one_line(&run)
    }

    /// Everything in the home: path to link target, content or `directory`, with files' own bytes.
    pub fn listing(&self) -> BTreeMap<String, String> {
        let mut listing = BTreeMap::new();
        list(&self.path("home"), "", &mut listing);
        listing
    }
}

fn list(directory: &Path, prefix: &str, listing: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if kind.is_dir() {
            list(&path, &format!("{name}/"), listing);
            listing.insert(name, "directory".to_owned());
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            listing.insert(name, format!("-> {}", target.display()));
        } else {
            let content = fs::read(&path).unwrap();
            listing.insert(name, String::from_utf8_lossy(&content).into_owned());
        }
    }
}

/// What a map wants, in short.
#[derive(Clone)]
pub struct Wanted {
    root: String,
    env: Vec<(String, String)>,
    entries: Vec<(&'static str, Root, String)>,
}

impl Wanted {
    pub fn new() -> Wanted {
        Wanted::in_root("opencode")
    }

    pub fn in_root(root: &str) -> Wanted {
        Wanted { root: root.to_owned(), env: Vec::new(), entries: Vec::new() }
    }

    pub fn with(mut self, kind: &'static str, root: Root, dest: &str) -> Wanted {
        self.entries.push((kind, root, dest.to_owned()));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Wanted {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What a real map of era C has, and one entry of each kind.
    pub fn usual() -> Wanted {
        Wanted::new()
            .with("keep", Root::Cache, "bin")
            .with("copy", Root::Cache, "models.json")
            .with("link", Root::Cache, "packages/@ai-sdk/fireworks")
            .with("link", Root::Cache, "packages/plugin@latest")
            .with("force", Root::Cache, "version")
            .with("link", Root::Config, "node_modules")
            .with("copy", Root::Config, "package-lock.json")
            .with("copy", Root::Config, "package.json")
            .with("link", Root::Data, "bin/rg")
    }
}

impl Output {
    pub fn file(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Whether `place` is a link to `source` in this output.
    #[track_caller]
    pub fn assert_link(&self, place: &Path, source: &str) {
        assert_eq!(fs::read_link(place).unwrap(), self.root.join(source));
    }
}

pub fn stderr(run: &Run) -> String {
    String::from_utf8_lossy(&run.stderr).into_owned()
}

/// The one line on stderr.
#[track_caller]
pub fn one_line(run: &Run) -> String {
    let text = stderr(run);
    assert_eq!(text.matches('\n').count(), 1, "not one line: {text:?}");
    assert!(text.starts_with("opencode-cache: "), "{text:?}");
    text
}

/// NUL-separated strings, as `/proc` shows them.
pub fn strings(run: &Run) -> Vec<String> {
    let strings = run.stdout.split(|byte| *byte == 0);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    strings.filter(|bytes| !bytes.is_empty()).map(text).collect()
}

/// Copies a program by `cp`: were this process to write it, a child that another test's thread forks at
/// that moment would hold it open for writing, and executing it would fail (`Text file busy`).
fn copy_program(from: &Path, to: &Path) {
    let status = Command::new(program("cp")).arg(from).arg(to).status();
    assert!(status.unwrap().success());
}

/// A program of the machine.
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut found = std::env::split_paths(&path).map(|directory| directory.join(name));
    let found = found.find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("the program {name} is needed for this test"))
}

pub fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub fn link(target: impl AsRef<OsStr>, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target.as_ref(), path).unwrap();
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

pub fn is_absent(path: &Path) -> bool {
    path.symlink_metadata().is_err()
}

/// Runs a shell script with these arguments in a mount namespace of its own; it must succeed.
#[track_caller]
pub fn in_namespace(stage: &Stage, script: &str, arguments: &[&Path]) -> Run {
    let mut command = Command::new(program("unshare"));
    command.args(["-Urm", "--propagation", "private", "sh", "-euc", script, "sh"]).args(arguments);
    command.env_clear().env("HOME", stage.path("home")).env("PATH", std::env::var_os("PATH").unwrap());
    let run = command.output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    run
}

/// The names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
