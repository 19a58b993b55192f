//! What is started by command is told apart: there, fetched, not there.

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
