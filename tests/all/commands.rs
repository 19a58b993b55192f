//! What a configuration starts by `npx`: with `commands` in the manifest it is locked and built, and starts with no network, no node
//! and no npx; the agent's own shell is left alone.

use std::fs;
use std::path::{Path, PathBuf};

use lock::Lock;
use replay::llm::Script;
use sandbox::Bind;
use serde_json::{Value, json};
use testkit::desk::{self, Desk, MODEL, Outside};
use testkit::output::Output;
use testkit::site::{self, Site};

use crate::answers::NO_STALL;
use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("a_server_started_by_npx_answers", a_server_started_by_npx_answers),
    case("a_plain_opencode_starts_none", a_plain_opencode_starts_none),
    case("command_lines_are_read_one_way", command_lines_are_read_one_way),
    case("a_plan_looks_into_configuration_directories", a_plan_looks_into_configuration_directories),
    case("what_no_registry_has_is_refused", what_no_registry_has_is_refused),
];

const SERVER: &str = "@modelcontextprotocol/server-memory";
/// What the server answers without a graph.
const ANSWER: &str = "\"entities\": []";

/// What the user's configuration says of servers.
fn servers() -> Value {
    let command = ["npx", "-y", SERVER];
    json!({ "memory": { "type": "local", "command": command, "environment": { "MEMORY_FILE_PATH": "/tmp/memory" } } })
}

fn a_server_started_by_npx_answers() {
    let site = Site::provided();
    let manifest = site.read("opencode-cache.toml").unwrap();
    let kept = manifest.lines().filter(|line| !line.starts_with("providers") && !line.starts_with("plugins"));
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    site.write("mine.json", &json!({ "mcp": servers() }).to_string()).unwrap();
    site.write("opencode-cache.toml", &format!("{kept}config = [\"mine.json\"]\n")).unwrap();
    let plan = site.run(&["inspect", "--plan"]).unwrap().succeeds();
    assert!(plan.contains("started by command, not captured: npx"), "{plan}");
    assert!(plan.contains(&format!("add \"{SERVER}\" to `commands` in the manifest")), "{plan}");

    site.write("opencode-cache.toml", &format!("{kept}config = [\"mine.json\"]\ncommands = [\"*\"]\n"))
        .unwrap();
    let missing = site.run(&["lock", "--check"]).unwrap();
    assert!(missing.code == Some(1), "{missing:?}");
    site::run(site.command_online(&["lock"])).unwrap().succeeds();
    let lock = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap();
    assert!(lock.exercises.contains_key(&format!("executable:{SERVER}").parse().unwrap()));
    let plan = site.run(&["inspect", "--plan"]).unwrap().succeeds();
    assert!(plan.contains(&format!("mcp memory: captured as {SERVER}@")), "{plan}");

    site.run(&["build", "--offline"]).unwrap().succeeds();
    let output = fs::canonicalize(site.path("result")).unwrap();
    let (desk, sdk) = (machine(vec![Bind::read_only(&output, &output)]), output.join("bin/opencode"));
    let said = call(&desk, &sdk);
    assert!(said.contains(ANSWER), "{said}");
    assert_eq!(desk.attempts(), [""; 0], "attempts to leave");
    let doctor = site.command(&["doctor", "--config", "mine.json", "result"]);
    let doctor = site::run(doctor).unwrap();
    assert!(
        doctor.stdout.contains(&format!("MCP server memory: is in the output: captured as {SERVER}@")),
        "{doctor:?}"
    );
}

/// The control: the same binary without our work.
fn a_plain_opencode_starts_none() {
    let alone = PathBuf::from("/opt/stock/bin/opencode");
    let desk = machine(vec![Bind::read_only(Output::shared().binary(), &alone)]);
    let said = call(&desk, &alone);
    assert!(!said.contains(ANSWER), "{said}");
}

/// A machine without node whose model calls the server's tool.
fn machine(binds: Vec<Bind>) -> Desk {
    let script = Script::saying("nothing").calling("read it", "memory_read_graph", json!({}));
    let desk = Desk::with(Outside::Refused, script, binds);
    let mut config = desk::configuration(&desk.model_url(), "@ai-sdk/openai-compatible", &[]);
    config["mcp"] = servers();
    desk.write(".config/opencode/opencode.json", &config.to_string());
    desk
}

/// What the model's tool answered.
fn call(desk: &Desk, program: &Path) -> String {
    let command = desk.command(program, &["run", "-m", MODEL, "read it"], &desk.directory("project"));
    let ran = desk.run(&command.env("PATH", "/nothing/here"), NO_STALL);
    let turns = desk.asked().turns;
    let results: Vec<String> =
        turns.into_iter().flat_map(|turn| turn.results).map(|result| result.text.clone()).collect();
    format!("{}\n{ran:?}", results.join("\n"))
}

/// The output's script reads every case as the builder does, in the bun that OpenCode holds.
fn command_lines_are_read_one_way() {
    const CHECK: &str = r#"
const { read } = await import(process.argv[2] + "/commands.mjs")
const lines = []
for (const one of JSON.parse(process.argv[3])) {
  const found = read(one.command)
  const said = JSON.stringify([found?.spec ?? null, found?.executable, found?.arguments])
  if (said !== JSON.stringify([one.spec, one.executable, one.arguments])) lines.push(one.command.join(" ") + ": " + said)
}
console.log(lines.join("\n") || "one way")
"#;
    let site = Site::empty();
    site.write("check.mjs", CHECK).unwrap();
    let output = Output::shared().path();
    let mut bun = std::process::Command::new(Output::shared().binary());
    bun.env_clear().env("BUN_BE_BUN", "1").env("HOME", site.path("home")).current_dir(site.path("tmp"));
    bun.arg(site.path("check.mjs")).arg(output.join("lib/opencode"));
    bun.arg(include_str!("../../fixtures/commands/cases.json"));
    assert_eq!(site::run(bun).unwrap().succeeds(), "one way\n");
}

fn what_no_registry_has_is_refused() {
    let site = Site::empty();
    let manifest = site.read("opencode-cache.toml").unwrap();
    site.write("opencode-cache.toml", &format!("{manifest}commands = [\"github:user/server\"]\n")).unwrap();
    site.run(&["lock"]).unwrap().fails_with_next_step(3, "manifest-spec");
}

fn a_plan_looks_into_configuration_directories() {
    let site = Site::empty();
    let manifest = site.read("opencode-cache.toml").unwrap();
    site.write("opencode-cache.toml", &format!("{manifest}config_dirs = [\"mine/.opencode\"]\n")).unwrap();
    let command = |words: &[&str]| json!({ "type": "local", "command": words });
    let config = json!({ "mcp": {
        "one": command(&["npx", "-y", "some-server@1.2.3", "--key=secret"]),
        "two": command(&["uvx", "some-server"]),
    } });
    site.write("mine/.opencode/opencode.json", &config.to_string()).unwrap();
    // OpenCode reads none of that name in a project's directory.
    site.write("mine/.opencode/config.json", "{").unwrap();
    site.write("mine/.opencode/agent/deep/planner.md", "---\nmodel: anthropic/some\n---\n").unwrap();
    let plan = site.run(&["inspect", "--plan"]).unwrap();
    let said = |text: &str| assert!(plan.stdout.contains(text), "{text}: {plan:?}");
    said("mcp one: started by command, not captured: npx\n  mine/.opencode/opencode.json:1:");
    said("next step: add \"some-server@1.2.3\" to `commands` in the manifest");
    said("mcp two: started by command, not captured: uvx\n");
    said("uv tool install");
    said("provider anthropic: ");
    said("  mine/.opencode/agent/deep/planner.md model\n");
    assert!(!plan.stdout.contains("secret"), "{plan:?}");
}
