//! What OpenCode reads of a user's machine: names of files and variables, and what its binary says of itself.

/// Configurations in the global configuration directory, later ones win (1.18.18).
pub const GLOBAL_CONFIGS: [&str; 3] = ["config.json", "opencode.json", "opencode.jsonc"];

/// Configurations of a project, in every directory from the current one up to git's work tree, or up to the
/// root of the file system where there is none (1.18.18).
pub const PROJECT_CONFIGS: [&str; 2] = ["opencode.jsonc", "opencode.json"];

/// A project's configuration directory, looked for in the same directories, and in HOME (1.18.18).
pub const CONFIG_DIRECTORY: &str = ".opencode";

/// Configurations of the machine's administrator, and the variable that names another place (1.18.18).
pub const MANAGED_CONFIGS: (&str, &str) = ("OPENCODE_TEST_MANAGED_CONFIG_DIR", "/etc/opencode");

/// By which variables, the first that is not empty, bun finds the directory that it unpacks native libraries
/// into; without any it is `/tmp`. It does not make the directory (1.18.18).
pub const TEMPORARY: [&str; 4] = ["BUN_TMPDIR", "TMPDIR", "TMP", "TEMP"];

/// The directory that OpenCode itself makes below the temporary directory at every start, for which the first of
/// [`TEMPORARY`] is not asked; it ends where it cannot (1.18.18).
pub const OWN_TEMPORARY: &str = "opencode";

/// A provider SDK that is built into every version since 1.0.152.
pub const ALWAYS_BUILT_IN: &str = "@ai-sdk/openai-compatible";

/// What stands behind the name of each SDK that is built in, and its quote, in the binary's JavaScript (1.18.18; 1.0.152 to 1.3.2).
pub const BUILT_IN: [&str; 2] = ["\":()=>import(", "\": create"];

/// What stands behind a provider's name in the binary's own catalogue, and what before its SDK, behind a list (1.18.18; 1.2.27; 1.0.152).
pub const CATALOGUE_PROVIDER: [(&str, &str); 3] =
    [("\",env:[", "],npm:\""), ("\", env: [", "], npm: \""), ("\",\"env\":[", "],\"npm\":\"")];

/// What stands before the SDK of a model that has another one than its provider (1.14.34 to 1.18.33; 1.2.27; 1.0.152).
pub const MODEL_SDK: [&str; 3] = ["provider:{npm:\"", "provider: { npm: \"", "\"provider\":{\"npm\":\""];

/// What stands before the generation of the AI SDK in every class of its models (88 to 120 times in 1.14.34 to 1.18.33, always 3; 4 to
/// 110 times in 1.0.61 to 1.3.2, 2).
pub const GENERATION: [&str; 2] = ["specificationVersion=\"v", "specificationVersion = \"v"];

/// How the binary names its bun where that one needs AVX2, and where it does not (1.18.18).
pub const NEEDS_AVX2: &str = " (Linux x64)";
/// The other of the two.
pub const NEEDS_NO_AVX2: &str = " (Linux x64 baseline)";

/// What stands before the date of a model in the catalogue: in a file, and in the binary's own (1.18.18).
pub const MODEL_DATES: [&str; 3] = ["\"release_date\":\"", "release_date:\"", "release_date: \""];

/// Whether a variable of OpenCode's switches something on.
pub fn is_on(value: &[u8]) -> bool {
    value == b"1" || value.eq_ignore_ascii_case(b"true")
}

/// Directories of a configuration directory whose files OpenCode loads as tools or plugins, and the endings of
/// those files (1.18.18).
pub const CODE_DIRECTORIES: [&str; 4] = ["tool", "tools", "plugin", "plugins"];
/// See [`CODE_DIRECTORIES`].
pub const CODE_ENDINGS: [&str; 2] = ["js", "ts"];

/// Directories of a configuration directory whose Markdown files are agents, modes and commands, with the model in
/// their heads (1.14.34 to 1.18.33).
pub const MARKDOWN_DIRECTORIES: [&str; 6] = ["agent", "agents", "command", "commands", "mode", "modes"];

/// What a provider of the catalogue needs beside its SDK, where it is bundled with OpenCode (1.14.34 to 1.18.33;
/// 1.0 installed it).
pub const BUNDLED_WITH: [(&str, &str); 1] = [("amazon-bedrock", "@aws-sdk/credential-providers")];

/// Formatters that OpenCode installs from npm: where a project's `package.json` names them, or has a `biome.json`
/// (1.18.33). All others are started from PATH.
pub const NPM_FORMATTERS: [&str; 3] = ["prettier", "oxfmt", "biome"];

/// Programs that fetch what they are to run, by which MCP servers are started.
pub const FETCHERS: [&str; 15] = [
    "npx", "npm", "pnpm", "pnpx", "yarn", "bun", "bunx", "deno", "uvx", "uv", "pipx", "docker", "podman",
    "nix", "go",
];

/// Those of [`FETCHERS`] that fetch packages of Python's.
pub const PYTHON_FETCHERS: [&str; 3] = ["uvx", "uv", "pipx"];

/// Plugins that OpenCode passes over wherever the text of one is part of a spec: they are built in (1.18.18).
pub const BUILT_IN_PLUGINS: [&str; 2] = ["opencode-openai-codex-auth", "opencode-copilot-auth"];
