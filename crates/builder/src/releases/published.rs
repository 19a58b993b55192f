//! The words of this module: what a version consists of, and what is known of one.

use std::collections::{BTreeMap, BTreeSet};

use lock::{Instant, System, Version};

use crate::opencode;

/// What has to be there of a version: the binary for each system, and of each variant for the systems that it is made for.
/// The config directory's package always belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// The systems.
    pub systems: BTreeSet<System>,
    /// The variants.
    pub variants: BTreeSet<String>,
}

/// A version that somebody published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The version.
    pub version: Version,
    /// When the last of its parts was published, where that is told and was asked.
    pub at: Option<Instant>,
    /// Which parts are not there: names of packages or of a release's assets.
    pub missing: Vec<String>,
}

/// What came of looking for a version that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usable {
    /// The newest version that has all parts.
    pub newest: Option<Published>,
    /// Newer ones that lack some, newest first.
    pub passed: Vec<Published>,
}

/// Systems by variant.
pub(super) type Builds<'a> = BTreeMap<&'a str, Vec<System>>;

impl Parts {
    /// Systems and variants; the release's own build is the variant of no name.
    pub(super) fn builds(&self) -> Builds<'_> {
        let variants = self.variants.iter().map(String::as_str);
        let builds = std::iter::once("").chain(variants).map(|variant| {
            let made =
                |system: &System| variant.is_empty() || opencode::variant_package(*system, variant).is_some();
            (variant, self.systems.iter().copied().filter(made).collect())
        });
        builds.collect()
    }
}
