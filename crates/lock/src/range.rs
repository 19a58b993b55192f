//! Ranges of versions in npm's grammar (`^1.2`, `1.x || >=2.1 <3`, `1.2 - 1.4`). Owns whether a version lies in one; which version
//! npm takes is npm's business.

use semver::{Comparator, Op, Prerelease, VersionReq};

use crate::version::Version;

/// A range: the alternatives that `||` parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range(Vec<VersionReq>);

impl Range {
    /// Reads a range; nothing where it is none that this program understands.
    pub fn parse(text: &str) -> Option<Self> {
        text.split("||").map(alternative).collect::<Option<_>>().map(Self)
    }

    /// Whether a version lies in the range. A prerelease does only where the range names one of the same numbers, as with npm.
    pub fn has(&self, version: &Version) -> bool {
        self.0.iter().any(|alternative| alternative.matches(version.semver()))
    }
}

/// What has to hold at once.
fn alternative(text: &str) -> Option<VersionReq> {
    if let Some((from, to)) = text.split_once(" - ") {
        let comparators = vec![comparator(Op::GreaterEq, from.trim())?, comparator(Op::LessEq, to.trim())?];
        return Some(VersionReq { comparators });
    }
    let mut comparators = Vec::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let version = word.trim_start_matches(['^', '~', '<', '>', '=']);
        let (operator, _) = word.split_at(word.len() - version.len());
        // npm lets a blank stand behind the operator.
        let version = if version.is_empty() { words.next()? } else { version };
        let op = match operator {
            "" | "=" => Op::Exact,
            "^" => Op::Caret,
            "~" | "~>" => Op::Tilde,
            ">" => Op::Greater,
            ">=" => Op::GreaterEq,
            "<" => Op::Less,
            "<=" => Op::LessEq,
            _ => return None,
        };
        let version = version.strip_prefix('v').unwrap_or(version);
        if !is_any(version) {
            comparators.push(comparator(op, version)?);
        } else if matches!(op, Op::Less | Op::Greater) {
            // Below or above everything lies nothing.
            comparators.push(Comparator {
                op: Op::Less,
                major: 0,
                minor: Some(0),
                patch: Some(0),
                pre: Prerelease::EMPTY,
            });
        }
    }
    Some(VersionReq { comparators })
}

fn is_any(word: &str) -> bool {
    matches!(word, "*" | "x" | "X")
}

/// One word, of which parts may be missing or `x`.
fn comparator(op: Op, version: &str) -> Option<Comparator> {
    let version = version.split_once('+').map_or(version, |(version, _)| version);
    let (numbers, pre) = version.split_once('-').unwrap_or((version, ""));
    let mut parts = numbers.split('.');
    let major = parts.next()?.parse().ok()?;
    let mut number = || match parts.next() {
        None => Some(None),
        Some(word) if is_any(word) => Some(None),
        Some(word) => Some(Some(word.parse().ok()?)),
    };
    let (minor, patch) = (number()?, number()?);
    let pre = Prerelease::new(pre).ok()?;
    (parts.next().is_none() && (minor.is_some() || patch.is_none())).then_some(Comparator {
        op,
        major,
        minor,
        patch,
        pre,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(range: &str, version: &str) -> bool {
        Range::parse(range).unwrap_or_else(|| panic!("{range}")).has(&version.parse().unwrap())
    }

    /// What `semver.satisfies` of npm 10 says.
    #[test]
    fn versions_lie_in_ranges_as_with_npm() {
        for (range, yes, no) in [
            ("^1.2.3", "1.9.0", "2.0.0"),
            ("^0.2.3", "0.2.9", "0.3.0"),
            ("^0.0.3", "0.0.3", "0.0.4"),
            ("~1.2.3", "1.2.9", "1.3.0"),
            ("1.x", "1.9.9", "2.0.0"),
            ("1.2", "1.2.9", "1.3.0"),
            ("1.2.3", "1.2.3", "1.2.4"),
            ("=1.2.3", "1.2.3", "1.2.4"),
            (">=1.2.0 <2", "1.9.0", "2.0.0"),
            ("> 1.2", "1.3.0", "1.2.9"),
            ("1.2 - 1.4", "1.4.9", "1.5.0"),
            ("1.2.3 - 1.4.5", "1.4.5", "1.4.6"),
            ("^1 || ^3", "3.1.0", "2.0.0"),
            ("*", "4.5.6", "4.5.6-rc.1"),
            ("", "4.5.6", "4.5.6-rc.1"),
            ("^1.2.3-rc.1", "1.2.3-rc.2", "1.3.0-rc.2"),
            ("v1.2.3", "1.2.3", "1.2.4"),
        ] {
            assert!(has(range, yes), "{range} has {yes}");
            assert!(!has(range, no), "{range} has not {no}");
        }
        assert!(!has("<*", "0.0.0"));
    }

    #[test]
    fn what_is_no_range_is_none() {
        for text in ["latest", "1.2.3.4", "^", "1.x.3", "!1", "file:a", "1 -2"] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
    }
}
