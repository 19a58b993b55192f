//! A machine for `examine`: an output in a store, a home, and an environment.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use builder::Contents;
use linkmap::{LinkMap, Root};
use opencode_cache_doctor::{Finding, Report, Request, Surroundings, examine};
use tempfile::TempDir;

/// What a release binary says of itself: a built-in SDK, its bun, and a catalogue.
pub const BINARY: &str = "\"@ai-sdk/openai-compatible\":()=>import(\"x\"),\"@ai-sdk/xai\":()=>import(\"y\"),\
    \"@ai-sdk/google-vertex/anthropic\":()=>import(\"z\")\n\
    Bun v1.3.14 (Linux x64 baseline)\nrelease_date:\"2020-01-02\",release_date:\"2019-12-31\"\n\
    {\"hub\":{id:\"hub\",env:[\"HUB_KEY\"],npm:\"hub-sdk\",name:\"Hub\"},x:{id:\"x\",env:[],npm:\"@ai-sdk/xai\"}}\n";

/// A directory with a store and a home.
pub struct Stage {
    directory: TempDir,
    pub variables: Vec<(String, String)>,
    pub configs: Vec<PathBuf>,
    pub processor: Option<&'static str>,
    /// Relative to the stage.
    pub here: &'static str,
}

impl Stage {
    /// An output with a plugin, a provider's SDK and a configuration directory, and a home that is empty.
    pub fn new() -> Stage {
        let stage = Stage {
            directory: TempDir::new().unwrap(),
            variables: Vec::new(),
            configs: Vec::new(),
            processor: None,
            here: "project",
        };
        for name in ["home", "project/.git", "tmp", "managed"] {
            fs::create_dir_all(stage.path(name)).unwrap();
        }
        stage.write_output('a', "offline");
        stage
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(relative)
    }

    pub fn output(&self, letter: char) -> PathBuf {
        self.path("store").join(format!("{}-opencode-cache", letter.to_string().repeat(32)))
    }

    pub fn cache(&self, relative: &str) -> PathBuf {
        self.path("home/.cache-nix/opencode").join(relative)
    }

    pub fn write(&self, relative: &str, text: &str) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn program(&self, relative: &str, text: &str) -> PathBuf {
        let path = self.write(relative, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub fn link(&self, target: &Path, link: &Path) {
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
    }

    pub fn set(&mut self, name: &str, value: impl AsRef<Path>) {
        self.variables.push((name.into(), value.as_ref().to_str().unwrap().into()));
    }

    /// The user's global configuration.
    pub fn configure(&self, text: &str) -> PathBuf {
        self.write("home/.config/opencode/opencode.json", text)
    }

    pub fn write_output(&self, letter: char, profile: &str) {
        let root = self.output(letter);
        let relative = |name: &str| format!("store/{}/{name}", root.file_name().unwrap().to_str().unwrap());
        self.program(&relative("bin/opencode"), "the wrapper");
        self.program(&relative("lib/opencode/bin/opencode"), BINARY);
        self.write(&relative("lib/opencode/restore.mjs"), "");
        let mut map = LinkMap::new("lib/opencode/bin/opencode", "opencode");
        map.restore("lib/opencode/restore.mjs");
        if profile == "offline" {
            map.env("OPENCODE_DISABLE_LSP_DOWNLOAD", "1").env("OPENCODE_DISABLE_MODELS_FETCH", "1");
        }
        map.keep(Root::Cache, "bin");
        for package in ["@ai-sdk/fireworks", "opencode-pty", "opencode-pty@latest"] {
            let source = format!("cache/packages/{package}");
            self.write(&relative(&format!("{source}/node_modules/x/index.js")), "");
            map.link(Root::Cache, &format!("packages/{package}"), &source);
        }
        self.write(&relative("config/node_modules/@opencode-ai/plugin/index.js"), "");
        self.write(&relative("config/node_modules/zod/index.js"), "");
        self.write(&relative("config/package.json"), "{}");
        map.link(Root::Config, "node_modules", "config/node_modules");
        map.copy(Root::Config, "package.json", "config/package.json", b"{}");
        self.write(&relative("linkmap"), &map.render().unwrap());
        let contents = Contents {
            version: builder::contents::VERSION,
            opencode: "1.18.18".parse().unwrap(),
            system: lock::System::host().unwrap(),
            profile: profile.into(),
            lock: String::new(),
            catalogue: None,
            models: Default::default(),
            exercises: Default::default(),
            programs: Default::default(),
            libraries: Default::default(),
            signatures: Default::default(),
            attested: None,
        };
        self.write(&relative("manifest.json"), &contents.render());
    }

    /// What a start of output `letter` lays, done by hand.
    pub fn start(&self, letter: char) {
        for package in ["@ai-sdk/fireworks", "opencode-pty", "opencode-pty@latest"] {
            let place = format!("packages/{package}");
            self.link(&self.output(letter).join("cache").join(&place), &self.cache(&place));
        }
        fs::create_dir_all(self.cache("bin")).unwrap();
        let config = self.path("home/.config/opencode/node_modules");
        self.link(&self.output(letter).join("config/node_modules"), &config);
    }

    /// The report about output `a`.
    pub fn examine(&self) -> Report {
        examine(&self.request(Some(self.output('a')))).unwrap()
    }

    pub fn request(&self, output: Option<PathBuf>) -> Request {
        let mut variables = vec![
            ("HOME".to_owned(), self.path("home").to_str().unwrap().to_owned()),
            ("PATH".into(), self.output('a').join("bin").to_str().unwrap().into()),
            ("TMPDIR".into(), self.path("tmp").to_str().unwrap().into()),
            ("OPENCODE_TEST_MANAGED_CONFIG_DIR".into(), self.path("managed").to_str().unwrap().into()),
        ];
        for (name, value) in &self.variables {
            variables.retain(|(other, _)| other != name);
            variables.push((name.clone(), value.clone()));
        }
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let mut surroundings = Surroundings::new(variables, self.path(self.here));
        if let Some(processor) = self.processor {
            surroundings = surroundings.with_processor(processor);
        }
        Request { output, configs: self.configs.clone(), surroundings }
    }

    /// The findings of one check.
    pub fn findings(&self, check: &str) -> Vec<Finding> {
        let mut checks = self.examine().checks;
        let at = checks.iter().position(|other| other.name == check).unwrap();
        checks.swap_remove(at).findings
    }

    /// `code subject` of each finding of one check, the stage's directory as `~`.
    pub fn codes(&self, check: &str) -> Vec<String> {
        let here = self.path("").to_str().unwrap().to_owned();
        let line = |finding: Finding| format!("{} {}", finding.code, finding.subject.replace(&here, "~/"));
        self.findings(check).into_iter().map(line).collect()
    }
}
