//! One sandbox with an output in it: how OpenCode is configured there, and with which environment
//! it is started.

use std::path::Path;

use linkmap::{EnvValue, Map};
use lock::Profile;
use replay::llm::{Script, ScriptedLlm};
use sandbox::Bind;

use super::outside::Outside;
use super::specs::Specs;
use super::{Error, tui};
use crate::config::Wanted;
use crate::contents::Contents;
use crate::names::NameServer;
use crate::stage::{self, Stage};
use crate::{files, layout, opencode};

/// A directory that nobody seeded: it has a config directory of its own, and nothing in it.
pub const UNSEEDED: &str = "/home/user/unseeded";
/// npm's configuration of the offline profile, for an output of the other one.
const NPMRC: &str = "/home/user/.verify/npmrc";
/// Where npm packages come from in the online profile. The name is nobody's (RFC 2606): it stands
/// for whatever the user's npm is configured to ask.
pub const REGISTRY: &str = "registry.invalid";

/// A stage with an output in it.
pub struct Inside<'a> {
    pub stage: Stage,
    /// The output, on this machine and inside.
    pub output: &'a Path,
    pub contents: &'a Contents,
    /// The profile that OpenCode is run in, whatever the output's own is.
    pub profile: Profile,
    pub specs: Specs,
    /// The wrapper, as a path inside.
    pub program: String,
    /// Ends with this.
    _llm: ScriptedLlm,
}

impl<'a> Inside<'a> {
    /// Opens a sandbox with the network `outside`; with the name server that has to be listened to.
    pub async fn open(
        output: &'a Path,
        contents: &'a Contents,
        wanted: &Wanted,
        profile: Profile,
        outside: Outside,
    ) -> Result<(Self, Option<NameServer>), Error> {
        let mut spec = sandbox::Spec::new(stage::HOME);
        spec.binds.push(Bind::read_only(output, output));
        for plugin in &wanted.local_plugins {
            spec.binds.push(Bind::read_only(plugin, plugin));
        }
        spec.tcp_listeners = 1;
        spec.count = true;
        spec.network = outside.network();
        let mut stage = Stage::open_spec(spec).await?;
        let names = NameServer::start_as(&mut stage, outside.names());
        let listener = stage.take_listener().ok_or(Error::Worker)?;
        let mut script = Script::saying(tui::answer(contents));
        script.pause = opencode::unhurried(&contents.opencode);
        script.thinks = script.pause;
        let llm = ScriptedLlm::serve(listener, script).map_err(|_| Error::Worker)?;
        let specs = Specs::new(contents, wanted);
        let config = specs.config(&llm.url()).to_string();
        let write = |path: String, text: &[u8]| stage.sandbox().write(path, text).map_err(stage::Error::from);
        write(format!("{}/opencode.json", stage::CONFIG_DIR), config.as_bytes())?;
        write(NPMRC.to_owned(), opencode::npmrc(Profile::Offline).as_bytes())?;
        for directory in [stage::PROJECT, UNSEEDED] {
            stage.sandbox().make_directory(format!("{directory}/.opencode")).map_err(stage::Error::from)?;
        }
        let program = format!("{}/{}", output.display(), layout::WRAPPER);
        Ok((Self { stage, output, contents, profile, specs, program, _llm: llm }, names))
    }

    /// A user's environment: HOME, PATH, and where the output is of the other profile what makes
    /// this one of it. What the output's own profile needs, the output has to bring.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut env = self.stage.environment();
        env.retain(|(name, _)| !name.starts_with("npm_config_"));
        match self.profile {
            Profile::Offline if self.contents.profile == Profile::Online.as_str() => {
                env.extend(opencode::quiet_environment());
                let npmrc = self.stage.sandbox().inside(NPMRC).display().to_string();
                env.push(("npm_config_globalconfig".into(), npmrc));
            }
            Profile::Offline => {}
            Profile::Online => env.push(("npm_config_registry".into(), format!("http://{REGISTRY}/"))),
        }
        env
    }

    /// The value that the output's link map has for a variable, as programs inside see it.
    pub fn variable(&self, name: &str) -> Option<String> {
        let path = self.output.join(layout::LINKMAP);
        let text = files::read_bounded(&path, linkmap::MAX_BYTES as u64).ok()?;
        let map = Map::parse(&text).ok()?;
        let found = map.env().find(|default| default.name == name)?;
        Some(match found.value {
            EnvValue::Text(text) => text.to_owned(),
            EnvValue::OutputPath(path) => self.output.join(path).display().to_string(),
        })
    }
}
