//! Figures of each way to start: median and fastest, and what it took more than direct execution in the same round. Measures nothing itself.

use std::fs;
use std::time::Duration;

/// What one way took, round by round.
pub struct Figures {
    name: &'static str,
    rounds: Vec<(usize, Duration)>,
}

impl Figures {
    pub fn of(name: &'static str) -> Figures {
        Figures { name, rounds: Vec::new() }
    }

    pub fn add(&mut self, round: usize, took: Duration) {
        self.rounds.push((round, took));
    }

    fn sorted(&self) -> Vec<f64> {
        sorted(self.rounds.iter().map(|(_, took)| micros(*took)))
    }

    /// The median of what it took more than `direct` in the same round.
    fn more_than(&self, direct: &Figures) -> f64 {
        let pairs = self.rounds.iter().filter_map(|(round, took)| {
            let at = direct.rounds.binary_search_by_key(round, |(round, _)| *round).ok()?;
            Some(micros(*took) - micros(direct.rounds.get(at)?.1))
        });
        middle(&sorted(pairs))
    }
}

/// Prints a table; the first is what the others are compared with.
pub fn tell(all: &[Figures]) {
    let Some(direct) = all.first() else { return };
    let fastest = |figures: &Figures| figures.sorted().first().copied().unwrap_or_default();
    println!(
        "\n| start, µs | median | fastest | more than direct, median of rounds | of the fastest | rounds |"
    );
    println!("|---|---|---|---|---|---|");
    for figures in all {
        println!(
            "| {} | {:.0} | {:.0} | {:+.0} | {:+.0} | {} |",
            figures.name,
            middle(&figures.sorted()),
            fastest(figures),
            figures.more_than(direct),
            fastest(figures) - fastest(direct),
            figures.rounds.len(),
        );
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Prints on what machine this runs, and how busy it is: a figure without that is none.
pub fn say_where() {
    let line_of = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map_or(line.clone(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("machine {}, {cores} cores, {}", line_of("/proc/cpuinfo", "model name"), std::env::consts::ARCH);
    println!("kernel {}", line_of("/proc/sys/kernel/osrelease", ""));
    println!("load {}", line_of("/proc/loadavg", ""));
}
