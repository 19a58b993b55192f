//! What was installed when. A generation is a directory `STATE/generations/N`, there as a whole or not at all: links to its trees, and
//! `generation.json`, which says where they come from. Nothing in it is ever changed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bundle::{Role, Sha256};
use fit::Edit;
use lock::Version;
use serde::{Deserialize, Serialize};
use tree::Digest;

use crate::error::{At as _, Error, Result};
use crate::place::Place;
use crate::state::{ASIDE, State, flush};

/// The file's name.
const FILE: &str = "generation.json";

/// The number of the file's form. What is added does not change it.
const VERSION: u32 = 1;

/// The most that is read of such a file, in bytes: one has some thousand.
const LONGEST: u64 = 4 << 20;

/// An installed bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its number; later ones have higher ones.
    pub number: u64,
    /// When it was installed.
    pub installed: SystemTime,
    /// Whether it is the one in use.
    pub is_active: bool,
    /// What it is.
    pub record: Record,
    pub(crate) path: PathBuf,
}

/// What stands in a generation's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// The bundle's digest.
    pub bundle: Sha256,
    /// The key that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Where its links are.
    pub prefix: String,
    /// Its trees, by role.
    pub trees: BTreeMap<Word, Tree>,
}

/// A role, as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Word(pub Role);

/// One of its trees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// The digest that the bundle calls it by.
    #[serde(with = "digest")]
    pub digest: Digest,
    /// The hash of its listing in the bundle.
    pub listing: Sha256,
    /// What the bundle says of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// What it became to run here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitted: Option<Fitted>,
}

/// A tree whose binary was fitted to the C library that the tree itself holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fitted {
    /// The digest that it has since.
    #[serde(with = "digest")]
    pub digest: Digest,
    /// What was changed in [`fit::BINARY`]: each a [`fit::Edit`] as text.
    #[serde(with = "edits")]
    pub edits: Vec<Edit>,
}

impl Tree {
    /// The digest of what is in the store.
    pub fn stored(&self) -> Digest {
        self.fitted.as_ref().map_or(self.digest, |fitted| fitted.digest)
    }
}

impl Record {
    pub(crate) fn new(
        bundle: Sha256,
        key: Option<String>,
        place: &Place,
        trees: BTreeMap<Word, Tree>,
    ) -> Self {
        // A place's prefix is UTF-8.
        let prefix = place.prefix.to_string_lossy().into_owned();
        Self { version: VERSION, bundle, key, prefix, trees }
    }

    /// The version of OpenCode, where the bundle says one.
    pub fn opencode(&self) -> Option<Version> {
        self.trees.get(&Word(Role::Output))?.facts.get("opencode")?.parse().ok()
    }

    fn read(path: &Path) -> Result<Self> {
        let wrong = |reason: String| Error::Record { path: path.to_path_buf(), reason };
        let mut text = Vec::new();
        File::open(path).at("open", path)?.take(LONGEST + 1).read_to_end(&mut text).at("read", path)?;
        if text.len() as u64 > LONGEST {
            return Err(wrong(format!("it has over {LONGEST} bytes")));
        }
        let record: Self = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        match record.version {
            VERSION => Ok(record),
            other => Err(wrong(format!("it is of form {other}, and this program knows {VERSION}"))),
        }
    }
}

impl Generation {
    /// The word for a tree's link in it.
    pub(crate) fn word(role: Role) -> &'static str {
        role.as_str()
    }

    /// Where a tree of it is reached.
    pub fn tree(&self, role: Role) -> Option<PathBuf> {
        let is_there = self.record.trees.contains_key(&Word(role));
        is_there.then(|| self.path.join(Self::word(role)))
    }

    /// Whether its trees are where its links lead.
    ///
    /// # Errors
    /// [`Error::Incomplete`].
    pub(crate) fn check(&self) -> Result<()> {
        for Word(role) in self.record.trees.keys() {
            let path = self.path.join(Self::word(*role));
            if !path.is_dir() {
                return Err(Error::Incomplete { number: self.number, path });
            }
        }
        Ok(())
    }
}

/// All generations, the oldest first. Changes nothing, and needs no lock: each is there as a whole.
///
/// # Errors
/// [`Error::Io`], [`Error::Record`].
pub fn all(place: &Place) -> Result<Vec<Generation>> {
    let directory = place.generations();
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at("list", &directory)?,
    };
    let active = active(place);
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.at("list", &directory)?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<u64>().ok()) else { continue };
        let path = directory.join(&name);
        let record = match Record::read(&path.join(FILE)) {
            // Removed since it was listed.
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => continue,
            record => record?,
        };
        let installed = fs::metadata(&path).and_then(|found| found.modified()).at("read", &path)?;
        found.push(Generation { number, installed, is_active: active == Some(number), record, path });
    }
    found.sort_by_key(|generation| generation.number);
    Ok(found)
}

/// The number of the one that is active.
pub(crate) fn active(place: &Place) -> Option<u64> {
    let target = fs::read_link(place.current()).ok()?;
    target.file_name()?.to_str()?.parse().ok()
}

/// Makes this generation active: the one rename.
///
/// # Errors
/// [`Error::Tree`], [`Error::Incomplete`].
pub(crate) fn activate(state: &State, generation: &Generation) -> Result<()> {
    generation.check()?;
    let target = Path::new("generations").join(generation.number.to_string());
    Ok(tree::set_link(&state.place.current(), &target)?)
}

/// Writes a generation's directory aside, flushes it, and gives it the next number.
///
/// # Errors
/// [`Error::Io`], [`Error::Tree`].
pub(crate) fn add(state: &State, record: Record, last: u64) -> Result<Generation> {
    let directory = state.place.generations();
    let aside = tempfile::Builder::new()
        .prefix(ASIDE)
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(&directory)
        .at("create a directory in", &directory)?;
    for (Word(role), tree) in &record.trees {
        let target = Path::new("../../installed").join(tree.stored().file_name());
        let link = aside.path().join(Generation::word(*role));
        symlink(&target, &link).at("create", &link)?;
    }
    let file = aside.path().join(FILE);
    let mut text = serde_json::to_vec_pretty(&record)
        .map_err(|error| Error::Record { path: file.clone(), reason: error.to_string() })?;
    text.push(b'\n');
    let mut open = File::create_new(&file).at("create", &file)?;
    if state.place.is_shared {
        open.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .at("set the mode of", &file)?;
        fs::set_permissions(aside.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .at("set the mode of", aside.path())?;
    }
    open.write_all(&text).and_then(|()| open.sync_all()).at("write", &file)?;
    flush(aside.path())?;
    let number = last + 1;
    let path = directory.join(number.to_string());
    fs::rename(aside.path(), &path).at("create", &path)?;
    // It has another name now; what would be removed is not there.
    let _renamed = aside.keep();
    flush(&directory)?;
    let installed = fs::metadata(&path).and_then(|found| found.modified()).at("read", &path)?;
    Ok(Generation { number, installed, is_active: false, record, path })
}

/// Takes a generation away: its name first.
///
/// # Errors
/// [`Error::Io`], [`Error::Tree`].
pub(crate) fn remove(state: &State, generation: &Generation) -> Result<()> {
    let aside = state.place.generations().join(format!("{ASIDE}{}", generation.number));
    fs::rename(&generation.path, &aside).at("remove", &generation.path)?;
    Ok(tree::remove_tree(&aside)?)
}

/// A digest as its 32 characters.
mod digest {
    use serde::{Deserialize as _, Deserializer, Serializer, de};
    use tree::Digest;

    pub(super) fn serialize<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(digest)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// Edits as texts.
mod edits {
    use fit::Edit;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(edits: &[Edit], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(edits.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Edit>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
    }
}
