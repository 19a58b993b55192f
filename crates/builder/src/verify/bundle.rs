//! A bundle → proof: who signed it, every byte of it, then each output in it that this machine can run, unpacked where nobody else looks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::bundle::signatures::PublicKey;
use ::bundle::{Front, Restoring, Role, believed, file};
use lock::System;
use serde::Serialize;
use tree::Store;

use super::cache::{Output, Problem};
use super::{Error, Request};
use crate::bundles::{Held, unpack};
use crate::progress::timed;

/// What is to be verified.
pub struct BundleRequest {
    /// The file, or the first of those that it was cut into.
    pub file: PathBuf,
    /// Whose signature is believed; one of these must have signed, where there are any.
    pub keys: Vec<PublicKey>,
    /// Stores that may hold what a delta is made against. The first is ours, to unpack in.
    pub stores: Vec<PathBuf>,
    /// What to run of each output: `output` is put in by us.
    pub then: Request,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct BundleReport {
    /// The bundle.
    pub path: PathBuf,
    /// The digest of the whole, signatures excepted.
    pub digest: String,
    /// The key that is believed and signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
    /// Who signed by their own word, whom nobody here believes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// What is in it.
    pub trees: Vec<Tree>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Outputs that were to be run.
    pub outputs: Vec<Output>,
}

/// A tree in a bundle.
#[derive(Debug, Clone, Serialize)]
pub struct Tree {
    /// For which system.
    pub system: System,
    /// What for: `output`, `tool`, `libraries`.
    pub role: String,
    /// Its name in a store.
    pub name: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// What whoever made it tells of it.
    pub facts: BTreeMap<String, String>,
}

impl BundleReport {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        let is_good = |output: &Output| output.report.as_ref().is_none_or(super::Report::is_good);
        self.problems.is_empty() && self.outputs.iter().all(is_good)
    }

    fn wrong(mut self, error: &bundle::Error) -> Self {
        let file = self.path.display().to_string();
        self.problems.push(Problem { file, code: error.code(), text: crate::error::chain(error) });
        self
    }
}

/// Whether a path is that of a file, or of one that was cut: what `verify` takes for a bundle.
pub fn is_bundle(path: &Path) -> bool {
    path.is_file() || (!path.exists() && file::numbered(path, 1).is_file())
}

/// What the bytes of a bundle gave.
struct Read {
    front: Front,
    signed: Option<PublicKey>,
    unknown: Vec<String>,
}

/// Verifies a bundle. Nothing of it is run unless all of it is right.
///
/// # Errors
/// [`Error::Bundle`] where it is none or cannot be read, and as [`run`](super::run).
pub async fn run_bundle(request: BundleRequest) -> Result<BundleReport, Error> {
    let BundleRequest { file, keys, stores, then } = request;
    let failed = {
        let path = file.clone();
        move |source| Error::Bundle { path: path.clone(), source }
    };
    let opened = bundle::open(&file).map_err(&failed)?;
    let mut report = BundleReport {
        path: file.clone(),
        digest: opened.header().digest().to_string(),
        signed: None,
        unknown: Vec::new(),
        trees: Vec::new(),
        problems: Vec::new(),
        outputs: Vec::new(),
    };
    let checking = timed(&*then.progress, "hash", async {
        let (file, stores) = (file.clone(), stores.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let mut bundle = opened;
            let read = read(&mut bundle, &file, &keys, &stores);
            (bundle, read)
        });
        checked.await.map_err(|_| Error::Worker)
    });
    let (mut opened, read) = checking.await?;
    let Read { front, signed, unknown } = match read {
        Ok(read) => read,
        Err(error) if error.is_input() => return Ok(report.wrong(&error)),
        Err(error) => return Err(failed(error)),
    };
    report.signed = signed.map(|key| key.name());
    report.unknown = unknown;
    report.trees = front.index.parts.iter().map(tree).collect();
    let staging = Store::at(stores.first().cloned().unwrap_or_else(std::env::temp_dir))?.staging()?;
    let unpacked = timed(&*then.progress, "unpack", async {
        let (front, into) = (front.clone(), staging.path().to_path_buf());
        let hashes_only = then.hashes_only;
        let unpacking = tokio::task::spawn_blocking(move || {
            if hashes_only {
                // Each file's hash is compared all the same.
                let mut nowhere = Restoring::new(vec![None; front.index.parts.len()]);
                return opened.unpack(&front, &Held(&stores), &mut nowhere).map(|()| Vec::new());
            }
            unpack(&mut opened, &front, &Held(&stores), &into)
        });
        unpacking.await.map_err(|_| Error::Worker)
    });
    let roots = match unpacked.await? {
        Ok(roots) => roots,
        Err(error) if error.is_input() => return Ok(report.wrong(&error)),
        Err(error) => return Err(failed(error)),
    };
    for (part, root) in front.index.parts.iter().zip(roots).filter(|(part, _)| part.role == Role::Output) {
        let found = super::run(Request { output: root, ..then.clone() }).await?;
        report.outputs.push(Output {
            path: part.name(),
            not_run: found.not_run.clone(),
            report: Some(found),
        });
    }
    Ok(report)
}

/// Every hash of the beginning, who signed, and what there is.
fn read<R: std::io::Read + std::io::Seek>(
    bundle: &mut bundle::Bundle<R>,
    file: &Path,
    keys: &[PublicKey],
    stores: &[PathBuf],
) -> bundle::Result<Read> {
    let hash = bundle.check()?;
    let signed = believed::judge(bundle, file, keys, &hash)?;
    let all = believed::signatures(bundle, file)?.0.into_iter().map(|signature| signature.name());
    let unknown = all.filter(|name| signed.as_ref().is_none_or(|key| key.name() != *name)).collect();
    Ok(Read { front: bundle.front(&Held(stores))?, signed, unknown })
}

fn tree(part: &bundle::Part) -> Tree {
    Tree {
        system: part.system,
        role: part.role.to_string(),
        name: part.name(),
        bytes: part.size,
        facts: part.facts.clone(),
    }
}
