//! Which hosts locking and fetching need, and whether they can be reached from here: one question to each, bounded in time. Judges
//! nothing and keeps nothing of the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use lock::{Artifact, Download, Lock, Manifest, Ripgrep, Version};
use replay::registry::Upstream;
use replay::registry::npmrc::Settings;
use replay::registry::upstream::{Bounds, Error, Retry, Ways};
use tokio::task::JoinSet;
use url::Url;

use crate::registry::Registry;
use crate::{opencode, resolve};

/// The longest that one host is waited for. One that needs more would not carry downloads.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Something that is needed of the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What it is, in words.
    pub what: String,
    /// An address of it.
    pub url: Url,
    /// What is so without it, where that is no failure.
    pub without: Option<&'static str>,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What is needed, in words.
    pub what: String,
    /// Its host, with the port where one is named.
    pub host: String,
    /// How it was asked: directly, at another address, or through which proxy.
    pub way: String,
    /// How long it took.
    pub elapsed: Duration,
    /// What is so without an answer, where that is no failure.
    pub without: Option<&'static str>,
    /// The status of its answer, or what kept it from answering as it should.
    pub answer: Result<u16, Trouble>,
}

/// What is wrong with a host, or with the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A stable code.
    pub code: &'static str,
    /// What is so.
    pub text: String,
    /// What the user can do about it.
    pub hint: Option<String>,
}

/// What is needed: the registries, the catalogue's host, and whatever the lock has from elsewhere or the manifest wants from there.
/// Each host once for each of these.
pub fn needs(
    registry: &Registry,
    lock: Option<&Lock>,
    manifest: Option<&Manifest>,
    version: Option<&Version>,
) -> Vec<Need> {
    let mut needs = Vec::new();
    let upstream = &registry.upstream;
    if let Ok(package) = opencode::CONFIG_DIR_PACKAGE.parse() {
        needs.push(Need { what: "packages".into(), url: upstream.address(&package), without: None });
    }
    for scope in registry.settings.scopes.keys() {
        let has_scope = |id: &&lock::PackageId| id.name.scope() == Some(scope);
        let known = lock.and_then(|lock| lock.packages.keys().find(has_scope)).map(|id| id.name.clone());
        // Any name of the scope's shows whether its registry answers.
        let package = known.or_else(|| format!("@{scope}/opencode-cache").parse().ok());
        needs.extend(package.map(|package| Need {
            what: format!("packages of @{scope}"),
            url: upstream.address(&package),
            without: None,
        }));
    }
    let pinned = lock.and_then(|lock| Some(lock.catalogue.as_ref()?.url.to_string()));
    let by_version = || version.map(|version| opencode::catalogue_address(version).to_owned());
    let mut add = |what: &str, address: &str, without| {
        let url = Url::parse(address).ok();
        needs.extend(url.map(|url| Need { what: what.into(), url, without }));
    };
    if let Some(address) = pinned.or_else(by_version) {
        add(
            "the catalogue of models",
            &address,
            Some("the one that lies beside the lock or inside OpenCode serves then"),
        );
    }
    for (what, address) in lock.map(elsewhere).unwrap_or_default() {
        add(&what, &address, None);
    }
    if manifest.is_some_and(|manifest| manifest.ripgrep == Ripgrep::Github) {
        add("ripgrep", opencode::RIPGREP_RELEASES, None);
    }
    let mut seen = BTreeSet::new();
    needs.retain(|need| seen.insert((need.what.clone(), need.url.host_str().map(str::to_owned))));
    needs
}

/// What a lock has from other hosts than registries: an address for each.
fn elsewhere(lock: &Lock) -> BTreeMap<String, String> {
    let address = |artifact: &Artifact| artifact.source.url().map(|url| url.to_string());
    let programs = lock.programs.iter();
    let programs =
        programs.filter_map(|(name, systems)| Some((name.to_string(), systems.values().find_map(address)?)));
    let binaries = lock.systems.values().filter_map(address).map(|url| ("OpenCode".to_owned(), url));
    let files = lock.downloads.iter().filter(|(_, answer)| matches!(answer, Download::File { .. }));
    let files = files.map(|(url, _)| (format!("downloads from {}", url.host()), url.to_string()));
    programs.chain(binaries).chain(files).collect()
}

/// Asks all of them at once, each at most [`LIMIT`] long.
pub async fn ask(settings: &Settings, needs: Vec<Need>) -> Result<Vec<Asked>, Error> {
    let bounds = Bounds { connect: LIMIT, idle: LIMIT, total: LIMIT };
    let upstream = Upstream::bounded(settings, bounds)?.with_retry(Retry { tries: 1, wait: Duration::ZERO });
    let ways = Ways::of(settings);
    let mut asking = JoinSet::new();
    for (place, need) in needs.into_iter().enumerate() {
        let (upstream, way) = (upstream.clone(), ways.to(&need.url).to_string());
        asking.spawn(async move {
            let start = Instant::now();
            let answer = judge(upstream.status(&need.url).await, &need);
            let host = host(&need.url);
            let Need { what, without, .. } = need;
            (place, Asked { what, host, way, elapsed: start.elapsed(), without, answer })
        });
    }
    let mut asked: BTreeMap<usize, Asked> = BTreeMap::new();
    while let Some(done) = asking.join_next().await {
        asked.extend(done);
    }
    Ok(asked.into_values().collect())
}

/// Any answer shows that a host is reached; some say that we are not welcome.
fn judge(answer: Result<u16, Error>, need: &Need) -> Result<u16, Trouble> {
    let host = host(&need.url);
    match answer {
        Ok(status @ (401 | 403)) if need.what.starts_with("packages") => Err(Trouble {
            code: "registry-forbidden",
            text: resolve::refusal(status).to_owned(),
            hint: Some(resolve::refusal_hint(&host, status)),
        }),
        Ok(status @ 500..) => Err(Trouble {
            code: "upstream-status",
            text: format!("it answers {status}"),
            hint: Some(format!("try again later, or ask the owner of {host}")),
        }),
        Ok(status) => Ok(status),
        Err(error) => {
            Err(Trouble { code: error.code(), text: crate::error::chain(&error), hint: error.hint() })
        }
    }
}

fn host(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use replay::registry::npmrc::Layer;

    #[test]
    fn each_host_is_needed_once_for_each_thing() {
        let env = BTreeMap::new();
        let npmrc = "registry=https://npm.example/\n@ai-sdk:registry=https://scoped.example/r\n";
        let settings = Settings::layered(&[Layer::parse(npmrc, &env)], &env).unwrap();
        let registry = Registry { upstream: Upstream::new(&settings).unwrap(), settings };
        let mut lock = Lock::parse(include_str!("../../../opencode.lock.json")).unwrap();
        for file in ["a", "b"] {
            let answer = Download::File { integrity: sri(), size: 1, headers: BTreeMap::new() };
            lock.downloads.insert(format!("https://files.example/{file}").parse().unwrap(), answer);
        }
        let version = lock.opencode.clone();
        let needs = needs(&registry, Some(&lock), None, Some(&version));
        let said: Vec<_> = needs.iter().map(|need| format!("{}: {}", need.what, host(&need.url))).collect();
        assert_eq!(
            said,
            [
                "packages: npm.example",
                "packages of @ai-sdk: scoped.example",
                "the catalogue of models: models.opencode.ai",
                "downloads from files.example: files.example",
            ]
        );
        assert!(needs[1].url.path().starts_with("/r/@ai-sdk%2F"), "{}", needs[1].url);
    }

    fn sri() -> lock::Sri {
        lock::Sri::of(lock::Algorithm::Sha512, b"x")
    }
}
