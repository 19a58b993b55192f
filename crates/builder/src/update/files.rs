//! The files that an update changes: manifest, lock and catalogue, all of them or none.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lock::Lock;
use lock::manifest::Edit;
use replay::vendor::Vendor;
use tree::atomic::Aside;

use super::Error;
use crate::catalogue::{self, Change};
use crate::{lockfile, plan};

/// How a file that is new is to be read by others.
const MODE: u32 = 0o644;

/// The new content of each file that changes, in the order in which they are put in place.
#[derive(Debug, Default)]
pub struct Files(Vec<File>);

#[derive(Debug)]
struct File {
    path: PathBuf,
    /// Nothing: it goes.
    bytes: Option<Vec<u8>>,
    mode: u32,
}

impl Files {
    /// What becomes of the manifest, the lock and the catalogue beside it.
    ///
    /// # Errors
    /// Where the manifest cannot be edited, or the lock would not be read back.
    pub fn of(
        manifest: &Path,
        edit: &Edit,
        lock_path: &Path,
        lock: &Lock,
        old: &Lock,
        vendor: &Vendor,
    ) -> Result<Self, Error> {
        let mut files = Vec::new();
        let beside = catalogue::path(lock_path);
        match catalogue::change(lock, Some(old), lock_path, vendor)? {
            Change::Stays => {}
            Change::Goes => files.push(File { path: beside, bytes: None, mode: MODE }),
            Change::Becomes(bytes) => files.push(File { path: beside, bytes: Some(bytes), mode: MODE }),
        }
        if lock != old {
            let bytes = Some(lockfile::text(lock_path, lock)?.into_bytes());
            files.push(File { path: lock_path.into(), bytes, mode: MODE });
        }
        if let Some(text) = edited(manifest, edit)? {
            // A link to a manifest stays one.
            let path = fs::canonicalize(manifest).unwrap_or_else(|_| manifest.into());
            let mode = fs::metadata(&path).map_or(MODE, |metadata| metadata.permissions().mode() & 0o777);
            files.push(File { path, bytes: Some(text.into_bytes()), mode });
        }
        Ok(Self(files))
    }

    /// Another file, which appears with the others.
    pub fn also(&mut self, path: PathBuf, bytes: Vec<u8>) {
        self.0.push(File { path, bytes: Some(bytes), mode: MODE });
    }

    /// The files that change.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|file| file.path.as_path())
    }

    /// Puts all of them in place. Everything is written aside and flushed first, so that a full disk is met before anything has
    /// changed; where a name cannot be given all the same, what was changed before is put back. A `kill -9` between two of the names
    /// leaves a lock that the manifest does not fit, which every verb says, and the next `update` repairs.
    ///
    /// # Errors
    /// Where one of them cannot be written.
    pub fn write(self) -> Result<(), Error> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| Error::Write { path, source }
        };
        let mut asides = Vec::new();
        for file in &self.0 {
            let aside = match &file.bytes {
                None => None,
                Some(bytes) => Some(aside(&file.path, bytes).map_err(failed(&file.path))?),
            };
            asides.push((aside, Before::of(&file.path)));
        }
        let mut done: Vec<(&Path, Before)> = Vec::new();
        for (file, (aside, before)) in self.0.iter().zip(asides) {
            let placed = match aside {
                Some(aside) => aside.finish(file.mode),
                None => remove(&file.path),
            };
            if let Err(source) = placed {
                for (changed, before) in done.iter().rev() {
                    if before.restore(changed).is_err() {
                        return Err(Error::Torn {
                            path: file.path.clone(),
                            changed: changed.to_path_buf(),
                            source,
                        });
                    }
                }
                return Err(failed(&file.path)(source));
            }
            done.push((&file.path, before));
        }
        Ok(())
    }
}

/// The manifest's new text, where it is another one. A manifest that is not there wants the defaults.
fn edited(path: &Path, edit: &Edit) -> Result<Option<String>, Error> {
    let text = match plan::read_text(path) {
        Err(plan::Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            String::new()
        }
        text => text?,
    };
    let edited = edit.apply(&text).map_err(|source| Error::Edit { path: path.into(), source })?;
    Ok((edited != text).then_some(edited))
}

fn aside(path: &Path, bytes: &[u8]) -> tree::Result<Aside> {
    let mut aside = Aside::beside(path)?;
    let written = aside.write_all(bytes).and_then(|()| aside.file().sync_all());
    written.map_err(|source| tree::Error::Io { verb: "write", path: path.into(), source })?;
    Ok(aside)
}

fn remove(path: &Path) -> tree::Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(tree::Error::Io { verb: "remove", path: path.into(), source })
        }
        _ => Ok(()),
    }
}

/// What a file was.
enum Before {
    Absent,
    Was {
        bytes: Vec<u8>,
        mode: u32,
    },
    /// It could not be read, so that it cannot be put back.
    Unread,
}

impl Before {
    fn of(path: &Path) -> Self {
        let mode =
            |path: &Path| fs::metadata(path).map_or(MODE, |metadata| metadata.permissions().mode() & 0o777);
        match crate::files::read_bounded(path, catalogue::MAX_BYTES) {
            Ok(bytes) => Self::Was { bytes, mode: mode(path) },
            Err(crate::files::ReadError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                Self::Absent
            }
            Err(_) => Self::Unread,
        }
    }

    fn restore(&self, path: &Path) -> Result<(), ()> {
        match self {
            Self::Absent => remove(path).map_err(drop),
            Self::Was { bytes, mode } => tree::atomic::write_file(path, bytes, *mode).map_err(drop),
            Self::Unread => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        directory: tempfile::TempDir,
        old: Lock,
        new: Lock,
    }

    impl Case {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let text = include_str!("../../../../opencode.lock.json");
            let old = Lock::parse(text).unwrap();
            let mut new = old.clone();
            new.models.insert("somebody".into(), 7);
            let case = Self { directory, old, new };
            fs::write(case.path("m.toml"), "# mine\nopencode = \"1.18.18\"\n").unwrap();
            fs::write(case.path("opencode.lock.json"), text).unwrap();
            case
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn files(&self, manifest: &str) -> Files {
            let edit = Edit { opencode: Some("1.18.33".parse().unwrap()), systems: None };
            let vendor = Vendor::at(self.path("vendor"));
            Files::of(
                &self.path(manifest),
                &edit,
                &self.path("opencode.lock.json"),
                &self.new,
                &self.old,
                &vendor,
            )
            .unwrap()
        }

        fn state(&self) -> Vec<String> {
            ["m.toml", "opencode.lock.json"].map(|name| fs::read_to_string(self.path(name)).unwrap()).into()
        }
    }

    #[test]
    fn all_are_written() {
        let case = Case::new();
        fs::set_permissions(case.path("m.toml"), fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("m.toml", case.path("link.toml")).unwrap();
        case.files("link.toml").write().unwrap();
        assert_eq!(case.state(), ["# mine\nopencode = \"1.18.33\"\n".to_owned(), case.new.render()]);
        assert!(fs::symlink_metadata(case.path("link.toml")).unwrap().is_symlink());
        assert_eq!(fs::metadata(case.path("m.toml")).unwrap().permissions().mode() & 0o777, 0o600);
        // Said already: nothing changes a second time.
        assert_eq!(case.files("m.toml").paths().count(), 1, "the lock, compared with the old one");
    }

    #[test]
    fn or_none() {
        let case = Case::new();
        let before = case.state();
        // A name that a directory has cannot be given to a file: the manifest is last.
        let mut files = case.files("m.toml");
        fs::create_dir(case.path("busy")).unwrap();
        files.0.last_mut().unwrap().path = case.path("busy");
        let error = files.write().unwrap_err();
        assert_eq!((error.code(), case.state()), ("update-write", before));
        let left: Vec<_> =
            fs::read_dir(case.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "nothing is left aside: {left:?}");
    }
}
