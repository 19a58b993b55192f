//! What the derivations of `nix/lib` do, one function each: this program is their builder, without a shell and without
//! anything of nixpkgs'. Nix pins, fetches by hash and isolates; the work is the same as in [`Build`](crate::Build).
//!
//! Owns the specs that those derivations hand over ([`spec`]), and what is different in a derivation: artifacts are store
//! paths, the binary has an interpreter from the store, and each exercise leaves an output of its own.

mod elf;
mod error;
mod libraries;
pub mod spec;
mod unpack;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lock::{Lock, Sri};
use replay::vendor::{Source, Vendor};
use sandbox::Isolation;
use tempfile::TempDir;
use url::Url;

pub use error::Error;
pub use unpack::unpack;

use crate::capture::Capture;
use crate::fetch::{Origin, Pin};
use crate::progress::{Event, Progress};
use crate::registry::{self, Sought};
use crate::{catalogue, emit, fetch, layout};

/// The most that is read of a spec, in bytes: it holds a lock, and a lock is not read beyond that either.
const MAX_SPEC: u64 = 80 << 20;

/// The variable that Nix tells its users' own authorities by; nixpkgs' fetchers read it.
const NIX_AUTHORITIES: &str = "NIX_SSL_CERT_FILE";
/// The variable of ours and node's for authorities beside the system's.
const AUTHORITIES: &str = "NODE_EXTRA_CA_CERTS";

/// Downloads the one file that a fixed-output derivation is for to `out`.
pub async fn fetch_one(spec: &Path, out: &Path, progress: &Arc<dyn Progress>) -> Result<(), Error> {
    let spec: spec::FetchOne = spec::read(spec)?;
    let pin = pin(&spec)?;
    let mut sought = Sought::here(spec.registry.clone(), PathBuf::new());
    if let Some(nodejs) = &spec.nodejs {
        sought.env.insert("PATH".into(), nodejs.join("bin").display().to_string());
    }
    // Variables of the machine's may name files that no build sees.
    let named = [AUTHORITIES, NIX_AUTHORITIES].map(|name| sought.env.remove(name));
    if let Some(file) = named.into_iter().flatten().find(|file| Path::new(file).is_file()) {
        sought.env.insert(AUTHORITIES.into(), file);
    }
    if let Origin::Upstream(Source::Url(url)) = &pin.source {
        // No registry has to be known for what has an address of its own.
        sought.flag = Some(url.origin().ascii_serialization());
    }
    let upstream = sought.find().await.map_err(|source| match source {
        registry::Error::Unknown => Error::NoRegistry { what: pin.source.to_string() },
        source => Error::Registry(source),
    })?;
    let aside = aside()?;
    let vendor = Vendor::at(aside.path());
    fetch::fetch(&vendor, &upstream.upstream, std::slice::from_ref(&pin), progress).await?;
    copy(&vendor.path_of(&pin.integrity), out)
}

fn pin(spec: &spec::FetchOne) -> Result<Pin, Error> {
    let wrong =
        |what: &str| Error::Spec { path: "spec".into(), reason: format!("no package or address: {what}") };
    let source = match (&spec.package, &spec.url) {
        (Some(package), None) => Source::Package(package.parse().map_err(|_| wrong(package))?),
        (None, Some(url)) => Source::Url(Url::parse(url).map_err(|_| wrong(url))?),
        _ => return Err(wrong("one of both is wanted")),
    };
    Ok(Pin { source: Origin::Upstream(source), integrity: spec::sri(&spec.integrity)?, size: spec.size })
}

/// Performs the exercise of a lock's part, or all of them that share one tree, with loopback only, and leaves the canonical trees below
/// `out`.
pub async fn exercise(spec: &Path, out: &Path, progress: &Arc<dyn Progress>) -> Result<(), crate::Error> {
    let spec: spec::Exercise = spec::read(spec)?;
    progress.event(Event::Note(&alone()));
    let aside = aside()?;
    let lock: Lock = spec.lock.parse()?;
    let capture = Capture {
        lock: Arc::new(lock),
        system: spec::system(&spec.system)?,
        binary: spec.binary,
        vendor: vendor(&aside, &spec.artifacts)?,
        lent: libraries::lent(&spec.libraries),
        progress: progress.clone(),
    };
    make_directory(out)?;
    Ok(capture.run(out).await?)
}

/// Joins exercises' trees, binary and wrapper to what [`Build`](crate::Build) makes, at `out`.
pub async fn output(
    spec: &Path,
    out: &Path,
    wrapper: &[u8],
    restore: emit::Restore,
) -> Result<(), crate::Error> {
    let spec: spec::Output = spec::read(spec)?;
    let aside = aside()?;
    let (mut lock, lock_text) = crate::lockfile::read(&spec.lock)?;
    // Where there is Nix there is a C library, which the binary gets there.
    lock.libraries.clear();
    let vendor = vendor(&aside, &spec.artifacts)?;
    let beside = aside.path().join("opencode.lock.json");
    if let Some(file) = &spec.catalogue {
        copy(file, &catalogue::path(&beside))?;
    }
    catalogue::provide(&lock, &beside, &vendor).await?;
    make_directory(out)?;
    at_most_one_shared(&spec.exercises)?;
    for exercise in &spec.exercises {
        merge(exercise, out)?;
    }
    let system = spec::system(&spec.system)?;
    let pinned = emit::catalogue(&lock, &vendor)?;
    let parts = emit::Parts {
        system,
        profile: spec::profile(&spec.profile)?,
        wrapper,
        restore,
        binary: &spec.binary,
        vendor: &vendor,
        catalogue: pinned.as_deref(),
        lock: &lock,
        lock_text: &lock_text,
    };
    emit::complete(out, &parts)?;
    libraries::place(out, &spec.libraries)?;
    tree::scan(out)?.check_links()?;
    Ok(())
}

/// Puts the wrapper alone below `out`.
pub fn wrapper(out: &Path, wrapper: &[u8]) -> Result<(), Error> {
    emit::write(out, layout::WRAPPER, wrapper, 0o555).map_err(Error::Emit)
}

/// What keeps an exercise from leaving, for a build's log. Who finds nothing that does refuses to run anything.
fn alone() -> String {
    match sandbox::probe() {
        Isolation::LoopbackOnly => {
            format!("sandbox: the network interfaces that are up: {}", sandbox::interfaces_up().join(" "))
        }
        Isolation::Namespaces => {
            "sandbox: Nix gives none; a network namespace of our own, with lo only".into()
        }
        Isolation::None { why, .. } => format!("sandbox: none ({why})"),
    }
}

/// A vendor directory in `aside` of what Nix fetched, and checked, by the hashes that are its names.
fn vendor(aside: &TempDir, artifacts: &BTreeMap<String, PathBuf>) -> Result<Vendor, Error> {
    let vendor = Vendor::at(aside.path().join("vendor"));
    for (integrity, path) in artifacts {
        let integrity: Sri = spec::sri(integrity)?;
        copy(path, &vendor.path_of(&integrity))?;
    }
    Ok(vendor)
}

/// The tree that all share is made by one step (before 1.14): two of them joined would be neither.
fn at_most_one_shared(exercises: &[PathBuf]) -> Result<(), Error> {
    let with = exercises.iter().filter(|one| one.join(layout::SHARED).is_dir());
    if with.count() < 2 {
        return Ok(());
    }
    let reason = format!("two steps made {}/, which all plugins and SDKs share", layout::SHARED);
    Err(Error::Spec { path: "exercises".into(), reason })
}

/// Copies what lies below `from` to the same places below `to`. Two exercises may have left the same.
fn merge(from: &Path, to: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(from).map_err(Error::io("list", from))? {
        let entry = entry.map_err(Error::io("list", from))?;
        let (source, place) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(Error::io("look at", &source))?;
        if kind.is_dir() {
            make_directory(&place)?;
            merge(&source, &place)?;
        } else if place.symlink_metadata().is_ok() {
            continue;
        } else if kind.is_symlink() {
            let target = fs::read_link(&source).map_err(Error::io("read", &source))?;
            std::os::unix::fs::symlink(target, &place).map_err(Error::io("link", &place))?;
        } else {
            copy(&source, &place)?;
        }
    }
    Ok(())
}

fn make_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::io("create", path))
}

/// Copies a file, with the directories above it. What its name is, its content has to be already.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    if let Some(parent) = to.parent() {
        make_directory(parent)?;
    }
    fs::copy(from, to).map(drop).map_err(Error::io("copy", from))
}

/// A directory for what is needed in between: below `TMPDIR`, which in Nix is the build's own.
fn aside() -> Result<TempDir, Error> {
    tempfile::tempdir().map_err(Error::io("create a directory in", &std::env::temp_dir()))
}

impl spec::Slice {
    fn parse(&self) -> Result<Lock, Error> {
        let wrong = |reason: String| Error::Spec { path: "lock".into(), reason };
        Lock::parse(&self.0.to_string()).map_err(|error| wrong(crate::error::chain(&error)))
    }
}
