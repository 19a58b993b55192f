//! The programs that OpenCode starts see the user's environment, not ours: the model asks for the shell tool and looks.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use replay::llm::Script;
use serde_json::json;
use testkit::desk::{Desk, HOME, MODEL, Outside};
use testkit::output::Output;

use crate::answers::{PLUGIN, SDK};
use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("usual_cache_home", || tools_see_what_stock_tools_see(&[])),
    case("cache_home_of_the_users_own", || {
        tools_see_what_stock_tools_see(&[("XDG_CACHE_HOME", "/home/user/caches")]);
    }),
];

/// A user who has set a few things that matter to programs.
const USERS: &[(&str, &str)] = &[
    ("TMPDIR", "/home/user/temporary"),
    ("npm_config_loglevel", "warn"),
    ("NPM_CONFIG_PREFIX", "/home/user/.npm-global"),
    ("LANG", "C.UTF-8"),
    ("EMPTY", ""),
    // What the wrapper lends must not be what the user has.
    ("npm_config_registry", "http://127.0.0.1:9/"),
];

/// Long enough for a start and two questions on a busy machine; whether anything stalls is asked elsewhere.
const ENOUGH: Duration = Duration::from_secs(60);

/// Makes the model ask for the environment.
const TRIGGER: &str = "show the environment";

type Environment = BTreeMap<String, String>;

/// In the configured project, in a directory with an unseeded `.opencode` and in a bare one.
fn tools_see_what_stock_tools_see(more: &[(&str, &str)]) {
    let stock = Path::new("/opt/stock/bin/opencode");
    let output = Output::shared();
    let script = Script::saying("nothing").calling(
        TRIGGER,
        "bash",
        json!({ "command": "env | sort", "description": "Shows the environment" }),
    );
    let binds = vec![
        sandbox::Bind::read_only(output.path(), output.path()),
        sandbox::Bind::read_only(output.binary(), stock),
    ];
    let desk = Desk::with(Outside::Refused, script, binds);
    let user: Vec<_> = USERS.iter().chain(more).copied().collect();
    for (_, directory) in user.iter().filter(|(_, value)| value.starts_with(HOME)) {
        desk.sandbox().make_directory(directory).unwrap();
    }
    // Without a plugin and with an SDK that is built in, stock OpenCode answers offline too.
    desk.configure("@ai-sdk/openai-compatible", &[]);
    let bare = desk.directory("bare");
    let expected = environment(&desk, stock, &bare, &user);
    for (name, value) in &user {
        assert_eq!(expected.get(*name).map(String::as_str), Some(*value), "stock OpenCode: {name}");
    }
    desk.configure(SDK, &[PLUGIN]);
    let project = desk.directory("project/.opencode");
    for directory in [bare.as_path(), project.parent().unwrap(), &bare] {
        let seen = environment(&desk, &output.wrapper(), directory, &user);
        let what = format!("in {}: {seen:#?}\nstock OpenCode: {expected:#?}", directory.display());
        assert_eq!(seen.get("PWD").map(Path::new), Some(directory), "{what}");
        for (name, value) in seen.iter().filter(|(name, _)| !is_own(name)) {
            assert_eq!(Some(value), expected.get(name), "{name} {what}");
        }
        for name in expected.keys().filter(|name| !is_own(name)) {
            assert!(seen.contains_key(name), "{name} is gone {what}");
        }
    }
}

/// Whether OpenCode itself sets a variable anew at every start, or the link map sets it for good, in OpenCode's own namespace:
/// settings that an OpenCode which a tool starts is to have too.
fn is_own(name: &str) -> bool {
    // npm says who it is once something was to be installed, with and without us.
    matches!(name, "OPENCODE_PID" | "PWD" | "npm_config_user_agent") || name.starts_with("OPENCODE_DISABLE_")
}

/// What the shell tool of `program`, started in `directory` by a user with these variables, has for an environment.
fn environment(desk: &Desk, program: &Path, directory: &Path, user: &[(&str, &str)]) -> Environment {
    let mut command = desk.command(program, &["run", "-m", MODEL, TRIGGER], directory);
    for (name, value) in user {
        command = command.env(name, value);
    }
    let before = desk.asked().turns.len();
    let ran = desk.run(&command, ENOUGH);
    let turns = desk.asked().turns.split_off(before);
    let result = turns.last().and_then(|turn| turn.results.last());
    let result = result.unwrap_or_else(|| panic!("the shell tool was not run: {ran:?}"));
    result
        .text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
