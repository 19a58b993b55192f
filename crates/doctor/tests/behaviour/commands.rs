//! What is started by command is told apart: there, fetched, not there; and tools that lack what they import.

use crate::stage::Stage;

#[test]
fn servers_by_command() {
    let mut stage = Stage::new();
    stage.program("programs/npx", "");
    stage.program("programs/mine", "");
    stage.set("PATH", stage.path("programs"));
    stage.configure(
        r#"{
          "mcp": {
            "fetched": { "type": "local", "command": ["npx", "-y", "server", "--key=secret"] },
            "mine": { "type": "local", "command": ["mine"] },
            "gone": { "type": "local", "command": ["gone --key=secret"] },
            "off": { "type": "local", "command": ["gone"], "enabled": false },
            "word": { "type": "local", "command": "npx secret" },
            "remote": { "type": "remote", "url": "https://u:secret@mcp.example/?key=secret" }
          },
          "lsp": { "rust": { "command": ["rust-analyzer"] }, "go": { "env": {} }, "zig": { "disabled": true } },
          "instructions": ["AGENTS.md", "https://text.example/?secret"]
        }"#,
    );
    assert_eq!(
        stage.codes("commands"),
        [
            "lsp-download-off language servers",
            "mcp-fetches MCP server fetched",
            "mcp-local MCP server mine",
            "mcp-not-found MCP server gone",
            "server-refused MCP server word",
            "mcp-remote MCP server remote",
            "lsp-not-found language server rust",
            "server-refused language server go",
            "instructions-online text.example",
        ]
    );
    assert!(!format!("{:?}", stage.examine()).contains("secret"));
}

#[test]
fn the_users_own_switch_comes_first() {
    let mut stage = Stage::new();
    stage.set("OPENCODE_DISABLE_LSP_DOWNLOAD", "0");
    assert_eq!(stage.codes("commands"), ["lsp-download-on language servers"]);
}

const TOOL: &str =
    "import { tool } from \"@opencode-ai/plugin\"\nexport default tool({ description: \"x\" })\n";

#[test]
fn a_tool_without_the_package_that_it_imports() {
    let stage = Stage::new();
    assert_eq!(stage.codes("tools"), ["tools custom tools and plugins"]);
    // In the global directory a start lays it.
    stage.write("home/.config/opencode/tool/mine.ts", TOOL);
    // Types only: gone when it runs.
    let plugin = "import { Plugin } from '@opencode-ai/plugin'\nexport const P: Plugin = async () => ({})\n";
    stage.write("project/.opencode/plugin/types.ts", plugin);
    assert_eq!(stage.codes("tools"), ["tools custom tools and plugins"]);
    stage.write("project/.opencode/tools/mine.js", TOOL);
    stage.write("project/.opencode/tools/mine.md", TOOL);
    assert_eq!(stage.codes("tools"), ["tool-without-package ~/project/.opencode/tools/mine.js"]);
    stage.write("project/node_modules/@opencode-ai/plugin/index.js", "");
    assert_eq!(stage.codes("tools"), ["tools custom tools and plugins"]);
    // Dependencies of the user's own, without it.
    stage.write("home/.config/opencode/node_modules/mine/index.js", "");
    assert_eq!(stage.codes("tools"), ["tool-without-package ~/home/.config/opencode/tool/mine.ts"]);
}
