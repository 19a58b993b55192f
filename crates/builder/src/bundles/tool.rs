//! The program that goes with an output: static, for the output's system, with man pages and completions; and the small one that a
//! bundle begins with.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bundle::Role;
use lock::System;
use tempfile::TempDir;

use super::source::Source;
use super::{Error, program};
use crate::files::{self, ReadError};

/// The largest program that is read, in bytes: ours has 17 MB.
const LARGEST: u64 = 256 << 20;

/// Where the program is in a release of ours, and where a bundle has it.
const PROGRAM: &str = "bin/opencode-cache";

/// Where the program that bundles begin with is in a release of ours.
const INSTALLER: &str = "libexec/opencode-cache-installer";

/// A release of our own program, unpacked.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) source: Source,
    pub(super) system: System,
    /// What a bundle for this system alone begins with.
    pub(super) installer: Option<Vec<u8>>,
    /// Where the tree lies while it is bundled.
    _place: TempDir,
}

impl Tool {
    /// Of a release that is unpacked at `directory`; `manual` are further files, by their paths below a prefix.
    pub(super) fn at(directory: &Path, manual: &[(String, Vec<u8>)]) -> Result<Self, Error> {
        let path = directory.join(PROGRAM);
        let bytes = read(&path)?.ok_or_else(|| Error::NoTool { path: directory.to_path_buf() })?;
        let system = program::system(&bytes).map_err(|wrong| Error::Program { path: path.clone(), wrong })?;
        let path = directory.join(INSTALLER);
        let installer = read(&path)?;
        if let Some(bytes) = &installer {
            match program::system(bytes) {
                Ok(found) if found == system => {}
                Ok(_) => return Err(Error::Program { path, wrong: program::Wrong::Other }),
                Err(wrong) => return Err(Error::Program { path, wrong }),
            }
        }
        // A Mach-O with something behind it is one whose signature is wrong.
        let installer = installer.filter(|_| system.npm_os() == "linux");
        let failed = |source| tree::Error::Io { verb: "write", path: std::env::temp_dir(), source };
        let place = tempfile::Builder::new().prefix("opencode-cache-tool-").tempdir().map_err(failed)?;
        let root = place.path().join("tree");
        put(&root, PROGRAM, &bytes, 0o755)?;
        manual.iter().try_for_each(|(name, text)| put(&root, name, text, 0o644))?;
        let source = Source::tree(&root, system, Role::Tool)?;
        Ok(Self { source, system, installer, _place: place })
    }
}

/// The directory that the running program lies in as in a release of ours, where it does and could go with a bundle.
pub fn own() -> Option<PathBuf> {
    let program = fs::canonicalize(std::env::current_exe().ok()?).ok()?;
    let directory = program.ancestors().nth(2)?;
    let is_so = program == directory.join(PROGRAM);
    let could = is_so && read(&program).ok().flatten().is_some_and(|bytes| program::system(&bytes).is_ok());
    could.then(|| directory.to_path_buf())
}

/// The bytes of a file; `None` where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match files::read_bounded(path, LARGEST) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ReadError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(ReadError::Io(source)) => {
            Err(tree::Error::Io { verb: "read", path: path.to_path_buf(), source }.into())
        }
        Err(ReadError::NotAFile | ReadError::TooLarge) => {
            Err(Error::Program { path: path.to_path_buf(), wrong: program::Wrong::None })
        }
    }
}

/// Writes a file of a tree.
pub(super) fn put(root: &Path, name: &str, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let path = root.join(name);
    let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, bytes));
    let made = made.and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)));
    Ok(made.map_err(|source| tree::Error::Io { verb: "write", path, source })?)
}
