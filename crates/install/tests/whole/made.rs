//! Small outputs, and bundles of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bundle::{Contents, Draft, Listing, Packing, Part, Role, Sha256, write};
use install::{Place, Request};
use lock::System;
use tree::{Digest, Store, StorePath};

/// A machine: a directory for everything.
pub struct Machine {
    directory: tempfile::TempDir,
    pub place: Place,
}

/// A tree that a bundle is made of.
#[derive(Clone)]
pub struct Source {
    pub stored: StorePath,
    pub system: System,
    pub role: Role,
    pub facts: BTreeMap<String, String>,
}

pub const HERE: System = System::X86_64Linux;

impl Machine {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let place = Place { prefix: path("prefix"), state: path("state/opencode-cache"), is_shared: false };
        Self { directory, place }
    }

    /// The home of whoever installs: root too has its state there for a prefix that lies in it.
    #[allow(dead_code, reason = "each test program uses a part of this")]
    pub fn home(&self) -> PathBuf {
        self.directory.path().to_path_buf()
    }

    /// Where trees are that bundles are made of.
    pub fn store(&self) -> Store {
        Store::at(self.directory.path().join("made")).unwrap()
    }

    /// An output of this version: a program, and files of its own and of all.
    pub fn output(&self, version: &str) -> Source {
        self.tree(
            Role::Output,
            &[
                ("bin/opencode", &format!("#!/bin/sh\necho {version}\n"), true),
                ("lib/all", &"shared by all of them. ".repeat(10_000), false),
                ("lib/own", version, false),
            ],
            &[("opencode", version)],
        )
    }

    pub fn tree(&self, role: Role, files: &[(&str, &str, bool)], facts: &[(&str, &str)]) -> Source {
        let staging = self.store().staging().unwrap();
        for (path, content, executable) in files {
            let path = staging.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(if *executable { 0o755 } else { 0o644 }))
                .unwrap();
        }
        let stored = staging.commit().unwrap();
        let facts = facts.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Source { stored, system: HERE, role, facts }
    }

    /// A bundle as a file, to be installed as it is.
    pub fn request(&self, bytes: &[u8]) -> Request {
        let file = self.directory.path().join("a.bundle");
        fs::write(&file, bytes).unwrap();
        Request { file, keys: Vec::new(), place: self.place.clone(), system: Some(HERE), downgrade: false }
    }

    pub fn install(&self, bytes: &[u8]) -> install::Result<install::Installed> {
        install::install(&self.request(bytes))
    }

    /// What the program says that users call.
    pub fn says(&self) -> String {
        let program = self.place.prefix.join("bin/opencode");
        let output = std::process::Command::new(program).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The names of the trees that are installed.
    pub fn trees(&self) -> Vec<String> {
        let mut names: Vec<_> = names(&self.place.state.join("installed"));
        names.sort();
        names
    }
}

pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

struct Files(Vec<(PathBuf, Option<PathBuf>)>);

impl Contents for Files {
    fn open(&self, part: usize, path: &lock::RelPath) -> tree::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self.0[part].0.join(path.as_str())).unwrap()))
    }
    fn open_base(&self, part: usize, path: &lock::RelPath) -> tree::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self.0[part].1.as_ref().unwrap().join(path.as_str())).unwrap()))
    }
}

/// A bundle of these trees, each in full or as what differs from another.
pub fn bundle(sources: &[(&Source, Option<&Source>)]) -> Vec<u8> {
    let listing = |source: &Source| Listing::of(&tree::scan(source.stored.path()).unwrap()).unwrap();
    let mut sources: Vec<_> = sources.to_vec();
    sources.sort_by_key(|(source, _)| (source.system, source.role, source.stored.digest()));
    let listings: Vec<_> = sources.iter().map(|(source, _)| listing(source)).collect();
    let part = |(source, _): &(&Source, Option<&Source>), listing: &Listing| {
        let text = listing.to_text();
        Part {
            system: source.system,
            role: source.role,
            digest: source.stored.digest(),
            listing: Sha256::of(text.as_bytes()),
            listing_size: text.len() as u64,
            size: listing.size(),
            base: None,
            facts: source.facts.clone(),
        }
    };
    let parts: Vec<_> =
        sources.iter().zip(&listings).map(|(source, listing)| part(source, listing)).collect();
    let bases: Vec<Option<(Digest, Listing)>> =
        sources.iter().map(|(_, base)| base.map(|base| (base.stored.digest(), listing(base)))).collect();
    let path = |source: &Source| source.stored.path().to_path_buf();
    let files = Files(sources.iter().map(|(source, base)| (path(source), base.map(path))).collect());
    let draft = if bases.iter().any(Option::is_some) {
        Draft::since(parts, listings, bases, &files, 3).unwrap()
    } else {
        Draft::full(parts, listings)
    };
    let mut out = Cursor::new(Vec::new());
    let packing = Packing { level: 1, threads: NonZeroUsize::MIN };
    write(&mut out, &draft, &files, b"", packing).unwrap();
    out.into_inner()
}
