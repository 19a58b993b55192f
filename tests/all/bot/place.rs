//! A repository, its bare remote, and the steps of `.ci/refresh` run in it as a runner of GitHub's would.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::cli::{Place, succeed, told};

use super::github::{GitHub, REPOSITORY, TOKEN};

/// What stands in for our program: it moves the lock to what lies in `$NEWER`, and says what it is told to.
const TOOL: &str = r#"#!/bin/sh
echo "$@" >>"$ASKED"
[ "$1" = update ] && { [ ! -e "$NEWER" ] || cp "$NEWER" opencode.lock.json; echo "| OpenCode | 1.18.18 | 1.18.33 |"; exit "${UPDATES:-0}"; }
[ "$1" = build ] && { echo "::error::a line that commands GitHub"; exit "${BUILDS:-0}"; }
[ "$1" = inspect ] && { echo "a page" >"$3"; exit 0; }
[ "$1" = verify ] && { echo "what was seen" >"$3"; echo "run: <b>3</b> attempts to leave"; exit "${VERIFIES:-0}"; }
"#;

/// Runs git there; what it says.
pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    for (name, value) in [("NAME", "a test"), ("EMAIL", "test@example.org")] {
        git.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
    }
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    succeed(git.arg("-C").arg(directory).args(arguments))
}

/// A repository with a lock, where it is pushed to, and GitHub.
pub struct Bot {
    directory: TempDir,
    pub github: GitHub,
}

impl Bot {
    /// `systems` is whom the lock is for, and both of its versions.
    pub fn new(systems: &[&str]) -> Self {
        let directory = Place::get().directory("bot-");
        let [work, origin] = ["work", "origin"].map(|name| directory.path().join(name));
        for path in [&work, &origin] {
            fs::create_dir(path).unwrap();
        }
        git(&origin, &["init", "--quiet", "--bare", "--initial-branch=main"]);
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
        git(&work, &["remote", "add", "origin", origin.to_str().unwrap()]);
        let bot = Self { github: GitHub::new(&origin), directory };
        bot.script("tool/bin/opencode-cache", TOOL);
        bot.write("work/opencode-cache.toml", "opencode = \"latest\"\n");
        bot.write("work/README.md", "what else is there\n");
        for (file, version) in [("work/opencode.lock.json", "1.18.18"), ("newer", "1.18.33")] {
            let systems: serde_json::Map<_, _> =
                systems.iter().map(|system| ((*system).to_owned(), json!({}))).collect();
            bot.write(file, &json!({"opencode": version, "systems": systems}).to_string());
        }
        bot.commit();
        bot
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn script(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A program in the directory `programs`.
    pub fn program(&self, name: &str, text: &str) {
        self.script(&format!("programs/{name}"), &format!("#!/bin/sh\n{text}\n"));
    }

    /// What is there becomes what `main` is, here and there.
    pub fn commit(&self) {
        git(&self.path("work"), &["add", "--all"]);
        git(&self.path("work"), &["commit", "--quiet", "--allow-empty", "--message", "by a person"]);
        git(&self.path("work"), &["push", "--quiet", "origin", "main"]);
    }

    /// A step as a runner of GitHub's would run it, in a fresh checkout.
    pub fn step(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        git(&self.path("work"), &["reset", "--quiet", "--hard"]);
        let mut step = Command::new(Place::get().repository.join(".ci/refresh"));
        step.args(arguments).current_dir(self.path("work")).env_remove("GITHUB_TOKEN");
        step.env("GITHUB_ACTIONS", "true")
            .env("GITHUB_API_URL", self.github.address())
            .env("GITHUB_REPOSITORY", REPOSITORY);
        step.env("GITHUB_SERVER_URL", "https://github.example")
            .env("GITHUB_REF_NAME", "main")
            .env("GITHUB_RUN_ID", "42");
        step.env("GITHUB_OUTPUT", self.path("output")).env("GITHUB_STEP_SUMMARY", self.path("shown"));
        step.env("OPENCODE_CACHE", self.path("tool/bin/opencode-cache")).env("REFRESH_PAUSE", "0");
        step.env("NEWER", self.path("newer")).env("ASKED", self.path("asked"));
        let output = step.envs(environment.iter().copied()).output().unwrap();
        assert!(!told(&output).contains(TOKEN), "the token is printed");
        output
    }

    /// The repository's own manifest and lock, and the real program.
    pub fn with_committed_lock() -> Self {
        let (bot, place) = (Self::new(&[HERE]), Place::get());
        for name in ["opencode-cache.toml", "opencode.lock.json"] {
            fs::copy(place.repository.join(name), bot.path("work").join(name)).unwrap();
        }
        bot.commit();
        fs::copy(&place.cli, bot.path("tool/bin/opencode-cache")).unwrap();
        bot
    }

    /// `update`; what it hands to the next steps.
    pub fn update(&self) -> Vec<String> {
        self.update_with("--min-age 3d")
    }

    /// The same with these arguments of the verb.
    pub fn update_with(&self, arguments: &str) -> Vec<String> {
        let _ = fs::remove_file(self.path("output"));
        let output = self.step(&["update", "../candidate"], &[("UPDATE_ARGUMENTS", arguments)]);
        assert!(output.status.success(), "{}", told(&output));
        fs::read_to_string(self.path("output")).unwrap().lines().map(str::to_owned).collect()
    }

    /// `verify` on this machine, with what our program ends with.
    pub fn verify(&self, ends: &[(&str, &str)]) -> Output {
        let _ = fs::remove_dir_all(self.path("results"));
        self.step(&["verify", "../candidate", HERE, "../results"], ends)
    }

    pub fn propose(&self) -> Output {
        self.propose_with(&[])
    }

    pub fn propose_with(&self, more: &[(&str, &str)]) -> Output {
        let environment: Vec<_> = more.iter().copied().chain([("GITHUB_TOKEN", TOKEN)]).collect();
        self.step(&["propose", "../candidate", "../results"], &environment)
    }

    /// All three, as the workflow has them; what the last one said.
    pub fn run(&self, ends: &[(&str, &str)]) -> String {
        assert_eq!(self.update()[0], "changed=true");
        self.verify(ends);
        let output = self.propose();
        assert!(output.status.success(), "{}", told(&output));
        told(&output)
    }

    /// The version in the lock of a branch out there.
    pub fn version(&self, branch: &str) -> String {
        let text = git(&self.path("origin"), &["show", &format!("{branch}:opencode.lock.json")]);
        serde_json::from_str::<Value>(&text).unwrap()["opencode"].as_str().unwrap().to_owned()
    }
}

pub const BRANCH: &str = "opencode-cache/refresh";
#[cfg(target_arch = "aarch64")]
pub const HERE: &str = "aarch64-linux";
#[cfg(not(target_arch = "aarch64"))]
pub const HERE: &str = "x86_64-linux";
/// Another one, that no machine here can run.
pub const ELSEWHERE: &str = if cfg!(target_arch = "aarch64") { "x86_64-linux" } else { "aarch64-linux" };
