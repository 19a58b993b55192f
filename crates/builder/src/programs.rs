//! Programs that OpenCode starts and would download: ripgrep. Owns where it is published, what a lock pins of it, and where it
//! lies in an output. OpenCode finds it by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use lock::{
    Archive, Artifact, ArtifactSource, Date, HttpsUrl, Lock, Manifest, PackageName, RelPath, Ripgrep, System,
    Version,
};
use replay::registry::Lookup;
use replay::registry::upstream::MAX_DOWNLOAD;
use replay::vendor::{self, Vendor};
use url::Url;

use crate::registry::Registry;
use crate::{in_binary, layout, opencode, resolve};

/// Why a program cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry does not have it, or gave no answer.
    #[error("resolve ripgrep")]
    Resolve(#[from] resolve::Error),
    /// No version of the packages is published for every wanted system.
    #[error("resolve ripgrep{}", none(before.as_ref(), packages))]
    NoCommonVersion {
        /// The packages.
        packages: Vec<String>,
        /// The day, where one was named.
        before: Option<Date>,
    },
    /// Its release could not be downloaded.
    #[error("fetch {url}")]
    Fetch {
        /// The address.
        url: String,
        /// The cause.
        source: Box<vendor::Error>,
    },
    /// There is no such release.
    #[error("fetch {url}: its host answers {status}")]
    Absent {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The release binary could not be read.
    #[error("read {}", path.display())]
    Binary {
        /// The binary.
        path: std::path::PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A word that this program made is none.
    #[error("name {what}")]
    Name {
        /// The text.
        what: String,
    },
}

fn none(day: Option<&Date>, packages: &[String]) -> String {
    let packages = packages.join(", ");
    match day {
        Some(day) => format!(" as of {day}: every version is younger that all of {packages} have"),
        None => format!(": no version has all of {packages}"),
    }
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Resolve(error) => error.code(),
            Self::NoCommonVersion { before: Some(_), .. } => "before-younger",
            Self::NoCommonVersion { .. } => "ripgrep-no-common-version",
            Self::Fetch { source, .. } => source.code(),
            Self::Absent { .. } => "ripgrep-absent",
            Self::Binary { .. } => "vendor-unreadable",
            Self::Name { .. } => "bug-name",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        const ELSEWHERE: &str =
            "say `ripgrep = \"github\"` in the manifest, or `ripgrep = \"none\"` where every machine has one";
        match self {
            Self::Resolve(resolve::Error::Upstream { source, .. }) => source.hint(),
            Self::NoCommonVersion { packages, before: Some(_) } => Some(format!(
                "take a later day, or pin it by hand: `[packages]` \"{}\" = \"VERSION\" holds whatever the day",
                packages.first().map(String::as_str).unwrap_or_default()
            )),
            Self::Resolve(_) | Self::NoCommonVersion { .. } => Some(ELSEWHERE.into()),
            Self::Fetch { source, .. } => source.hint().or_else(|| {
                Some("say `ripgrep = \"npm\"` in the manifest, or where its host is with --connect-to".into())
            }),
            _ => None,
        }
    }
}

/// What is wrong with a lock's ripgrep, as the manifest wants it; `None` where it fits.
pub fn missing_from(manifest: &Manifest, lock: &Lock) -> Option<String> {
    let found = lock.programs.get(opencode::RIPGREP);
    match (manifest.ripgrep, found) {
        (Ripgrep::None, None) => None,
        (Ripgrep::None, Some(_)) => Some("ripgrep is in the lock, and is not wanted any more".into()),
        (Ripgrep::Npm, Some(found)) if found.values().any(|one| !is_as_pinned(manifest, one)) => {
            Some("ripgrep is pinned to another version than the lock has".into())
        }
        (wanted, Some(found))
            if lock.systems.keys().all(|system| found.get(system).is_some_and(|one| fits(wanted, one))) =>
        {
            None
        }
        _ => Some("ripgrep is wanted, the lock does not have it from there for every system".into()),
    }
}

fn fits(wanted: Ripgrep, found: &Artifact) -> bool {
    matches!(
        (wanted, &found.source),
        (Ripgrep::Npm, ArtifactSource::Npm { .. }) | (Ripgrep::Github, ArtifactSource::Url { .. })
    )
}

/// Whether it is the version that `[packages]` names, where it names one.
fn is_as_pinned(manifest: &Manifest, found: &Artifact) -> bool {
    match &found.source {
        ArtifactSource::Npm { package, version } => {
            manifest.packages.get(package).is_none_or(|pinned| pinned == version)
        }
        _ => true,
    }
}

/// How programs are resolved.
pub struct Resolving<'a> {
    /// What is wanted.
    pub manifest: &'a Manifest,
    /// For which systems.
    pub systems: BTreeSet<System>,
    /// As of the end of this day.
    pub before: Option<Date>,
    /// Who is asked.
    pub registry: &'a Registry,
    /// Where downloads go.
    pub vendor: &'a Vendor,
}

impl Resolving<'_> {
    /// Resolves every wanted program; `binary` is OpenCode's, which says what it would download.
    pub async fn run(&self, binary: &Path) -> Result<BTreeMap<String, BTreeMap<System, Artifact>>, Error> {
        let found = match self.manifest.ripgrep {
            Ripgrep::Npm => self.prebuilt().await?,
            Ripgrep::Github => self.released(binary).await?,
            _ => return Ok(BTreeMap::new()),
        };
        Ok(BTreeMap::from([(opencode::RIPGREP.to_owned(), found)]))
    }

    async fn prebuilt(&self) -> Result<BTreeMap<System, Artifact>, Error> {
        let mut names = BTreeMap::new();
        let mut common: Option<BTreeSet<Version>> = None;
        for system in &self.systems {
            let text = opencode::ripgrep_package(*system).0;
            let name: PackageName = text.parse().map_err(|_| Error::Name { what: text.clone() })?;
            let versions = match self.manifest.packages.get(&name) {
                Some(version) => BTreeSet::from([version.clone()]),
                None => resolve::releases(&self.registry.upstream, &name, self.before).await?,
            };
            common = Some(match common {
                None => versions,
                Some(common) => common.intersection(&versions).cloned().collect(),
            });
            names.insert(*system, name);
        }
        let Some(version) = common.unwrap_or_default().pop_last() else {
            let packages = names.values().map(ToString::to_string).collect();
            return Err(Error::NoCommonVersion { packages, before: self.before });
        };
        let mut found = BTreeMap::new();
        for (system, package) in names {
            let (integrity, size) = resolve::pin(&self.registry.upstream, &package, &version).await?;
            let source = ArtifactSource::Npm { package, version: version.clone() };
            let binary = rel_path(opencode::ripgrep_package(system).1)?;
            found.insert(system, Artifact { source, integrity, size, archive: Archive::Tgz, binary });
        }
        Ok(found)
    }

    /// The releases' hashes are stated nowhere that this program would trust: each is downloaded once.
    async fn released(&self, binary: &Path) -> Result<BTreeMap<System, Artifact>, Error> {
        let version =
            release_version(binary).map_err(|source| Error::Binary { path: binary.into(), source })?;
        let mut found = BTreeMap::new();
        for system in &self.systems {
            let (address, binary) = opencode::ripgrep_release(*system, &version);
            let artifact = self.download(&address, rel_path(&binary)?).await?;
            found.insert(*system, artifact);
        }
        Ok(found)
    }

    async fn download(&self, address: &str, binary: RelPath) -> Result<Artifact, Error> {
        let what = || Error::Name { what: address.to_owned() };
        let (url, locked): (Url, HttpsUrl) =
            (address.parse().map_err(|_| what())?, address.parse().map_err(|_| what())?);
        let failed = |source| Error::Fetch { url: address.into(), source: Box::new(source) };
        let unreached = |source| failed(vendor::Error::Upstream { what: address.into(), source });
        let download = match self.registry.upstream.download(&url, 0).await.map_err(unreached)? {
            Lookup::Found(download) => download,
            Lookup::Absent { status } => return Err(Error::Absent { url: address.into(), status }),
        };
        let stored = self.vendor.put_download(address, download, None, MAX_DOWNLOAD).await.map_err(failed)?;
        let source = ArtifactSource::Url { url: locked };
        let (integrity, size) = (stored.integrity, stored.size);
        Ok(Artifact { source, integrity, size, archive: Archive::Tgz, binary })
    }
}

fn rel_path(text: &str) -> Result<RelPath, Error> {
    text.parse().map_err(|_| Error::Name { what: text.into() })
}

/// The version of ripgrep that an OpenCode would download.
fn release_version(binary: &Path) -> io::Result<String> {
    let found = in_binary::find(binary, &[opencode::RIPGREP_RELEASES], |bytes, _, end| {
        let behind = bytes.get(end..bytes.len().min(end + 32))?;
        let text = std::str::from_utf8(behind.split(|byte| *byte == b'/').next()?).ok()?;
        text.parse::<Version>().is_ok().then(|| text.to_owned())
    })?;
    Ok(found.unwrap_or_else(|| opencode::RIPGREP_VERSION.to_owned()))
}

/// The programs that an output for `system` holds: name, place in it, and what is unpacked there. OpenCode looks at the same
/// place in its cache directory.
pub fn placed(lock: &Lock, system: System) -> impl Iterator<Item = (&str, String, &Artifact)> {
    lock.programs.iter().filter_map(move |(name, systems)| {
        let binary = if name == opencode::RIPGREP { opencode::RIPGREP_BINARY } else { name.as_str() };
        Some((name.as_str(), layout::program(binary), systems.get(&system)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_beside_the_address() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let version = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            release_version(file.path()).unwrap()
        };
        let releases = opencode::RIPGREP_RELEASES;
        assert_eq!(version(&format!("x=`{releases}16.0.2/${{u}}`")), "16.0.2");
        assert_eq!(version(&format!("x=`{releases}${{u$}}/${{X}}`")), opencode::RIPGREP_VERSION);
        assert_eq!(version(""), opencode::RIPGREP_VERSION);
    }

    /// A registry that has 1.0.0 and 2.0.0 of every package, of 2020 and 2026.
    fn registry() -> Registry {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(io::Result::ok);
                let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let version = |version: &str| {
                    let integrity = lock::Sri::of(lock::Algorithm::Sha512, version.as_bytes()).to_string();
                    serde_json::json!({ "version": version, "dist": { "integrity": integrity } })
                };
                let path = lines[0].split(' ').nth(1).unwrap();
                let document = match path.rsplit('/').next() {
                    Some(exact @ ("1.0.0" | "2.0.0")) => version(exact),
                    _ => serde_json::json!({
                        "versions": { "1.0.0": version("1.0.0"), "2.0.0": version("2.0.0") },
                        "time": { "1.0.0": "2020-05-05T00:00:00.000Z", "2.0.0": "2026-05-05T00:00:00.000Z" },
                    }),
                };
                let (body, length) = match lines[0].starts_with("HEAD") {
                    true => (String::new(), 7),
                    false => (document.to_string(), document.to_string().len()),
                };
                let head = format!("HTTP/1.1 200 x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all((head + &body).as_bytes()).unwrap();
            }
        });
        let mut settings =
            replay::registry::npmrc::Settings::layered(&[], &std::collections::BTreeMap::new()).unwrap();
        settings.registry = Some(url.parse().unwrap());
        Registry { upstream: replay::registry::Upstream::new(&settings).unwrap(), settings }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_prebuilt_one_is_of_its_day_unless_it_is_pinned() {
        let (registry, vendor) = (registry(), Vendor::at("/nowhere"));
        let resolve = async |before: &str, packages: &str| {
            let manifest = Manifest::parse(&format!("ripgrep = \"npm\"\n[packages]\n{packages}")).unwrap();
            let before = (!before.is_empty()).then(|| before.parse().unwrap());
            let systems = BTreeSet::from([System::X86_64Linux, System::Aarch64Linux]);
            let resolving =
                Resolving { manifest: &manifest, systems, before, registry: &registry, vendor: &vendor };
            let found = resolving.run(Path::new("/nowhere")).await?.remove(opencode::RIPGREP).unwrap();
            let versions = found.into_values().map(|artifact| match artifact.source {
                ArtifactSource::Npm { version, .. } => version.to_string(),
                other => panic!("{other:?}"),
            });
            Ok::<_, Error>(versions.collect::<Vec<_>>())
        };
        assert_eq!(resolve("", "").await.unwrap(), ["2.0.0", "2.0.0"]);
        assert_eq!(resolve("2021-01-01", "").await.unwrap(), ["1.0.0", "1.0.0"]);
        let pins =
            System::ALL.map(|system| format!("\"{}\" = \"2.0.0\"\n", opencode::ripgrep_package(system).0));
        assert_eq!(resolve("2021-01-01", &pins.concat()).await.unwrap(), ["2.0.0", "2.0.0"]);
        let early = resolve("2019-01-01", "").await.unwrap_err();
        assert!(early.code() == "before-younger" && early.to_string().contains("2019-01-01"), "{early}");
    }

    #[test]
    fn a_lock_fits_where_it_has_ripgrep_from_the_wanted_place() {
        let text = include_str!("../../../fixtures/lock/every-key/lock.json");
        let lock = Lock::parse(text).unwrap();
        let bare = Lock { programs: BTreeMap::new(), ..lock.clone() };
        let wanting = |ripgrep| Manifest { ripgrep, ..Manifest::default() };
        assert!(missing_from(&wanting(Ripgrep::None), &lock).is_some());
        assert_eq!(missing_from(&wanting(Ripgrep::None), &bare), None);
        assert!(missing_from(&wanting(Ripgrep::Npm), &bare).is_some());
        let fitting = [Ripgrep::Npm, Ripgrep::Github].map(|from| missing_from(&wanting(from), &lock));
        assert!(fitting.iter().filter(|reason| reason.is_none()).count() <= 1, "{fitting:?}");
    }
}
