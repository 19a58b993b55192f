//! Debian's C library, for machines that have none: which packages a lock pins, where their bytes come from, and what of them an
//! output holds. No mirror's address is written down anywhere in this program: it is the machine's own apt that knows one, or
//! whoever says `--debian`.
//!
//! | module | owns |
//! |---|---|
//! | `index` | what Debian says of a package, as text |
//! | `apt` | the machine's apt, asked without changing anything of it |
//! | `directory` | packages that somebody has put into a directory |
//! | `mirror` | a pinned package's bytes |
//! | `libraries` | what of the packages goes into an output |

mod apt;
mod directory;
mod error;
mod index;
mod libraries;
mod mirror;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use lock::{DebianName, DebianPackage, Libraries, Lock, Manifest, System};
use replay::registry::Upstream;
use url::Url;

pub use error::Error;
pub use libraries::place;
pub(crate) use mirror::{bring, mirrors};

/// The packages whose libraries an output holds. OpenCode's binary wants those of the first (1.0.152 to 1.18.33); native modules of
/// plugins want the others.
pub const PACKAGES: [&str; 3] = ["libc6", "libgcc-s1", "libstdc++6"];

/// Where packages come from, where it is not the machine's apt that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A directory that holds them, or a copy of a mirror.
    Directory(PathBuf),
    /// The root of a mirror.
    Mirror(Url),
}

impl Place {
    /// An http or https address, else a directory.
    pub fn new(text: &str) -> Self {
        let address = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        address.map_or_else(|| Self::Directory(text.into()), Self::Mirror)
    }

    /// The one that was named together with the registry.
    pub fn of(upstream: &Upstream) -> Option<Self> {
        upstream.mirror().map(Self::new)
    }
}

/// What Debian calls a system; none for what it does not know.
pub fn architecture(system: System) -> Option<&'static str> {
    match system {
        System::X86_64Linux => Some("amd64"),
        System::Aarch64Linux => Some("arm64"),
        _ => None,
    }
}

/// What is wrong with a lock's libraries, as the manifest wants them; `None` where they fit.
pub fn missing_from(manifest: &Manifest, lock: &Lock) -> Option<String> {
    let mut wanted = lock.systems.keys().filter(|system| architecture(**system).is_some());
    match manifest.libraries {
        Libraries::Debian if wanted.all(|system| lock.libraries.contains_key(system)) => None,
        Libraries::Debian => {
            Some("Debian's C library is wanted, the lock does not have it for every system".into())
        }
        _ if lock.libraries.is_empty() => None,
        _ => Some("Debian's C library is in the lock, and is not wanted any more".into()),
    }
}

/// The packages for these systems.
///
/// # Errors
/// Where nobody can say which there are, or one is missing.
pub async fn resolve(
    systems: &BTreeSet<System>,
    place: Option<&Place>,
) -> Result<BTreeMap<System, BTreeMap<DebianName, DebianPackage>>, Error> {
    let systems: BTreeMap<System, &'static str> =
        systems.iter().filter_map(|system| Some((*system, architecture(*system)?))).collect();
    if systems.is_empty() {
        return Ok(BTreeMap::new());
    }
    match place {
        Some(Place::Directory(path)) => {
            let path = path.clone();
            tokio::task::spawn_blocking(move || {
                let found = directory::read(&path)?;
                choose(&systems, |names, architecture| Ok(directory::of(&found, names, architecture)))
            })
            .await
            .map_err(|_| Error::Worker)?
        }
        Some(Place::Mirror(url)) => Err(Error::NoIndex { mirror: url.to_string() }),
        None => {
            let apt = apt::Apt::updated(systems.values().copied()).await?;
            let mut chosen = BTreeMap::new();
            for (system, architecture) in systems {
                let mut found = apt.show(&PACKAGES, architecture).await?;
                found.extend(apt.show(&more(&found), architecture).await?);
                chosen.insert(system, index::pinned(found, architecture)?);
            }
            Ok(chosen)
        }
    }
}

fn choose(
    systems: &BTreeMap<System, &'static str>,
    find: impl Fn(&[&str], &str) -> Result<Vec<index::Stanza>, Error>,
) -> Result<BTreeMap<System, BTreeMap<DebianName, DebianPackage>>, Error> {
    let mut chosen = BTreeMap::new();
    for (system, architecture) in systems {
        let mut found = find(&PACKAGES, architecture)?;
        found.extend(find(&more(&found).iter().map(|name| &**name).collect::<Vec<_>>(), architecture)?);
        chosen.insert(*system, index::pinned(found, architecture)?);
    }
    Ok(chosen)
}

/// The packages that hold the copyright of those that are GCC's: `gcc-12-base`.
fn more(found: &[index::Stanza]) -> Vec<String> {
    let bases = found.iter().flat_map(index::Stanza::depends);
    let is_base = |name: &str| name.starts_with("gcc-") && name.ends_with("-base");
    let bases: BTreeSet<String> = bases.filter(|name| is_base(name)).map(str::to_owned).collect();
    bases.into_iter().collect()
}

#[cfg(test)]
mod words {
    use super::*;

    #[test]
    fn a_lock_fits_where_every_linux_has_libraries() {
        let lock = Lock::parse(include_str!("../../../../fixtures/lock/every-key/lock.json")).unwrap();
        let wanting = |text: &str| Manifest::parse(text).unwrap();
        assert!(missing_from(&wanting(""), &lock).unwrap().contains("not wanted"));
        // It has them for one of two.
        assert!(missing_from(&wanting("libraries = \"debian\""), &lock).is_some());
        let mut whole = lock.clone();
        let packages = whole.libraries[&System::X86_64Linux].clone();
        whole.libraries.insert(System::Aarch64Linux, packages);
        assert_eq!(missing_from(&wanting("libraries = \"debian\""), &whole), None);
        whole.libraries.clear();
        assert_eq!(missing_from(&wanting("libraries = \"none\""), &whole), None);
    }

    #[test]
    fn a_place_is_an_address_or_a_directory() {
        assert_eq!(Place::new("packages"), Place::Directory("packages".into()));
        assert!(matches!(Place::new("http://m.example/debian"), Place::Mirror(_)));
    }
}
