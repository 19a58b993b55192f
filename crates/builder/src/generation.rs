//! Generations of the AI SDK: which versions of a provider SDK fit an OpenCode. Owns that choice; asks and runs nothing.
//!
//! OpenCode hands an SDK's models on as they are, so that both must speak the same generation of `@ai-sdk/provider`. Era C holds
//! generation 3 (1.14.34 to 1.18.33). An SDK of generation 2 never comes to an end there (150 to 229 requests in 20 s); one of
//! generation 4 answers, because what is read of its answers has the form of 3, but is asked in the words of 3.

use std::collections::BTreeSet;
use std::fmt;

use lock::Version;
use replay::registry::{Packument, Release};
use serde_json::Value;

/// The most versions of one SDK that are tried: each takes an installation.
pub const MOST: usize = 4;

/// The major version of `@ai-sdk/provider`, which is that of its models' `specificationVersion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a package's major version says of the generation: it is that much higher.
const TELLING: [(&str, u64); 3] = [
    ("@ai-sdk/provider", 0),
    // 2.x came with provider 1.x, … 5.x with 4.x.
    ("@ai-sdk/provider-utils", 1),
    // 4.x came with provider 1.x, … 7.x with 4.x.
    ("ai", 3),
];

/// The generations that a version of an SDK says it is made for; none where it does not say.
pub fn of(release: &Release) -> BTreeSet<Generation> {
    let wanted = |name: &str| {
        ["dependencies", "peerDependencies"]
            .iter()
            .find_map(|kind| release.manifest.get(kind)?.get(name).and_then(Value::as_str))
    };
    for (name, higher) in TELLING {
        let majors = wanted(name).into_iter().flat_map(|range| range.split("||")).filter_map(major);
        let generations: BTreeSet<_> =
            majors.filter_map(|major| major.checked_sub(higher)).map(Generation).collect();
        if !generations.is_empty() {
            return generations;
        }
    }
    BTreeSet::new()
}

/// The first number of a range.
fn major(range: &str) -> Option<u64> {
    let range = range.trim_start_matches(|c: char| !c.is_ascii_digit());
    range.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The versions to try, the likeliest first: what `tag` names and the newest of the right generation, else the newest that do not
/// say, else the newest of the next generation, which has a chance; of older ones the newest, so that there is something to say.
///
/// Where the generation is not known everything has the same chance.
pub fn candidates(packument: &Packument, tag: &str, generation: Option<Generation>) -> Vec<Version> {
    let tagged = packument.tags.get(tag);
    let all_prereleases = packument.versions.keys().all(Version::is_prerelease);
    let usable = |version: &Version, release: &Release| {
        Some(version) == tagged
            || (release.manifest.get("deprecated").is_none() && (all_prereleases || !version.is_prerelease()))
    };
    let mut ranked: [Vec<&Version>; 4] = Default::default();
    for (version, release) in
        packument.versions.iter().rev().filter(|(version, release)| usable(version, release))
    {
        ranked[chance(&of(release), generation)].push(version);
    }
    // What the tag names is what its author means people to have.
    for rank in &mut ranked {
        rank.sort_by_key(|version| Some(*version) != tagged);
    }
    // A tag of the user's own words comes first whatever it is; `latest` only says that nothing was asked for.
    let said = tagged.filter(|_| tag != "latest");
    let [right, unsaid, next, older] = &ranked;
    let first = [right.iter().take(2), unsaid.iter().take(1), next.iter().take(1)];
    let then =
        [right.iter().take(MOST), unsaid.iter().take(MOST), next.iter().take(MOST), older.iter().take(1)];
    let order = first.into_iter().chain(then).flatten().copied();
    let mut candidates: Vec<Version> = Vec::new();
    for version in said.into_iter().chain(order) {
        if candidates.len() < MOST && !candidates.contains(version) {
            candidates.push(version.clone());
        }
    }
    candidates
}

/// How likely it works: 0 is best.
fn chance(wanted: &BTreeSet<Generation>, generation: Option<Generation>) -> usize {
    match generation {
        None => 0,
        Some(generation) if wanted.contains(&generation) => 0,
        _ if wanted.is_empty() => 1,
        Some(Generation(number)) if wanted.contains(&Generation(number + 1)) => 2,
        Some(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn packument(versions: &[(&str, Value)], latest: &str) -> Packument {
        let mut document = json!({"name": "sdk", "dist-tags": {"latest": latest}, "versions": {}});
        for (version, manifest) in versions {
            let mut manifest = manifest.clone();
            manifest["version"] = json!(version);
            document["versions"][version] = manifest;
        }
        Packument::parse(&"sdk".parse().unwrap(), document.to_string().as_bytes()).unwrap()
    }

    fn needs(name: &str, range: &str) -> Value {
        json!({ "dependencies": { name: range } })
    }

    fn chosen(packument: &Packument, tag: &str) -> Vec<String> {
        candidates(packument, tag, Some(Generation(3))).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_version_says_its_generation_in_several_ways() {
        let of = |manifest: Value| {
            let packument = packument(&[("1.0.0", manifest)], "1.0.0");
            of(packument.versions.values().next().unwrap()).into_iter().map(|it| it.0).collect::<Vec<_>>()
        };
        assert_eq!(of(needs("@ai-sdk/provider", "3.0.18")), [3]);
        assert_eq!(of(needs("@ai-sdk/provider-utils", "^4.0.0")), [3]);
        assert_eq!(of(json!({"peerDependencies": {"ai": "^5.0.0 || ^6.0.0"}})), [2, 3]);
        assert_eq!(
            of(json!({"peerDependencies": {"ai": ">=4"}, "dependencies": {"@ai-sdk/provider": "^2"}})),
            [2]
        );
        assert_eq!(of(json!({"dependencies": {"zod": "^3"}})), [0; 0]);
        assert_eq!(of(needs("ai", "*")), [0; 0]);
    }

    #[test]
    fn the_newest_of_the_right_generation_comes_first() {
        let provider = |range| needs("@ai-sdk/provider", range);
        let sdk = packument(
            &[
                ("1.0.61", provider("2.0.3")),
                ("2.0.88", provider("3.0.17")),
                ("2.0.90", provider("3.0.18")),
                ("2.1.0-beta.1", provider("3.0.18")),
                ("3.0.60", provider("4.0.18")),
                ("3.0.62", provider("4.0.19")),
            ],
            "3.0.62",
        );
        assert_eq!(chosen(&sdk, "latest"), ["2.0.90", "2.0.88", "3.0.62", "3.0.60"]);
        let unknown = candidates(&sdk, "latest", None);
        assert_eq!(unknown[0].to_string(), "3.0.62");
    }

    #[test]
    fn what_does_not_say_is_tried_before_another_generation() {
        let sdk = packument(
            &[
                ("0.1.0", needs("@ai-sdk/provider", "^2")),
                ("1.0.0", json!({})),
                ("2.0.0", needs("@ai-sdk/provider", "^4")),
            ],
            "2.0.0",
        );
        assert_eq!(chosen(&sdk, "latest"), ["1.0.0", "2.0.0", "0.1.0"]);
    }

    #[test]
    fn what_a_tag_names_comes_first_and_what_is_withdrawn_never() {
        let provider = needs("@ai-sdk/provider", "^3");
        let mut withdrawn = provider.clone();
        withdrawn["deprecated"] = json!("broken");
        let mut sdk = packument(
            &[
                ("1.0.0", provider.clone()),
                ("1.1.0", provider.clone()),
                ("1.2.0-rc.1", provider),
                ("1.3.0", withdrawn),
            ],
            "1.0.0",
        );
        assert_eq!(chosen(&sdk, "latest"), ["1.0.0", "1.1.0"]);
        sdk.tags.insert("next".to_owned(), "1.2.0-rc.1".parse().unwrap());
        assert_eq!(chosen(&sdk, "next"), ["1.2.0-rc.1", "1.1.0", "1.0.0"]);
        let only = packument(&[("0.0.1-a", json!({}))], "0.0.1-a");
        assert_eq!(chosen(&only, "latest"), ["0.0.1-a"]);
    }
}
