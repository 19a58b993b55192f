//! Outputs → one file for a machine without a network (docs/BUNDLE.md).
//!
//! What a bundle holds, and in which form, is the matter of the crate `bundle`; here is what of an output its index has to tell, which
//! program goes along, what a delta is made against, who signs, and where the file goes.

mod error;
pub mod keys;
mod older;
mod paper;
mod papers;
mod program;
mod source;
mod systems;
mod tool;
mod unpacked;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use bundle::frame::{LEVEL, MAX_LEVEL};
pub use bundle::signatures::PublicKey;
use bundle::signatures::{SecretKey, Signatures};
use bundle::{Bundle, Draft, Packing, believed};
pub use bundle::{Part, Role, Sha256};

use tempfile::TempDir;

pub use error::Error;
pub use older::Against;
pub(crate) use older::Held;
use older::Older;
use paper::Paper;
pub use papers::{Papers, Told};
pub use program::Wrong;
use source::{Source, Sources};
use tool::Tool;
pub use tool::own as own_tool;
pub(crate) use unpacked::unpack;

use crate::progress::{Progress, timed};

/// What is to be bundled, and how.
#[derive(Clone)]
pub struct Bundling {
    /// Outputs, or links to them.
    pub outputs: Vec<PathBuf>,
    /// The file; by default one in the current directory whose name says what is in it.
    pub file: Option<PathBuf>,
    /// zstd's level.
    pub level: i32,
    /// Releases of our own program, unpacked: one for each system that is to have it.
    pub tools: Vec<PathBuf>,
    /// Further files for the trees of these, by their paths below a prefix.
    pub manual: Vec<(String, Vec<u8>)>,
    /// Who tells of the outputs, for those who approve them; nobody where they are to go alone.
    pub papers: Option<Papers>,
    /// Files of the keys that sign.
    pub keys: Vec<PathBuf>,
    /// Whether they sign beside the file, and not in it.
    pub detached: bool,
    /// Bytes of each file, where it is to be cut into several.
    pub split: Option<u64>,
    /// A bundle or an output that the target has: only what differs goes in.
    pub since: Option<PathBuf>,
    /// Stores that may hold what an older delta was made against; the first is ours, to unpack in.
    pub stores: Vec<PathBuf>,
    /// Who is told.
    pub progress: Arc<dyn Progress>,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct Bundled {
    /// The file, or those that it was cut into.
    pub files: Vec<PathBuf>,
    /// The name of the whole.
    pub file: PathBuf,
    /// Bytes of the whole.
    pub size: u64,
    /// The digest of the whole, signatures excepted.
    pub digest: bundle::Sha256,
    /// What is in it.
    pub parts: Vec<Part>,
    /// Whether it begins with a program, and installs itself.
    pub is_program: bool,
    /// Who signed.
    pub signed: Vec<PublicKey>,
    /// Minisign's signature beside it.
    pub signature: Option<PathBuf>,
}

/// Everything that goes in, found and hashed.
struct Cargo {
    sources: Sources,
    program: Vec<u8>,
    keys: Vec<SecretKey>,
    /// These hold what the sources name, as long as they are there.
    _tools: Vec<Tool>,
    _older: Option<Older>,
    _papers: Vec<TempDir>,
}

impl Bundling {
    /// Bundles: one file, and of what differs one for each system.
    ///
    /// # Errors
    /// Everything in [`Error`]; there is no file then, or the older one. Of several those before it are there.
    pub async fn run(self) -> Result<Vec<Bundled>, Error> {
        let each =
            tokio::task::spawn_blocking(move || self.by_system()).await.map_err(|_| Error::Worker)??;
        let mut all = Vec::with_capacity(each.len());
        for bundling in each {
            all.push(bundling.run_one().await?);
        }
        Ok(all)
    }

    async fn run_one(self) -> Result<Bundled, Error> {
        let progress = self.progress.clone();
        let gathered = timed(&*progress, "list and hash", async {
            tokio::task::spawn_blocking(move || self.gather().map(|cargo| (self, cargo)))
                .await
                .map_err(|_| Error::Worker)?
        });
        let (bundling, cargo) = gathered.await?;
        let file = bundling.file.clone().unwrap_or_else(|| cargo.sources.file_name().into());
        let what = format!("bundle to {}", file.display());
        timed(&*progress, &what, async {
            let written = tokio::task::spawn_blocking(move || bundling.write(&cargo, &file));
            written.await.map_err(|_| Error::Worker)?
        })
        .await
    }

    fn gather(&self) -> Result<Cargo, Error> {
        // What is soonest found to be wrong first.
        let read = |path: &PathBuf| {
            let failed = |source| Error::Bundle { verb: "sign with", path: path.clone(), source };
            match believed::secret_key(path).map_err(failed)? {
                SecretKey::Nix(_) if self.detached => Err(Error::Detached { path: path.clone() }),
                key => Ok(key),
            }
        };
        let keys = self.keys.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let tools =
            self.tools.iter().map(|path| Tool::at(path, &self.manual)).collect::<Result<Vec<_>, _>>()?;
        let outputs = self.outputs.iter().map(|path| Source::output(path)).collect::<Result<Vec<_>, _>>()?;
        let systems = Sources::new(outputs.clone()).systems();
        for (tool, path) in tools.iter().zip(&self.tools) {
            if !systems.contains(&tool.system) {
                return Err(Error::Program { path: path.clone(), wrong: Wrong::Other });
            }
        }
        let all = outputs.into_iter().chain(tools.iter().map(|tool| tool.source.clone()));
        let mut sources = Sources::new(all.collect());
        let older = self.since.as_deref().map(|path| self.differ(&mut sources, path)).transpose()?;
        // Whoever installs a delta has a program already, and the bundle would be several times as large.
        let is_one = systems.len() == 1 && older.is_none();
        let program = tools.iter().find_map(|tool| tool.installer.clone()).filter(|_| is_one);
        let program = program.unwrap_or_default();
        let papers = self.papers.as_ref().map(|papers| papers.add(&mut sources, &program)).transpose()?;
        let papers = papers.unwrap_or_default();
        Ok(Cargo { sources, program, keys, _tools: tools, _older: older, _papers: papers })
    }

    /// Tells each tree as what differs from the older one.
    fn differ(&self, sources: &mut Sources, path: &Path) -> Result<Older, Error> {
        let older = Older::at(path, &self.stores)?;
        // A program that none was named in place of goes along as it was, or the next generation would be without. All of it is there.
        let (systems, has_tool) =
            (sources.systems(), sources.0.iter().any(|source| source.part.role == Role::Tool));
        let is_kept =
            |old: &&Source| !has_tool && old.part.role == Role::Tool && systems.contains(&old.part.system);
        *sources =
            Sources::new(sources.0.iter().chain(older.sources.iter().filter(is_kept)).cloned().collect());
        for source in &mut sources.0 {
            source.base = older.of(&source.part).cloned().map(Box::new);
            if source.base.is_none() && source.part.role == Role::Output {
                return Err(Error::NoOlder { path: path.to_path_buf(), system: source.part.system });
            }
        }
        Ok(older)
    }

    fn write(&self, cargo: &Cargo, file: &Path) -> Result<Bundled, Error> {
        let failed = |source| Error::Bundle { verb: "write", path: file.to_path_buf(), source };
        let Cargo { sources, program, keys, .. } = cargo;
        let mut paper = Paper::beside(file, self.split)?;
        let draft = match self.since {
            Some(_) => {
                Draft::since(sources.parts(), sources.listings(), sources.bases(), sources, self.level)
                    .map_err(failed)?
            }
            None => Draft::full(sources.parts(), sources.listings()),
        };
        let draft = draft.known_by(sources.marks());
        let threads = NonZeroUsize::new(crate::parallel()).unwrap_or(NonZeroUsize::MIN);
        let packing = Packing { level: self.level, threads };
        let header = bundle::write(&mut paper, &draft, sources, program, packing).map_err(failed)?;
        let mut size = header.end();
        let mut beside = None;
        if !keys.is_empty() {
            let hash = Bundle::open(&mut paper).and_then(|mut written| written.check()).map_err(failed)?;
            let comment = format!("opencode-cache bundle sha256:{}", header.digest());
            let signatures =
                Signatures(keys.iter().map(|key| key.sign(&hash, &comment)).collect()).to_string();
            if self.detached {
                beside = Some(signatures);
            } else {
                bundle::sign(&mut paper, &header, &signatures).map_err(failed)?;
                size += bundle::header::BEFORE + signatures.len() as u64;
            }
        }
        let is_program = !program.is_empty() && self.split.is_none();
        let files = paper.finish(is_program)?;
        let signature = beside.as_ref().map(|_| believed::beside(file));
        if let Some((path, text)) = signature.as_ref().zip(beside) {
            tree::atomic::write_file(path, text.as_bytes(), 0o644)?;
        }
        Ok(Bundled {
            files,
            file: file.to_path_buf(),
            size,
            digest: header.digest(),
            parts: draft.parts().to_vec(),
            is_program,
            signed: keys.iter().map(SecretKey::public).collect(),
            signature,
        })
    }
}
