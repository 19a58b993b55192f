//! The catalogue of models that OpenCode will use: which one, its newest model, and each provider's SDK. Judges
//! nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use builder::files::read_bounded;
use builder::opencode;
use serde_json::Value;

use crate::start::Start;
use crate::surroundings::Surroundings;
use builder::release::{Dates, Release};

/// The largest catalogue that is read, in bytes: some twenty times a real one.
const MOST: u64 = 64 << 20;

/// A catalogue.
#[derive(Debug)]
pub struct Catalogue {
    /// The file; else it is the binary's own.
    pub file: Option<PathBuf>,
    /// Whether a variable names that file.
    pub is_named: bool,
    /// Why the file cannot be used; then OpenCode takes the binary's own.
    pub refused: Option<String>,
    /// The date of its newest model, `YYYY-MM-DD`.
    pub newest: Option<String>,
    /// The SDK of each provider.
    pub sdks: BTreeMap<String, String>,
}

impl Catalogue {
    /// Finds the catalogue: the one that a variable names, the one that OpenCode fetched, or the binary's own.
    pub fn find(start: &Start, surroundings: &Surroundings, release: &Release) -> Self {
        let named = start.variable(opencode::CATALOGUE_VARIABLE, surroundings);
        let is_named = named.is_some();
        let fetched = start.cache.as_ref().map(|cache| cache.join(opencode::CATALOGUE_NAME));
        // Where nothing stands yet, the next start lays what the output has.
        let seeded =
            || start.entries.iter().find(|seen| seen.dest == opencode::CATALOGUE_NAME)?.source.clone();
        let file = named.or(fetched.filter(|file| file.exists())).or_else(seeded);
        let read = file.as_deref().map(read).transpose();
        let refused = read.as_ref().err().cloned();
        let own = || (release.newest_model.clone(), release.sdks.clone());
        let (newest, sdks) = read.ok().flatten().unwrap_or_else(own);
        Self { file, is_named, refused, newest, sdks }
    }
}

type Contents = (Option<String>, BTreeMap<String, String>);

fn read(file: &Path) -> Result<Contents, String> {
    let bytes = read_bounded(file, MOST).map_err(|error| error.to_string())?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let mut dates = Dates::default();
    // As JSON.stringify writes it, whatever the blanks were.
    dates.look(value.to_string().as_bytes());
    let providers = value.as_object().into_iter().flatten();
    let sdk =
        |(id, provider): (&String, &Value)| Some((id.clone(), provider.get("npm")?.as_str()?.to_owned()));
    Ok((dates.newest, providers.filter_map(sdk).collect()))
}
