//! `opencode.lock.json`: what a manifest resolved to. Owns the lock's types and the questions that can be asked of
//! one; the text is read in `read` and `check`, written in `render`, brought up to date in `upgrade`.
//!
//! A lock is registry-neutral: packages are named by name, version and integrity, never by an address. The format
//! is documented key by key in `docs/LOCK.md`.

mod check;
mod error;
mod exercise;
mod fill;
mod package_manifest;
mod read;
mod read_exercise;
mod record;
mod render;
mod upgrade;

use std::collections::{BTreeMap, BTreeSet};

pub use error::{Error, Problem, WordError};
pub use exercise::{Exercise, ExerciseKind, ExerciseName, ExerciseNameError, Proof};
pub use fill::{Fill, FillError, FillRoot};
pub use package_manifest::{Field, FieldError, PackageManifest, manifest_fields};

use crate::{
    attestation::Attestation,
    date::Date,
    debian::{DebianName, DebianPackage},
    https_url::HttpsUrl,
    package::{PackageId, PackageName},
    rel_path::RelPath,
    repository::Repository,
    signature::Signature,
    sri::Sri,
    system::System,
    version::Version,
};

/// The lock version that this crate writes. A newer one is refused, an older one upgraded in steps.
pub const VERSION: u64 = 1;

/// Largest lock text that is read, in bytes: 64 MiB, some hundred times the lock of a generous configuration. A
/// lower bound would refuse nothing honest; none would let a bad file fill the memory.
pub const MAX_BYTES: usize = 64 << 20;

/// What stands in `signatures` for a pinned version whose registry was never asked, where others were.
pub const NOT_ASKED: &str = "not asked";

/// What stands in `signatures` for all that it does not list.
pub(crate) const EVERY_OTHER: &str = "*";

/// A whole lock. Every value can be rendered; whether it is one that [`Lock::parse`] accepts (every exercise's
/// package is pinned, no address in a package's manifest …) is decided by parsing what was rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct Lock {
    /// OpenCode's version.
    pub opencode: Version,
    /// The wanted systems, and OpenCode's release artifact for each.
    pub systems: BTreeMap<System, Artifact>,
    /// What was run to make OpenCode fill its cache, and what each run resolved.
    pub exercises: BTreeMap<ExerciseName, Exercise>,
    /// Every npm package that is downloaded.
    pub packages: BTreeMap<PackageId, Package>,
    /// Packages of which only metadata is answered (those of systems that are not wanted).
    pub known: BTreeMap<PackageId, Known>,
    /// Every other download over https, by its address.
    pub downloads: BTreeMap<HttpsUrl, Download>,
    /// The model catalogue, where one was recorded.
    pub catalogue: Option<Catalogue>,
    /// How many models `opencode models` listed, by provider, with a dummy key set for each.
    pub models: BTreeMap<String, u32>,
    /// Programs that OpenCode starts and would download (`ripgrep`), by name and system.
    pub programs: BTreeMap<String, BTreeMap<System, Artifact>>,
    /// Other builds of the release (`baseline`, `musl`), by name and system.
    pub variants: BTreeMap<String, BTreeMap<System, Artifact>>,
    /// Packages of Debian's whose libraries an output for a system holds.
    pub libraries: BTreeMap<System, BTreeMap<DebianName, DebianPackage>>,
    /// The packages that the manifest pinned by hand (`[packages]`) when this was resolved.
    pub pins: BTreeMap<PackageName, Version>,
    /// The day as of which this was resolved, where one was named.
    pub before: Option<Date>,
    /// The SDKs that OpenCode's catalogue gives the providers that were asked for by name; none where it does not know one.
    pub providers: BTreeMap<String, BTreeSet<String>>,
    /// Whether the registry vouched for what is pinned of it, see [`Lock::npm_pins`]. What is not in here was never asked.
    pub signatures: BTreeMap<PackageId, Signature>,
    /// Who built what is pinned, of those versions whose attestation was verified.
    pub attestations: BTreeMap<PackageId, Attestation>,
}

/// A release artifact, of OpenCode's or of a program that it starts, for one system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Artifact {
    /// Where it is published.
    #[serde(flatten)]
    pub source: ArtifactSource,
    /// The archive's integrity.
    pub integrity: Sri,
    /// The archive's size, in bytes.
    pub size: u64,
    /// The archive's form.
    pub archive: Archive,
    /// The executable's path inside the archive.
    pub binary: RelPath,
}

/// Where a release artifact is published. Registry-neutral like the rest of the lock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(tag = "source", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ArtifactSource {
    /// A package of an npm registry.
    Npm {
        /// The package (`opencode-linux-x64`).
        package: PackageName,
        /// Its version: of a release artifact, OpenCode's.
        version: Version,
    },
    /// An asset of a release on GitHub, whose tag is `v` and the version.
    Github {
        /// The repository.
        repository: Repository,
        /// The asset (`opencode-linux-x64.tar.gz`).
        asset: String,
        /// The version: OpenCode's.
        version: Version,
    },
    /// An archive at an address that is no registry's.
    Url {
        /// The address.
        url: HttpsUrl,
    },
}

/// The form of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Archive {
    /// A gzipped tar.
    Tgz,
    /// A zip file.
    Zip,
}

/// An npm package whose bytes are pinned.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// The tarball's integrity.
    pub integrity: Sri,
    /// The tarball's size, in bytes.
    pub size: u64,
    /// Which of the wanted systems need it.
    pub reach: Reach,
    /// What a resolver needs to know of it.
    pub manifest: PackageManifest,
}

/// Which of a lock's systems need a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// All of them.
    Everywhere,
    /// These only (the package's own `os`, `cpu` and `libc`, or those of whatever depends on it).
    Only(BTreeSet<System>),
}

/// An npm package of which only metadata is answered; its bytes are never downloaded, so its hash is no pin and may
/// be missing (old packages of foreign systems have none but sha1).
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The tarball's integrity, as the registry gives it; it ends up in npm's lock files.
    pub integrity: Option<Sri>,
    /// What a resolver needs to know of it.
    pub manifest: PackageManifest,
}

/// What an https address that is no package's answered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Download {
    /// Bytes (status 200).
    File {
        /// Their integrity.
        integrity: Sri,
        /// Their number.
        size: u64,
        /// The answer's headers that a client may look at, names in lower case.
        headers: BTreeMap<String, String>,
    },
    /// A text (status 200) that moves out there, so that it stands in the lock itself: what the latest release of something is.
    Text {
        /// The body.
        text: String,
        /// As a file's.
        headers: BTreeMap<String, String>,
    },
    /// Another address (a status from 300 to 399).
    Redirect {
        /// The status.
        status: u16,
        /// The address; the lock holds an answer for it too.
        location: HttpsUrl,
    },
    /// Nothing (a status from 400 to 599), as a recorded fact. 502 is what a recorder answers for a host that it
    /// cannot reach.
    Absent {
        /// The status.
        status: u16,
    },
}

/// The model catalogue. Its bytes lie beside the lock, compressed with zstd; integrity and size are those of the
/// uncompressed bytes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Catalogue {
    /// Integrity of the uncompressed bytes.
    pub integrity: Sri,
    /// Their number.
    pub size: u64,
    /// The address that OpenCode asked for it.
    pub url: HttpsUrl,
}

/// A package as an exercise meets it: pinned, or known by its metadata only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pin<'l> {
    /// Its bytes are pinned.
    Pinned(&'l Package),
    /// Only metadata is answered.
    Known(&'l Known),
}

impl Lock {
    /// Reads a lock's text. Order and layout do not matter; everything else does, see `docs/LOCK.md`.
    ///
    /// # Errors
    /// The first problem, with its line and column.
    pub fn parse(text: &str) -> Result<Lock, Error> {
        read::parse(text)
    }

    /// The canonical text: keys sorted, one fact a line, two blanks a level, a newline at the end. What is rendered
    /// from one lock differs from what is rendered from another only in the lines of what differs.
    pub fn render(&self) -> String {
        render::render(self)
    }

    /// The packages whose bytes a system needs: those that reach it and that npm would install there.
    pub fn pinned_for(&self, system: System) -> impl Iterator<Item = (&PackageId, &Package)> {
        self.packages.iter().filter(move |(_, package)| package.is_for(system))
    }

    /// What an exercise resolved, in order of id; nothing where there is no such exercise. Ids that the lock holds no
    /// entry for are left out; a lock that was parsed has none.
    pub fn exercise_packages(&self, name: &ExerciseName) -> impl Iterator<Item = (&PackageId, Pin<'_>)> {
        let ids = self.exercises.get(name).into_iter().flat_map(|exercise| &exercise.packages);
        ids.filter_map(|id| Some((id, self.pin(id)?)))
    }

    /// What the lock holds of a package.
    pub fn pin(&self, id: &PackageId) -> Option<Pin<'_>> {
        let pinned = self.packages.get(id).map(Pin::Pinned);
        pinned.or_else(|| self.known.get(id).map(Pin::Known))
    }

    /// Drops the packages that no exercise names, pinned and known alike: what [`Lock::parse`] would refuse.
    pub fn retain_referenced(&mut self) {
        let named: BTreeSet<&PackageId> =
            self.exercises.values().flat_map(|exercise| &exercise.packages).collect();
        self.packages.retain(|id, _| named.contains(id));
        self.known.retain(|id, _| named.contains(id));
        let pinned: BTreeSet<PackageId> = self.npm_pins().into_keys().collect();
        self.signatures.retain(|id, _| pinned.contains(id));
        self.attestations.retain(|id, _| pinned.contains(id));
    }

    /// Every version of an npm package whose bytes are pinned: packages, and artifacts that a registry publishes.
    pub fn npm_pins(&self) -> BTreeMap<PackageId, &Sri> {
        let published = self.artifacts().filter_map(|artifact| match &artifact.source {
            ArtifactSource::Npm { package, version } => {
                Some((package.at(version.clone()), &artifact.integrity))
            }
            _ => None,
        });
        let packages = self.packages.iter().map(|(id, package)| (id.clone(), &package.integrity));
        published.chain(packages).collect()
    }

    /// Every artifact: of the release, its variants, and programs.
    pub fn artifacts(&self) -> impl Iterator<Item = &Artifact> {
        let others = self.variants.values().chain(self.programs.values());
        self.systems.values().chain(others.flat_map(BTreeMap::values))
    }

    /// How many of the pinned npm versions there are of each state, by its word: `unsigned`, `verified KEY`, `not asked`.
    pub fn signature_counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for id in self.npm_pins().keys() {
            let state = self.signatures.get(id).map_or_else(|| NOT_ASKED.to_owned(), Signature::to_string);
            *counts.entry(state).or_default() += 1;
        }
        counts
    }
}

impl Package {
    /// Whether a system needs its bytes: it reaches the system, and npm would install it there.
    pub fn is_for(&self, system: System) -> bool {
        self.reach.includes(system) && self.manifest.allows(system)
    }
}

impl Reach {
    /// Whether a system is reached.
    pub fn includes(&self, system: System) -> bool {
        match self {
            Reach::Everywhere => true,
            Reach::Only(systems) => systems.contains(&system),
        }
    }
}

impl<'l> Pin<'l> {
    /// What a resolver needs to know of the package.
    pub fn manifest(self) -> &'l PackageManifest {
        match self {
            Pin::Pinned(package) => &package.manifest,
            Pin::Known(known) => &known.manifest,
        }
    }

    /// The tarball's integrity; always there for a pinned package.
    pub fn integrity(self) -> Option<&'l Sri> {
        match self {
            Pin::Pinned(package) => Some(&package.integrity),
            Pin::Known(known) => known.integrity.as_ref(),
        }
    }
}

impl std::fmt::Display for ArtifactSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ArtifactSource::Npm { package, version } => write!(f, "{package}@{version}"),
            ArtifactSource::Github { repository, asset, version } => {
                write!(f, "{repository} v{version} {asset}")
            }
            ArtifactSource::Url { url } => url.fmt(f),
        }
    }
}

impl ArtifactSource {
    /// The address of its bytes, where it has one that does not depend on a configuration; for GitHub its own page, which redirects.
    pub fn url(&self) -> Option<HttpsUrl> {
        match self {
            ArtifactSource::Npm { .. } => None,
            // An asset's name has no character that an address could not hold.
            ArtifactSource::Github { repository, asset, version } => {
                repository.download(&format!("v{version}"), asset).parse().ok()
            }
            ArtifactSource::Url { url } => Some(url.clone()),
        }
    }

    /// The version that it has, where it says one.
    pub fn version(&self) -> Option<&Version> {
        match self {
            ArtifactSource::Npm { version, .. } | ArtifactSource::Github { version, .. } => Some(version),
            ArtifactSource::Url { .. } => None,
        }
    }

    /// The source's word in the lock.
    pub fn as_str(&self) -> &'static str {
        match self {
            ArtifactSource::Npm { .. } => "npm",
            ArtifactSource::Github { .. } => "github",
            ArtifactSource::Url { .. } => "url",
        }
    }
}

impl Archive {
    /// The form's word in the lock.
    pub fn as_str(self) -> &'static str {
        match self {
            Archive::Tgz => "tgz",
            Archive::Zip => "zip",
        }
    }
}
