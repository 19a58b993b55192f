//! What the release binary says of itself. Read once, in one pass: it has some 180 MB. Owns what is looked for
//! in it; judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::generation::Generation;
use crate::opencode::reads;
use memchr::memmem::Finder;

/// Bytes that are read at once.
const BUFFER: usize = 1 << 20;

/// The most that is read of a binary, in bytes: five times a real one.
const MOST: u64 = 1 << 30;

/// Longer than anything that is looked for, in bytes: what a buffer's end would cut in two is looked at twice.
const OVERLAP: usize = 1024;

/// Most names that are kept; a real binary has some two hundred of each kind.
const MOST_NAMES: usize = 10_000;

/// The longest text of one provider in the catalogue, in bytes: ten times a real one.
const MOST_OF_A_PROVIDER: usize = 4 << 20;

/// What was found.
#[derive(Debug, Default)]
pub struct Release {
    /// The provider SDKs that are built in (and other things that are loaded by name). `None`: it cannot be told.
    pub built_in: Option<BTreeSet<String>>,
    /// Whether it needs AVX2. `None`: it cannot be told.
    pub needs_avx2: Option<bool>,
    /// The date of the newest model in its own catalogue, `YYYY-MM-DD`.
    pub newest_model: Option<String>,
    /// The SDK of each provider of its own catalogue.
    pub sdks: BTreeMap<String, String>,
    /// SDKs that single models of a provider have instead.
    pub model_sdks: BTreeMap<String, BTreeSet<String>>,
    /// The generation of the AI SDK in it. `None`: it cannot be told.
    pub generation: Option<Generation>,
}

impl Release {
    /// Whether an SDK is built in.
    pub fn has(&self, sdk: &str) -> bool {
        self.built_in.as_ref().is_some_and(|names| names.contains(sdk))
    }

    /// The SDKs that a provider of the catalogue may load: its own, and those of single models. `None`: the
    /// catalogue does not know it.
    pub fn sdks_of(&self, id: &str) -> Option<BTreeSet<String>> {
        let own = self.sdks.get(id)?.clone();
        Some(self.model_sdks.get(id).cloned().unwrap_or_default().into_iter().chain([own]).collect())
    }

    /// Reads the binary at `path`.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut search = Search::new();
        let mut file = File::open(path)?.take(MOST);
        let mut buffer = vec![0; BUFFER];
        let mut kept = 0;
        loop {
            let read = file.read(buffer.get_mut(kept..).unwrap_or_default())?;
            let filled = kept + read;
            search.look(buffer.get(..filled).unwrap_or_default());
            if read == 0 {
                return Ok(search.release());
            }
            let rest = filled.saturating_sub(OVERLAP);
            search.behind += rest;
            buffer.copy_within(rest..filled, 0);
            kept = filled - rest;
        }
    }
}

struct Search {
    needs_avx2: Finder<'static>,
    needs_no_avx2: Finder<'static>,
    /// Whether each of the two was found.
    found: (bool, bool),
    built_in: [Finder<'static>; 2],
    names: BTreeSet<String>,
    provider: [(Finder<'static>, &'static str); 3],
    sdks: BTreeMap<String, String>,
    /// Where in the binary each of these begins.
    starts: BTreeMap<usize, String>,
    model: [Finder<'static>; 3],
    /// Where an SDK of a single model stands, and which.
    model_sdks: BTreeMap<usize, String>,
    generation: [Finder<'static>; 2],
    /// How often each generation is named.
    generations: BTreeMap<Generation, usize>,
    /// How much of the binary lies before what is looked at.
    behind: usize,
    dates: Dates,
}

impl Search {
    fn new() -> Self {
        Self {
            needs_avx2: Finder::new(reads::NEEDS_AVX2),
            needs_no_avx2: Finder::new(reads::NEEDS_NO_AVX2),
            found: (false, false),
            built_in: reads::BUILT_IN.map(Finder::new),
            names: BTreeSet::new(),
            provider: reads::CATALOGUE_PROVIDER.map(|(name, sdk)| (Finder::new(name), sdk)),
            sdks: BTreeMap::new(),
            starts: BTreeMap::new(),
            model: reads::MODEL_SDK.map(Finder::new),
            model_sdks: BTreeMap::new(),
            generation: reads::GENERATION.map(Finder::new),
            generations: BTreeMap::new(),
            behind: 0,
            dates: Dates::default(),
        }
    }

    fn look(&mut self, bytes: &[u8]) {
        self.found.0 = self.found.0 || self.needs_avx2.find(bytes).is_some();
        self.found.1 = self.found.1 || self.needs_no_avx2.find(bytes).is_some();
        for at in self.built_in.iter().flat_map(|finder| finder.find_iter(bytes)) {
            if self.names.len() < MOST_NAMES {
                self.names.extend(name_before(bytes, at));
            }
        }
        let providers = self.provider.iter();
        for (at, sdk) in providers.flat_map(|(name, sdk)| name.find_iter(bytes).map(move |at| (at, sdk))) {
            if self.sdks.len() < MOST_NAMES
                && let Some((id, sdk)) = name_before(bytes, at).zip(sdk_behind(bytes, at, sdk))
            {
                self.starts.insert(self.behind + at, id.clone());
                self.sdks.insert(id, sdk);
            }
        }
        let ends = |finders: &[Finder<'static>]| -> Vec<(usize, usize)> {
            let ends = |finder: &Finder<'static>| {
                let length = finder.needle().len();
                finder.find_iter(bytes).map(|at| (at, at + length)).collect::<Vec<_>>()
            };
            finders.iter().flat_map(ends).collect()
        };
        for (at, end) in ends(&self.model) {
            let sdk = bytes.get(end..).and_then(quoted);
            if self.model_sdks.len() < MOST_NAMES {
                self.model_sdks.extend(sdk.map(|sdk| (self.behind + at, sdk)));
            }
        }
        for (_, end) in ends(&self.generation) {
            let number = bytes.get(end..).and_then(quoted);
            if self.generations.len() < MOST_NAMES
                && let Some(number) = number.and_then(|number| number.parse().ok())
            {
                *self.generations.entry(Generation(number)).or_default() += 1;
            }
        }
        self.dates.look(bytes);
    }

    fn release(self) -> Release {
        let mut model_sdks: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (at, sdk) in self.model_sdks {
            if let Some((start, id)) = self.starts.range(..at).next_back()
                && at - start < MOST_OF_A_PROVIDER
            {
                model_sdks.entry(id.clone()).or_default().insert(sdk);
            }
        }
        Release {
            built_in: self.names.contains(reads::ALWAYS_BUILT_IN).then_some(self.names),
            needs_avx2: match self.found {
                (true, false) => Some(true),
                (false, true) => Some(false),
                _ => None,
            },
            newest_model: self.dates.newest,
            generation: self.generations.into_iter().max_by_key(|(_, count)| *count).map(|(it, _)| it),
            sdks: self.sdks,
            model_sdks,
        }
    }
}

/// The name that ends where a quote stands.
fn name_before(bytes: &[u8], end: usize) -> Option<String> {
    let before = bytes.get(end.saturating_sub(OVERLAP / 2)..end)?;
    let start = memchr::memrchr(b'"', before)? + 1;
    String::from_utf8(before.get(start..)?.to_vec()).ok()
}

/// The SDK behind the list that begins at a place.
fn sdk_behind(bytes: &[u8], start: usize, before: &str) -> Option<String> {
    let behind = bytes.get(start..bytes.len().min(start + OVERLAP / 2))?;
    let list_end = memchr::memchr(b']', behind)?;
    quoted(behind.get(list_end..)?.strip_prefix(before.as_bytes())?)
}

/// The text up to a quote that is not far.
fn quoted(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.get(..bytes.len().min(OVERLAP / 2))?;
    String::from_utf8(bytes.get(..memchr::memchr(b'"', bytes)?)?.to_vec()).ok()
}

/// The dates of a catalogue's models.
pub struct Dates {
    finders: Vec<Finder<'static>>,
    /// The latest so far.
    pub newest: Option<String>,
}

impl Default for Dates {
    fn default() -> Self {
        Self { finders: reads::MODEL_DATES.iter().map(|text| Finder::new(*text)).collect(), newest: None }
    }
}

impl Dates {
    /// Looks for dates.
    pub fn look(&mut self, bytes: &[u8]) {
        for finder in &self.finders {
            for at in finder.find_iter(bytes) {
                let start = at + finder.needle().len();
                let date = bytes.get(start..start + 10).and_then(|date| std::str::from_utf8(date).ok());
                let Some(date) = date.filter(|date| is_date(date)) else { continue };
                if self.newest.as_deref().is_none_or(|newest| newest < date) {
                    self.newest = Some(date.to_owned());
                }
            }
        }
    }
}

/// `YYYY-MM-DD`, which sorts as the days do.
fn is_date(text: &str) -> bool {
    let shape =
        |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(shape)
}
