//! What is known of OpenCode's run-time habits, as data, each with the version that proves it.
//!
//! The only place that knows file names, variables and messages of OpenCode's. Nothing here
//! runs anything. Every fact is checked against the real binary by `build` (the captured trees
//! must be whole) and by `verify`.

mod era;
pub mod latest;
pub mod reads;
pub mod servers;

use std::time::Duration;

pub use era::*;

use lock::spec::Want;
use lock::{Archive, Spec, System, Version};

/// The package that every config directory gets in OpenCode's own version (all versions).
pub const CONFIG_DIR_PACKAGE: &str = "@opencode-ai/plugin";

/// A project's config directory (all versions).
pub const PROJECT_DIR: &str = ".opencode";

/// Packages that are published with each OpenCode, in its version: [`CONFIG_DIR_PACKAGE`] and what that wants exactly (1.14.34 to 1.18.33).
pub const RELEASED_WITH: [&str; 2] = [CONFIG_DIR_PACKAGE, "@opencode-ai/sdk"];

/// The files of a config directory that OpenCode leaves as it is, beside a directory [`CONFIG_DIR_MODULES`]. Without the first it
/// writes one, and does not start where it cannot for another reason than permissions: in a file system that is mounted read-only.
/// Without the others it installs [`CONFIG_DIR_PACKAGE`] wherever it may write, as root always; it compares names only (1.18.18).
pub const CONFIG_DIR_AT_REST: &[(&str, &str)] = &[
    (".gitignore", "*\n"),
    (
        "package-lock.json",
        "{\"lockfileVersion\":3,\"packages\":{\"\":{\"dependencies\":{\"@opencode-ai/plugin\":\"*\"}}}}\n",
    ),
];

/// The directory of a config directory that packages are in; at rest it may be empty.
pub const CONFIG_DIR_MODULES: &str = "node_modules";

/// The line of `opencode serve` after which it answers. A request sent between "port open" and
/// this line is never answered (1.17.18, 1.18.33).
pub const LISTENING: &str = "opencode server listening on http://";

/// How often an answer that came to nothing is asked for: once, but for the versions that lose some (see [`unhurried`]).
pub fn tries(version: &Version) -> u64 {
    if unhurried(version).is_zero() { 1 } else { 2 }
}

/// How long a model's answer must rest before its end for OpenCode to tell it. `run` of 1.15.13 ends with the session, and what was said
/// in the same instant is lost: 200 ms were enough on two busy cores, 100 were not. 1.14.34 prints whatever comes, but `acp` and
/// the interface were each seen to lose it. 1.17.18 and later were never seen to.
pub fn unhurried(version: &Version) -> Duration {
    if version.numbers() < (1, 17, 18) { Duration::from_secs(1) } else { Duration::ZERO }
}

/// The npm package that carries the release binary of a system (npm platform packages since
/// 1.0), and the member that is the binary.
pub fn platform_package(system: System) -> (String, &'static str) {
    (format!("opencode-{}-{}", system.npm_os(), system.npm_cpu()), "package/bin/opencode")
}

/// The package of another build of the release, where there is one: `baseline` for processors without AVX2, `musl` for systems
/// without glibc (npm, 1.14 to 1.18).
pub fn variant_package(system: System, variant: &str) -> Option<String> {
    let fits = variant.split('-').all(|word| match word {
        "baseline" => system.npm_cpu() == "x64",
        "musl" => system.npm_os() == "linux",
        _ => false,
    });
    fits.then(|| format!("{}-{variant}", platform_package(system).0))
}

/// Whose releases on GitHub OpenCode's are, the present name first (1.14.34 to 1.18.33 name it); it answers to the one of before by
/// a redirect.
pub const REPOSITORIES: [&str; 2] = ["anomalyco/opencode", "sst/opencode"];

/// How a release's asset packs the binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The asset's name.
    pub name: String,
    /// Its form.
    pub archive: Archive,
    /// The binary's path in it.
    pub binary: &'static str,
}

/// The names that a release's asset for a system may have, the likeliest first; no variant is the release's own build. Linux has had
/// `.tar.gz` since 1.0, and `.zip` before as macOS still has (releases 0.1.57, 0.6.5, 1.1.20, 1.18.8).
pub fn release_assets(system: System, variant: &str) -> Vec<Packed> {
    let own = || platform_package(system).0;
    let stem = variant_package(system, variant).filter(|_| !variant.is_empty()).unwrap_or_else(own);
    let forms = [(".tar.gz", Archive::Tgz), (".tgz", Archive::Tgz), (".zip", Archive::Zip)];
    let mut packed =
        forms.map(|(end, archive)| Packed { name: format!("{stem}{end}"), archive, binary: "opencode" });
    if system.npm_os() == "darwin" {
        packed.rotate_right(1);
    }
    packed.into()
}

/// The name of the directory under `packages/` that era C installs a provider SDK into: the spec
/// as the configuration writes it (1.18.33).
pub fn provider_directory(spec: &Spec) -> String {
    spec.to_string()
}

/// The same for a plugin: a bare name gets `@latest` (1.14.34 to 1.18.33).
pub fn plugin_directory(spec: &Spec) -> String {
    if spec.want() == Some(&Want::Unsaid) { format!("{spec}@latest") } else { spec.to_string() }
}

/// The command that installs a package as plugins are installed, and runs nothing of it; what has no plugin inside is installed all the
/// same (1.14.34, 1.15.13, 1.17.18, 1.18.18, 1.18.33).
pub const INSTALL: &str = "plugin";

/// The second directory of a bare plugin: after "booting location services" 1.18 installs it
/// again under its bare name, in the background. The content is that of the first, so the link
/// map names one tree twice.
pub fn plugin_alias(spec: &Spec) -> Option<String> {
    (spec.want() == Some(&Want::Unsaid)).then(|| spec.to_string())
}

/// Whether a spec is one that a registry answers: git, URL, alias and file specs are refused
/// with the reason.
pub fn registry_spec(spec: &Spec) -> Result<(), String> {
    if spec.is_registry() { Ok(()) } else { Err("only packages of an npm registry are supported yet".into()) }
}

/// The variables of an OpenCode that populates its cache, beside HOME and PATH: no catalogue, no
/// update check, no language servers (all from 1.1.65 on); npm asks nothing but packuments and
/// tarballs and writes no registry address into lock files (1.18.33: 0 instead of 28 `resolved`).
pub fn populate_environment(registry: &str, system: System) -> Vec<(String, String)> {
    let npm = |name: &str, value: &str| (format!("npm_config_{name}"), value.to_owned());
    let mut variables = vec![
        npm("registry", registry),
        npm("audit", "false"),
        npm("fund", "false"),
        npm("update_notifier", "false"),
        npm("omit_lockfile_registry_resolved", "true"),
        npm("logs_max", "0"),
        npm("fetch_retries", "1"),
        npm("fetch_retry_mintimeout", "500"),
        npm("os", system.npm_os()),
        npm("cpu", system.npm_cpu()),
    ];
    if system.npm_os() == "linux" {
        variables.push(npm("libc", "glibc"));
    }
    variables.extend(quiet_environment());
    variables
}

/// The variables of an OpenCode that is to install nothing by itself: not what it wants beside what is asked for (before 1.14).
pub fn alone_environment(version: &Version) -> Vec<(String, String)> {
    let shared = Era::known(version).is_shared();
    let variables = [("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1")];
    variables
        .into_iter()
        .filter(|_| shared)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Whether [`CATALOGUE_VARIABLE`] is read: 1.1.53 reads it, 1.1.34 does not.
pub fn reads_catalogue_variable(version: &Version) -> bool {
    Era::known(version) > Era::A
}

/// The variable that keeps OpenCode from asking for a newer catalogue (all from 1.1.65 on).
pub const NO_CATALOGUE: &str = "OPENCODE_DISABLE_MODELS_FETCH";

/// The variable that names the catalogue to be read. OpenCode never writes there: what it fetches goes into its cache, and is not
/// read then (1.14.34 to 1.18.33), so it belongs to a profile that fetches none.
pub const CATALOGUE_VARIABLE: &str = "OPENCODE_MODELS_PATH";

/// Where OpenCode keeps the catalogue that it fetched, below its cache directory. It asks for a newer one when the file is over
/// five minutes old, writes into the file that is there, and never waits for the answer (1.14.34 to 1.18.33).
pub const CATALOGUE_NAME: &str = "models.json";

/// The same, inside a stage.
pub const CATALOGUE_FILE: &str = "/home/user/.cache/opencode/models.json";

/// The end of the address that it is asked for at (all versions); the host differs.
pub const CATALOGUE_PATH: &str = "/api.json";

/// The address that a version asks for its catalogue (1.17.18: the first, 1.18.18 and later: the second), for messages about what has
/// to be reachable. Whoever needs the truth lets OpenCode ask.
pub fn catalogue_address(version: &Version) -> &'static str {
    let (major, minor, _) = version.numbers();
    if (major, minor) < (1, 18) {
        "https://models.dev/api.json"
    } else {
        "https://models.opencode.ai/api.json"
    }
}

/// The variable that keeps OpenCode from updating itself (all versions).
pub const NO_UPDATE: &str = "OPENCODE_DISABLE_AUTOUPDATE";

/// The variables that keep OpenCode off the network by itself: the offline profile.
pub fn quiet_environment() -> Vec<(String, String)> {
    [NO_UPDATE, "OPENCODE_DISABLE_LSP_DOWNLOAD", NO_CATALOGUE]
        .map(|name| (name.to_owned(), "1".to_owned()))
        .into()
}

/// npm's global configuration beside the binary (`<directory of the binary>/../etc/npmrc`, read
/// by 1.14.34, 1.15.13, 1.17.18, 1.18.33), so that an unseeded config directory does not wait.
pub fn npmrc(profile: lock::manifest::Profile) -> &'static str {
    match profile {
        lock::manifest::Profile::Offline => "offline=true\naudit=false\nfund=false\nupdate-notifier=false\n",
        // One try of at most ten seconds per question instead of three tries and 70 seconds. Not less: npm counts the whole of a
        // package's document, and over a slow line a plugin that is wanted has to come through.
        lock::manifest::Profile::Online => {
            "fetch-retries=0\nfetch-timeout=10000\naudit=false\nfund=false\nupdate-notifier=false\n"
        }
    }
}

/// What of [`npmrc`] must be lent to OpenCode as variables too. npm looks for its global configuration
/// below the user's `prefix` where they have one (`NPM_CONFIG_PREFIX`, `prefix=` in `~/.npmrc`, `PREFIX`,
/// `DESTDIR`), and then never sees the file beside the binary: 72 s for every unseeded directory (1.18.18).
pub fn npm_variables(profile: lock::manifest::Profile) -> &'static [(&'static str, NpmVariable)] {
    match profile {
        // As the global configuration, and not as `offline`: what the user says in `~/.npmrc` still wins.
        lock::manifest::Profile::Offline => &[("npm_config_globalconfig", NpmVariable::Npmrc)],
        // The user's own global configuration may name their registry: it stays.
        lock::manifest::Profile::Online => &[
            ("npm_config_fetch_retries", NpmVariable::Text("0")),
            ("npm_config_fetch_timeout", NpmVariable::Text("10000")),
        ],
    }
}

/// The value of a variable that is lent to OpenCode for its npm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NpmVariable {
    /// The absolute path of the file that holds [`npmrc`].
    Npmrc,
    /// This text.
    Text(&'static str),
}

/// What keeps OpenCode from installing into a config directory that an exercise is not about: since 1.14 a `node_modules` and a lock
/// file whose root names the package (the name only is compared); in 1.2.27 and 1.3.2 a `package.json` that names it in OpenCode's own
/// version. 1.0.152 installs at every start whatever is there.
pub fn config_dir_stub(version: Option<&Version>) -> [(&'static str, Option<String>); 2] {
    if let Some(version) = version.filter(|version| Era::known(version).is_shared()) {
        let own = serde_json::json!({ "dependencies": { CONFIG_DIR_PACKAGE: version.to_string() } });
        return [("node_modules", None), ("package.json", Some(own.to_string()))];
    }
    let lock = serde_json::json!({
        "lockfileVersion": 3,
        "packages": { "": { "dependencies": { CONFIG_DIR_PACKAGE: "0.0.0" } } },
    });
    [("node_modules", None), ("package-lock.json", Some(lock.to_string()))]
}

/// What lies in OpenCode's cache and data directories that is looked at in another way, or never captured: it is rewritten at
/// run time (1.18.18).
pub const NOT_CAPTURED: [&str; 5] = ["packages", "bin", "models.json", "log", "version"];

/// The program that OpenCode searches with: on PATH, then in `bin` of its cache directory, where it puts the one that it
/// downloads (1.14.34 to 1.18.33).
pub const RIPGREP: &str = "ripgrep";

/// Its executable's name there.
pub const RIPGREP_BINARY: &str = "rg";

/// The npm package that carries a prebuilt ripgrep, linked statically on Linux (1.18.0 of these packages: ripgrep 15.0.0), and
/// the executable in it.
pub fn ripgrep_package(system: System) -> (String, &'static str) {
    (format!("@vscode/ripgrep-{}-{}", system.npm_os(), system.npm_cpu()), "package/bin/rg")
}

/// What stands before the version of ripgrep in the address that OpenCode downloads it from (1.17.18, 1.18.18, 1.18.33; before,
/// the version stands elsewhere).
pub const RIPGREP_RELEASES: &str = "https://github.com/BurntSushi/ripgrep/releases/download/";

/// The version that is asked for where the binary does not say it beside the address: that of 1.14.34 and 1.15.13.
pub const RIPGREP_VERSION: &str = "15.1.0";

/// The release archive of ripgrep that OpenCode downloads on a system, and the executable in it (1.18.18).
pub fn ripgrep_release(system: System, version: &str) -> (String, String) {
    let platform = match system {
        System::X86_64Linux => "x86_64-unknown-linux-musl",
        System::Aarch64Linux => "aarch64-unknown-linux-gnu",
        System::X86_64Darwin => "x86_64-apple-darwin",
        System::Aarch64Darwin => "aarch64-apple-darwin",
    };
    let name = format!("ripgrep-{version}-{platform}");
    (format!("{RIPGREP_RELEASES}{version}/{name}.tar.gz"), format!("{name}/rg"))
}

/// The variable that names the first module of the worker that colours code in the terminal interface, instead of the one in the
/// binary (1.14.34, 1.15.13, 1.17.18, 1.18.18, 1.18.33: any path will do, and it may import the one in the binary).
pub const TREE_SITTER_VARIABLE: &str = "OTUI_TREE_SITTER_WORKER_PATH";

/// How the path of that worker's module in the binary ends, with the quote behind it: since 1.18, and before.
pub const TREE_SITTER_WORKERS: [&str; 2] =
    ["/opentui-tree-sitter-worker.js\"", "/@opentui/core/parser.worker.js\""];

/// How the path of a module in the binary begins (all versions).
pub const INSIDE_THE_BINARY: &str = "/$bunfs/root/";

/// Where that worker keeps the grammars that it downloaded, below HOME (1.14.34 to 1.18.33).
pub const GRAMMAR_CACHE: &str = ".local/share/opentui/tree-sitter";

/// Languages whose grammars are in the binary (1.14.34 to 1.18.33).
pub const BUILT_IN_GRAMMARS: [&str; 4] = ["javascript", "typescript", "markdown", "zig"];

/// How the addresses of grammars and of their queries end (1.14.34 to 1.18.33).
pub const GRAMMAR_ENDINGS: [&str; 2] = [".wasm", ".scm"];

/// What OpenCode itself puts into a config directory, and git must not see: written by every
/// version of era C beside the installed packages.
pub const CONFIG_DIR_IGNORE: &str = "node_modules\npackage.json\npackage-lock.json\nbun.lock\n.gitignore";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_named_as_opencode_names_them() {
        let spec = |text: &str| text.parse::<Spec>().unwrap();
        assert_eq!(provider_directory(&spec("@ai-sdk/fireworks")), "@ai-sdk/fireworks");
        assert_eq!(provider_directory(&spec("@ai-sdk/fireworks@3.0.62")), "@ai-sdk/fireworks@3.0.62");
        assert_eq!(plugin_directory(&spec("opencode-pty")), "opencode-pty@latest");
        assert_eq!(plugin_directory(&spec("@a/b@next")), "@a/b@next");
        assert_eq!(plugin_alias(&spec("opencode-pty")).as_deref(), Some("opencode-pty"));
        assert_eq!(plugin_alias(&spec("opencode-pty@1.0.0")), None);
    }
}
