//! OpenCode answers where a plain one, with the same cache and settings, does not: each place is shown both ways.

use std::path::{Path, PathBuf};
use std::time::Duration;

use replay::llm::Script;
use sandbox::{Bind, Command};
use testkit::desk::{Desk, MODEL, Outside, Ran};
use testkit::output::Output;

use crate::answers::{NO_STALL, PLUGIN, SDK, desk};
use crate::{Case, case, waiting};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("a_home_that_cannot_be_written", home_that_cannot_be_written),
    case("a_custom_tool_where_nobody_installed_its_library", custom_tool),
    waiting("a_proxy_that_does_not_know_this_machine", proxy),
    waiting("an_install_lock_that_a_killed_one_left", killed_one),
];

const ANSWER: &str = "an answer in a hard place";

/// What shows that a plain OpenCode waits: half of what its stalls take.
const WAITS: Duration = Duration::from_secs(30);

/// The real binary of the output, with its settings beside it: what a wrapper that only executes would start.
fn plain() -> PathBuf {
    Output::shared().path().join("lib/opencode/bin/opencode")
}

/// A user's home on the desk, where the wrapper lays the cache.
const HOME: &str = "/home/user";
const CACHE: &str = "/home/user/.cache-nix";

/// A question, asked with these variables and no others but PATH.
fn ask(desk: &Desk, program: &Path, directory: &Path, variables: &[(&str, &str)], limit: Duration) -> Ran {
    let arguments = ["run", "-m", MODEL, "hello"];
    let words = std::iter::once(program.as_os_str()).chain(arguments.iter().map(AsRef::as_ref));
    let command = Command::new(words, directory).env("PATH", "/usr/bin:/bin");
    let set = |command: Command, (name, value): &(&str, &str)| command.env(*name, *value);
    desk.run(&variables.iter().fold(command, set), limit)
}

fn answers(ran: &Ran) -> bool {
    ran.exit.is_some_and(sandbox::Exit::success) && ran.stdout.contains(ANSWER)
}

/// HOME is a directory that nobody can write to; the configuration is elsewhere, as the user says.
fn home_that_cannot_be_written() {
    let desk = desk(Outside::Refused, Script::saying(ANSWER));
    let project = desk.directory("project");
    let users = [("HOME", "/proc/self"), ("XDG_CONFIG_HOME", "/home/user/.config")];
    let ran = ask(&desk, &Output::shared().wrapper(), &project, &users, NO_STALL);
    assert!(answers(&ran), "{ran:?}");
    let said: Vec<_> = ran.stderr.lines().filter(|line| line.starts_with("opencode-cache: ")).collect();
    assert_eq!(said.len(), 1, "{ran:?}");
    assert!(said[0].contains("until then OpenCode writes to "), "{said:?}");

    let fallback = Output::shared().path().join("fallback").display().to_string();
    let same = [users[0], users[1], ("XDG_CACHE_HOME", &fallback)];
    let ran = ask(&desk, &plain(), &project, &same, NO_STALL);
    assert!(!answers(&ran), "a plain OpenCode does as well: {ran:?}");
}

/// A project's tool imports what OpenCode would install beside it, if it could.
fn custom_tool() {
    let desk = desk(Outside::Refused, Script::saying(ANSWER));
    let tool = "import { tool } from \"@opencode-ai/plugin\"
        export default tool({ description: \"t\", args: { text: tool.schema.string() }, execute: async () => \"t\" })";
    desk.write("project/.opencode/tool/weather.ts", tool);
    let project = desk.directory("project");
    let ran = ask(&desk, &Output::shared().wrapper(), &project, &[("HOME", HOME)], NO_STALL);
    assert!(answers(&ran), "{ran:?}");
    let turns = desk.asked().turns;
    let offered = turns.iter().any(|turn| turn.tools.iter().any(|tool| tool == "weather"));
    assert!(offered, "the tool was not offered: {turns:?}");
    let left = desk.home().into_keys().filter(|path| path.starts_with("project/.opencode/"));
    let left: Vec<_> = left.filter(|path| !path.ends_with(".gitignore")).collect();
    assert_eq!(left, ["project/.opencode/tool", "project/.opencode/tool/weather.ts"]);

    let same = [("HOME", HOME), ("XDG_CACHE_HOME", CACHE)];
    let ran = ask(&desk, &plain(), &project, &same, NO_STALL);
    assert!(!answers(&ran), "a plain OpenCode does as well: {ran:?}");
}

/// Every request goes to a proxy that is not there; the model is on this machine.
fn proxy() {
    let desk = desk(Outside::Refused, Script::saying(ANSWER));
    let project = desk.directory("project");
    let users = [("HOME", HOME), ("HTTP_PROXY", "http://127.0.0.1:9"), ("NO_PROXY", "corp.example")];
    let ran = ask(&desk, &Output::shared().wrapper(), &project, &users, NO_STALL);
    assert!(answers(&ran), "{ran:?}");
    let same = [users[0], users[1], users[2], ("XDG_CACHE_HOME", CACHE)];
    let ran = ask(&desk, &plain(), &project, &same, WAITS);
    assert!(!answers(&ran), "a plain OpenCode does as well: {ran:?}");
}

/// A start without npm's settings is killed while it installs into the configuration directory.
fn killed_one() {
    let (wrapper, stock) = (Output::shared().wrapper(), Path::new("/opt/stock/bin/opencode"));
    let cache = [("HOME", HOME), ("XDG_CACHE_HOME", CACHE)];
    for (program, users, waits) in [(wrapper.clone(), &cache[..1], false), (plain(), &cache[..], true)] {
        let shared = Output::shared();
        let binary = shared.binary();
        let binds = [(shared.path(), shared.path()), (binary.as_path(), stock)];
        let binds = binds.map(|(from, to)| Bind::read_only(from, to));
        let desk = Desk::with(Outside::Dropped, Script::saying(ANSWER), binds.into());
        desk.configure(SDK, &[PLUGIN]);
        let project = desk.directory("project/.opencode");
        let project = project.parent().unwrap();
        assert!(answers(&ask(&desk, &wrapper, project, &cache[..1], NO_STALL)));

        let ran = ask(&desk, stock, project, &cache, Duration::from_secs(15));
        assert_eq!(ran.exit, None, "it was not killed: {ran:?}");
        let ran = ask(&desk, &program, project, users, if waits { WAITS } else { NO_STALL });
        assert_eq!(answers(&ran), !waits, "{ran:?}");
    }
}
