//! Which versions of OpenCode are published, and what is missing of each.

use std::collections::{BTreeMap, BTreeSet};

use lock::{Date, Instant, PackageName, Version};
use replay::registry::{Lookup, Packument, Upstream};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::releases::{self, Parts, Releases};
use crate::resolve::{self, Error};

fn instant<S: serde::Serializer>(at: &Option<Instant>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.to_string()).serialize(serializer)
}

/// A version of which at least one part is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The version.
    pub version: Version,
    /// When its last part was published, where that is told and was asked.
    #[serde(serialize_with = "instant")]
    pub at: Option<Instant>,
    /// The parts that are not published.
    pub missing: Vec<String>,
    /// Whether a part is younger than is wanted.
    pub is_young: bool,
}

impl Published {
    /// As the release's source tells it, `until` being the end of the day that decides. Of which nobody says when it came, that may
    /// have come just now.
    fn of(one: releases::Published, until: Option<Instant>) -> Self {
        let releases::Published { version, at, missing } = one;
        let is_young = until.is_some_and(|until| at.is_none_or(|at| at > until));
        Self { version, at, missing, is_young }
    }

    /// Whether all parts are there, and old enough.
    pub fn is_usable(&self) -> bool {
        self.missing.is_empty() && !self.is_young
    }

    /// Why it cannot be used; empty where it can.
    pub fn why(&self) -> String {
        match (&self.missing[..], self.is_young) {
            ([], false) => String::new(),
            ([], true) => "published too lately".to_owned(),
            (missing, _) => format!("{} not published", missing.join(", ")),
        }
    }
}

/// Versions that are looked at where a day decides. A release a day is some three months.
const MOST: usize = 100;

/// The newest version that can be used, and the newer ones that cannot.
pub(super) async fn usable(
    releases: &Releases,
    parts: &Parts,
    before: Option<Date>,
) -> Result<Vec<Published>, Error> {
    let Some(day) = before else {
        let usable = releases.usable(parts, None).await?;
        return Ok(usable
            .passed
            .into_iter()
            .chain(usable.newest)
            .map(|one| Published::of(one, None))
            .collect());
    };
    let all = releases.versions(parts, MOST).await?;
    Ok(all.into_iter().map(|one| Published::of(one, Some(Instant::end_of(day)))).collect())
}

/// What the registry says of packages, all at once; nothing of those that it does not have.
pub(super) async fn packuments(
    upstream: &Upstream,
    names: BTreeSet<PackageName>,
) -> Result<BTreeMap<PackageName, Option<Packument>>, Error> {
    let mut asking = JoinSet::new();
    for name in names {
        let upstream = upstream.clone();
        asking.spawn(async move {
            let answer = upstream.packument(&name).await;
            let found = match answer {
                Ok(Lookup::Absent { status: 404 | 410 }) => Ok(None),
                answer => resolve::found(&upstream, &name, name.as_str(), answer).map(Some),
            };
            (name, found)
        });
    }
    let mut packuments = BTreeMap::new();
    while let Some(asked) = asking.join_next().await {
        let (name, found) = asked.map_err(|_| Error::Worker)?;
        packuments.insert(name, found?);
    }
    Ok(packuments)
}
