//! Outputs and everything that a lock pins → a Nix binary cache, without Nix.
//!
//! An output goes in as it is: our stores name it as Nix names a path by its content. What the lock pins goes in under the names that
//! `nix/lib` gives to the derivations that fetch it ([`names`](self)), each with the lock's own hash: a build by Nix finds them there
//! and asks no registry. All of it is content-addressed; a key is for those who want one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lock::{Algorithm, Artifact, ArtifactSource, Download, Lock, Sri, System};
pub use nixstore::PublicKey;
pub use nixstore::cache::Added;
use nixstore::cache::{Content, Item};
use nixstore::{Address, Cache, Hash, Method, SecretKey};
use replay::registry::Upstream;
use replay::vendor::Vendor;

use crate::error::Kind;
use crate::fetch::{self, Pin};
use crate::progress::{Progress, timed};

/// The longest name that `nix/lib/lock.nix` gives, in characters.
const LONGEST_NAME: usize = 120;

/// What is to be exported.
pub struct Export {
    /// Where to.
    pub directory: PathBuf,
    /// Outputs, or links to them.
    pub outputs: Vec<PathBuf>,
    /// What the lock pins, where that is wanted too.
    pub inputs: Inputs,
    /// Where downloads lie.
    pub vendor: Vendor,
    /// The file of the key that signs, where one is to.
    pub key: Option<PathBuf>,
    /// Who is told.
    pub progress: Arc<dyn Progress>,
}

/// What Nix fetches for a lock: the files, and the pins that they come from.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    files: Vec<File>,
    pins: Vec<Pin>,
}

/// A file under the name that Nix has it by.
#[derive(Debug, Clone)]
struct File {
    path: nixstore::StorePath,
    integrity: Sri,
    hash: Hash,
    size: u64,
}

/// What was exported.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Outputs.
    pub outputs: Vec<Added>,
    /// What the lock pins.
    pub inputs: Vec<Added>,
    /// What signatures are checked with, where there are any.
    pub public_key: Option<PublicKey>,
}

/// Why nothing was exported, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cache, a key, or bytes that are not what they are named after.
    #[error(transparent)]
    Cache(#[from] nixstore::Error),
    /// An output could not be read.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// The downloads.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// An output that Nix has made: it refers to the C library in Nix's store, and its name says nothing of its content.
    #[error("export {}: Nix has made it, and only Nix knows what it refers to", path.display())]
    MadeByNix {
        /// The output.
        path: PathBuf,
        /// Where it was to go.
        directory: PathBuf,
    },
    /// A hash that Nix does not have.
    #[error("export {what}: Nix cannot check {integrity}")]
    Algorithm {
        /// The file.
        what: String,
        /// Its hash.
        integrity: Sri,
    },
    /// A name that no store path can have.
    #[error("export {what}: nothing is left of its name that Nix takes")]
    Name {
        /// The file.
        what: String,
    },
    /// A worker ended abnormally.
    #[error("export: a worker ended abnormally")]
    Worker,
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cache(error) => error.code(),
            Self::Tree(error) => error.code(),
            Self::Fetch(error) => error.code(),
            Self::MadeByNix { .. } => "export-made-by-nix",
            Self::Algorithm { .. } => "export-unknown-hash",
            Self::Name { .. } => "export-no-name",
            Self::Worker => "bug-worker",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Cache(error) => error.hint(),
            Self::Tree(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::MadeByNix { path, directory } => Some(format!(
                "`nix copy --to 'file://{}?compression=zstd' {}` puts it, and what it refers to, into the same cache",
                std::path::absolute(directory).unwrap_or_else(|_| directory.clone()).display(),
                path.display()
            )),
            Self::Algorithm { .. } => Some("relock from a registry that gives sha512".into()),
            Self::Name { .. } | Self::Worker => None,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Cache(error) if error.is_input() => Kind::Input,
            Self::Tree(tree::Error::NotInStore { .. })
            | Self::Fetch(fetch::Error::System { .. })
            | Self::MadeByNix { .. }
            | Self::Algorithm { .. }
            | Self::Name { .. } => Kind::Input,
            Self::Worker => Kind::Bug,
            _ => Kind::Outside,
        }
    }
}

impl Inputs {
    /// What Nix fetches on these systems: each release and its variants, programs, packages, and whatever else was downloaded.
    ///
    /// # Errors
    /// [`Error::Fetch`] for a system that the lock does not have, [`Error::Algorithm`], [`Error::Name`].
    pub fn of(lock: &Lock, systems: &BTreeSet<System>) -> Result<Self, Error> {
        let mut pins = fetch::pins(lock, systems)?;
        let mut files = BTreeMap::new();
        let mut add = |name: String, integrity: &Sri, size: u64| {
            let file = File::of(&name, integrity, size)?;
            files.insert(file.path.clone(), file);
            Ok::<(), Error>(())
        };
        let mut add_artifact =
            |artifact: &Artifact| add(artifact_name(artifact), &artifact.integrity, artifact.size);
        for system in systems {
            let releases = lock.systems.get(system).into_iter();
            for artifact in releases.chain(lock.programs.values().filter_map(|systems| systems.get(system))) {
                add_artifact(artifact)?;
            }
            for artifact in lock.variants.values().filter_map(|systems| systems.get(system)) {
                add_artifact(artifact)?;
                pins.extend(fetch::artifact_pins(artifact));
            }
        }
        for system in systems {
            for (id, package) in lock.pinned_for(*system) {
                add(format!("{id}.tgz"), &package.integrity, package.size)?;
            }
        }
        for (url, download) in &lock.downloads {
            if let Download::File { integrity, size, .. } = download {
                add(base_name(url.as_str()).to_owned(), integrity, *size)?;
            }
        }
        let files: Vec<File> = files.into_values().collect();
        let wanted: BTreeSet<&Sri> = files.iter().map(|file| &file.integrity).collect();
        // The catalogue comes with the flake, beside the lock.
        pins.retain(|pin| wanted.contains(&pin.integrity));
        pins.sort_by(|a, b| a.integrity.cmp(&b.integrity));
        pins.dedup_by(|a, b| a.integrity == b.integrity);
        Ok(Self { files, pins })
    }

    /// Where their bytes come from.
    pub fn pins(&self) -> &[Pin] {
        &self.pins
    }

    /// The store paths that they have.
    pub fn paths(&self) -> impl Iterator<Item = &nixstore::StorePath> {
        self.files.iter().map(|file| &file.path)
    }
}

impl File {
    fn of(name: &str, integrity: &Sri, size: u64) -> Result<Self, Error> {
        let algorithm = match integrity.algorithm() {
            Algorithm::Sha256 => Some(nixstore::Algorithm::Sha256),
            Algorithm::Sha512 => Some(nixstore::Algorithm::Sha512),
            Algorithm::Sha384 => None,
        };
        let hash = algorithm.and_then(|algorithm| Hash::new(algorithm, integrity.digest()));
        let hash =
            hash.ok_or_else(|| Error::Algorithm { what: name.to_owned(), integrity: integrity.clone() })?;
        let nameless = || Error::Name { what: name.to_owned() };
        let address = Address { method: Method::Flat, hash: hash.clone() };
        let path = safe(name).parse().ok().and_then(|name| address.path(&name, &BTreeSet::new()));
        Ok(Self { path: path.ok_or_else(nameless)?, integrity: integrity.clone(), hash, size })
    }
}

/// The name of an artifact before it is made safe: `artifact` of `nix/lib/lock.nix`.
fn artifact_name(artifact: &Artifact) -> String {
    match &artifact.source {
        ArtifactSource::Npm { package, version } => format!("{package}-{version}.tgz"),
        ArtifactSource::Github { asset, .. } => asset.to_string(),
        other => other.url().map(|url| base_name(url.as_str()).to_owned()).unwrap_or_default(),
    }
}

/// Nix's `baseNameOf`: what follows the last slash, one at the end not counted.
fn base_name(text: &str) -> &str {
    let text = text.strip_suffix('/').unwrap_or(text);
    text.rsplit('/').next().unwrap_or(text)
}

/// `safe` of `nix/lib/lock.nix`.
fn safe(name: &str) -> String {
    let may_be = |c: char| c.is_ascii_alphanumeric() || "+._?=-".contains(c);
    let parts: Vec<&str> = name.split(|c| !may_be(c)).filter(|part| !part.is_empty()).collect();
    let mut joined = parts.join("-");
    joined.truncate(LONGEST_NAME);
    joined
}

impl Export {
    /// Whether every file is at hand, so that no registry has to be known.
    pub fn is_provided(&self) -> bool {
        fetch::missing(&self.vendor, self.inputs.pins()).is_empty()
    }

    /// Exports. `upstream` is asked for what is missing; without one, missing is an error.
    ///
    /// # Errors
    /// Everything in [`Error`].
    pub async fn run(self, upstream: Option<&Upstream>) -> Result<Exported, Error> {
        match upstream {
            Some(upstream) => {
                fetch::fetch(&self.vendor, upstream, self.inputs.pins(), &self.progress).await?;
            }
            None => fetch::require(&self.vendor, self.inputs.pins())?,
        }
        let progress = self.progress.clone();
        let what = format!("export to {}", self.directory.display());
        timed(&*progress, &what, async {
            tokio::task::spawn_blocking(move || self.write()).await.map_err(|_| Error::Worker)?
        })
        .await
    }

    fn write(self) -> Result<Exported, Error> {
        let key = self.key.as_deref().map(SecretKey::read).transpose()?;
        let mut items = self.outputs.iter().map(|path| output(path)).collect::<Result<Vec<_>, _>>()?;
        let outputs = items.len();
        items.extend(self.inputs.files.iter().map(|file| self.input(file)));
        let cache = Cache::create(&self.directory)?;
        let mut added = cache.add(&items, key.as_ref(), crate::parallel()).map_err(|error| match error {
            nixstore::Error::Content { path, .. } if tree::store::is_of_nix(&path) => {
                Error::MadeByNix { path, directory: self.directory.clone() }
            }
            error => error.into(),
        })?;
        let inputs = added.split_off(outputs);
        Ok(Exported { outputs: added, inputs, public_key: key.map(|key| key.public()) })
    }

    fn input(&self, file: &File) -> Item {
        let path = self.vendor.path_of(&file.integrity);
        Item {
            path: file.path.clone(),
            content: Content::File { path, size: file.size, hash: file.hash.clone() },
        }
    }
}

/// An output under its own name, which is the one that Nix gives to its content.
fn output(path: &Path) -> Result<Item, Error> {
    let stored = tree::StorePath::resolve(path)?;
    let path = nixstore::StorePath::from_base(&stored.digest().file_name());
    let path = path.map_err(|_| tree::Error::NotInStore { path: stored.path().to_path_buf() })?;
    Ok(Item { path, content: Content::Tree(stored.path().to_path_buf()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_nix_lib() {
        for (name, expected) in [
            ("@ai-sdk/groq@1.2.3.tgz", "ai-sdk-groq-1.2.3.tgz"),
            ("zod@4.1.8.tgz", "zod-4.1.8.tgz"),
            ("a b//c%20d", "a-b-c-20d"),
            ("x?y=z+1", "x?y=z+1"),
            ("--a--", "--a--"),
            ("ä", ""),
        ] {
            assert_eq!(safe(name), expected);
        }
        assert_eq!(safe(&"x".repeat(200)).len(), LONGEST_NAME);
        for (url, expected) in [
            ("https://a.example/b/c.zip", "c.zip"),
            ("https://a.example/b/", "b"),
            ("https://a.example/c?d=e/f", "f"),
            ("https://a.example", "a.example"),
        ] {
            assert_eq!(base_name(url), expected);
        }
    }
}
