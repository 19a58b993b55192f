//! Looking through a cache: whether every byte of it is what it says, and why anybody should believe that.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::nar::{self, LARGEST};
use super::{Cache, NARINFO, read_text};
use crate::content::{Address, Method};
use crate::error::{At as _, Error, Result};
use crate::hash::{Algorithm, Hash};
use crate::key::PublicKey;
use crate::narinfo::{self, Compression, NarInfo};
use crate::path::StorePath;

/// Narinfos in one directory at most. A NixOS system has some 5,000.
const MOST: usize = 1_000_000;

/// Something that is wrong with a cache.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file that it is about, relative to the cache.
    pub file: String,
    /// A stable code.
    pub code: &'static str,
    /// What is wrong.
    pub text: String,
}

/// What was found in a cache.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The paths of which nothing is wrong, in the order of their names.
    pub right: Vec<NarInfo>,
    /// What is wrong with the others, in the order of files.
    pub problems: Vec<Problem>,
}

impl Cache {
    /// Reads everything, on as many threads as `threads` says. A path counts as right where its content gives it its name, or one
    /// of `keys` has signed it; a wrong signature of one of them is wrong in any case.
    ///
    /// # Errors
    /// [`Error::TooMany`], [`Error::Io`] where the directory cannot be listed.
    pub fn check(&self, keys: &[PublicKey], threads: usize) -> Result<Report> {
        let names = self.narinfos()?;
        let told: Vec<_> = names.iter().map(|name| self.read(name)).collect();
        let known: BTreeSet<&StorePath> = told.iter().flatten().map(|info| &info.store_path).collect();
        let report = Mutex::new(Report::default());
        let next = AtomicUsize::new(0);
        let one = || {
            while let Some(told) = told.get(next.fetch_add(1, Ordering::Relaxed)) {
                let problems = match told {
                    Ok(info) => self.check_one(info, keys, &known),
                    Err(problem) => vec![problem.clone()],
                };
                let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                match told {
                    Ok(info) if problems.is_empty() => report.right.push(info.clone()),
                    _ => report.problems.extend(problems),
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(one);
            }
        });
        let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report
            .right
            .sort_by(|a, b| (a.store_path.name(), &a.store_path).cmp(&(b.store_path.name(), &b.store_path)));
        report.problems.sort();
        Ok(report)
    }

    /// Makes the tree of a path that was [checked](Cache::check) at `destination`, which must not be there, or be an empty directory.
    ///
    /// # Errors
    /// [`Error::Tree`].
    pub fn restore(&self, info: &NarInfo, destination: &Path) -> Result<()> {
        let file = tree::open_file(&self.root.join(info.file().unwrap_or(Path::new(""))))?;
        Ok(nar::restore(file, info, destination)?)
    }

    fn narinfos(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).at("list", &self.root)? {
            let name = entry.at("list", &self.root)?.file_name().to_string_lossy().into_owned();
            if name.ends_with(NARINFO) && !name.starts_with('.') {
                names.push(name);
            }
            if names.len() > MOST {
                return Err(Error::TooMany { path: self.root.clone(), limit: MOST });
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, name: &str) -> std::result::Result<NarInfo, Problem> {
        let problem = |code, text| Problem { file: name.to_owned(), code, text };
        let text = read_text(&self.root.join(name), narinfo::LONGEST)
            .map_err(|error| problem("narinfo-unreadable", chain(&error)))?;
        let info: NarInfo = text.parse().map_err(|error| problem("narinfo-malformed", format!("{error}")))?;
        if format!("{}{NARINFO}", info.store_path.digest()) != name {
            return Err(problem("narinfo-misnamed", format!("it is about {}", info.store_path)));
        }
        Ok(info)
    }

    fn check_one(&self, info: &NarInfo, keys: &[PublicKey], known: &BTreeSet<&StorePath>) -> Vec<Problem> {
        let mut problems = self.check_nar(info);
        problems.extend(self.check_address(info));
        let missing = info.references.iter().filter(|reference| !known.contains(reference));
        problems.extend(missing.map(|one| {
            about(info, "narinfo-reference-missing", format!("it refers to {one}, which is not there"))
        }));
        let text = info.fingerprint();
        let by_key = |key: &PublicKey| info.signatures.iter().any(|signature| key.verifies(&text, signature));
        for key in
            keys.iter().filter(|key| info.signatures.iter().any(|one| key.is_named_in(one)) && !by_key(key))
        {
            problems.push(about(
                info,
                "narinfo-signature",
                format!("the signature of {} is wrong", key.name()),
            ));
        }
        if !is_proven_by_content(info) && !keys.iter().any(by_key) {
            let text =
                "neither its content gives it its name, nor did a key sign it that was named (--public-key)";
            problems.push(about(info, "narinfo-unsigned", text.to_owned()));
        }
        problems
    }

    /// What is wrong with the packed NAR and with what it holds.
    pub(super) fn check_nar(&self, info: &NarInfo) -> Vec<Problem> {
        let Some(file) = info.file() else {
            return vec![about(
                info,
                "narinfo-url",
                format!("its NAR lies outside of the cache: {}", info.url),
            )];
        };
        let problem = |code, text| Problem { file: info.url.clone(), code, text };
        if info.nar_size > LARGEST {
            return vec![about(
                info,
                "nar-too-large",
                format!("{} bytes are more than are read", info.nar_size),
            )];
        }
        let path = self.root.join(file);
        let opened = match tree::open_file(&path) {
            Ok(opened) if opened.metadata().is_ok_and(|metadata| metadata.is_file()) => opened,
            Ok(_) => return vec![problem("nar-missing", "it is no file".into())],
            Err(error) => return vec![problem("nar-missing", chain(&error))],
        };
        let found = match nar::look(opened, info) {
            Ok(found) => found,
            Err(error) => return vec![problem("nar-unreadable", error.to_string())],
        };
        let mut problems = Vec::new();
        let mut differs = |code, what: &str, found: &dyn std::fmt::Display, told: &dyn std::fmt::Display| {
            problems.push(problem(code, format!("{what} {found}, and {told} in the narinfo")));
        };
        if let Some(told) = info.file_size.filter(|told| *told != found.file_size) {
            differs("nar-file-size", "its size in bytes is", &found.file_size, &told);
        }
        if let Some(told) = info.file_hash.as_ref().filter(|told| **told != found.file_hash) {
            differs("nar-file-hash", "its hash is", &found.file_hash, told);
        }
        match found.nar {
            // What it is packed from was not seen, and so nothing is known of it.
            None => problems.push(problem(
                "nar-compression",
                format!("packed by {}, which is not read here", info.compression),
            )),
            Some(found) => {
                if found.size != info.nar_size && found.broken.is_none() {
                    differs("nar-size", "unpacked, its size in bytes is", &found.size, &info.nar_size);
                }
                if found.hash != info.nar_hash {
                    differs("nar-hash", "unpacked, its hash is", &found.hash, &info.nar_hash);
                }
                if let Some(error) = found.broken {
                    problems.push(problem("nar-malformed", chain(&error)));
                } else if let Some(address) =
                    content_wanted(info).filter(|address| found.content.as_ref() != Some(&address.hash))
                {
                    let text = match found.content {
                        Some(content) => {
                            format!("what it holds hashes to {content}, and CA says {}", address.hash)
                        }
                        None => "it is not one plain file, and CA says so".to_owned(),
                    };
                    problems.push(problem("nar-content", text));
                }
            }
        }
        problems
    }

    /// What is wrong with what a narinfo says of its content, without a look at the content.
    pub(super) fn check_address(&self, info: &NarInfo) -> Vec<Problem> {
        let Some(address) = &info.content else { return Vec::new() };
        if is_of_itself(info) {
            return Vec::new();
        }
        let path = address.path(info.store_path.name(), &info.references);
        if path.as_ref() != Some(&info.store_path) {
            let text = match path {
                Some(path) => format!("its content would be called {path}"),
                None => "nothing with such references has such an address".to_owned(),
            };
            return vec![about(info, "narinfo-content-address", text)];
        }
        if nar_address(address).is_some_and(|hash| *hash != info.nar_hash) {
            return vec![about(
                info,
                "narinfo-content-address",
                "CA and NarHash are of different NARs".to_owned(),
            )];
        }
        Vec::new()
    }
}

/// The hash that a NAR's address is of, where that is `NarHash` too.
fn nar_address(address: &Address) -> Option<&Hash> {
    let is_nar = address.method == Method::Recursive && address.hash.algorithm() == Algorithm::Sha256;
    is_nar.then_some(&address.hash)
}

/// The address, where the file that a NAR holds has to have that hash and it can be found out.
fn content_wanted(info: &NarInfo) -> Option<&Address> {
    let is_weak = |address: &&Address| matches!(address.hash.algorithm(), Algorithm::Md5 | Algorithm::Sha1);
    info.content.as_ref().filter(|address| address.method != Method::Recursive && !is_weak(address))
}

/// Content that names its own path is hashed as if it did not: not done here.
fn is_of_itself(info: &NarInfo) -> bool {
    info.references.contains(&info.store_path)
}

/// Whether the address was compared with the content; what differs is a problem of its own.
fn is_proven_by_content(info: &NarInfo) -> bool {
    let is_compared = |address: &Address| nar_address(address).is_some() || content_wanted(info).is_some();
    !is_of_itself(info)
        && !matches!(info.compression, Compression::Other(_))
        && info.content.as_ref().is_some_and(is_compared)
}

fn about(info: &NarInfo, code: &'static str, text: String) -> Problem {
    Problem { file: format!("{}{NARINFO}", info.store_path.digest()), code, text }
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
