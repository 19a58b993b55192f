//! What a registry states of a version: that it is there, its hash, its size. Asks for metadata only. Which versions of OpenCode there
//! are, and which artifacts they have, is `releases`'.

use std::collections::BTreeSet;

use lock::{
    Archive, Artifact, ArtifactSource, Date, PackageId, PackageName, RelPath, Repository, Sri, System,
    Version,
};
use replay::registry::upstream;
use replay::registry::{Lookup, Packument, Release, Upstream};
use replay::vendor;

use crate::{github, opencode};

/// Why something cannot be resolved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry gave no answer.
    #[error("ask the registry for {what}")]
    Upstream {
        /// The package or version.
        what: String,
        /// The cause.
        source: upstream::Error,
    },
    /// The registry does not have it.
    #[error("resolve {what}: the registry does not have it (status {status})")]
    Absent {
        /// The package or version.
        what: String,
        /// The registry's status.
        status: u16,
    },
    /// The registry does not tell us.
    #[error("ask {host} for {what}: {}", refusal(*status))]
    Forbidden {
        /// The package or version.
        what: String,
        /// The registry's host.
        host: String,
        /// The registry's status: 401 or 403.
        status: u16,
    },
    /// The registry names no hash that can be pinned.
    #[error("pin {what}: the registry states no sha512 or sha256 integrity")]
    NoIntegrity {
        /// The package and version.
        what: String,
    },
    /// The registry does not say how large something is, or where it lies.
    #[error("pin {what}: the registry does not say where its tarball lies or how large it is")]
    NoSize {
        /// The package and version.
        what: String,
    },
    /// There is no version of which all parts exist.
    #[error("resolve opencode \"latest\"{}: no version has all of {}", as_of(before.as_ref()), parts.join(", "))]
    NoCommonVersion {
        /// The day, where one was named.
        before: Option<Date>,
        /// The packages that would have to have it.
        parts: Vec<String>,
    },
    /// What is published under a version is not what it was when it was pinned.
    #[error(
        "resolve {what}: its bytes are not those that are pinned: the lock has {locked}, upstream states {stated} now"
    )]
    Changed {
        /// The artifact.
        what: String,
        /// The lock's hash.
        locked: Sri,
        /// Upstream's.
        stated: Sri,
    },
    /// GitHub did not tell.
    #[error(transparent)]
    GitHub(#[from] github::Error),
    /// A release lacks some of what is wanted.
    #[error("resolve OpenCode {version}: its release in {repository} has no {}", missing.join(", "))]
    NoAsset {
        /// The repository.
        repository: Repository,
        /// The version.
        version: Version,
        /// The assets.
        missing: Vec<String>,
    },
    /// An asset whose hash nobody states could not be downloaded.
    #[error("hash {what}")]
    Download {
        /// The asset.
        what: String,
        /// The cause.
        source: Box<vendor::Error>,
    },
    /// The version is too old.
    #[error(transparent)]
    Era(#[from] opencode::UnsupportedEra),
    /// A worker ended abnormally.
    #[error("resolve: a worker ended abnormally")]
    Worker,
    /// A name that this program made is none.
    #[error("name {what}")]
    Name {
        /// The text.
        what: String,
    },
}

fn as_of(day: Option<&Date>) -> String {
    day.map(|day| format!(" as of {day}")).unwrap_or_default()
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Upstream { source, .. } => source.code(),
            Self::Absent { .. } => "package-absent",
            Self::Forbidden { .. } => "registry-forbidden",
            Self::NoIntegrity { .. } => "package-no-integrity",
            Self::NoSize { .. } => "package-no-size",
            Self::NoCommonVersion { .. } => "opencode-no-common-version",
            Self::Changed { .. } => "pin-changed-upstream",
            Self::GitHub(error) => error.code(),
            Self::NoAsset { .. } => "github-no-asset",
            Self::Download { source, .. } => source.code(),
            Self::Era(_) => "opencode-era",
            Self::Worker => "bug-worker",
            Self::Name { .. } => "package-name",
        }
    }

    /// Whether the user asked for something that does not exist.
    pub fn is_input(&self) -> bool {
        matches!(
            self,
            Self::Absent { .. }
                | Self::NoCommonVersion { .. }
                | Self::NoAsset { .. }
                | Self::Era(_)
                | Self::GitHub(github::Error::Absent { .. })
        )
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Upstream { source, .. } => source.hint(),
            Self::Forbidden { host, status, .. } => Some(refusal_hint(host, *status)),
            Self::GitHub(error) => error.hint(),
            Self::Download { source, .. } => source.hint(),
            Self::NoAsset { .. } => Some("a release is complete some hours after its tag; take another version, or want fewer systems or variants".into()),
            Self::Absent { .. } => Some("look at the spelling and at which versions the registry has".into()),
            Self::Changed { .. } => Some(
                "somebody published other bytes under the same version, or stands in between: find out who, and take another version; \
                 nothing was written"
                    .into(),
            ),
            Self::NoCommonVersion { .. } => {
                Some("name a version with `opencode = \"…\"` or want fewer systems in the manifest".into())
            }
            _ => None,
        }
    }
}

/// The published versions of a package that are no pre-releases, as of the end of a day.
pub(crate) async fn releases(
    upstream: &Upstream,
    name: &PackageName,
    before: Option<Date>,
) -> Result<BTreeSet<Version>, Error> {
    let packument: Packument = found(upstream, name, name.as_str(), upstream.packument(name).await)?;
    let packument = match before {
        Some(day) => packument.as_of(day, |_| false),
        None => packument,
    };
    Ok(packument.versions.into_keys().filter(|version| !version.is_prerelease()).collect())
}

/// The artifact of a package of the release's: the system's own, or another build.
pub(crate) async fn release(
    upstream: &Upstream,
    version: &Version,
    system: System,
    package: &str,
) -> Result<Artifact, Error> {
    let (_, binary) = opencode::platform_package(system);
    let package = name(package)?;
    let (integrity, size) = pin(upstream, &package, version).await?;
    let binary: RelPath = binary.parse().map_err(|_| Error::Name { what: binary.into() })?;
    let source = ArtifactSource::Npm { package, version: version.clone() };
    Ok(Artifact { source, integrity, size, archive: Archive::Tgz, binary })
}

/// Integrity and size of a published version, without downloading it.
pub(crate) async fn pin(
    upstream: &Upstream,
    package: &PackageName,
    version: &Version,
) -> Result<(Sri, u64), Error> {
    let id = package.at(version.clone());
    let what = id.to_string();
    let release: Release =
        found(upstream, package, &what, upstream.version(package, &version.to_string()).await)?;
    let size = tarball_size(upstream, &id, &release).await?;
    let integrity = release.integrity.ok_or(Error::NoIntegrity { what })?;
    Ok((integrity, size))
}

/// The size of a release's tarball as its server states it. The registry that is configured is
/// asked first, wherever its documents say that tarballs lie.
pub(crate) async fn tarball_size(
    upstream: &Upstream,
    id: &PackageId,
    release: &Release,
) -> Result<u64, Error> {
    let what = id.to_string();
    let size = found(upstream, &id.name, &what, upstream.tarball_size(id, Some(release)).await)?;
    size.ok_or(Error::NoSize { what })
}

pub(crate) fn found<T>(
    upstream: &Upstream,
    package: &PackageName,
    what: &str,
    answer: Result<Lookup<T>, upstream::Error>,
) -> Result<T, Error> {
    match answer {
        Ok(Lookup::Found(found)) => Ok(found),
        // Whether it has the package is not what it said.
        Ok(Lookup::Absent { status: status @ (401 | 403) }) => {
            Err(Error::Forbidden { what: what.into(), host: upstream.host(package), status })
        }
        Ok(Lookup::Absent { status }) => Err(Error::Absent { what: what.into(), status }),
        Err(source) => Err(Error::Upstream { what: what.into(), source }),
    }
}

/// What a registry means by 401 or 403.
pub(crate) fn refusal(status: u16) -> &'static str {
    match status {
        401 => "it wants to know who asks (status 401)",
        _ => "who asks may not have it (status 403)",
    }
}

/// What the user can do about it.
pub(crate) fn refusal_hint(host: &str, status: u16) -> String {
    match status {
        401 => format!(
            "put the token for {host} into ~/.npmrc, as npm wants it (//{host}/:_authToken=…), and look whether the one there is \
             still good"
        ),
        _ => format!(
            "ask the owner of {host}: the token in ~/.npmrc may lack the right, or the package may be blocked there"
        ),
    }
}

pub(crate) fn name(text: &str) -> Result<PackageName, Error> {
    text.parse().map_err(|_| Error::Name { what: text.into() })
}
