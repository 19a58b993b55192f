//! A Nix binary cache → proof: every byte of it, then each output in it, taken out and run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nixstore::{Cache, NarInfo, PublicKey};
use serde::Serialize;
use tree::Store;

use super::{Error, Report, Request};
use crate::progress::timed;

/// What is to be verified.
pub struct CacheRequest {
    /// The cache.
    pub directory: PathBuf,
    /// Keys whose signature is as good as a name that the content gives.
    pub keys: Vec<PublicKey>,
    /// Our store: outputs are taken out beside what is in it.
    pub store: PathBuf,
    /// What to run of each output: `output` is put in by us.
    pub then: Request,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct CacheReport {
    /// The cache.
    pub path: PathBuf,
    /// How many paths of it are right.
    pub paths: usize,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Outputs, by their paths in Nix's store.
    pub outputs: Vec<Output>,
}

/// Something that is wrong with a cache.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// The file, relative to the cache.
    pub file: String,
    /// A stable code.
    pub code: &'static str,
    /// What is wrong.
    pub text: String,
}

/// An output in a cache.
#[derive(Debug, Clone, Serialize)]
pub struct Output {
    /// Its path in Nix's store.
    pub path: String,
    /// What came of running it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// Why it was not taken out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_run: Option<String>,
}

impl CacheReport {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        let is_good = |output: &Output| output.report.as_ref().is_none_or(Report::is_good);
        self.problems.is_empty() && self.outputs.iter().all(is_good)
    }
}

/// Whether a directory is a cache.
pub fn is_cache(path: &Path) -> bool {
    Cache::is_at(path)
}

/// Verifies a cache. Nothing of it is run unless all of it is right.
///
/// # Errors
/// [`Error::Cache`] where it is none, and as [`run`](super::run).
pub async fn run_cache(request: CacheRequest) -> Result<CacheReport, Error> {
    let CacheRequest { directory, keys, store, then } = request;
    let cache = Arc::new(Cache::open(&directory)?);
    let checking = timed(&*then.progress, "hash", async {
        let cache = cache.clone();
        tokio::task::spawn_blocking(move || cache.check(&keys, crate::parallel()))
            .await
            .map_err(|_| Error::Worker)
    });
    let found = checking.await??;
    let problem = |problem: nixstore::cache::Problem| Problem {
        file: problem.file,
        code: problem.code,
        text: problem.text,
    };
    let mut report = CacheReport {
        path: directory,
        paths: found.right.len(),
        problems: found.problems.into_iter().map(problem).collect(),
        outputs: Vec::new(),
    };
    if !report.is_good() || then.hashes_only {
        return Ok(report);
    }
    for info in
        found.right.into_iter().filter(|info| info.store_path.name().to_string() == tree::digest::NAME)
    {
        report.outputs.push(output(&cache, &store, info, &then).await?);
    }
    Ok(report)
}

async fn output(cache: &Arc<Cache>, store: &Path, info: NarInfo, then: &Request) -> Result<Output, Error> {
    let path = info.store_path.to_string();
    if let Some(reference) = info.references.first() {
        let why =
            format!("it refers to {reference}: `nix copy` it and what it refers to, and verify it there");
        return Ok(Output { path, report: None, not_run: Some(why) });
    }
    // A staging directory is locked while we live, and removed by whoever opens the store next if we are killed.
    let staging = Store::at(store.to_path_buf())?.staging()?;
    let place = staging.path().join(info.store_path.base());
    let taken_out = timed(&*then.progress, "unpack", async {
        let (cache, place) = (cache.clone(), place.clone());
        tokio::task::spawn_blocking(move || {
            cache.restore(&info, &place)?;
            tree::canonicalise(&tree::scan(&place)?)?;
            Ok::<_, Error>(())
        })
        .await
        .map_err(|_| Error::Worker)
    });
    taken_out.await??;
    let request = Request { output: place, ..then.clone() };
    Ok(Output { path, report: Some(super::run(request).await?), not_run: None })
}
