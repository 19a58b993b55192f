//! The tree that is filled from an archive. Nothing is written over or through what is there:
//! directories and files are made new, and an entry below an earlier link is refused.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::account::Account;
use super::name::folded;
use super::{BUFFER, Member, MemberKind, Refusal, pump};
use crate::error::{At, Result};

/// What an extraction has made at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Directory,
    File,
    Link,
}

/// A tree that is being filled from an archive.
pub(super) struct Extraction<'a> {
    root: &'a Path,
    /// By what the path is where case and accents count for nothing.
    made: BTreeMap<String, (PathBuf, Made)>,
    buffer: Vec<u8>,
}

impl<'a> Extraction<'a> {
    /// Makes the root.
    pub(super) fn new(root: &'a Path) -> Result<Self> {
        let mut extraction = Self { root, made: BTreeMap::new(), buffer: vec![0; BUFFER] };
        extraction.directory(Path::new(""))?;
        Ok(extraction)
    }

    /// Makes one member, and the directories above it that have no entry of their own.
    pub(super) fn make(
        &mut self,
        account: &mut Account,
        member: Member,
        content: &mut dyn Read,
    ) -> Result<()> {
        let Member { path, kind } = member;
        self.parents(account, &path)?;
        match (self.earlier(account, &path)?, &kind) {
            (Some(Made::Directory), MemberKind::Directory) => return Ok(()),
            (Some(_), _) => return Err(account.refuse(Refusal::Duplicate)),
            (None, _) => {}
        }
        let place = self.root.join(&path);
        let made = match kind {
            MemberKind::Directory => return self.directory(&path),
            MemberKind::File { executable } => {
                self.file(account, &place, executable, content)?;
                Made::File
            }
            MemberKind::Link { target } => {
                std::os::unix::fs::symlink(target, &place).at("create", &place)?;
                Made::Link
            }
            MemberKind::Hard { target } => {
                if self.earlier(account, &target)? != Some(Made::File) {
                    return Err(account.refuse(Refusal::HardLink { target }));
                }
                fs::hard_link(self.root.join(target), &place).at("create", &place)?;
                Made::File
            }
        };
        self.remember(&path, made);
        Ok(())
    }

    /// What is there already; a name that is the same elsewhere only is refused.
    fn earlier(&self, account: &Account, path: &Path) -> Result<Option<Made>> {
        match self.made.get(&folded(path)) {
            None => Ok(None),
            Some((same, made)) if same == path => Ok(Some(*made)),
            Some((other, _)) => Err(account.refuse(Refusal::SameElsewhere { other: other.clone() })),
        }
    }

    fn remember(&mut self, path: &Path, made: Made) {
        self.made.insert(folded(path), (path.to_path_buf(), made));
    }

    fn parents(&mut self, account: &mut Account, path: &Path) -> Result<()> {
        let mut missing = Vec::new();
        for parent in path.ancestors().skip(1) {
            match self.earlier(account, parent)? {
                Some(Made::Directory) => break,
                Some(_) => {
                    let parent = parent.to_path_buf();
                    return Err(account.refuse(Refusal::ThroughEntry { parent }));
                }
                None => missing.push(parent),
            }
        }
        for parent in missing.into_iter().rev() {
            account.count()?;
            self.directory(parent)?;
        }
        Ok(())
    }

    fn directory(&mut self, path: &Path) -> Result<()> {
        let place = crate::scan::locate(self.root, path);
        DirBuilder::new().mode(0o755).create(&place).at("create", &place)?;
        self.remember(path, Made::Directory);
        Ok(())
    }

    fn file(
        &mut self,
        account: &Account,
        place: &Path,
        executable: bool,
        content: &mut dyn Read,
    ) -> Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(if executable { 0o755 } else { 0o644 })
            .open(place)
            .at("create", place)?;
        pump(account, content, &mut self.buffer, &mut |bytes| file.write_all(bytes).at("write", place))
            .map(drop)
    }
}
