//! Other builds of the release, for processors without AVX2 and for systems without glibc: pinned beside it where the manifest
//! asks for them. What they install is the same; nix/lib chooses among them (`variant`).

use lock::{Lock, Manifest, System};

use crate::opencode;

/// What is wrong with a lock's variants, as the manifest wants them; `None` where they fit.
pub fn missing_from(manifest: &Manifest, lock: &Lock) -> Option<String> {
    let systems = |variant: &str| -> Vec<System> {
        let all = lock.systems.keys().copied();
        all.filter(|system| opencode::variant_package(*system, variant).is_some()).collect()
    };
    for variant in &manifest.variants {
        let found = lock.variants.get(variant);
        if !systems(variant).iter().all(|system| found.is_some_and(|found| found.contains_key(system))) {
            return Some(format!(
                "the variant {variant} is wanted, the lock does not have it for every system"
            ));
        }
    }
    let more = lock.variants.keys().find(|variant| !manifest.variants.contains(*variant))?;
    Some(format!("the variant {more} is in the lock, and is not wanted any more"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_variant_is_wanted_where_it_is_published() {
        let lock = Lock::parse(include_str!("../../../opencode.lock.json")).unwrap();
        let wanting = |text: &str| Manifest::parse(text).unwrap();
        assert_eq!(missing_from(&wanting(""), &lock), None);
        let baseline = wanting("variants = [\"baseline\"]");
        assert!(missing_from(&baseline, &lock).unwrap().contains("baseline"));
        let mut more = lock.clone();
        let system = System::X86_64Linux;
        let artifact = more.systems[&system].clone();
        more.variants = BTreeMap::from([("baseline".into(), BTreeMap::from([(system, artifact)]))]);
        // Of aarch64 there is none.
        assert_eq!(missing_from(&baseline, &more), None);
        assert!(missing_from(&wanting(""), &more).unwrap().contains("not wanted"));
        assert_eq!(Lock::parse(&more.render()).unwrap(), more);
    }
}
