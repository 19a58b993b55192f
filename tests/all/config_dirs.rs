//! Config directories with packages of their own: what a project's `.opencode/package.json` and the global one ask for is
//! locked, and tools and local plugins of both find it with no network, with nothing written beside them.

use std::fs;
use std::path::Path;

use replay::llm::Script;
use sandbox::Bind;
use serde_json::{Value, json};
use testkit::desk::{Desk, MODEL, Outside};
use testkit::site::{self, Ran, Site};

use crate::answers::{NO_STALL, PLUGIN, SDK};
use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] =
    &[case("tools_and_plugins_find_their_packages", tools_and_plugins_find_their_packages)];

/// One that imports OpenCode's library, a file beside it, and of its package.json a package, a file of that package, and one that
/// nobody names: native, and brought by OpenCode's library.
const FIRST: &str = r#"
import { tool } from "@opencode-ai/plugin"
import version from "ms/package.json"
import { extractStrings } from "msgpackr-extract"
import { minute } from "../lib/minute"
export default tool({
  description: "import nothing from \"ms\"",
  args: {},
  execute: async () => [minute(), version.version, typeof extractStrings].join(" "),
})
"#;

/// In CommonJS' words, and beside it an import that is nobody's business.
const LIBRARY: &str = "const ms = require(\"ms\")\nexport const minute = () => ms(60000)\n";

/// Another version of the same package, and one that is imported late.
const SECOND: &str = r#"
import { tool } from "@opencode-ai/plugin/tool"
import { version } from "ms/package.json"
export default tool({
  description: "second",
  args: {},
  execute: async () => [(await import("ms")).default(60000), version].join(" "),
})
"#;

/// A local plugin, which OpenCode loads beside the one that the wrapper has it load.
const LOCAL: &str = r#"
import { tool } from "@opencode-ai/plugin"
import ms from "ms"
export const Local = async () => ({
  tool: { third: tool({ description: "third", args: {}, execute: async () => "plugin " + ms(1000) }) },
})
"#;

const GLOBAL: &str = r#"
import { tool } from "@opencode-ai/plugin"
import isNumber from "is-number"
export default tool({ description: "fourth", args: {}, execute: async () => "global " + isNumber("5") })
"#;

/// What each directory's package.json says.
const PACKAGES: &[(&str, &str)] = &[
    ("mine", r#"{ "dependencies": { "is-number": "7.0.0" } }"#),
    ("one/.opencode", r#"{ "devDependencies": { "ms": "2.1.3" } }"#),
    ("two/.opencode", r#"{ "dependencies": { "ms": "2.0.0" } }"#),
];

fn online(site: &Site, arguments: &[&str]) -> Ran {
    site::run(site.command_online(arguments)).unwrap()
}

fn tools_and_plugins_find_their_packages() {
    let site = Site::provided();
    for (directory, text) in PACKAGES {
        site.write(&format!("{directory}/package.json"), text).unwrap();
    }
    let manifest = site.read("opencode-cache.toml").unwrap();
    let directories: Vec<&str> = PACKAGES.iter().map(|(directory, _)| *directory).collect();
    site.write("opencode-cache.toml", &format!("{manifest}config_dirs = {directories:?}\n")).unwrap();
    online(&site, &["lock"]).succeeds();
    let lock: Value = serde_json::from_str(&site.read("opencode.lock.json").unwrap()).unwrap();
    let wanted = |name: &str, package: &str| lock["exercises"][name]["dependencies"][package].clone();
    assert_eq!(wanted("config-dir", "is-number"), "7.0.0");
    assert_eq!(wanted("config-dir", "ms"), Value::Null);
    assert_eq!(wanted("config-dir:one/.opencode", "ms"), "2.1.3");
    assert_eq!(wanted("config-dir:two/.opencode", "ms"), "2.0.0");

    online(&site, &["fetch"]).succeeds();
    site.run(&["build", "--offline"]).unwrap().succeeds();
    let output = fs::canonicalize(site.path("result")).unwrap();
    for captured in ["config/node_modules/is-number", "config-dirs/one%2F.opencode/node_modules/ms"] {
        assert!(output.join(captured).join("package.json").is_file(), "{captured}");
    }
    let desk = machine(&output);
    in_one_run(&desk, &output);
    in_one_server(&desk, &output);
    nothing_is_left_beside(&desk);
    assert_eq!(desk.attempts(), [""; 0], "attempts to leave");
}

/// A user's machine with the output on it, the tools in place, and a model that calls each by name.
fn machine(output: &Path) -> Desk {
    let script =
        ["first", "second", "third", "fourth"].iter().fold(Script::saying("nothing"), |script, tool| {
            script.calling(format!("call {tool}"), *tool, json!({}))
        });
    let desk = Desk::with(Outside::Refused, script, vec![Bind::read_only(output, output)]);
    desk.configure(SDK, &[PLUGIN]);
    for (directory, text) in PACKAGES {
        let place = if *directory == "mine" { ".config/opencode" } else { directory };
        desk.write(&format!("{place}/package.json"), text);
    }
    desk.write(".config/opencode/tool/fourth.ts", GLOBAL);
    desk.write("one/.opencode/tool/first.ts", FIRST);
    desk.write("one/.opencode/lib/minute.ts", LIBRARY);
    desk.write("one/.opencode/plugin/local.ts", LOCAL);
    desk.write("two/.opencode/tools/second.js", SECOND);
    desk
}

/// What the tool answered the model.
fn answer(desk: &Desk, before: usize) -> String {
    let turns = desk.asked().turns.split_off(before);
    let results: Vec<_> = turns.into_iter().flat_map(|turn| turn.results).collect();
    results.first().map(|result| result.text.clone()).unwrap_or_default()
}

/// Plugins are loaded at once, before anything else.
fn in_one_run(desk: &Desk, output: &Path) {
    let before = desk.asked().turns.len();
    let arguments = ["run", "-m", MODEL, "call third"];
    let command = desk.command(&output.join("bin/opencode"), &arguments, &desk.directory("one"));
    let ran = desk.run(&command, NO_STALL);
    assert_eq!(answer(desk, before), "plugin 1s", "{ran:?}");
}

/// Two projects have two versions of one package in one process.
fn in_one_server(desk: &Desk, output: &Path) {
    let server = desk.serve(&output.join("bin/opencode"), &desk.directory("one"), NO_STALL);
    let first = ("one", "first", "1m 2.1.3 function");
    for (project, tool, said) in [("two", "second", "1m 2.0.0"), first, ("one", "fourth", "global true")] {
        let before = desk.asked().turns.len();
        let (whole, _) = server.converse(&desk.directory(project), &format!("call {tool}"), NO_STALL);
        assert_eq!(answer(desk, before), said, "{tool}: {whole}");
    }
}

/// OpenCode itself writes a `.gitignore`; the package.json is still the user's.
fn nothing_is_left_beside(desk: &Desk) {
    for (directory, text) in &PACKAGES[1..] {
        let below = |path: &String| path.strip_prefix(&format!("{directory}/")).map(str::to_owned);
        let found: Vec<_> = desk.home().keys().filter_map(below).collect();
        let ours = ["node_modules", "package-lock.json"];
        assert!(!found.iter().any(|path| ours.contains(&path.as_str())), "{directory}: {found:?}");
        let path = format!("/home/user/{directory}/package.json");
        assert_eq!(desk.sandbox().read(path, 4096).unwrap(), text.as_bytes(), "{directory}");
    }
}
