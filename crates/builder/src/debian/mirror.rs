//! A pinned package's bytes: from wherever there are any, and only those that the lock names.

use std::path::{Path, PathBuf};

use lock::{PoolPath, Sri};
use replay::registry::Upstream;
use replay::vendor::{self, Pinned, Source, Vendor};
use url::Url;

use super::error::Error;
use super::{Place, apt};
use crate::{fetch, files};

/// Where packages are looked for, in this order: where the user says, else at the mirrors of the machine's apt.
pub(crate) async fn mirrors(place: Option<&Place>) -> Result<Vec<Place>, Error> {
    if let Some(place) = place {
        return Ok(vec![place.clone()]);
    }
    let roots = apt::roots().await?;
    let mirrors: Vec<Place> = roots.iter().filter_map(|root| mirror(root)).collect();
    match mirrors.is_empty() {
        true => Err(Error::NoApt { reason: "this machine's apt has no mirror that could be asked" }),
        false => Ok(mirrors),
    }
}

/// A root as apt writes it; none for those that only apt knows how to use (`cdrom:`, `mirror+http:`).
fn mirror(root: &str) -> Option<Place> {
    match root.split_once(':')? {
        ("http" | "https", _) => Url::parse(root).ok().map(Place::Mirror),
        ("file" | "copy", path) => {
            Some(Place::Directory(PathBuf::from(format!("/{}", path.trim_start_matches('/')))))
        }
        _ => None,
    }
}

/// Brings a package into the vendor directory.
pub(crate) async fn bring(
    vendor: &Vendor,
    upstream: &Upstream,
    mirrors: &[Place],
    path: &PoolPath,
    pinned: Pinned<'_>,
    tell: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), fetch::Error> {
    let mut failed = None;
    for place in mirrors {
        match place {
            Place::Directory(directory) => {
                if copy(vendor, directory, path, pinned).await? {
                    tell(pinned.size);
                    return Ok(());
                }
            }
            Place::Mirror(root) => {
                let Some(url) = below(root, path) else { continue };
                match vendor.fetch(upstream, &Source::Url(url), pinned, tell).await {
                    Ok(_) => return Ok(()),
                    // Another mirror may have it.
                    Err(vendor::Error::Absent { status: 404 | 410, .. }) => {}
                    Err(error) => failed = Some(error),
                }
            }
        }
    }
    Err(match failed {
        Some(source) => fetch::Error::Vendor { what: path.to_string(), source },
        None => {
            let asked = mirrors.iter().map(|place| match place {
                Place::Directory(directory) => directory.display().to_string(),
                Place::Mirror(url) => url.host_str().unwrap_or_default().to_owned(),
            });
            Error::NotThere { path: path.to_string(), asked: asked.collect() }.into()
        }
    })
}

fn below(root: &Url, path: &PoolPath) -> Option<Url> {
    let mut url = root.clone();
    url.set_path(&format!("{}/{path}", root.path().trim_end_matches('/')));
    Some(url).filter(|url| !url.cannot_be_a_base())
}

/// Whether the directory has it, flat or as a mirror has it.
async fn copy(vendor: &Vendor, directory: &Path, path: &PoolPath, pinned: Pinned<'_>) -> Result<bool, Error> {
    let places = [directory.join(path.path()), directory.join(path.path().file_name())];
    let Some(from) = places.into_iter().find(|place| place.is_file()) else { return Ok(false) };
    let (to, integrity, size) = (vendor.path_of(pinned.integrity), pinned.integrity.clone(), pinned.size);
    let copying = move || {
        let wrong = || Error::WrongHash { path: from.clone() };
        let bytes = files::read_bounded(&from, size).map_err(|error| match error {
            files::ReadError::TooLarge => wrong(),
            other => Error::Io { verb: "read", path: from.clone(), source: std::io::Error::other(other) },
        })?;
        if Sri::of(integrity.algorithm(), &bytes) != integrity {
            return Err(wrong());
        }
        let above = to.parent().unwrap_or(&to);
        std::fs::create_dir_all(above).map_err(|source| Error::Io {
            verb: "create",
            path: above.into(),
            source,
        })?;
        tree::atomic::write_file(&to, &bytes, 0o444)
            .map_err(|source| Error::Unpack { path: to.clone(), source })
    };
    tokio::task::spawn_blocking(copying).await.map_err(|_| Error::Worker)?.map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_as_apt_writes_them() {
        let url = |text: &str| Some(Place::Mirror(Url::parse(text).unwrap()));
        assert_eq!(mirror("http://m.example/debian/"), url("http://m.example/debian/"));
        assert_eq!(mirror("file:/srv/debian/"), Some(Place::Directory("/srv/debian/".into())));
        assert_eq!(mirror("file:///srv/debian/"), Some(Place::Directory("/srv/debian/".into())));
        assert_eq!(mirror("mirror+http://m.example/"), None);
        let path = "pool/main/g/glibc/a+b~1_amd64.deb".parse().unwrap();
        let root = Url::parse("http://m.example/debian/").unwrap();
        assert_eq!(
            below(&root, &path).unwrap().as_str(),
            "http://m.example/debian/pool/main/g/glibc/a+b~1_amd64.deb"
        );
    }
}
