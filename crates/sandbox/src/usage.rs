//! How much the programs of a sandbox use together, as `/proc` tells. Never judges whether that is too much.

use std::collections::HashMap;
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

/// Reads the present usage; once more than `most` processes count, it may stop looking for further ones. A process that ends
/// meanwhile counts as not there.
pub fn read(proc: &Path, scope: Scope, most: usize) -> io::Result<Usage> {
    // The numbers first and alone: reading each process's status meanwhile would never catch up with a fork bomb, whose numbers
    // only grow.
    let listed = match scope {
        Scope::AllButFirst => most.saturating_add(2),
        Scope::Below(_) => MOST_LISTED,
    };
    let mut all = HashMap::new();
    for pid in numbers(proc, listed)? {
        if let Some(status) = status(&proc.join(pid.to_string()).join("status")) {
            all.insert(pid, status);
        }
    }
    let mut usage = Usage::default();
    for (pid, status) in &all {
        let counts = match scope {
            Scope::AllButFirst => *pid != 1,
            Scope::Below(ancestor) => descends(&all, *pid, ancestor),
        };
        if counts {
            usage.memory_bytes += status.memory_bytes;
            usage.processes.push(*pid);
        }
    }
    Ok(usage)
}

fn numbers(proc: &Path, most: usize) -> io::Result<Vec<i32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(proc)? {
        numbers.extend(entry?.file_name().to_str().and_then(|n| n.parse::<i32>().ok()));
        if numbers.len() >= most {
            break;
        }
    }
    Ok(numbers)
}

fn descends(all: &HashMap<i32, Status>, pid: i32, ancestor: i32) -> bool {
    let mut at = pid;
    // Numbers can be reused while the directory is read, so that a circle is possible; no chain is longer than all.
    for _ in 0..all.len() {
        match all.get(&at) {
            Some(status) if status.parent == ancestor => return true,
            Some(status) => at = status.parent,
            None => return false,
        }
    }
    false
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
    fn descendants_are_found_through_generations_and_circles_end() {
        let at = |parent| Status { parent, memory_bytes: 0 };
        let all = HashMap::from([(2, at(1)), (3, at(2)), (4, at(3)), (8, at(9)), (9, at(8))]);
        assert!(descends(&all, 4, 2));
        assert!(!descends(&all, 2, 2));
        assert!(!descends(&all, 8, 2));
    }
}
