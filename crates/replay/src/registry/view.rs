//! What an exercise may see of the npm world, as plain values. Owns no bytes and serves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use lock::{PackageName, Sri, Version};

/// Everything that one exercise's registry answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegistryView {
    /// The packages that are there.
    pub packages: BTreeMap<PackageName, PackumentView>,
    /// The packages that were asked for and not found when it was recorded: their 404 is part of the truth.
    pub absent: BTreeSet<PackageName>,
}

/// What a registry says about one package.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PackumentView {
    /// The dist-tags, such as `latest`.
    pub tags: BTreeMap<String, Version>,
    /// The versions. A version that the recording never resolved is not among them.
    pub versions: BTreeMap<Version, VersionView>,
}

/// What a registry says about one version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VersionView {
    /// The fields that a resolver needs (`dependencies`, `bin`, `os`, …): a JSON object without name, version and dist.
    pub manifest: Value,
    /// The hash of the tarball, where known.
    pub integrity: Option<Sri>,
    /// The tarball, where it is pinned; without one a download is a question that was never recorded.
    pub tarball: Option<TarballFile>,
}

/// A pinned tarball on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarballFile {
    /// The file.
    pub path: PathBuf,
    /// Its pinned size in bytes; a file of another size is not served.
    pub size: u64,
}
