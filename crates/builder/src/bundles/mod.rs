//! Outputs → one file for a machine without a network (docs/BUNDLE.md).
//!
//! What a bundle holds, and in which form, is the matter of the crate `bundle`; here is what of an output its index has to tell, and
//! where the file goes.

mod error;
mod paper;
mod source;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use bundle::frame::{LEVEL, MAX_LEVEL};
use bundle::{Draft, Packing};
pub use bundle::{Part, Role};

pub use error::Error;
use paper::Paper;
use source::{Source, Sources};

use crate::progress::{Progress, timed};

/// What is to be bundled, and how.
pub struct Bundling {
    /// Outputs, or links to them.
    pub outputs: Vec<PathBuf>,
    /// The file; by default one in the current directory whose name says what is in it.
    pub file: Option<PathBuf>,
    /// zstd's level.
    pub level: i32,
    /// Who is told.
    pub progress: Arc<dyn Progress>,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct Bundled {
    /// The file.
    pub file: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// The digest of the whole, signatures excepted.
    pub digest: bundle::Sha256,
    /// What is in it.
    pub parts: Vec<Part>,
}

impl Bundling {
    /// Bundles.
    ///
    /// # Errors
    /// Everything in [`Error`]; there is no file then, or the older one.
    pub async fn run(self) -> Result<Bundled, Error> {
        let progress = self.progress.clone();
        let sources = timed(&*progress, "list and hash", async {
            let outputs = self.outputs.clone();
            tokio::task::spawn_blocking(move || sources(&outputs)).await.map_err(|_| Error::Worker)?
        });
        let sources = sources.await?;
        let file = self.file.clone().unwrap_or_else(|| sources.file_name().into());
        let what = format!("bundle to {}", file.display());
        timed(&*progress, &what, async {
            tokio::task::spawn_blocking(move || self.write(&sources, &file))
                .await
                .map_err(|_| Error::Worker)?
        })
        .await
    }

    fn write(&self, sources: &Sources, file: &Path) -> Result<Bundled, Error> {
        let failed = |source| Error::Bundle { verb: "write", path: file.to_path_buf(), source };
        let mut paper = Paper::beside(file)?;
        let draft = Draft::full(sources.parts(), sources.listings());
        let threads = NonZeroUsize::new(crate::parallel()).unwrap_or(NonZeroUsize::MIN);
        let packing = Packing { level: self.level, threads };
        let header = bundle::write(&mut paper, &draft, sources, &[], packing).map_err(failed)?;
        paper.finish()?;
        let (size, digest) = (header.end(), header.digest());
        Ok(Bundled { file: file.to_path_buf(), size, digest, parts: sources.parts() })
    }
}

fn sources(outputs: &[PathBuf]) -> Result<Sources, Error> {
    let all = outputs.iter().map(|path| Source::output(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(Sources::new(all))
}
