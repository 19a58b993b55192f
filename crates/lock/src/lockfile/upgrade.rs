//! Bringing a lock of an older version up to date, one version at a time, on raw JSON. Owns the steps; each knows two
//! neighbouring versions and nothing of today's types, so that it never has to change again.

use crate::{
    json::Node,
    lockfile::{
        Problem, VERSION,
        record::{Outcome, fault, members, whole},
    },
};

/// From one version to the next. What a step adds stands at the offset of what it replaces.
type Step = fn(Node) -> Outcome<Node>;

/// The oldest version that ever was.
const OLDEST: u64 = 1;

/// The step at index `i` upgrades version `OLDEST + i`.
const STEPS: [Step; (VERSION - OLDEST) as usize] = [];

/// The root of a lock, as the newest version writes it.
pub(super) fn upgrade(root: Node) -> Outcome<Node> {
    through(root, OLDEST, &STEPS)
}

fn through(root: Node, oldest: u64, steps: &[Step]) -> Outcome<Node> {
    members(&root, "the lock")?;
    let Some(version) = root.member("version") else {
        return fault(root.at, Problem::MissingKey { key: "version", within: "the lock" });
    };
    let found: u64 = whole(version, "the lock's version")?;
    let newest = oldest + steps.len() as u64;
    if found > newest {
        return fault(version.at, Problem::NewerVersion { found, newest });
    }
    let Some(first) = found.checked_sub(oldest) else {
        return fault(version.at, Problem::NoSuchVersion { found });
    };
    steps.iter().skip(usize::try_from(first).unwrap_or(usize::MAX)).try_fold(root, |root, step| step(root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        json::{Json, Key, parse},
        lockfile::record::Fault,
    };

    fn add(mut root: Node, name: &str) -> Outcome<Node> {
        let at = root.at;
        if let Json::Object(members) = &mut root.value {
            members.push((Key { at, text: name.to_owned() }, Node { at, value: Json::Null }));
        }
        Ok(root)
    }

    /// Three versions: 1 → 2 adds `second`, 2 → 3 adds `third`.
    const THREE: [Step; 2] = [|root| add(root, "second"), |root| add(root, "third")];

    fn upgraded(text: &str) -> Result<Vec<String>, Problem> {
        let root = through(parse(text).unwrap(), 1, &THREE).map_err(|Fault { problem, .. }| problem)?;
        Ok(members(&root, "x").unwrap().iter().map(|(key, _)| key.text.clone()).collect())
    }

    #[test]
    fn takes_every_step_from_the_lock_s_version_on() {
        assert_eq!(upgraded(r#"{"version": 1}"#).unwrap(), ["version", "second", "third"]);
        assert_eq!(upgraded(r#"{"version": 2}"#).unwrap(), ["version", "third"]);
        assert_eq!(upgraded(r#"{"version": 3}"#).unwrap(), ["version"]);
    }

    #[test]
    fn refuses_versions_that_are_newer_or_never_were() {
        assert_eq!(upgraded(r#"{"version": 4}"#), Err(Problem::NewerVersion { found: 4, newest: 3 }));
        assert_eq!(upgraded(r#"{"version": 0}"#), Err(Problem::NoSuchVersion { found: 0 }));
        assert!(matches!(upgraded(r#"{"version": "1"}"#), Err(Problem::WrongForm { .. })));
        assert!(matches!(upgraded("{}"), Err(Problem::MissingKey { .. })));
        assert!(matches!(upgraded("[]"), Err(Problem::WrongForm { .. })));
    }
}
