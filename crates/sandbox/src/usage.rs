//! How much the programs of a sandbox use together, as `/proc` tells. Never judges whether that is too much.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// Bound of one `/proc/<pid>/status`, which is 1–2 KiB.
const STATUS_BYTES: u64 = 16 << 10;

/// The most processes that are listed where `/proc` is the whole machine's.
const MOST_LISTED: usize = 1 << 17;

/// Whose usage is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All processes that `/proc` shows but the first: `/proc` is that of the sandbox's own pid namespace.
    AllButFirst,
    /// The descendants of this process, numbered as `/proc` numbers.
    Below(i32),
}

/// What one process says of itself.
#[derive(Debug, Clone, Copy, Default)]
struct Status {
    parent: i32,
    /// Resident anonymous and shared memory. File-backed pages are left out: they can be dropped at any time, and the text of a
    /// binary that runs many times is there once.
    memory_bytes: u64,
}

/// What the processes of a sandbox use together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub memory_bytes: u64,
    pub processes: Vec<i32>,
}

/// Reads the present usage; stops looking as soon as more than `most` processes count. A process that ends meanwhile counts as
/// not there.
pub fn read(proc: &Path, scope: Scope, most: usize) -> io::Result<Usage> {
    // The numbers first and alone: reading each process's status meanwhile would never catch up with a fork bomb, whose numbers
    // only grow.
    let listed = match scope {
        Scope::AllButFirst => most.saturating_add(2),
        Scope::Below(_) => MOST_LISTED,
    };
    let numbers = numbers(proc, listed)?;
    let read = |pid: &i32| Some((*pid, status(&proc.join(pid.to_string()).join("status"))?));
    Ok(sum(numbers.iter().filter_map(read), scope, most))
}

/// The usage of those that count.
fn sum(statuses: impl Iterator<Item = (i32, Status)>, scope: Scope, most: usize) -> Usage {
    let mut usage = Usage::default();
    let mut family = HashSet::new();
    let mut strangers = Vec::new();
    for (pid, status) in statuses {
        let counts = match scope {
            Scope::AllButFirst => pid != 1,
            Scope::Below(ancestor) => status.parent == ancestor || family.contains(&status.parent),
        };
        if !counts {
            strangers.push((pid, status));
            continue;
        }
        family.insert(pid);
        usage.add(pid, status);
        if usage.processes.len() > most {
            return usage;
        }
    }
    // A parent has the larger number only after the numbers have wrapped around.
    while let Some(at) = strangers.iter().position(|(_, status)| family.contains(&status.parent)) {
        let (pid, status) = strangers.swap_remove(at);
        family.insert(pid);
        usage.add(pid, status);
    }
    usage
}

impl Usage {
    fn add(&mut self, pid: i32, status: Status) {
        self.memory_bytes += status.memory_bytes;
        self.processes.push(pid);
    }
}

/// The numbers of all processes, the smallest first.
fn numbers(proc: &Path, most: usize) -> io::Result<Vec<i32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(proc)? {
        numbers.extend(entry?.file_name().to_str().and_then(|n| n.parse::<i32>().ok()));
        if numbers.len() >= most {
            break;
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn status(path: &Path) -> Option<Status> {
    let mut text = Vec::new();
    fs::File::open(path).ok()?.take(STATUS_BYTES).read_to_end(&mut text).ok()?;
    Some(parse(&String::from_utf8_lossy(&text)))
}

fn parse(text: &str) -> Status {
    let mut status = Status::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let number = || value.split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
        match key {
            "PPid" => status.parent = number().and_then(|n| n.try_into().ok()).unwrap_or(0),
            "RssAnon" | "RssShmem" => {
                status.memory_bytes += number().unwrap_or(0).saturating_mul(1024);
            }
            _ => {}
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_cannot_be_dropped() {
        let status = parse(
            "Name:\tx\nPPid:\t7\nVmRSS:\t 900 kB\nRssAnon:\t 100 kB\nRssFile:\t 700 kB\nRssShmem:\t 20 kB\n",
        );
        assert_eq!(status.parent, 7);
        assert_eq!(status.memory_bytes, 120 * 1024);
    }

    #[test]
    fn descendants_are_found_through_generations_in_any_order_and_circles_end() {
        let at = |pid, parent| (pid, Status { parent, memory_bytes: 1 });
        let all = [at(2, 1), at(3, 2), at(4, 3), at(5, 9), at(8, 3), at(9, 8), at(20, 21), at(21, 20)];
        let usage = |scope, most| sum(all.into_iter(), scope, most);
        let mut below = usage(Scope::Below(2), 10);
        below.processes.sort_unstable();
        assert_eq!(below, Usage { memory_bytes: 5, processes: vec![3, 4, 5, 8, 9] });
        assert_eq!(usage(Scope::Below(2), 1).processes.len(), 2);
        assert_eq!(usage(Scope::Below(9), 10).processes, [5]);
        assert_eq!(usage(Scope::AllButFirst, 10).processes.len(), 8);
    }
}
