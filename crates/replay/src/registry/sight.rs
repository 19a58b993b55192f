//! What an exercise may see less than upstream has: versions that are pinned by hand, and a day after which nothing was published
//! yet. Owns that choice; serves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lock::{Date, PackageId, PackageName, Version};

use super::packument::Packument;

/// What an exercise may see. The default is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// Packages of which one version is all there is, whenever it was published; every dist-tag names it.
    pub only: BTreeMap<PackageName, Version>,
    /// Packages of which these versions are all there is, whenever they were published.
    pub among: BTreeMap<PackageName, BTreeSet<Version>>,
    /// Of other packages, the versions that had been published at the end of this day.
    pub before: Option<Date>,
    /// Packages of which every dist-tag names this version, beside which the others are shown too.
    pub tagged: BTreeMap<PackageName, Version>,
    /// Versions that are shown all the same.
    pub always: BTreeSet<PackageId>,
}

/// Why nothing of a package is shown that upstream has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hidden {
    /// The one version that may be seen is none of it.
    NoSuchVersion(Version),
    /// Every version was published after the day.
    Younger {
        /// The version that was published first, and when, as the registry writes it.
        first: (Version, String),
    },
    /// The registry does not say when its versions were published.
    NoTimes,
}

/// What is shown of a package.
pub(super) struct Seen {
    pub(super) packument: Arc<Packument>,
    /// A version that was published before one that it follows, where a day decides: the registry's times are not the publisher's.
    pub(super) unordered: Option<(Version, Version)>,
}

impl Sight {
    /// What of `packument` may be seen.
    ///
    /// # Errors
    /// Where upstream has something and nothing of it may be seen.
    pub fn shown(&self, packument: &Arc<Packument>) -> Result<Arc<Packument>, Hidden> {
        self.of(packument).map(|seen| seen.packument)
    }

    pub(super) fn of(&self, packument: &Arc<Packument>) -> Result<Seen, Hidden> {
        let seen = self.among(packument)?;
        let tagged = self.tagged.get(&packument.name);
        Ok(match tagged.filter(|version| seen.packument.versions.contains_key(*version)) {
            None => seen,
            Some(version) => Seen { packument: Arc::new(seen.packument.tagged(version)), ..seen },
        })
    }

    fn among(&self, packument: &Arc<Packument>) -> Result<Seen, Hidden> {
        let seen = |packument: Packument| Seen { packument: Arc::new(packument), unordered: None };
        if let Some(version) = self.only.get(&packument.name) {
            let only = packument.only(version).ok_or_else(|| Hidden::NoSuchVersion(version.clone()))?;
            return Ok(seen(only));
        }
        if let Some(versions) = self.among.get(&packument.name) {
            let among = packument.only_those(|version| versions.contains(version));
            return match versions.first() {
                Some(first) if among.versions.is_empty() => Err(Hidden::NoSuchVersion(first.clone())),
                _ => Ok(seen(among)),
            };
        }
        let Some(day) = self.before else {
            return Ok(Seen { packument: Arc::clone(packument), unordered: None });
        };
        let always = |version: &Version| self.always.contains(&packument.name.at(version.clone()));
        let shown = packument.as_of(day, always);
        if shown.versions.is_empty() && !packument.versions.is_empty() {
            return Err(match packument.first_published() {
                None => Hidden::NoTimes,
                Some(first) => Hidden::Younger { first },
            });
        }
        Ok(Seen { unordered: packument.unordered(), ..seen(shown) })
    }
}

impl Packument {
    /// The same with one version, which every dist-tag names; `None` where there is no such version.
    #[must_use]
    pub fn only(&self, version: &Version) -> Option<Self> {
        let release = self.versions.get(version)?;
        let tags = self.tags.keys().map(String::as_str).chain(["latest"]);
        Some(Self {
            name: self.name.clone(),
            tags: tags.map(|tag| (tag.to_owned(), version.clone())).collect(),
            versions: BTreeMap::from([(version.clone(), release.clone())]),
            times: self.times.get(version).map(|time| (version.clone(), time.clone())).into_iter().collect(),
        })
    }

    /// The same with every dist-tag, `latest` among them, at one version.
    #[must_use]
    pub fn tagged(&self, version: &Version) -> Self {
        let tags = self.tags.keys().map(String::as_str).chain(["latest"]);
        Self { tags: tags.map(|tag| (tag.to_owned(), version.clone())).collect(), ..self.clone() }
    }

    /// The same as it was at the end of a day, as far as the registry's times tell; what `always` says is there in any case.
    ///
    /// Nobody keeps what the dist-tags were. Those that name a younger version are gone, but for `latest`, which npm needs: it names the
    /// newest version that is no prerelease.
    #[must_use]
    pub fn as_of(&self, day: Date, always: impl Fn(&Version) -> bool) -> Self {
        self.only_those(|version| {
            let time = self.times.get(version);
            always(version) || time.and_then(|time| day.includes(time)).unwrap_or(false)
        })
    }

    /// The same with some of its versions; of the dist-tags those that name one of them, and `latest`.
    fn only_those(&self, is_shown: impl Fn(&Version) -> bool) -> Self {
        let versions: BTreeMap<_, _> =
            self.versions.iter().filter(|(version, _)| is_shown(version)).map(own).collect();
        let mut tags: BTreeMap<_, _> =
            self.tags.iter().filter(|(_, version)| versions.contains_key(version)).map(own).collect();
        let newest = || versions.keys().rev().find(|version| !version.is_prerelease());
        if let (false, Some(latest)) =
            (tags.contains_key("latest"), newest().or_else(|| versions.keys().next_back()))
        {
            tags.insert("latest".to_owned(), latest.clone());
        }
        let times =
            self.times.iter().filter(|(version, _)| versions.contains_key(version)).map(own).collect();
        Self { name: self.name.clone(), tags, versions, times }
    }

    /// The version that was published first, and when.
    #[must_use]
    pub fn first_published(&self) -> Option<(Version, String)> {
        self.times.iter().min_by(|a, b| a.1.cmp(b.1)).map(own)
    }

    /// A version that was published before one that it follows in the same line (2.1.0 before 2.0.9), and that one. Fixes of an old
    /// line are published after the first versions of a new one everywhere; within a line it means that a registry states when it got
    /// a version itself.
    #[must_use]
    pub fn unordered(&self) -> Option<(Version, Version)> {
        let line = |version: &Version| (version.numbers().0, version.numbers().1);
        let releases: Vec<_> = self.times.iter().filter(|(version, _)| !version.is_prerelease()).collect();
        let wrong =
            releases.windows(2).find(|pair| line(pair[0].0) == line(pair[1].0) && pair[1].1 < pair[0].1)?;
        Some((wrong[1].0.clone(), wrong[0].0.clone()))
    }
}

fn own<A: Clone, B: Clone>((a, b): (&A, &B)) -> (A, B) {
    (a.clone(), b.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn packument(versions: &[(&str, &str)], tags: &[(&str, &str)]) -> Arc<Packument> {
        let mut document = json!({"name": "a", "dist-tags": {}, "versions": {}, "time": {"created": "x"}});
        for (version, time) in versions {
            document["versions"][version] = json!({"name": "a", "version": version});
            if !time.is_empty() {
                document["time"][version] = json!(time);
            }
        }
        for (tag, version) in tags {
            document["dist-tags"][tag] = json!(version);
        }
        Arc::new(Packument::parse(&"a".parse().unwrap(), document.to_string().as_bytes()).unwrap())
    }

    fn shown(sight: &Sight, packument: &Arc<Packument>) -> Result<(Vec<String>, Vec<String>), Hidden> {
        let seen = sight.of(packument)?.packument;
        let tags = seen.tags.iter().map(|(tag, version)| format!("{tag} {version}"));
        Ok((seen.versions.keys().map(ToString::to_string).collect(), tags.collect()))
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    const VERSIONS: [(&str, &str); 4] = [
        ("1.0.0", "2025-01-01T00:00:00.000Z"),
        ("1.0.1", "2026-01-31T23:59:59.000000+00:00"),
        ("1.1.0-rc.1", "2026-01-30T00:00:00.000Z"),
        ("2.0.0", "2026-02-01T00:00:00.000Z"),
    ];

    #[test]
    fn a_tag_names_another_version_and_hides_none() {
        let document = serde_json::json!({"dist-tags": {"latest": "2.0.0"}, "versions": {
            "1.0.0": {"version": "1.0.0"}, "2.0.0": {"version": "2.0.0"},
        }});
        let packument = Packument::parse(&"a".parse().unwrap(), document.to_string().as_bytes()).unwrap();
        let packument = Arc::new(packument);
        let tagged = |version: &str| {
            let tagged = BTreeMap::from([("a".parse().unwrap(), version.parse().unwrap())]);
            let shown = Sight { tagged, ..Sight::default() }.shown(&packument).unwrap();
            (shown.tags["latest"].to_string(), shown.versions.len())
        };
        assert_eq!(tagged("1.0.0"), ("1.0.0".to_owned(), 2));
        assert_eq!(tagged("3.0.0"), ("2.0.0".to_owned(), 2));
    }

    #[test]
    fn a_day_hides_what_is_younger_and_names_a_latest() {
        let packument = packument(&VERSIONS, &[("latest", "2.0.0"), ("old", "1.0.0"), ("new", "2.0.0")]);
        let mut sight = Sight { before: Some("2026-01-31".parse().unwrap()), ..Sight::default() };
        let expected = (strings(&["1.0.0", "1.0.1", "1.1.0-rc.1"]), strings(&["latest 1.0.1", "old 1.0.0"]));
        assert_eq!(shown(&sight, &packument), Ok(expected));
        sight.always.insert("a@2.0.0".parse().unwrap());
        assert_eq!(shown(&sight, &packument).unwrap().0.len(), 4);
        let sight = Sight { before: Some("2024-12-31".parse().unwrap()), ..Sight::default() };
        let first = ("1.0.0".parse().unwrap(), VERSIONS[0].1.to_owned());
        assert_eq!(shown(&sight, &packument), Err(Hidden::Younger { first }));
    }

    #[test]
    fn a_day_needs_times() {
        let sight = Sight { before: Some("2026-01-31".parse().unwrap()), ..Sight::default() };
        assert_eq!(shown(&sight, &packument(&[("1.0.0", "")], &[])), Err(Hidden::NoTimes));
        // A package that has no version at all hides nothing.
        assert_eq!(shown(&sight, &packument(&[], &[])), Ok((vec![], vec![])));
    }

    #[test]
    fn a_pin_is_all_there_is_whatever_the_day() {
        let packument = packument(&VERSIONS, &[("old", "1.0.0"), ("new", "1.1.0-rc.1")]);
        let only = |version: &str| Sight {
            only: BTreeMap::from([("a".parse().unwrap(), version.parse().unwrap())]),
            before: Some("2020-01-01".parse().unwrap()),
            ..Sight::default()
        };
        let tags = strings(&["latest 2.0.0", "new 2.0.0", "old 2.0.0"]);
        assert_eq!(shown(&only("2.0.0"), &packument), Ok((strings(&["2.0.0"]), tags)));
        let missing = "9.9.9".parse().unwrap();
        assert_eq!(shown(&only("9.9.9"), &packument), Err(Hidden::NoSuchVersion(missing)));
    }

    #[test]
    fn of_a_frozen_package_some_versions_are_all_there_is() {
        let packument = packument(&VERSIONS, &[("latest", "2.0.0"), ("old", "1.0.0")]);
        let among = |versions: &[&str]| Sight {
            among: BTreeMap::from([(
                "a".parse().unwrap(),
                versions.iter().map(|text| text.parse().unwrap()).collect(),
            )]),
            before: Some("2020-01-01".parse().unwrap()),
            ..Sight::default()
        };
        let expected = (strings(&["1.0.0", "1.0.1"]), strings(&["latest 1.0.1", "old 1.0.0"]));
        assert_eq!(shown(&among(&["1.0.0", "1.0.1", "9.9.9"]), &packument), Ok(expected));
        let missing = "9.9.9".parse().unwrap();
        assert_eq!(shown(&among(&["9.9.9"]), &packument), Err(Hidden::NoSuchVersion(missing)));
    }

    #[test]
    fn only_within_a_line_must_times_follow_versions() {
        let with = |second: &str| {
            packument(&[("2.0.0", "2026-01-02T00:00:00Z"), ("2.0.1", second)], &[]).unordered()
        };
        assert_eq!(with("2026-01-03T00:00:00Z"), None);
        let wrong = ("2.0.1".parse().unwrap(), "2.0.0".parse().unwrap());
        assert_eq!(with("2026-01-01T00:00:00Z"), Some(wrong));
        let lines = [("2.0.0", "2026-01-02T00:00:00Z"), ("2.1.0", "2026-01-01T00:00:00Z")];
        assert_eq!(packument(&lines, &[]).unordered(), None);
    }
}
