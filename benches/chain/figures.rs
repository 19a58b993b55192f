//! Figures: medians of interleaved rounds, their ratio or difference, and whether that meets its goal. Measures nothing itself.

use std::fmt::{self, Display};
use std::fs;
use std::time::Duration;

/// What is asked of a figure.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// Ours takes at most this many times what the other takes.
    Ratio(f64),
    /// Ours takes at most this much longer than the other.
    More(Duration),
}

/// Rounds in which ours and the other took turns.
#[derive(Debug, Default)]
pub struct Rounds {
    ours: Vec<Duration>,
    other: Vec<Duration>,
}

impl Rounds {
    /// Adds one round, and prints it: a round takes long, and the machine may be busy with something else in one.
    pub fn say(&mut self, what: &str, ours: Duration, other: Duration) {
        self.push(ours, other);
        println!("    {what}: {} against {}", Time(ours), Time(other));
    }

    /// Adds one round.
    pub fn push(&mut self, ours: Duration, other: Duration) {
        self.ours.push(ours);
        self.other.push(other);
    }

    /// Prints the figures of all rounds.
    pub fn tell(&self, what: &str, goal: Goal) {
        let (ours, other) = (median(&self.ours), median(&self.other));
        let ratio = ours.as_secs_f64() / other.as_secs_f64();
        let more = ours.as_secs_f64() - other.as_secs_f64();
        let verdict = match goal {
            Goal::Ratio(most) => met(ratio <= most, format_args!("≤ {most} ×")),
            Goal::More(most) => met(more <= most.as_secs_f64(), format_args!("≤ +{}", Time(most))),
        };
        let sign = if more < 0.0 { "−" } else { "+" };
        println!(
            "  {what}: {} against {}: {ratio:.2} × ({sign}{}), the fastest of each {:.2} ×{verdict}",
            Spread(&self.ours),
            Spread(&self.other),
            Time(Duration::from_secs_f64(more.abs())),
            least(&self.ours).as_secs_f64() / least(&self.other).as_secs_f64(),
        );
    }
}

/// Prints the figures of something that is compared with nothing but its goal.
pub fn tell(what: &str, times: &[Duration], goal: Duration) {
    let verdict = met(median(times) <= goal, format_args!("≤ {}", Time(goal)));
    println!("  {what}: {}{verdict}", Spread(times));
}

fn met(met: bool, goal: fmt::Arguments<'_>) -> String {
    format!("; goal {goal}: {}", if met { "met" } else { "MISSED" })
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The least disturbed round.
fn least(times: &[Duration]) -> Duration {
    times.iter().min().copied().unwrap_or_default()
}

/// A median, and where there are few rounds the fastest and slowest of them.
struct Spread<'a>(&'a [Duration]);

impl Display for Spread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{}", Time(median(self.0)))?;
        match (self.0.iter().min(), self.0.iter().max()) {
            (Some(least), Some(most)) => {
                write!(f, " ({} to {}, {count} rounds)", Time(*least), Time(*most))
            }
            _ => Ok(()),
        }
    }
}

/// A time in the unit that a person would say it in.
struct Time(Duration);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        match seconds {
            0.1.. => write!(f, "{seconds:.2} s"),
            0.001.. => write!(f, "{:.2} ms", seconds * 1e3),
            _ => write!(f, "{:.0} µs", seconds * 1e6),
        }
    }
}

/// Prints on what machine this runs, and how busy it is: a figure without that is none.
pub fn say_where() {
    let first = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map_or(line.clone(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("machine {}, {cores} cores, {}", first("/proc/cpuinfo", "model name"), std::env::consts::ARCH);
    println!("memory {}", first("/proc/meminfo", "MemTotal"));
    println!("kernel {}", first("/proc/sys/kernel/osrelease", ""));
    println!("load {}", first("/proc/loadavg", ""));
}
