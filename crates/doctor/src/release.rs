//! What the release binary says of itself. Read once, in one pass: it has some 180 MB. Owns what is looked for
//! in it; judges nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use builder::opencode::reads;
use memchr::memmem::Finder;

/// Bytes that are read at once.
const BUFFER: usize = 1 << 20;

/// The most that is read of a binary, in bytes: five times a real one.
const MOST: u64 = 1 << 30;

/// The longest text that is looked for, in bytes: what would be cut in two by a buffer's end is read twice.
const LONGEST: usize = 512;

/// What was found.
#[derive(Debug, Default)]
pub struct Release {
    /// The provider SDKs, of those that were asked for, that are built in. `None`: it cannot be told.
    pub built_in: Option<BTreeSet<String>>,
    /// Whether it needs AVX2. `None`: it cannot be told.
    pub needs_avx2: Option<bool>,
    /// The date of the newest model in its own catalogue, `YYYY-MM-DD`.
    pub newest_model: Option<String>,
}

impl Release {
    /// Reads the binary at `path`, asking it about these SDKs.
    pub fn read(path: &Path, sdks: &BTreeSet<String>) -> io::Result<Self> {
        let mut search = Search::new(sdks);
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
            let rest = filled.saturating_sub(LONGEST);
            buffer.copy_within(rest..filled, 0);
            kept = filled - rest;
        }
    }
}

struct Search {
    sdks: Vec<(String, Finder<'static>, bool)>,
    needs: (Finder<'static>, bool),
    needs_not: (Finder<'static>, bool),
    dates: Dates,
}

impl Search {
    fn new(sdks: &BTreeSet<String>) -> Self {
        let finder = |text: &str| Finder::new(text).into_owned();
        let asked = sdks.iter().map(String::as_str).chain([reads::ALWAYS_BUILT_IN]);
        let asked = asked.filter(|name| name.len() < LONGEST / 2);
        let sdk = |name: &str| (name.to_owned(), finder(&reads::built_in_marker(name)), false);
        Self {
            sdks: asked.map(sdk).collect(),
            needs: (finder(reads::NEEDS_AVX2), false),
            needs_not: (finder(reads::NEEDS_NO_AVX2), false),
            dates: Dates::default(),
        }
    }

    fn look(&mut self, bytes: &[u8]) {
        let sdks = self.sdks.iter_mut().map(|(_, finder, found)| (finder, found));
        let builds =
            [&mut self.needs, &mut self.needs_not].into_iter().map(|(finder, found)| (finder, found));
        for (finder, found) in sdks.chain(builds) {
            *found = *found || finder.find(bytes).is_some();
        }
        self.dates.look(bytes);
    }

    fn release(self) -> Release {
        let found = self.sdks.into_iter().filter(|(_, _, found)| *found).map(|(name, ..)| name);
        let found: BTreeSet<String> = found.collect();
        Release {
            built_in: found.contains(reads::ALWAYS_BUILT_IN).then_some(found),
            needs_avx2: match (self.needs.1, self.needs_not.1) {
                (true, false) => Some(true),
                (false, true) => Some(false),
                _ => None,
            },
            newest_model: self.dates.newest,
        }
    }
}

/// The dates of a catalogue's models.
pub struct Dates {
    finders: Vec<Finder<'static>>,
    /// The latest so far.
    pub newest: Option<String>,
}

impl Default for Dates {
    fn default() -> Self {
        let finders = reads::MODEL_DATES.iter().map(|text| Finder::new(text).into_owned());
        Self { finders: finders.collect(), newest: None }
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
