//! Where things lie in an output: the directory `<digest>-opencode-cache` that `result` links to.
//! Every path is relative to it, so that its bytes do not depend on where it lies.

use lock::{Spec, Version};

use crate::opencode;

/// The wrapper: what users run.
pub const WRAPPER: &str = "bin/opencode";
/// The real binary, unmodified.
pub const BINARY: &str = "lib/opencode/bin/opencode";
/// npm's global configuration of the real binary: it looks at `../etc/npmrc` from its directory.
pub const NPMRC: &str = "lib/opencode/etc/npmrc";
/// The plugin that gives the programs that OpenCode starts the user's own environment back.
pub const RESTORE: &str = "lib/opencode/restore.mjs";
/// What has tools and local plugins find the captured packages that they import.
pub const MODULES: &str = "lib/opencode/modules.mjs";
/// What keeps OpenCode before 1.14 from asking anybody, and loads [`MODULES`]; only in its outputs.
pub const ALONE: &str = "lib/opencode/alone.mjs";
/// Which trees there are for it.
pub const MODULES_INDEX: &str = "lib/opencode/modules.json";
/// The libraries that are loaded first, where the machine has none where a loader looks (outputs of Nix).
pub const LIBRARIES: &str = "lib/opencode/libraries.json";
/// The C library, for machines that have none; the crate `fit` knows this place too.
pub const LIBC: &str = "lib/opencode/libc";
/// What has OpenCode find captured packages that it is to start by `npx` and the like.
pub const COMMANDS: &str = "lib/opencode/commands.mjs";
/// Which packages there are for it; only in outputs that have any.
pub const COMMANDS_INDEX: &str = "lib/opencode/commands.json";
/// A configuration that names the plugin, for users who set `OPENCODE_CONFIG_CONTENT` themselves.
pub const RESTORE_CONFIG: &str = "lib/opencode/restore.json";
/// The same as a config directory, for users who set `OPENCODE_CONFIG` as well.
pub const RESTORE_DIR: &str = "lib/opencode/restore.d";
/// Its configuration.
pub const RESTORE_DIR_CONFIG: &str = "lib/opencode/restore.d/opencode.json";
/// What runs before the worker that colours code, and the grammars that were captured for it.
pub const TREE_SITTER: &str = "lib/opencode/tree-sitter";
/// The worker's first module.
pub const TREE_SITTER_WORKER: &str = "lib/opencode/tree-sitter/worker.mjs";
/// The catalogue of models, where one is pinned.
pub const CATALOGUE: &str = "share/models.json";
/// The link map.
pub const LINKMAP: &str = "linkmap";
/// What is in the output, for machines.
pub const CONTENTS: &str = "manifest.json";
/// The dependencies of a config directory.
pub const CONFIG_DIR: &str = "config";
/// The trees of config directories that have packages of their own, each in a directory named after its exercise.
pub const CONFIG_DIRS: &str = "config-dirs";
/// A cache home of links to what the output has, for a start that can write nowhere.
pub const FALLBACK: &str = "fallback";
/// The one tree of OpenCode before 1.14, and the file that keeps it from removing its cache.
pub const SHARED: &str = "shared";

/// OpenCode's cache directory below the cache home. One that removes a cache of another version than its own gets a directory of its own.
pub fn cache_root(version: &Version) -> String {
    match opencode::cache_version(version) {
        None => "opencode".to_owned(),
        Some(cache) => format!("opencode-cache-{cache}/opencode"),
    }
}

/// Where a program lies that OpenCode looks for in `bin` of its cache directory.
pub fn program(name: &str) -> String {
    format!("cache/bin/{name}")
}

/// Where the tree of `packages/<directory>` lies.
pub fn package_tree(directory: &str) -> String {
    format!("cache/packages/{directory}")
}

/// Where the tree of a package lies whose program is started by command: OpenCode does not look for it in its cache.
pub fn command_tree(directory: &str) -> String {
    format!("commands/{directory}")
}

/// The directories below `packages/` of the cache that are one and the same tree: the one that
/// OpenCode installs a plugin into, and its alias.
pub fn plugin_directories(spec: &Spec) -> (String, Option<String>) {
    (opencode::plugin_directory(spec), opencode::plugin_alias(spec))
}
