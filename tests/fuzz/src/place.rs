//! A directory in memory, with something beside it that nobody is to touch.

use std::fs;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tree::unpack::{self, Format, Limits};
use tree::{Error, Kind};

/// Small, so that a bomb is found by a small input.
pub const LIMITS: Limits = Limits { entries: 40, bytes: 200_000, path_len: 300, ratio: 200 };

/// What stands beside.
const BESIDE: &str = "not to be touched";

/// Where archives are unpacked.
pub struct Place {
    root: TempDir,
}

/// One file that was unpacked: relative path and content.
pub type Unpacked = (PathBuf, Vec<u8>);

impl Default for Place {
    fn default() -> Self {
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
            .expect("a directory");
        fs::write(root.path().join("beside"), BESIDE).expect("a file");
        fs::create_dir(root.path().join("inside")).expect("a directory");
        fs::write(root.path().join("inside/beside"), BESIDE).expect("a file");
        Self { root }
    }
}

impl Place {
    /// Unpacks an archive: all of it or nothing, nothing of it elsewhere, and within bounds. Gives the files; `None` where it is refused.
    pub fn unpack(&self, archive: impl Read + Seek, format: Format) -> Option<Vec<Unpacked>> {
        let inside = self.root.path().join("inside");
        let out = inside.join("out");
        let result = unpack::tree(archive, format, &out, &LIMITS);
        let wanted = match &result {
            Ok(()) => vec!["beside", "out"],
            Err(_) => vec!["beside"],
        };
        assert_eq!(names(self.root.path()), ["beside", "inside"]);
        assert_eq!(names(&inside), wanted);
        for beside in [self.root.path().join("beside"), inside.join("beside")] {
            assert_eq!(fs::read(&beside).expect("it is there"), BESIDE.as_bytes());
            let links = std::os::unix::fs::MetadataExt::nlink(&fs::metadata(&beside).expect("it is there"));
            assert_eq!(links, 1, "another name for {}", beside.display());
        }
        match result {
            Ok(()) => {
                let files = files(&out);
                fs::remove_dir_all(&out).expect("it can be removed");
                Some(files)
            }
            Err(Error::Archive { .. } | Error::BrokenArchive { .. }) => None,
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn files(out: &Path) -> Vec<Unpacked> {
    let tree = tree::scan(out).expect("a tree");
    tree.check_links().expect("links that stay");
    assert!(tree.entries().len() as u64 <= LIMITS.entries + 1);
    let files = tree.entries().iter().filter_map(|entry| match entry.kind {
        Kind::File { .. } => Some((entry.path.clone(), fs::read(tree.locate(entry)).expect("a file"))),
        _ => None,
    });
    files.collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
