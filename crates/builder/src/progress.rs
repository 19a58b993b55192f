//! What a caller may show while long work runs. The library never prints; it tells.

use std::time::{Duration, Instant};

/// Something that happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A piece of work began; several may run at once.
    Started {
        /// Its name, unique among those that run.
        what: &'a str,
    },
    /// A piece of work ended well.
    Finished {
        /// Its name, as it started.
        what: &'a str,
        /// How long it took.
        elapsed: Duration,
    },
    /// Downloads begin.
    Fetching {
        /// How many files are missing.
        files: usize,
        /// Their size in bytes.
        bytes: u64,
    },
    /// A part of the downloads arrived.
    Fetched {
        /// How many bytes more.
        bytes: u64,
    },
    /// The downloads ended, well or not.
    FetchEnded,
    /// Something the user should know and need not act upon.
    Note(&'a str),
}

/// Who is told.
pub trait Progress: Send + Sync {
    /// Takes one event. Called from several threads.
    fn event(&self, event: Event<'_>);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
}

/// Runs `work` between a `Started` and, where it ends well, a `Finished`.
pub(crate) async fn timed<T, E>(
    progress: &dyn Progress,
    what: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    progress.event(Event::Started { what });
    let start = Instant::now();
    let result = work.await;
    if result.is_ok() {
        progress.event(Event::Finished { what, elapsed: start.elapsed() });
    }
    result
}
