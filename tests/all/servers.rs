//! What is captured beside packages that a configuration names: a language server that the manifest asks for, and what a command
//! of the user's own leaves when the scripted model uses a tool.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lock::Lock;
use replay::llm::Script;
use testkit::desk::{Desk, Outside};
use testkit::output::Output;
use testkit::site::{self, Site};

use crate::{Case, case, waiting};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("a_language_server_gives_a_diagnostic", a_language_server_gives_a_diagnostic),
    waiting("a_plain_opencode_gives_none", a_plain_opencode_gives_none),
    case("what_cannot_be_captured_is_refused", what_cannot_be_captured_is_refused),
];

/// The place of the server's package.
const PLACE: &str = "cache/packages/dockerfile-language-server-nodejs";
/// What the server says of the file.
const DIAGNOSTIC: &str = "Unknown instruction: FRM";
/// The longest that a start with a server may take: 10 s when the machine is idle.
const LIMIT: Duration = Duration::from_secs(120);

/// One server by name; and the same by a command: the model writes a file of its language.
const WANTED: &str = r#"
language_servers = ["dockerfile"]

[exercises.writing]
run = ["run", "write a file"]
env = { OPENCODE_DISABLE_LSP_DOWNLOAD = "0" }
replies = [{ tool = "write", arguments = { filePath = "x.dockerfile", content = "FROM x\n" } }, "written"]
files = { "opencode.json" = '{"lsp": true}' }
"#;

fn a_language_server_gives_a_diagnostic() {
    let site = Site::provided();
    let manifest = site.read("opencode-cache.toml").unwrap();
    let kept = manifest.lines().filter(|line| !line.starts_with("providers") && !line.starts_with("plugins"));
    site.write("opencode-cache.toml", &(kept.collect::<Vec<_>>().join("\n") + WANTED)).unwrap();
    site::run(site.command_online(&["lock"])).unwrap().succeeds();
    let lock = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap();
    for name in ["language-server:dockerfile", "command:writing"] {
        let exercise = &lock.exercises[&name.parse().unwrap()];
        let fills: Vec<String> = exercise.fills.iter().map(ToString::to_string).collect();
        assert_eq!(fills, [PLACE], "{name}");
        assert!(!exercise.packages.is_empty(), "{name}");
    }

    site.run(&["build", "--offline"]).unwrap().succeeds();
    let output = std::fs::canonicalize(site.path("result")).unwrap();
    let desk = Desk::new(Outside::Refused, Script::saying("nothing"), &[&output]);
    let said = diagnose(&desk, &output.join("bin/opencode"));
    assert!(said.contains(DIAGNOSTIC), "{said}");
    assert_eq!(desk.attempts(), [""; 0], "attempts to leave");
}

/// The control: the same binary without our work.
fn a_plain_opencode_gives_none() {
    let alone = PathBuf::from("/opt/stock/bin/opencode");
    let bind = sandbox::Bind::read_only(Output::shared().binary(), &alone);
    let desk = Desk::with(Outside::Refused, Script::saying("nothing"), vec![bind]);
    let said = diagnose(&desk, &alone);
    assert!(!said.contains(DIAGNOSTIC), "{said}");
    assert!(!desk.attempts().is_empty());
}

/// What OpenCode says of a file, on a machine without node.
fn diagnose(desk: &Desk, program: &Path) -> String {
    desk.write(".config/opencode/opencode.json", r#"{"lsp": true}"#);
    desk.write("project/x.dockerfile", "FRM x\n");
    let arguments = ["debug", "lsp", "diagnostics", "x.dockerfile"];
    let command = desk.command(program, &arguments, Path::new("/home/user/project"));
    let ran = desk.run(&command.env("PATH", "/nothing/here"), LIMIT);
    ran.stdout + &ran.stderr
}

fn what_cannot_be_captured_is_refused() {
    let site = Site::empty();
    for (id, code) in [("gopls", "language-server-refused"), ("pyrite", "language-server-unknown")] {
        site.write("opencode-cache.toml", &format!("language_servers = [\"{id}\"]\n")).unwrap();
        let ran = site.run(&["lock"]).unwrap();
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.stderr.contains(code) && ran.stderr.contains("pyright"), "{}", ran.stderr);
    }
}
