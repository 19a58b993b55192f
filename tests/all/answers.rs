//! OpenCode answers on an output, with no network at all: a fresh HOME, a provider SDK that is not built in, a plugin, a project.

use std::path::Path;
use std::time::Duration;

use replay::llm::Script;
use testkit::cli::{Place, succeed};
use testkit::desk::{Desk, MODEL, Outside, Ran};
use testkit::output::Output;

use crate::{Case, case, waiting};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("version", version),
    case("nothing_but_loopback", || everywhere(Outside::Refused)),
    case("packets_dropped", || everywhere(Outside::Dropped)),
    case("name_server_silent", || everywhere(Outside::Silent)),
    case("serve_with_nothing_but_loopback", || sessions(Outside::Refused)),
    case("serve_with_packets_dropped", || sessions(Outside::Dropped)),
    case("serve_with_name_server_silent", || sessions(Outside::Silent)),
    case("npm_prefix_of_the_users_own", npm_prefix),
    waiting("without_our_work_nothing_but_loopback", || stock(Outside::Refused)),
    waiting("without_our_work_packets_dropped", || stock(Outside::Dropped)),
];

/// What the model says.
const ANSWER: &str = "an answer from the scripted model";
/// A provider SDK that is not built into OpenCode, in the committed lock.
pub const SDK: &str = "@ai-sdk/fireworks";
/// The plugin in the committed lock.
pub const PLUGIN: &str = "opencode-pty";
/// Nothing may wait longer: a stall of OpenCode's begins at 60 s, an answer takes 5 s on two cores and 20 s on busy ones.
pub const NO_STALL: Duration = Duration::from_secs(40);
/// What counts as a stall of over a minute.
const STALL: Duration = Duration::from_secs(61);

/// The wrapper starts exactly the locked version.
fn version() {
    let place = Place::get();
    let lock = std::fs::read_to_string(place.repository.join("opencode.lock.json")).unwrap();
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let home = place.directory("version-");
    let mut command = std::process::Command::new(Output::shared().wrapper());
    let said = succeed(command.arg("--version").env_clear().env("HOME", home.path()));
    assert_eq!(said, lock["opencode"].as_str().unwrap());
}

/// A desk with the output on it, and the configuration that the committed lock is made for.
pub fn desk(outside: Outside, script: Script) -> Desk {
    let desk = Desk::new(outside, script, &[Output::shared().path()]);
    desk.configure(SDK, &[PLUGIN]);
    desk
}

/// `run` answers at the first start and at the second, in a project with `.opencode`, in a second one, and in a bare directory; it
/// never waits, the plugin's tools are offered, and nothing tries to leave.
fn everywhere(outside: Outside) {
    let desk = desk(outside, Script::saying(ANSWER));
    let project = desk.directory("project/.opencode");
    let other = desk.directory("other/.opencode");
    desk.write("other/.opencode/opencode.json", "{}");
    let bare = desk.directory("bare");
    let (project, other) = (project.parent().unwrap(), other.parent().unwrap());
    for directory in [project, project, other, &bare] {
        let before = desk.asked().turns.len();
        let ran = run(&desk, &Output::shared().wrapper(), directory, NO_STALL);
        answered(&ran);
        let turns = desk.asked().turns.split_off(before);
        let offered = turns.iter().any(|turn| turn.tools.iter().any(|tool| tool == "pty_spawn"));
        assert!(offered, "the plugin's tools were not offered in {}: {turns:?}", directory.display());
    }
    assert_eq!(desk.attempts(), [""; 0], "attempts to leave");
}

/// npm looks for its global configuration below the user's own prefix, and not beside the binary: still nothing stalls.
fn npm_prefix() {
    let ways = [
        ("NPM_CONFIG_PREFIX", "/home/user/.npm-global", ""),
        ("PREFIX", "/home/user/.npm-global", ""),
        ("UNRELATED", "", "prefix=/home/user/.npm-global\n"),
    ];
    for (name, value, npmrc) in ways {
        let desk = desk(Outside::Refused, Script::saying(ANSWER));
        desk.write(".npmrc", npmrc);
        let project = desk.directory("project/.opencode");
        let arguments = ["run", "-m", MODEL, "hello"];
        let command = desk.command(&Output::shared().wrapper(), &arguments, project.parent().unwrap());
        answered(&desk.run(&command.env(name, value), NO_STALL));
    }
}

/// `serve` answers a session in a project, and one in a second directory that it meets later.
fn sessions(outside: Outside) {
    let desk = desk(outside, Script::saying(ANSWER));
    let project = desk.directory("project/.opencode");
    let other = desk.directory("other/.opencode");
    let (project, other) = (project.parent().unwrap(), other.parent().unwrap());
    let server = desk.serve(&Output::shared().wrapper(), project, NO_STALL);
    for directory in [project, other] {
        let (answer, elapsed) = server.converse(directory, "hello", NO_STALL);
        assert!(answer.to_string().contains(ANSWER), "{answer}");
        assert!(elapsed < NO_STALL, "{} took {elapsed:?}", directory.display());
    }
    assert_eq!(desk.attempts(), [""; 0], "attempts to leave");
}

/// The control: the same binary without our work, on the same machine, gives an error or stalls for over a minute.
fn stock(outside: Outside) {
    let binary = Output::shared().binary();
    let alone = Path::new("/opt/stock/bin/opencode");
    let bind = sandbox::Bind::read_only(binary, alone);
    let desk = Desk::with(outside, Script::saying(ANSWER), vec![bind]);
    desk.configure(SDK, &[PLUGIN]);
    let project = desk.directory("project/.opencode");
    let ran = run(&desk, alone, project.parent().unwrap(), STALL);
    let failed = ran.exit.is_some_and(|exit| !exit.success());
    assert!(ran.exit.is_none() || failed, "OpenCode needs none of this here: {ran:?}");
    assert!(!ran.stdout.contains(ANSWER), "{ran:?}");
}

fn run(desk: &Desk, program: &Path, directory: &Path, limit: Duration) -> Ran {
    desk.run(&desk.command(program, &["run", "-m", MODEL, "hello"], directory), limit)
}

/// It ended well, in time, and said what the model said.
fn answered(ran: &Ran) {
    assert!(ran.exit.is_some_and(sandbox::Exit::success), "{ran:?}");
    assert!(ran.stdout.contains(ANSWER), "{ran:?}");
}
