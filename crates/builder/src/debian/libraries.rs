//! What of the packages goes into an output: the loader, the libraries, and their copyright.

use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lock::{Lock, System};
use replay::vendor::Vendor;
use tree::unpack::{self, Format, Limits};

use super::error::Error;
use crate::layout;

/// What OpenCode's binary names (1.0.152 to 1.18.33), beside the loader.
const NEEDED: [&str; 4] = ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0"];

/// What native modules name, and glibc itself when it looks for hosts and users; taken where there is one.
const WELCOME: [&str; 8] = [
    "libgcc_s.so.1",
    "libmvec.so.1",
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libresolv.so.2",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
];

/// The loader, and the directory of libraries in Debian.
fn of(system: System) -> Option<(&'static str, &'static str)> {
    match system {
        System::X86_64Linux => Some(("ld-linux-x86-64.so.2", "x86_64-linux-gnu")),
        System::Aarch64Linux => Some(("ld-linux-aarch64.so.1", "aarch64-linux-gnu")),
        _ => None,
    }
}

/// Lays the libraries that the lock pins for `system` into the output at `root`; nothing where it pins none.
///
/// # Errors
/// Where a package is not in the vendor directory, cannot be unpacked, or lacks what OpenCode needs.
pub fn place(root: &Path, lock: &Lock, system: System, vendor: &Vendor) -> Result<(), Error> {
    let (Some(packages), Some((loader, triplet))) = (lock.libraries.get(&system), of(system)) else {
        return Ok(());
    };
    let aside = tempfile::tempdir().map_err(io("create a directory in", &std::env::temp_dir()))?;
    let target = root.join(layout::LIBC);
    fs::create_dir_all(&target).map_err(io("create", &target))?;
    let mut trees = Vec::new();
    for (name, package) in packages {
        let path = vendor.path_of(&package.integrity);
        let file = File::open(&path).map_err(io("open", &path))?;
        let tree = aside.path().join(name.as_str());
        unpack::tree(BufReader::new(file), Format::Deb, &tree, &Limits::PACKAGE)
            .map_err(|source| Error::Unpack { path, source })?;
        let copyright = tree.join("usr/share/doc").join(name.as_str()).join("copyright");
        if copyright.is_file() {
            copy(&copyright, &target.join("doc").join(name.as_str()).join("copyright"), 0o444)?;
        }
        trees.push(tree);
    }
    let needed = NEEDED.iter().copied().chain([loader]).map(|library| (library, true));
    for (library, is_needed) in needed.chain(WELCOME.iter().map(|library| (*library, false))) {
        match trees.iter().find_map(|tree| find(tree, triplet, library)) {
            // What the kernel executes.
            Some(found) if library == loader => copy(&found, &target.join(library), 0o555)?,
            Some(found) => copy(&found, &target.join(library), 0o444)?,
            None if is_needed => return Err(Error::NoLibrary { library: library.into() }),
            None => {}
        }
    }
    Ok(())
}

/// A library in an unpacked package: before or after Debian joined `/lib` and `/usr/lib` (2024). What links lead to lies in the
/// tree: unpacking refused all others.
fn find(tree: &Path, triplet: &str, library: &str) -> Option<PathBuf> {
    let tree = tree.canonicalize().ok()?;
    let places = ["usr/lib", "lib"].map(|above| tree.join(above).join(triplet).join(library));
    let found = places.into_iter().find_map(|place| place.canonicalize().ok())?;
    (found.starts_with(&tree) && found.is_file()).then_some(found)
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), Error> {
    let above = to.parent().unwrap_or(to);
    fs::create_dir_all(above).map_err(io("create", above))?;
    fs::copy(from, to).map_err(io("copy", from))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).map_err(io("set the mode of", to))
}

fn io(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_path_buf();
    move |source| Error::Io { verb, path, source }
}
