//! Which npm registry is asked. No address of one is written down anywhere in this program.
//!
//! In this order: what the user said on the command line; npm's configuration (`npm_config_*`,
//! `.npmrc` of the project and of the user, with scopes, tokens, proxies and certificates); what
//! an `npm` on PATH says; and last what the pinned OpenCode itself would ask, because it holds a
//! bun that knows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use lock::Lock;
use replay::registry::Upstream;
use replay::registry::npmrc::{self, Settings, Sources};
use replay::registry::upstream;
use replay::vendor::Vendor;
use tokio::io::AsyncReadExt;
use url::Url;

use crate::{ask_bun, binary, github};

/// How long `npm config get registry` may take. A cold node needs about a second.
const NPM_TIME: Duration = Duration::from_secs(30);

/// The most that is read of npm's answer, in bytes: one address.
const NPM_ANSWER: u64 = 4096;

/// Where the answer may be looked for.
#[derive(Debug, Clone, Default)]
pub struct Sought {
    /// What the user said (`--registry`).
    pub flag: Option<String>,
    /// Where packages of Debian's come from (`--debian`): a mirror or a directory.
    pub debian: Option<String>,
    /// Hosts that are reached elsewhere (`--connect-to`), the port 0 for the scheme's own.
    pub connect_to: BTreeMap<String, SocketAddr>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The project's directory.
    pub project: PathBuf,
    /// The user's HOME.
    pub home: Option<PathBuf>,
    /// Where a release binary of OpenCode's may lie.
    pub opencode: Option<(Vendor, Option<Lock>)>,
}

/// The registry, and npm's other settings for reaching the world.
#[derive(Debug, Clone)]
pub struct Registry {
    /// Who is asked for packages.
    pub upstream: Upstream,
    /// Proxies, certificates and credentials. Shows no secret.
    pub settings: Settings,
}

/// Whose certificates are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Whether certificates are checked at all: npm's `strict-ssl`.
    pub is_checked: bool,
    /// What stands in for the system's authorities, where a variable says so.
    pub system: Option<String>,
    /// Files of authorities beside those.
    pub files: Vec<PathBuf>,
    /// Files that are named and not there.
    pub missing: Vec<PathBuf>,
    /// Authorities in npm's `ca`.
    pub inline: usize,
}

impl Trust {
    /// That of `settings`, in the environment `env`.
    pub fn of(settings: &Settings, env: &BTreeMap<String, String>) -> Self {
        let variable = |name: &str| env.get(name).filter(|value| !value.is_empty());
        // As OpenSSL does it, which is what our TLS follows.
        let instead: Vec<String> = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
            .iter()
            .filter_map(|name| Some(format!("{} ({name}, instead of the system's)", variable(name)?)))
            .collect();
        let (files, mut missing): (Vec<PathBuf>, Vec<PathBuf>) =
            settings.certificate_files.iter().cloned().partition(|path| path.exists());
        missing.extend(variable("SSL_CERT_FILE").map(PathBuf::from).filter(|path| !path.exists()));
        Self {
            is_checked: settings.strict_ssl,
            system: (!instead.is_empty()).then(|| instead.join(", ")),
            inline: settings.certificates.len().saturating_sub(files.len()),
            files,
            missing,
        }
    }
}

/// Why no registry is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the user said is no http(s) address.
    #[error("read --registry: {text:?} is not an http or https address")]
    Flag {
        /// The text.
        text: String,
    },
    /// npm's configuration is wrong.
    #[error("read npm's configuration")]
    Npmrc(#[from] npmrc::Error),
    /// Nobody knows one.
    #[error("find the npm registry: neither npm's configuration nor an npm on PATH nor OpenCode names one")]
    Unknown,
    /// The registry's settings cannot be used.
    #[error("use npm's configuration")]
    Upstream(#[from] upstream::Error),
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Flag { .. } => "registry-flag",
            Self::Npmrc(error) => error.code(),
            Self::Unknown => "registry-unknown",
            Self::Upstream(error) => error.code(),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown | Self::Flag { .. } => Some(
                "name it with --registry URL, npm_config_registry, or a line registry=URL in ~/.npmrc".into(),
            ),
            Self::Upstream(error) => error.hint(),
            Self::Npmrc(_) => None,
        }
    }
}

impl Sought {
    /// From this process: its environment, its HOME, its working directory.
    pub fn here(flag: Option<String>, project: PathBuf) -> Self {
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let home = env.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Self { flag, debian: None, connect_to: BTreeMap::new(), env, project, home, opencode: None }
    }

    /// The registry, ready to be asked.
    pub async fn find(&self) -> Result<Registry, Error> {
        let global = self.global();
        let mut settings = Settings::load(&Sources {
            env: &self.env,
            project: Some(&self.project),
            home: self.home.as_deref(),
            global: global.as_deref(),
        })?;
        settings.connect_to.clone_from(&self.connect_to);
        if let Some(text) = &self.flag {
            settings.registry = Some(address(text).ok_or_else(|| Error::Flag { text: text.clone() })?);
        }
        if settings.registry.is_none() {
            settings.registry = self.ask_npm().await;
        }
        if settings.registry.is_none()
            && let Some((vendor, Some(lock))) = &self.opencode
            && let Some(opencode) = binary::at_hand(vendor, lock)
        {
            settings.registry = ask_bun::registry(&opencode).await;
        }
        if settings.registry.is_none() {
            return Err(Error::Unknown);
        }
        let upstream = Upstream::new(&settings)?.with_api_credentials(github::credentials(&self.env));
        let upstream = upstream.with_mirror(self.debian.clone());
        Ok(Registry { upstream, settings })
    }

    /// npm's global configuration, where a company's machines have proxy and mirror: `etc/npmrc` below `PREFIX`, else
    /// below the directory that node is installed in, as npm finds it (npm 9 and 10).
    fn global(&self) -> Option<PathBuf> {
        let variable = |name: &str| self.env.get(name).filter(|value| !value.is_empty());
        let of_node = || {
            let mut nodes = std::env::split_paths(variable("PATH")?).map(|directory| directory.join("node"));
            let node = nodes.find_map(|node| node.canonicalize().ok())?;
            Some(node.parent()?.parent()?.to_path_buf())
        };
        let prefix = variable("PREFIX").map(PathBuf::from).or_else(of_node)?;
        Some(prefix.join("etc/npmrc"))
    }

    /// What `npm config get registry` says, where there is an npm.
    async fn ask_npm(&self) -> Option<Url> {
        let mut child = tokio::process::Command::new("npm")
            .args(["config", "get", "registry"])
            .env_clear()
            .envs(&self.env)
            .current_dir(existing(&self.project))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .ok()?;
        let stdout = child.stdout.take()?;
        let mut answer = String::new();
        let read = async {
            stdout.take(NPM_ANSWER).read_to_string(&mut answer).await.ok()?;
            child.wait().await.ok().filter(std::process::ExitStatus::success)
        };
        tokio::time::timeout(NPM_TIME, read).await.ok()??;
        address(answer.trim())
    }
}

/// A directory that can be entered: the project's, which may have an empty name.
fn existing(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

fn address(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return None;
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    async fn host(sought: Sought) -> String {
        sought.find().await.unwrap().upstream.hosts().collect::<Vec<_>>().join(" ")
    }

    #[tokio::test]
    async fn npms_global_configuration_counts_least() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["bin", "etc", "home"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("bin/node", "");
        write("etc/npmrc", "registry=http://global.example/\n@s:registry=http://scope.example/\n");
        let path = directory.path().join("bin").display().to_string();
        let home = Some(directory.path().join("home"));
        let sought = Sought { env: env(&[("PATH", &path)]), home, ..Sought::default() };
        assert_eq!(host(sought.clone()).await, "global.example scope.example");
        write("home/.npmrc", "registry=http://user.example/\n");
        assert_eq!(host(sought).await, "scope.example user.example");
    }

    #[tokio::test]
    async fn the_flag_wins_over_npms_configuration() {
        let variables = env(&[("npm_config_registry", "http://env.example/npm")]);
        let sought = Sought { env: variables, ..Sought::default() };
        assert_eq!(host(sought.clone()).await, "env.example");
        let flag = Some("http://flag.example:8080".to_owned());
        assert_eq!(host(Sought { flag, ..sought.clone() }).await, "flag.example:8080");
        let wrong = Sought { flag: Some("flag.example".into()), ..sought };
        assert_eq!(wrong.find().await.unwrap_err().code(), "registry-flag");
    }
}
