//! What differs from one version of OpenCode to the next in how it installs packages and keeps its cache: one table, each line with
//! the version that proves it. Everything else in `builder` asks here, and knows no version.

use std::path::Path;

use lock::{ExerciseKind, PackageName, Spec, Version, Want};

/// A generation of OpenCode's way to install packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// 1.0.0 to 1.1.34: the embedded bun, one tree for everything, and "is it installed?" is a comparison of texts.
    A,
    /// 1.1.53 to 1.3.2: the same tree; OpenCode looks into `node_modules` too, and asks the registry whether "latest" is still so.
    B,
    /// 1.14 and later: `@npmcli/arborist`, one tree per spec under `packages/`.
    C,
}

/// Why a version of OpenCode cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("OpenCode {version} is older than 1.0, which is not supported")]
pub struct UnsupportedEra {
    /// The version that was asked for.
    pub version: Version,
}

impl Era {
    /// The era of a version. The registry has nothing between 1.1.34 (A) and 1.1.53 (B), and nothing between 1.3.2 (B) and 1.14.34 (C).
    pub fn of(version: &Version) -> Result<Self, UnsupportedEra> {
        match version.numbers() {
            (0, ..) => Err(UnsupportedEra { version: version.clone() }),
            (1, 0, _) | (1, 1, ..53) => Ok(Self::A),
            (1, ..14, _) => Ok(Self::B),
            _ => Ok(Self::C),
        }
    }

    /// That of a version that was judged before; of others that of today.
    pub fn known(version: &Version) -> Self {
        Self::of(version).unwrap_or(Self::C)
    }

    /// Whether everything that OpenCode installs lies in one tree.
    pub fn is_shared(self) -> bool {
        self < Self::C
    }
}

/// Whether an exercise fills the one tree that all share.
pub fn shares(version: &Version, kind: &ExerciseKind) -> bool {
    let shared = matches!(kind, ExerciseKind::Plugin { .. } | ExerciseKind::Provider { .. });
    shared && Era::known(version).is_shared()
}

/// Whether a version does what an exercise is about. Before 1.14 language servers are installed in another way.
pub fn performs(version: &Version, kind: &ExerciseKind) -> bool {
    let lately = matches!(kind, ExerciseKind::LanguageServer { .. });
    !(lately && Era::known(version).is_shared())
}

/// The words with which OpenCode's binary installs a package into `directory` and runs nothing of it, and the variables that it needs
/// for that. Since 1.14 a command of its own does ([`INSTALL`](super::INSTALL)), wherever it does; before, the bun that it holds, told what
/// OpenCode tells it when it installs a plugin (`add --exact --cwd`, 1.0.61 to 1.3.2).
pub fn installing(
    version: Option<&Version>,
    spec: &Spec,
    directory: &Path,
) -> (Vec<String>, Option<(String, String)>) {
    if !version.is_some_and(|version| Era::known(version).is_shared()) {
        return (vec![super::INSTALL.into(), spec.to_string()], None);
    }
    let words = ["add", "--exact", "--cwd"].map(str::to_owned);
    let rest = [directory.display().to_string(), spec.to_string()];
    (words.into_iter().chain(rest).collect(), Some(("BUN_BE_BUN".into(), "1".into())))
}

/// What OpenCode compares the file [`VERSION_FILE`] of its cache directory with, byte for byte, at every start: where it is another, all
/// of the directory goes. `None`: it looks at no such file. (All 26 versions that the registry has from 1.0.0 to 1.3.2; 1.14.34.)
pub fn cache_version(version: &Version) -> Option<&'static str> {
    let table = [
        ((1, 14, 0), None),
        ((1, 1, 53), Some("21")),
        ((1, 1, 27), Some("18")),
        ((1, 1, 16), Some("17")),
        ((1, 1, 11), Some("16")),
        ((1, 0, 142), Some("14")),
        ((1, 0, 0), Some("9")),
    ];
    since(version, &table).flatten()
}

/// The file of [`cache_version`].
pub const VERSION_FILE: &str = "version";

/// Plugins that OpenCode loads though nobody names them, in its order (each line's versions; since 1.3.0 all of them are inside). 1.0 does
/// not start where they cannot be had.
pub fn own_plugins(version: &Version) -> &'static [&'static str] {
    const TABLE: [Line<&[&str]>; 9] = [
        ((1, 3, 0), &[]),
        // 1.1.53 to 1.2.27
        ((1, 1, 53), &["opencode-anthropic-auth@0.0.13"]),
        // 1.1.31, 1.1.34
        ((1, 1, 31), &["opencode-anthropic-auth@0.0.9", "@gitlab/opencode-gitlab-auth@1.3.2"]),
        ((1, 1, 27), &["opencode-anthropic-auth@0.0.9", "@gitlab/opencode-gitlab-auth@1.3.0"]),
        ((1, 1, 16), &["opencode-copilot-auth@0.0.12", "opencode-anthropic-auth@0.0.8"]),
        ((1, 1, 11), &["opencode-copilot-auth@0.0.11", "opencode-anthropic-auth@0.0.8"]),
        // 1.0.142 to 1.0.185
        ((1, 0, 142), &["opencode-copilot-auth@0.0.9", "opencode-anthropic-auth@0.0.5"]),
        // 1.0.61, 1.0.98
        ((1, 0, 61), &["opencode-copilot-auth@0.0.5", "opencode-anthropic-auth@0.0.2"]),
        ((1, 0, 0), &["opencode-copilot-auth@0.0.3", "opencode-anthropic-auth@0.0.2"]),
    ];
    since(version, &TABLE).unwrap_or_default()
}

/// SDKs that are captured though nobody names them: 1.0.61 has none inside, and could talk to no model at all. (1.0.142 has ten.)
pub fn own_providers(version: &Version) -> &'static [&'static str] {
    if version.numbers() < (1, 0, 142) { &["@ai-sdk/openai-compatible"] } else { &[] }
}

/// What `package.json` of the shared tree has to say of a package, where that is not what was resolved, so that "is it installed?" is
/// answered yes. 1.0.61 and 1.0.152 compare with what they want: "latest" for every SDK and every plugin without a version; 1.1.65 to
/// 1.3.2 compare too, but take whatever there is for "latest".
pub fn patched(version: &Version, kind: &ExerciseKind) -> Option<(PackageName, String)> {
    let (ExerciseKind::Plugin { spec } | ExerciseKind::Provider { spec }) = kind else { return None };
    let name = spec.name()?.clone();
    let wanted = match spec.want()? {
        Want::Exact(_) => return None,
        Want::Unsaid => "latest".to_owned(),
        Want::Tag(tag) => tag.clone(),
        Want::Range(range) => range.clone(),
    };
    let takes_any = Era::known(version) == Era::B && wanted == "latest";
    (!takes_any).then_some((name, wanted))
}

/// Whether a version asks for no newer catalogue where it was told so ([`NO_CATALOGUE`](super::NO_CATALOGUE)): 1.0.162 does not, 1.0.152
/// asks at every start and every hour, and waits for no answer.
pub fn minds_no_catalogue(version: &Version) -> bool {
    version.numbers() >= (1, 0, 162)
}

/// Whether a version does not find the catalogue inside of it, and asks the host of catalogues whatever it was told where its cache has
/// none: 1.1.27, 1.1.31 and 1.1.34 ask for a function `data` first, which is a text in them. (1.1.16 and 1.1.53 do not ask.)
pub fn hides_catalogue(version: &Version) -> bool {
    ((1, 1, 27)..(1, 1, 53)).contains(&version.numbers())
}

/// By what that catalogue is found: what stands before it, and the beginning of its text (1.1.27 to 1.1.34).
pub const HIDDEN_CATALOGUE: [&str; 2] = ["if (typeof data === \"function\") {", " = await '"];

/// Whether the interface sends the prompt that it is started with: 1.1.65 does, 1.0.61 and 1.0.152 wait for Enter.
pub fn sends_prompt(version: &Version) -> bool {
    Era::known(version) > Era::A
}

/// Whether a server lists the providers of the catalogue: 1.0.152 does, 1.0.61 does not.
pub fn lists_providers(version: &Version) -> bool {
    version.numbers() >= (1, 0, 142)
}

/// Whether a version is no use without [`CONFIG_DIR_PACKAGE`](super::CONFIG_DIR_PACKAGE) of its own version. Before 1.14 that is asked for
/// and done without: the registry has none for 1.0.61, 1.1.27 and others.
pub fn needs_library(version: &Version) -> bool {
    !Era::known(version).is_shared()
}

/// What a session is asked for with. Before 1.14 it has a title from the start: 1.0.61 has one made while it answers, and both install
/// the same SDK into the same tree at once.
pub fn session(version: Option<&Version>) -> serde_json::Value {
    match version {
        Some(version) if Era::known(version).is_shared() => serde_json::json!({ "title": "exercise" }),
        _ => serde_json::json!({}),
    }
}

/// What bun finds in `~/.npmrc` while OpenCode installs. Left alone it runs the install scripts of packages that stand in a list of its own,
/// which holds msgpackr-extract, and removes an optional package whose script fails, as in Nix's sandbox, which has no `/usr/bin/env`
/// (bun of 1.0.61 and 1.3.2). Since 1.14 OpenCode itself says that none is run (`ignoreScripts`, 1.18.33).
pub fn npm_settings(version: &Version) -> Option<&'static str> {
    Era::known(version).is_shared().then_some("ignore-scripts=true\n")
}

/// Whether a variable with a key makes OpenCode install something, and end where it cannot: 1.0.152 wants
/// `@aws-sdk/credential-providers` for any of AWS's, and so does 1.1.65 (1.2.27 has it inside).
pub fn key_installs(version: &Version, name: &str) -> bool {
    version.numbers() < (1, 2, 27) && name.starts_with("AWS_")
}

/// Whether a version can be asked for a provider's SDK by this spec. Before 1.14 the whole text is taken for the package's name, so that
/// with a version it never finds what it installed (1.0.152, 1.3.2).
pub fn takes_provider(version: &Version, spec: &Spec) -> bool {
    Era::known(version) == Era::C || spec.want() == Some(&Want::Unsaid)
}

/// Whether the programs that OpenCode downloads lie in its data directory; else in its cache directory.
pub fn programs_in_data(version: &Version) -> bool {
    // 1.2.27 looks into data/bin, 1.3.2 into cache/bin.
    version.numbers() < (1, 3, 0)
}

/// The variable that names a registry to the embedded bun, whatever else names one; bun looks at it first (bun 1.3.3 in 1.0.152, 1.3.10
/// in 1.2.27).
const BUN_REGISTRY: &str = "BUN_CONFIG_REGISTRY";

/// An address at which nobody listens, and that says so at once: what is captured is used, and nobody is waited for. Port 9 is "discard".
/// Without it, on a network that loses every packet, 1.0.152 waits 60 to 100 s in `bun add` and 1.1.65 over 100 s in `bun info`.
const NOBODY: &str = "http://127.0.0.1:9/";

/// How OpenCode asks how it was installed, before it looks whether it may update itself (1.0.152, 1.2.27: the interface alone does).
const HOW_INSTALLED: [&str; 6] = [
    "npm list -g --depth=0",
    "yarn global list",
    "pnpm list -g --depth=0",
    "bun pm ls -g",
    "brew list --formula opencode",
    "brew list --formula anomalyco/tap/opencode",
];

/// The variables through which the wrapper may name a configuration with the restore plugin, the one with a configuration as text first.
const CARRIERS: [&str; 3] = ["OPENCODE_CONFIG_CONTENT", "OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR"];

/// Whether the plugins of a configuration take the place of those of the ones before it: 1.0.61 and 1.0.98 merge what is no list, 1.0.142
/// adds them.
fn replaces_plugins(version: &Version) -> bool {
    version.numbers() < (1, 0, 142)
}

/// The module that is loaded before an OpenCode of one tree, so that it asks nobody; `None` for later ones, which need none.
pub fn alone(version: &Version) -> Option<String> {
    if !Era::known(version).is_shared() {
        return None;
    }
    let releases = super::REPOSITORIES.map(|repository| format!("/repos/{repository}/releases/latest"));
    let about = serde_json::json!({
        "catalogue": super::catalogue_address(version),
        "noCatalogue": super::NO_CATALOGUE,
        "noUpdate": super::NO_UPDATE,
        "releases": releases.iter().map(String::as_str).chain(["/opencode-ai/latest"]).collect::<Vec<_>>(),
        "registryVariable": BUN_REGISTRY,
        "nobody": NOBODY,
        "installed": HOW_INSTALLED,
        "carriers": if replaces_plugins(version) { &CARRIERS[..] } else { &[] },
    });
    Some(format!("const ABOUT = {about:#}\n\n{}", include_str!("../../assets/alone.mjs")))
}

/// A version, and what holds from it on.
type Line<T> = ((u64, u64, u64), T);

/// What stands in a table for a version: the first line that begins at it or before it.
fn since<T: Copy>(version: &Version, table: &[Line<T>]) -> Option<T> {
    table.iter().find(|(first, _)| *first <= version.numbers()).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn the_eras_switch_between_versions_that_were_published() {
        let era = |text: &str| Era::of(&version(text)).ok();
        assert_eq!(era("0.9.1"), None);
        for (last, of, first, next) in
            [("1.1.34", Era::A, "1.1.53", Era::B), ("1.3.2", Era::B, "1.14.34", Era::C)]
        {
            assert_eq!((era(last), era(first)), (Some(of), Some(next)));
        }
        assert_eq!(era("2.0.0-beta.1"), Some(Era::C));
    }

    #[test]
    fn what_is_wanted_stands_in_the_manifest() {
        let provider = |spec: &str| ExerciseKind::Provider { spec: spec.parse().unwrap() };
        let says = |at: &str, kind: &ExerciseKind| patched(&version(at), kind).map(|(_, wanted)| wanted);
        assert_eq!(says("1.0.152", &provider("@ai-sdk/fireworks")).as_deref(), Some("latest"));
        assert_eq!(says("1.2.27", &provider("@ai-sdk/fireworks")), None);
        let plugin = ExerciseKind::Plugin { spec: "a@^1.0.0".parse().unwrap() };
        assert_eq!(says("1.2.27", &plugin).as_deref(), Some("^1.0.0"));
        assert_eq!(says("1.0.152", &ExerciseKind::Plugin { spec: "a@1.0.0".parse().unwrap() }), None);
    }

    #[test]
    fn what_is_started_by_command_is_installed_by_each_in_its_way() {
        let (spec, place) = ("a@1.0.0".parse().unwrap(), Path::new("/cache/a"));
        let words = |at: &str| installing(Some(&version(at)), &spec, place).0.join(" ");
        assert_eq!(words("1.3.2"), "add --exact --cwd /cache/a a@1.0.0");
        assert_eq!(words("1.14.34"), "plugin a@1.0.0");
        assert!(installing(None, &spec, place).1.is_none());
    }

    #[test]
    fn each_version_has_its_own_table_lines() {
        assert_eq!(cache_version(&version("1.18.33")), None);
        assert_eq!(cache_version(&version("1.3.2")), Some("21"));
        assert_eq!(cache_version(&version("1.0.152")), Some("14"));
        assert_eq!(cache_version(&version("1.0.61")), Some("9"));
        let hides = ["1.1.16", "1.1.27", "1.1.34", "1.1.53"].map(|text| hides_catalogue(&version(text)));
        assert_eq!(hides, [false, true, true, false]);
        assert!(own_plugins(&version("1.3.2")).is_empty() && own_plugins(&version("1.18.0")).is_empty());
    }
}
