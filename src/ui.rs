//! Printing: stdout is data, stderr is talk, and progress only moves on a terminal. The only
//! module that writes to either.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use builder::{Event, Progress};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::failure::{Failure, Kind};

/// The terminal, or what stands in for it.
pub struct Ui {
    bars: Option<MultiProgress>,
    running: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Ui {
    /// Bars on a terminal; lines elsewhere, so that a CI log shows what took long. Nix gives its builders a terminal that nobody
    /// sees.
    pub fn shared() -> Arc<Self> {
        let is_seen = std::io::stderr().is_terminal() && std::env::var_os("NIX_BUILD_TOP").is_none();
        let bars = is_seen.then(MultiProgress::new);
        Arc::new(Self { bars, running: Mutex::new(BTreeMap::new()) })
    }

    /// Prints data: whole lines to stdout. A closed pipe (`| head`) is the reader's choice.
    pub fn data(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        let _closed = stdout
            .write_all(text.as_bytes())
            .and_then(|()| if text.ends_with('\n') { stdout.flush() } else { stdout.write_all(b"\n") });
    }

    /// Prints data as JSON.
    pub fn json(&self, value: &serde_json::Value) {
        self.data(&format!("{value:#}"));
    }

    /// Says a line on stderr.
    pub fn talk(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| write_stderr(text)),
            None => write_stderr(text),
        }
    }

    fn start(&self, key: String, text: String, length: Option<u64>) {
        let Some(bars) = &self.bars else {
            return write_stderr(&text);
        };
        let bar = match length {
            Some(length) => bars.add(ProgressBar::new(length).with_style(bytes_style())),
            None => bars.add(ProgressBar::new_spinner()),
        };
        bar.set_message(text);
        bar.enable_steady_tick(Duration::from_millis(120));
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(key, bar);
    }

    fn end(&self, key: &str) {
        if let Some(bar) = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(key) {
            bar.finish_and_clear();
        }
    }
}

fn bytes_style() -> ProgressStyle {
    ProgressStyle::with_template("{msg} {bar:24} {bytes}/{total_bytes}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn write_stderr(text: &str) {
    // Nowhere is left to complain to when stderr is gone.
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}

impl Progress for Ui {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Started { what } => self.start(what.into(), what.into(), None),
            Event::Finished { what, elapsed } => {
                self.end(what);
                self.talk(&format!("{what}: {:.1} s", elapsed.as_secs_f64()));
            }
            Event::Fetching { files, bytes } => {
                let text = format!("fetching {files} files, {}", size(bytes));
                self.start("fetch".into(), text, Some(bytes));
            }
            Event::Fetched { bytes } => {
                if let Some(bar) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get("fetch") {
                    bar.inc(bytes);
                }
            }
            Event::FetchEnded => self.end("fetch"),
            Event::Note(text) => self.talk(text),
            _ => {}
        }
    }
}

/// Anything that can be written as JSON, as JSON.
pub fn to_json(value: &impl serde::Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::new(Kind::Bug, "bug-json", error.to_string()))
}

/// A number of bytes for a person: powers of 1000, as disks and networks are sold.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "";
    for next in UNITS {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// Rows as aligned columns, two blanks apart.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _infallible = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_a_person_says_them() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1000), "1.0 kB");
        assert_eq!(size(185_354_368), "185.4 MB");
        assert_eq!(size(5_000_000_000_000_000), "5000.0 TB");
    }

    #[test]
    fn columns_align() {
        let rows = [vec!["a".into(), "bb".into()], vec!["ccc".into(), "d".into()]];
        assert_eq!(table(&rows), "a    bb\nccc  d\n");
    }
}
