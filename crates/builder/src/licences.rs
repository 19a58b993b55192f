//! Whether a manifest wants what a lock brings along, by the terms that registries state for it. What the packages' own bytes declare is
//! told by reports; npm's registry takes its statement from there.

use lock::{Field, Licence, LicencePolicy, Lock, PackageName};

use crate::signatures;

/// Packages under terms that the manifest refuses, at least one.
#[derive(Debug, thiserror::Error)]
#[error("bring along {}: [licences] of the manifest refuses {}", count(.refused.len()), signatures::some(.refused))]
pub struct Error {
    /// Each with what it declares: `name@version (licence)`.
    pub refused: Vec<String>,
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        "licence-denied"
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(
            "leave out what asks for it (`inspect --plan` says what each part of a configuration brings), name another version in \
             [packages], or name the package in [licences] `except`"
                .into(),
        )
    }
}

/// What npm's `opencode-ai` declares, the package whose binaries OpenCode's releases are (1.14.34 to 1.18.33); theirs declare nothing.
pub const OPENCODE: &str = "MIT";

/// What ripgrep's own manifest declares (14.1.1 and 15.1.0).
pub const RIPGREP: &str = "Unlicense OR MIT";

/// The name of a lock's program whose terms are known.
pub const RIPGREP_NAME: &str = "ripgrep";

/// Looks at every package whose bytes are pinned, at OpenCode itself and at ripgrep, which can be named in `except` by these names.
/// Debian's libraries are not asked: whoever wants them says so.
///
/// # Errors
/// Those that are refused.
pub fn check(policy: &LicencePolicy, lock: &Lock) -> Result<(), Error> {
    if policy.is_empty() {
        return Ok(());
    }
    let refused = lock.packages.iter().filter_map(|(id, package)| {
        let licence = package.manifest.get(Field::License).map_or(Licence::Missing, Licence::of_value);
        policy.refuses(Some(&id.name), &licence).then(|| format!("{id} ({licence})"))
    });
    let ripgrep = lock.programs.keys().filter(|name| name.as_str() == RIPGREP_NAME);
    let ripgrep = ripgrep.map(|name| (name.as_str(), name.to_string(), RIPGREP));
    let others = [("opencode", format!("opencode@{}", lock.opencode), OPENCODE)].into_iter().chain(ripgrep);
    let others = others.filter_map(|(name, label, licence)| {
        let name: Option<PackageName> = name.parse().ok();
        let licence = Licence::of_text(licence);
        policy.refuses(name.as_ref(), &licence).then(|| format!("{label} ({licence})"))
    });
    let refused: Vec<String> = others.chain(refused).collect();
    if refused.is_empty() { Ok(()) } else { Err(Error { refused }) }
}

fn count(number: usize) -> String {
    format!("{number} {}", if number == 1 { "package" } else { "packages" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_named_with_its_terms() {
        let lock = Lock::parse(include_str!("../../../opencode.lock.json")).unwrap();
        let manifest = |text: &str| lock::Manifest::parse(text).unwrap().licences;
        assert!(check(&manifest(""), &lock).is_ok());
        assert!(check(&manifest("[licences]\ndeny = [\"GPL-*\", \"missing\", \"unknown\"]"), &lock).is_ok());
        let error = check(&manifest("[licences]\ndeny = [\"ISC\"]"), &lock).unwrap_err();
        assert!(error.refused.contains(&"isexe@2.0.0 (ISC)".to_owned()), "{error}");
        assert_eq!(error.code(), "licence-denied");
        let mut names: Vec<&str> = error.refused.iter().filter_map(|one| one.split('@').next()).collect();
        names.dedup();
        assert!(
            check(&manifest(&format!("[licences]\ndeny = [\"ISC\"]\nexcept = {names:?}")), &lock).is_ok()
        );
        // OpenCode's own terms count, and ripgrep's, of which there is a choice.
        let error = check(&manifest("[licences]\ndeny = [\"MIT\", \"Unlicense\"]"), &lock).unwrap_err();
        assert_eq!(error.refused[..2], ["opencode@1.18.18 (MIT)", "ripgrep (Unlicense OR MIT)"]);
        let error =
            check(&manifest("[licences]\ndeny = [\"MIT\"]\nexcept = [\"opencode\"]"), &lock).unwrap_err();
        assert!(!error.refused.iter().any(|one| one.starts_with("opencode@") || one.starts_with("ripgrep")));
    }
}
