//! From a lock to a newer one: which version is the newest that can be used, what else would move with it, and the three files that
//! change together. Owns the decision and its summary; recording is [`Recording`](crate::Recording)'s.
//!
//! A [`Plan`] is made of metadata alone: nothing is downloaded, run or written for it, so that asking costs next to nothing.

mod direct;
mod error;
mod files;
mod published;
mod summary;

use std::collections::BTreeSet;

use lock::{Date, Lock, System, Version, Wanted};
use replay::registry::Upstream;

use crate::frozen::{self, Frozen};
use crate::opencode::Era;
use crate::plan::Wishes;
use crate::releases::{Parts, Releases};

pub use direct::{Direct, Kind};
pub use error::Error;
pub use files::Files;
pub use published::Published;
pub use summary::{Bytes, Catalogue, Changed, Locked, Moved, Proven, Summary};

/// What is asked.
pub struct Question<'a> {
    /// What the user wants.
    pub wishes: &'a Wishes,
    /// What there is.
    pub lock: &'a Lock,
    /// Who has OpenCode's releases.
    pub releases: &'a Releases,
    /// Who has packages.
    pub upstream: &'a Upstream,
    /// The version that the user wants, where not the newest.
    pub to: Option<Version>,
    /// The systems that the new lock is for.
    pub systems: BTreeSet<System>,
    /// Nothing counts that was published after the end of this day.
    pub before: Option<Date>,
    /// What keeps its version.
    pub freeze: BTreeSet<lock::PackageName>,
}

/// What would move.
#[derive(Debug, Clone)]
pub struct Plan {
    /// OpenCode's version in the lock.
    pub from: Version,
    /// The version to move to; the same where there is nothing newer that can be used.
    pub to: Version,
    /// The systems of the new lock.
    pub systems: BTreeSet<System>,
    /// Resolved as of the end of this day.
    pub before: Option<Date>,
    /// Newer versions that cannot be used, and why; the newest first.
    pub passed_over: Vec<Published>,
    /// What is named in the manifest or a configuration, with what it is and would be.
    pub direct: Vec<Direct>,
    /// Systems that the lock has, and that are not wanted any more.
    pub lost_systems: BTreeSet<System>,
    /// What the manifest wants and the lock does not have, whatever is newer: one line each.
    pub outdated: Vec<String>,
    /// What keeps its version.
    pub frozen: Frozen,
    /// The names of what was frozen.
    pub freeze: BTreeSet<lock::PackageName>,
}

impl Question<'_> {
    /// Asks for metadata, and decides.
    ///
    /// # Errors
    /// Where the registry does not answer, or where what is wanted is not published.
    pub async fn plan(self) -> Result<Plan, Error> {
        let frozen = Frozen::at(&self.freeze, self.lock)?;
        let from = self.lock.opencode.clone();
        let parts = Parts { systems: self.systems.clone(), variants: self.wishes.manifest.variants.clone() };
        let is_frozen = self.freeze.iter().any(|name| name.as_str() == frozen::OPENCODE);
        let (to, passed_over) = match self.to.clone() {
            Some(to) => {
                Era::of(&to).map_err(crate::resolve::Error::from)?;
                let missing = self.releases.missing(&to, &parts).await?;
                if !missing.is_empty() {
                    return Err(Error::Incomplete { version: to, missing });
                }
                (to, Vec::new())
            }
            None if is_frozen => (from.clone(), Vec::new()),
            None => {
                let published = published::usable(self.releases, &parts, self.before).await?;
                choose(&from, published)
            }
        };
        let direct = direct::Asking {
            wishes: self.wishes,
            lock: self.lock,
            upstream: self.upstream,
            systems: &self.systems,
            before: self.before,
            frozen: &frozen,
        };
        let direct = direct.ask().await?;
        let outdated = self.as_locked().missing_from(self.lock);
        let unwanted = |system: &&System| !self.systems.contains(system);
        let lost_systems = self.lock.systems.keys().filter(unwanted).copied().collect();
        Ok(Plan {
            from,
            to,
            systems: self.systems,
            before: self.before,
            passed_over,
            direct,
            lost_systems,
            outdated,
            frozen,
            freeze: self.freeze,
        })
    }

    /// The wishes, with the version that the lock has and without a day: both move on purpose.
    fn as_locked(&self) -> Wishes {
        let mut wishes = self.wishes.clone();
        wishes.manifest.opencode = Wanted::Latest;
        wishes.manifest.before = None;
        wishes.manifest.systems = Some(self.systems.clone());
        wishes
    }
}

impl Plan {
    /// Whether anything would move.
    pub fn moves(&self) -> bool {
        let is_as_wanted = self.outdated.is_empty() && self.lost_systems.is_empty();
        self.from != self.to || !is_as_wanted || self.direct.iter().any(Direct::moves)
    }
}

/// The newest version that can be used, and those above it that cannot. Nothing moves down by itself.
fn choose(from: &Version, published: Vec<Published>) -> (Version, Vec<Published>) {
    let newer = published.into_iter().take_while(|one| one.version > *from);
    let mut passed_over = Vec::new();
    for one in newer {
        if one.is_usable() {
            return (one.version, passed_over);
        }
        passed_over.push(one);
    }
    (from.clone(), passed_over)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(version: &str, missing: &[&str], is_young: bool) -> Published {
        let missing = missing.iter().map(|name| (*name).to_owned()).collect();
        Published { version: version.parse().unwrap(), at: None, missing, is_young }
    }

    #[test]
    fn the_newest_that_has_all_parts_is_chosen_and_nothing_moves_down() {
        let all = || {
            vec![
                published("1.18.34", &["@opencode-ai/plugin"], false),
                published("1.18.33", &[], true),
                published("1.18.32", &[], false),
                published("1.18.18", &[], false),
            ]
        };
        let choose = |from: &str| {
            let (to, passed_over) = choose(&from.parse().unwrap(), all());
            (to.to_string(), passed_over.iter().map(|one| one.version.to_string()).collect::<Vec<_>>())
        };
        let above = |versions: &[&str]| versions.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(choose("1.18.18"), ("1.18.32".into(), above(&["1.18.34", "1.18.33"])));
        assert_eq!(choose("1.18.32"), ("1.18.32".into(), above(&["1.18.34", "1.18.33"])));
        assert_eq!(choose("1.18.33"), ("1.18.33".into(), above(&["1.18.34"])));
        assert_eq!(choose("1.19.0"), ("1.19.0".into(), above(&[])));
    }
}
