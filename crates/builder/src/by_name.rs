//! Providers that are asked for by name: by the id that OpenCode's own catalogue gives them. Owns which SDKs that
//! makes; the catalogue is the one inside the release binary.

use std::collections::{BTreeMap, BTreeSet};

use lock::{Lock, Spec, Version};

use crate::config::asked::{self, Sdk};
use crate::release::Release;

/// Which SDKs the catalogue gives a provider; none where it does not know the name.
pub type Sdks = BTreeMap<String, BTreeSet<String>>;

/// The providers that are asked for by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByName {
    /// By configurations. One that the catalogue does not know may come from a plugin.
    pub ids: BTreeSet<String>,
    /// By the manifest, where a name that the catalogue does not know is a package's.
    pub ids_or_packages: BTreeMap<String, Spec>,
    /// On the command line, where it must be known.
    pub known: BTreeSet<String>,
    /// Those that configurations define themselves.
    pub defined: BTreeSet<String>,
    /// SDKs that are no packages: the binary must have them.
    pub built_in: BTreeSet<String>,
}

/// Why a provider cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The catalogue does not know it.
    #[error("find the provider {id:?}: the catalogue of OpenCode {opencode} does not know it")]
    Unknown {
        /// The name.
        id: String,
        /// OpenCode's version.
        opencode: Version,
        /// A name that is nearly that.
        nearest: Option<String>,
    },
    /// The binary does not have it, and no registry can.
    #[error(
        "find the provider SDK {sdk:?}: it is not built into OpenCode {opencode}, and no package is called so"
    )]
    NotBuiltIn {
        /// The SDK.
        sdk: String,
        /// OpenCode's version.
        opencode: Version,
    },
    /// The binary says nothing.
    #[error("look up {what}: OpenCode {opencode} does not say what its catalogue holds")]
    Silent {
        /// What was to be looked up.
        what: String,
        /// OpenCode's version.
        opencode: Version,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "provider-unknown",
            Self::NotBuiltIn { .. } => "provider-sdk-not-built-in",
            Self::Silent { .. } => "catalogue-silent",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let package = "an SDK is named as a package, `@scope/name` or NAME@VERSION";
        Some(match self {
            Self::Unknown { nearest: Some(nearest), .. } => format!("is {nearest:?} meant? {package}"),
            Self::Unknown { nearest: None, .. } => package.to_owned(),
            Self::NotBuiltIn { .. } => {
                "name the package alone, or a version of OpenCode that has it".to_owned()
            }
            Self::Silent { .. } => format!("name the provider's SDK instead: {package}"),
        })
    }
}

impl ByName {
    /// Every name to look up.
    pub fn names(&self) -> BTreeSet<&str> {
        let packages = self.ids_or_packages.keys();
        self.ids.iter().chain(packages).chain(&self.known).map(String::as_str).collect()
    }

    /// Of what is known those names that are asked for; `None` where one is lacking.
    pub fn known_from(&self, known: &Sdks) -> Option<Sdks> {
        self.names().into_iter().map(|name| Some((name.to_owned(), known.get(name)?.clone()))).collect()
    }

    /// Looks all of them up in the binary's catalogue; and what a person has to be told.
    pub fn look_up(&self, release: &Release, opencode: &Version) -> Result<(Sdks, Vec<String>), Error> {
        let silent = |what: &str| Error::Silent { what: what.to_owned(), opencode: opencode.clone() };
        if let Some(sdk) = self.built_in.iter().find(|sdk| !release.has(sdk)) {
            return Err(match release.built_in {
                Some(_) => Error::NotBuiltIn { sdk: sdk.clone(), opencode: opencode.clone() },
                None => silent(sdk),
            });
        }
        let (mut sdks, mut notes) = (Sdks::new(), Vec::new());
        for name in self.names() {
            if release.sdks.is_empty() {
                return Err(silent(name));
            }
            let found = release.sdks_of(name);
            let all: Vec<&str> = release.sdks.keys().map(String::as_str).collect();
            let nearest = || lock::nearest(name, &all).map(str::to_owned);
            if found.is_none() && self.known.contains(name) {
                let (id, nearest) = (name.to_owned(), nearest());
                return Err(Error::Unknown { id, opencode: opencode.clone(), nearest });
            }
            if found.is_none() && self.ids.contains(name) && !self.defined.contains(name) {
                let meant = nearest().map(|nearest| format!("; is {nearest:?} meant?")).unwrap_or_default();
                notes.push(format!(
                    "the catalogue of OpenCode {opencode} does not know the provider {name:?}, which a configuration names{meant}"
                ));
            }
            sdks.insert(name.to_owned(), found.unwrap_or_default());
        }
        Ok((sdks, notes))
    }

    /// The packages that all of them need.
    pub fn packages(&self, sdks: &Sdks) -> BTreeSet<Spec> {
        let mut specs = BTreeSet::new();
        for name in self.names() {
            match (sdks.get(name), self.ids_or_packages.get(name)) {
                (Some(sdks), _) if !sdks.is_empty() => {
                    specs.extend(sdks.iter().filter_map(|sdk| package(sdk)))
                }
                (_, Some(spec)) => _ = specs.insert(spec.clone()),
                _ => {}
            }
        }
        specs
    }

    /// Which names a lock lacks.
    pub fn lacking_from(&self, lock: &Lock) -> Vec<String> {
        let lacking = self.names().into_iter().filter(|name| !lock.providers.contains_key(*name));
        lacking.map(|name| format!("provider {name} is wanted, the lock does not have it")).collect()
    }

    /// Which names it has too much.
    pub fn surplus_of(&self, lock: &Lock) -> Vec<String> {
        let names = self.names();
        let surplus = lock.providers.keys().filter(|name| !names.contains(name.as_str()));
        surplus.map(|name| format!("provider {name} is in the lock, and is not wanted any more")).collect()
    }
}

/// The package of an SDK, where it is one.
pub(crate) fn package(sdk: &str) -> Option<Spec> {
    match asked::sdk(sdk) {
        Sdk::Package(spec) => Some(spec),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release() -> Release {
        let sdks =
            [("groq", "@ai-sdk/groq"), ("hub", "hub-sdk"), ("vertex", "@ai-sdk/google-vertex/anthropic")];
        Release {
            built_in: Some(["@ai-sdk/groq", "@ai-sdk/google-vertex/anthropic"].map(str::to_owned).into()),
            sdks: sdks.map(|(id, sdk)| (id.to_owned(), sdk.to_owned())).into(),
            model_sdks: [("hub".to_owned(), ["@ai-sdk/groq".to_owned()].into())].into(),
            ..Release::default()
        }
    }

    fn version() -> Version {
        "1.18.33".parse().unwrap()
    }

    fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
        names.map(str::to_owned).into()
    }

    #[test]
    fn a_name_is_what_the_catalogue_says() {
        let package = |name: &str| (name.to_owned(), name.parse().unwrap());
        let by_name = ByName {
            ids: set(["hub", "vertex", "grok", "own"]),
            ids_or_packages: [package("groq"), package("some-sdk")].into(),
            defined: set(["own"]),
            ..ByName::default()
        };
        let (sdks, notes) = by_name.look_up(&release(), &version()).unwrap();
        assert_eq!(sdks["hub"], set(["@ai-sdk/groq", "hub-sdk"]));
        assert!(sdks["own"].is_empty() && sdks["some-sdk"].is_empty());
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("\"grok\"") && notes[0].ends_with("is \"groq\" meant?"), "{notes:?}");
        let packages: Vec<_> = by_name.packages(&sdks).iter().map(ToString::to_string).collect();
        assert_eq!(packages, ["@ai-sdk/groq", "hub-sdk", "some-sdk"]);
        assert_eq!(by_name.known_from(&sdks), Some(sdks));
    }

    #[test]
    fn what_must_be_known_and_is_not_is_told_with_what_is_near() {
        let refused = |by_name: ByName| by_name.look_up(&release(), &version()).unwrap_err();
        let error = refused(ByName { known: set(["Groqq"]), ..ByName::default() });
        assert_eq!(error.code(), "provider-unknown");
        assert!(error.hint().unwrap().starts_with("is \"groq\" meant?"), "{error:?}");
        let error = refused(ByName { built_in: set(["@ai-sdk/xai/more"]), ..ByName::default() });
        assert_eq!(error.code(), "provider-sdk-not-built-in");
        let silent = ByName { ids: set(["a"]), ..ByName::default() }.look_up(&Release::default(), &version());
        assert_eq!(silent.unwrap_err().code(), "catalogue-silent");
    }
}
