//! The programs that OpenCode starts see the user's environment, not ours: shell tool, MCP server, language server and formatter
//! under our wrapper are compared, whole, with the same under stock OpenCode.

mod programs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use testkit::desk::{Desk, HOME, MODEL, Outside};
use testkit::output::Output;

use crate::answers::{PLUGIN, SDK};
use crate::{Case, case};
use programs::Environment;

/// The module's cases: one for each kind of user.
pub const CASES: &[Case] = &[
    case("usual_cache_home", || programs_see_what_stock_programs_see(&[PREFIX])),
    case("cache_home_of_the_users_own", || {
        programs_see_what_stock_programs_see(&[PREFIX, ("XDG_CACHE_HOME", "/home/user/caches")]);
    }),
    case("proxy", || programs_see_what_stock_programs_see(PROXY)),
    case("proxy_in_small_letters", || programs_see_what_stock_programs_see(SMALL_PROXY)),
    case("proxy_without_exceptions", || programs_see(UNBOUNDED_PROXY, &[("NO_PROXY", "127.0.0.1")])),
    case("configuration_in_a_variable", || programs_see_what_stock_programs_see(&CARRIERS[..1])),
    case("configuration_in_a_file_too", || programs_see_what_stock_programs_see(&CARRIERS[..2])),
    case("configuration_in_every_place", || programs_see_what_stock_programs_see(CARRIERS)),
];

/// A user who has set a few things that matter to programs.
const USERS: &[(&str, &str)] = &[
    ("TMPDIR", "/home/user/temporary"),
    ("npm_config_loglevel", "warn"),
    ("LANG", "C.UTF-8"),
    ("EMPTY", ""),
    // What the wrapper lends must not be what the user has.
    ("npm_config_registry", "http://127.0.0.1:9/"),
];

/// Where npm does not find its settings beside the binary; not with every carrier taken, where nothing can be lent.
const PREFIX: (&str, &str) = ("NPM_CONFIG_PREFIX", "/home/user/.npm-global");

/// A proxy that nobody answers at; stock OpenCode needs the exception to reach the model.
const PROXY: &[(&str, &str)] = &[
    ("HTTP_PROXY", "http://127.0.0.1:9"),
    ("HTTPS_PROXY", "http://127.0.0.1:9"),
    ("NO_PROXY", "example.org,127.0.0.1"),
];

/// The same, and what is empty is still set.
const SMALL_PROXY: &[(&str, &str)] = &[
    ("http_proxy", "http://127.0.0.1:9"),
    ("https_proxy", "http://127.0.0.1:9"),
    ("no_proxy", "127.0.0.1"),
    ("NO_PROXY", ""),
];

/// The same without any: only under our wrapper is the model reached.
const UNBOUNDED_PROXY: &[(&str, &str)] =
    &[("HTTP_PROXY", "http://127.0.0.1:9"), ("HTTPS_PROXY", "http://127.0.0.1:9")];

/// The variables that may carry the restore plugin, in the order in which the wrapper tries them, with the user's own in them.
const CARRIERS: &[(&str, &str)] = &[
    ("OPENCODE_CONFIG_CONTENT", "{\"username\":\"somebody\"}"),
    ("OPENCODE_CONFIG", "/home/user/own.json"),
    ("OPENCODE_CONFIG_DIR", "/home/user/own-configuration"),
];

/// Long enough for a start and three questions on a busy machine; whether anything stalls is asked elsewhere.
const ENOUGH: Duration = Duration::from_secs(60);

fn programs_see_what_stock_programs_see(more: &[(&str, &str)]) {
    programs_see(more, &[]);
}

/// In a bare directory, and in a project with an unseeded `.opencode`. `crutch` is what stock OpenCode needs to work at all; nothing
/// is to see it.
fn programs_see(more: &[(&str, &str)], crutch: &[(&str, &str)]) {
    let output = Output::shared();
    let user: Vec<_> = USERS.iter().chain(more).copied().collect();
    let mut expected = with_stock(output, &user.iter().chain(crutch).copied().collect::<Vec<_>>());
    for environment in expected.values_mut() {
        environment.retain(|name, _| !crutch.iter().any(|(crutch, _)| name == crutch));
    }
    let desk = machine(vec![sandbox::Bind::read_only(output.path(), output.path())], &user);
    programs::configure(&desk, SDK, &[PLUGIN]);
    let project = desk.directory("project/.opencode");
    for directory in [&desk.directory("bare"), project.parent().unwrap()] {
        let seen = environments(&desk, &output.wrapper(), directory, &user);
        for (program, environment) in &seen {
            let what = format!("the {program} in {}", directory.display());
            same(environment, &expected[program], &what);
        }
        let working = seen["shell tool"].get("PWD").map(Path::new);
        assert_eq!(working, Some(directory), "the shell tool's own directory");
    }
}

/// The same on a machine of its own with the release binary alone: it leaves locks behind on its way out, which a next OpenCode
/// waits for.
fn with_stock(output: &Output, user: &[(&str, &str)]) -> BTreeMap<&'static str, Environment> {
    let stock = Path::new("/opt/stock/bin/opencode");
    let desk = machine(vec![sandbox::Bind::read_only(output.binary(), stock)], user);
    // Without a plugin and with an SDK that is built in, stock OpenCode answers offline too.
    programs::configure(&desk, "@ai-sdk/openai-compatible", &[]);
    let seen = environments(&desk, stock, &desk.directory("bare"), user);
    for (program, environment) in &seen {
        for (name, value) in user {
            let found = environment.get(*name).map(String::as_str);
            assert_eq!(found, Some(*value), "stock OpenCode: {name} of the {program}");
        }
    }
    seen
}

/// A machine with the places that the user's variables name.
fn machine(binds: Vec<sandbox::Bind>, user: &[(&str, &str)]) -> Desk {
    let desk = Desk::with(Outside::Refused, programs::script(), binds);
    for (name, place) in user.iter().filter(|(_, value)| value.starts_with(HOME)) {
        match *name {
            "OPENCODE_CONFIG" => desk.sandbox().write(place, b"{}").unwrap(),
            _ => desk.sandbox().make_directory(place).unwrap(),
        }
    }
    desk
}

/// Every variable of either is in both, and has the same value; a few of OpenCode's own apart.
fn same(seen: &Environment, expected: &Environment, what: &str) {
    let names: BTreeSet<_> = seen.keys().chain(expected.keys()).filter(|name| !is_own(name)).collect();
    let both = names.into_iter().map(|name| (name, seen.get(name), expected.get(name)));
    let different: Vec<_> = both.filter(|(_, seen, expected)| seen != expected).collect();
    assert!(different.is_empty(), "{what} sees (variable, ours, with stock OpenCode) {different:#?}");
}

/// Whether OpenCode itself sets a variable anew at every start, or the link map sets it for good, in OpenCode's own namespace:
/// settings that an OpenCode which a tool starts is to have too.
fn is_own(name: &str) -> bool {
    // npm says who it is once something was to be installed, with and without us.
    matches!(name, "OPENCODE_PID" | "PWD" | "npm_config_user_agent") || name.starts_with("OPENCODE_DISABLE_")
}

/// What each program has for an environment that `program`, started in `directory` by a user with these variables, starts.
fn environments(
    desk: &Desk,
    program: &Path,
    directory: &Path,
    user: &[(&str, &str)],
) -> BTreeMap<&'static str, Environment> {
    let mut command = desk.command(program, &["run", "-m", MODEL, programs::TRIGGER], directory);
    for (name, value) in user {
        command = command.env(name, value);
    }
    programs::forget(desk);
    let before = desk.asked().turns.len();
    let ran = desk.run(&command, ENOUGH);
    let turns = desk.asked().turns.split_off(before);
    let last = turns.iter().rfind(|turn| turn.results.len() == 2);
    let last =
        last.unwrap_or_else(|| panic!("the shell tool or the write tool was not run: {ran:?}\n{turns:?}"));
    assert!(last.tools.iter().any(|tool| tool == "noted_tool"), "the MCP server was not understood: {ran:?}");
    programs::seen(desk, &last.results[0].text)
}
