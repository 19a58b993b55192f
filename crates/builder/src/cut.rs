//! Whether what was installed is all there: each package of a tree compared with the tarball that it came from.
//!
//! npm's lock files do not say so. On a machine with a load of 15 OpenCode 1.18.18 left a package with the first 118 of its 840 files beside both of
//! them: what is whole at one moment may be installed once more at the next, when OpenCode is ended.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use lock::{Lock, PackageId};
use replay::vendor::Vendor;
use tree::unpack::{self, Format, Limits};

use crate::settle;

/// A package without something that its tarball has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Which.
    pub package: PackageId,
    /// Where in the tree that should be.
    pub path: PathBuf,
}

/// How many bytes a file may have less than in its tarball: bun and npm take the CR out of the first line of programs.
const LESS: u64 = 1;

/// The first package that is cut in the tree at `root`, as OpenCode left it.
///
/// # Errors
/// Where the tree's lock file cannot be read.
pub fn find(root: &Path, lock: &Lock, vendor: &Vendor) -> Result<Option<Cut>, settle::Error> {
    for installed in settle::installed(root)? {
        let place = root.join(&installed.path);
        let tarball = lock.packages.get(&installed.id).and_then(|package| vendor.get(&package.integrity));
        let lacking = match tarball.and_then(|tarball| contents(&tarball)) {
            Some(contents) => contents.into_iter().find(|(path, size)| !is_there(&place.join(path), *size)),
            // One that only npm can read, or that came along inside of another.
            None => {
                Some((PathBuf::from("package.json"), 0)).filter(|(path, _)| !is_there(&place.join(path), 0))
            }
        };
        if let Some((path, _)) = lacking {
            let path = Path::new(&installed.path).join(path);
            return Ok(Some(Cut { package: installed.id, path }));
        }
    }
    Ok(None)
}

/// The files of a tarball, below its one directory, with their sizes; `None` where it breaks a rule of ours, which npm may not have.
///
/// Left out is what an installer makes something else of: names of ignored files (npm renames them), and packages that come along.
fn contents(tarball: &Path) -> Option<Vec<(PathBuf, u64)>> {
    let sizes = unpack::sizes(File::open(tarball).ok()?, Format::Tgz, &Limits::PACKAGE).ok()?;
    let below = |path: PathBuf| {
        let mut components = path.components();
        components.next()?;
        let rest = components.as_path();
        let changed = rest.components().any(|part| part == Component::Normal("node_modules".as_ref()))
            || [".gitignore", ".npmignore"].iter().any(|name| rest.ends_with(name));
        (!changed && !rest.as_os_str().is_empty()).then(|| rest.to_owned())
    };
    Some(sizes.into_iter().filter_map(|(path, size)| Some((below(path)?, size))).collect())
}

fn is_there(path: &Path, size: u64) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() + LESS >= size)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn tarball(files: &[(&str, &str)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut archive = tar::Builder::new(GzEncoder::new(file.as_file(), Compression::fast()));
        for (name, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap().flush().unwrap();
        file
    }

    #[test]
    fn what_installers_change_is_not_asked_for() {
        let files = [
            ("package/package.json", "{}"),
            ("package/.npmignore", "x"),
            ("package/sub/.gitignore", "x"),
            ("package/node_modules/other/index.js", "x"),
            ("package/lib/index.js", "1\n"),
        ];
        let contents = contents(tarball(&files).path()).unwrap();
        let wanted = [("lib/index.js", 2), ("package.json", 2)];
        assert_eq!(contents, wanted.map(|(path, size)| (PathBuf::from(path), size)));
        assert_eq!(super::contents(Path::new("/nowhere")), None);
    }

    #[test]
    fn a_file_is_there_with_its_size() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bin.js");
        assert!(!is_there(&path, 0));
        fs::write(&path, "#!/usr/bin/env node\n").unwrap();
        assert!(is_there(&path, 20) && is_there(&path, 21) && !is_there(&path, 22));
        assert!(!is_there(directory.path(), 0));
    }
}
