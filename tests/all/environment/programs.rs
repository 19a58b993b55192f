//! The programs of a user's own that OpenCode starts: what they are, how they are configured, and what each was started with.
//!
//! Each notes the environment block that it was given, whole, and does as much of its part as OpenCode wants before it goes on.

use std::collections::BTreeMap;

use replay::llm::Script;
use serde_json::{Value, json};
use testkit::desk::{Desk, HOME, configuration};

/// The variables of a program.
pub type Environment = BTreeMap<String, String>;

/// What makes the model have each program started.
pub const TRIGGER: &str = "have everything started";

/// An MCP server: messages are lines.
const MCP_SERVER: &str = r#"cat "/proc/$$/environ" > "$1"
while read -r request; do
  case $request in
    *'"initialize"'*) result='{"protocolVersion":"2025-03-26","capabilities":{"tools":{}},"serverInfo":{"name":"noted","version":"1"}}' ;;
    *'"tools/list"'*) result='{"tools":[{"name":"tool","description":"nothing","inputSchema":{"type":"object","properties":{}}}]}' ;;
    *) continue ;;
  esac
  id=$(printf %s "$request" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  printf '%s\n' '{"jsonrpc":"2.0","id":'"$id"',"result":'"$result"'}'
done
"#;

/// A language server: messages have a header. OpenCode's write tool waits for it to be initialized and to have looked at the file.
const LANGUAGE_SERVER: &str = r#"cat "/proc/$$/environ" > "$1"
while read -r header; do
  case $header in
    Content-Length:*) length=$(printf %s "${header#*: }" | tr -d '\r'); continue ;;
  esac
  request=$(head -c "$length")
  case $request in
    *'"initialize"'*) result='{"capabilities":{"diagnosticProvider":{"interFileDependencies":false,"workspaceDiagnostics":false}}}' ;;
    *'"textDocument/diagnostic"'*) result='{"kind":"full","items":[]}' ;;
    *) continue ;;
  esac
  id=$(printf %s "$request" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  answer='{"jsonrpc":"2.0","id":'"$id"',"result":'"$result"'}'
  printf 'Content-Length: %d\r\n\r\n%s' "${#answer}" "$answer"
done
"#;

/// The programs that note what they were started with, by the name of the note. The shell tool answers the model instead.
const NOTING: &[&str] = &["MCP server", "language server", "formatter"];

/// A model that has the shell tool show its environment, and then writes a file that the formatter and the language server are for.
pub fn script() -> Script {
    let show = json!({ "command": "env | sort", "description": "Shows the environment" });
    Script::saying("nothing").calling(TRIGGER, "bash", show).calling(
        TRIGGER,
        "write",
        json!({ "filePath": "file.noted", "content": "text\n" }),
    )
}

/// Writes the programs, and the user's `opencode.json` that names them.
pub fn configure(desk: &Desk, sdk: &str, plugins: &[&str]) {
    desk.write("programs/mcp", MCP_SERVER);
    desk.write("programs/language", LANGUAGE_SERVER);
    let speaking =
        |program: &str, name: &str| json!(["sh", format!("{HOME}/programs/{program}"), note(name)]);
    let formatter =
        json!(["dd", "if=/proc/self/environ", format!("of={}", note("formatter")), "status=none"]);
    let mut config = configuration(&desk.model_url(), sdk, plugins);
    config["mcp"] = json!({ "noted": { "type": "local", "command": speaking("mcp", "MCP server") } });
    config["lsp"] = noted(&speaking("language", "language server"));
    config["formatter"] = noted(&formatter);
    desk.write(".config/opencode/opencode.json", &config.to_string());
}

fn noted(command: &Value) -> Value {
    json!({ "noted": { "command": command, "extensions": [".noted"] } })
}

fn note(name: &str) -> String {
    format!("{HOME}/notes/{name}")
}

/// Empties the notes.
pub fn forget(desk: &Desk) {
    for name in NOTING {
        desk.write(&format!("notes/{name}"), "");
    }
}

/// What each program was started with since: by its name, and `shell` is what the shell tool showed.
pub fn seen(desk: &Desk, shell: &str) -> BTreeMap<&'static str, Environment> {
    let noted = NOTING.iter().map(|name| {
        let block = desk.sandbox().read(note(name), 1 << 20).unwrap();
        let block = String::from_utf8(block).unwrap();
        assert!(!block.is_empty(), "the {name} was not started");
        (*name, variables(block.split_terminator('\0')))
    });
    std::iter::once(("shell tool", variables(shell.lines()))).chain(noted).collect()
}

fn variables<'a>(strings: impl Iterator<Item = &'a str>) -> Environment {
    let pairs: Vec<_> = strings.filter_map(|string| string.split_once('=')).collect();
    let variables: Environment =
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    assert_eq!(variables.len(), pairs.len(), "a variable is there twice: {pairs:#?}");
    variables
}
